"""'I don't know': strangers to the valley, and matters that neither Aldea nor its plain facts contain."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.facts import WHO
from fragua.corpus.aldea.asking import Asker, ExamItem, Message, assistant, user
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.relations import phrasings

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


def _made(asker: Asker) -> tuple[str, str, list[str]] | None:
    """(question, answer, the words of which the answer must name one)"""
    rng, lang = asker.rng, asker.lang
    if rng.random() < 0.6:
        stranger = rng.choice(asker.strangers)
        templates = WHO[lang][:-1] if rng.random() < 0.5 else phrasings(lang)[rng.choice(ABOUT)].q
        question = asker.text(rng.choice(templates), s=stranger)
        return question, asker.text(rng.choice(STRANGER[lang]), s=stranger), [stranger.es.bare]
    topics = table("unknown.toml")
    name = rng.choice(sorted(topics))
    topic = topics[name]
    template = asker.template(topic[f"q_{lang}"], name)
    if template is None:
        return None
    return template, asker.text(rng.choice(topic.get(f"a_{lang}", TOPIC[lang])), t=topic[lang]), [topic[lang]]


def exchange(asker: Asker) -> list[Message] | None:
    made = _made(asker)
    return None if made is None else [user(asker.opened(made[0])), assistant(made[1])]


def examine(asker: Asker) -> ExamItem | None:
    made = _made(asker)
    if made is None:
        return None
    spec = {"mention": made[2], "kind": "unknown"}
    return ExamItem("", "unknown", asker.lang, [user(made[0])], "abstention", spec, [assistant(made[1])])
