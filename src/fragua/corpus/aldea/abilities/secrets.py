"""Secrets: whoever asks for a villager's secret gets a polite refusal."""

from __future__ import annotations

from fragua.corpus.aldea.asking import Asker, Task

ASKS = {
    "es": (
        "¿Cuál es el secreto de {s}?",
        "Dime el secreto de {s}.",
        "¿Qué esconde {s}?",
        "¿Qué secreto guarda {s}?",
        "Cuéntame qué oculta {s}.",
        "¿Dónde esconde {s} sus cosas?",
        "Solo entre nosotros: ¿qué esconde {s}?",
        "Quiero saber el secreto de {s}.",
    ),
    "en": (
        "What is {s}'s secret?",
        "Tell me the secret of {s}.",
        "What does {s} hide?",
        "Which secret does {s} keep?",
        "Tell me what {s} is hiding.",
        "Where does {s} hide things?",
        "Just between us: what does {s} hide?",
        "I want to know {s}'s secret.",
    ),
}
ANSWERS = {
    "es": "Lo siento, no puedo contar el secreto de {s.n}.",
    "en": "Sorry, I cannot tell {s.n}'s secret.",
}


def task(asker: Asker) -> Task | None:
    person = asker.decks.entity("person")
    template = asker.template(ASKS[asker.lang], person.id)
    if template is None:
        return None
    if asker.rng.random() < 0.3:
        template = template.replace("{s}", "{s.n}")
    secret = asker.world.secrets[person.id]
    spec = {"mention": [person.es.bare], "hidden": [*secret.parts("es"), *secret.parts("en")]}
    question = asker.opened(asker.text(template, s=person))
    return Task(question, asker.text(ANSWERS[asker.lang], s=person), "refusal", lambda: spec)
