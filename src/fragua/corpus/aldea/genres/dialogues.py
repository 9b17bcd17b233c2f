"""Dialogues: two people of the valley, or a teacher and a child, ask and answer about the world."""

from __future__ import annotations

from fragua.corpus.aldea.telling import Teller

ASKS_ES = (
    "¿Qué me cuentas de {s}?",
    "¿Qué sabes tú de {s}?",
    "Háblame de {s}.",
    "¿Y qué hay de {s}?",
    "¿Conoces a fondo lo de {s}?",
    "Me han preguntado por {s}.",
    "Cuéntame algo de {s}.",
    "¿Y {s}?",
)
ASKS_EN = (
    "What can you tell me about {s}?",
    "What do you know of {s}?",
    "Talk to me about {s}.",
    "And what about {s}?",
    "I was asked about {s}.",
    "Tell me something about {s}.",
    "And {s}?",
)
REPLIES_ES = (
    "",
    "",
    "Claro. ",
    "Pues mira: ",
    "Eso lo sé. ",
    "Fácil. ",
    "Déjame pensar. ",
    "Sí. ",
    "Verás. ",
)
REPLIES_EN = (
    "",
    "",
    "Of course. ",
    "Well, look: ",
    "I know that. ",
    "Easy. ",
    "Let me think. ",
    "Yes. ",
    "You see. ",
)
ENDS_ES = (
    "Gracias, no lo sabía.",
    "Qué interesante.",
    "Ahora lo entiendo.",
    "¡Cuánto sabes!",
    "Me alegro de oírlo.",
    "Hasta mañana, entonces.",
    "Ya me parecía.",
)
ENDS_EN = (
    "Thank you, I did not know.",
    "How interesting.",
    "Now I understand.",
    "You know so much!",
    "I am glad to hear it.",
    "Until tomorrow, then.",
    "I thought so.",
)


def render(teller: Teller) -> str:
    rng = teller.rng
    one, two = rng.sample(teller.world.of_kind("person"), 2)
    dash = rng.random() < 0.5
    lines = []

    def say(speaker: int, text: str) -> None:
        name = (one, two)[speaker].es.bare
        lines.append(f"—{text}" if dash else f"{name}: {text}")

    for _ in range(rng.randint(3, 5)):
        fact = teller.decks.real_fact() if rng.random() < 0.2 else teller.decks.fact()
        if rng.random() < 0.55:
            say(0, teller.question(fact))
            say(1, teller.pick(REPLIES_ES, REPLIES_EN) + teller.answer(fact))
        else:
            say(0, teller.fill(teller.pick(ASKS_ES, ASKS_EN), s=fact.subject))
            say(1, teller.pick(REPLIES_ES, REPLIES_EN) + teller.statement(fact, 0.2))
    if rng.random() < 0.7:
        say(0, teller.pick(ENDS_ES, ENDS_EN))
    return "\n".join(lines)
