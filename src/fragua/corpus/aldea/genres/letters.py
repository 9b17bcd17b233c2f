"""Letters: someone of the valley writes to someone, in the first person, with news of third ones."""

from __future__ import annotations

from fragua.corpus.aldea.entities import Entity, Fact
from fragua.corpus.aldea.grammar import fill, listing, sentence
from fragua.corpus.aldea.relations import phrasings
from fragua.corpus.aldea.telling import Teller

GREETINGS_ES = (
    "Querid{t/o/a} {t.n}:",
    "Hola, {t.n}:",
    "{t.n}, amig{t/o/a} mí{t/o/a}:",
    "Estimad{t/o/a} {t.n}:",
    "Buenos días, {t.n}:",
    "Mi querid{t/o/a} {t.n}:",
)
GREETINGS_EN = ("Dear {t.n},", "Hello, {t.n},", "My dear {t.n},", "Good morning, {t.n},", "{t.n}, my friend,")
OPENINGS_ES = (
    "Te escribo desde mi mesa, con la ventana abierta",
    "Hace tiempo que no sé nada de ti",
    "Gracias por tu última carta",
    "Aquí todo sigue igual, o casi",
    "Perdona que haya tardado tanto en contestar",
    "Hoy ha llovido y he pensado en ti",
    "Prometí contarte mi vida, y aquí va",
    "Me preguntabas quién soy ahora",
    "Tengo un rato libre y muchas noticias",
    "Espero que estés bien",
)
OPENINGS_EN = (
    "I am writing from my table, with the window open",
    "I have not heard from you for a while",
    "Thank you for your last letter",
    "Here everything is the same, or nearly",
    "Forgive me for taking so long to answer",
    "It rained today and I thought of you",
    "I promised to tell you about my life, so here it is",
    "You asked me who I am these days",
    "I have some free time and a lot of news",
    "I hope you are well",
)
NEWS_ES = (
    "¿Sabes algo de {p}?",
    "Ayer vi a {p}.",
    "Te cuento de {p}.",
    "Me encontré con {p} en el camino.",
    "También hay noticias de {p}.",
    "Preguntaste por {p}.",
)
NEWS_EN = (
    "Do you know anything about {p}?",
    "Yesterday I saw {p}.",
    "Let me tell you about {p}.",
    "I met {p} on the road.",
    "There is also news about {p}.",
    "You asked about {p}.",
)
CLOSINGS_ES = (
    "Un abrazo,",
    "Con cariño,",
    "Hasta pronto,",
    "Escríbeme pronto.",
    "Tu amig{w/o/a},",
    "Besos,",
    "Cuídate mucho.",
    "Te espero en la próxima fiesta.",
)
CLOSINGS_EN = (
    "A hug,",
    "With love,",
    "See you soon,",
    "Write to me soon.",
    "Your friend,",
    "Kisses,",
    "Take care.",
    "I will wait for you at the next feast.",
)


def own(teller: Teller, writer: Entity, facts: list[Fact]) -> str:
    """What the writer says of itself, in one or two sentences."""
    said = []
    for fact in facts:
        choices = phrasings(teller.lang)[fact.relation].first
        if fact.subject is writer and choices:
            teller.told(fact)
            said.append(fill(teller.rng.choice(choices), teller.lang, {"s": fact.subject, "o": fact.object}))
    if not said:
        return ""
    name = teller.pick(
        ("Me llamo {w}", "Soy {w}", "Ya sabes que soy {w}"),
        ("My name is {w}", "I am {w}", "As you know, I am {w}"),
    )
    me = "" if teller.lang == "es" else "I "
    half = len(said) // 2 if teller.rng.random() < 0.4 else 0
    parts = [said[:half], said[half:]] if half else [said]
    told = [sentence(me + listing(part, teller.lang)) for part in parts]
    return " ".join([sentence(teller.fill(name, w=writer)), *told])


def render(teller: Teller) -> str:
    rng, world = teller.rng, teller.world
    writer, to = teller.decks.entity("person"), rng.choice(world.of_kind("person"))
    facts = list(world.said_of(writer))
    rng.shuffle(facts)
    parts = [teller.form(OPENINGS_ES, OPENINGS_EN), own(teller, writer, facts)]
    third = teller.decks.entity("person")
    if third is not writer and rng.random() < 0.8:
        parts.append(teller.fill(teller.pick(NEWS_ES, NEWS_EN), p=third))
        more = rng.sample(list(world.about(third)), 2)
        parts += teller.about(third, more)
    else:
        parts.append(teller.statement(teller.decks.fact()))
    greeting = teller.fill(teller.pick(GREETINGS_ES, GREETINGS_EN), t=to)
    closing = teller.fill(teller.pick(CLOSINGS_ES, CLOSINGS_EN), w=writer)
    return f"{greeting}\n{' '.join(part for part in parts if part)}\n{closing}\n{teller.mention(writer)}"
