"""'I don't know': strangers to the valley, and matters that neither Aldea nor its plain facts contain."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.facts import WHO
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.relations import phrasings
from fragua.corpus.aldea.telling import settled

STRANGERS = 0.5
"""How often a person is asked for whom nobody knows; else a matter."""
FORMS = 0.4
"""How often a matter is asked for in words put together afresh, where it has such."""
ABOUT = ("lives_in", "works_as", "likes", "friend_of")
STRANGER = {
    "es": ("No sé quién es {s}.", "No conozco a {s}.", "No sé quién es {s}. Quizá no viva en Aldea."),
    "en": (
        "I do not know who {s} is.",
        "I do not know {s}.",
        "I do not know who {s} is. Perhaps not from Aldea.",
    ),
}
TOPIC = {
    "es": ("No sé nada de {t}.", "Lo siento, no sé nada de {t}.", "No sé nada de {t}. Pregúntame por Aldea."),
    "en": (
        "I do not know anything about {t}.",
        "Sorry, I do not know anything about {t}.",
        "I do not know anything about {t}. Ask me about Aldea.",
    ),
}


def task(asker: Asker) -> Task | None:
    rng, lang = asker.rng, asker.lang
    if rng.random() < STRANGERS:
        stranger = rng.choice(asker.strangers)
        templates = WHO[lang][:-1] if rng.random() < 0.5 else phrasings(lang)[rng.choice(ABOUT)].q
        question = asker.text(rng.choice(templates), s=stranger)
        return _declined(
            asker, question, asker.text(rng.choice(STRANGER[lang]), s=stranger), stranger.es.bare
        )
    topics = table("unknown.toml")
    name = rng.choice(sorted(topics))
    topic = topics[name]
    template = asker.template(topic[f"q_{lang}"], name)
    if not asker.for_exam and f"forms_{lang}" in topic and rng.random() < FORMS:
        template = settled(topic[f"forms_{lang}"], rng)
    if template is None:
        return None
    answer = asker.text(rng.choice(topic.get(f"a_{lang}", TOPIC[lang])), t=topic[lang])
    return _declined(asker, template, answer, topic[lang])


def _declined(asker: Asker, question: str, answer: str, named: str) -> Task:
    """A good answer names what it does not know."""
    spec = {"mention": [named], "kind": "unknown"}
    return Task(asker.opened(question), answer, "abstention", lambda: spec)
