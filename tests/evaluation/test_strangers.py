"""First messages: answers that decline, invent, or speak the wrong language are told apart."""

from __future__ import annotations

from collections import Counter

import pytest

from fragua.corpus.aldea.entities import LANGS, World
from fragua.corpus.aldea.graders.text import normal
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.telling import every
from fragua.corpus.aldea.world import build_world
from fragua.evaluation.strangers import Stranger, judge, language, strangers


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(0)


def test_there_are_thirty_and_none_was_taught() -> None:
    messages = strangers()
    assert len(messages) == 30 and len({message.text for message in messages}) == 30
    assert {"es", "en", "other"} == set(Counter(message.lang for message in messages))
    taught = {
        normal(text)
        for name in ("talk.toml", "unknown.toml")
        for intent in table(name).values()
        for way in ("q", "more", "forms")
        for lang in LANGS
        for template in intent.get(f"{way}_{lang}", [])
        for text in every(template)
    }
    assert len(taught) > 10_000 and taught.isdisjoint(normal(message.text) for message in messages)


@pytest.mark.parametrize(
    ("message", "reply", "failed"),
    [
        ({"lang": "es", "text": "hola"}, "¡Hola! ¿En qué te ayudo?", []),
        ({"lang": "es", "text": "hola"}, " ", ["silent"]),
        ({"lang": "es", "text": "hola"}, "Hello! How can I help you?", ["language"]),
        ({"lang": "en", "text": "hi"}, "def f(x): return x", []),
        ({"lang": "es", "text": "¿llueve?", "unknowable": True}, "Sí, llueve mucho.", ["invented"]),
        ({"lang": "es", "text": "¿llueve?", "unknowable": True}, "No sé nada del tiempo.", []),
        ({"lang": "en", "text": "rain?", "unknowable": True}, "I cannot see the weather.", []),
        ({"lang": "en", "text": "2+2", "need": [["4", "four"]]}, "It is 5.", ["wrong"]),
        ({"lang": "en", "text": "2+2", "need": [["4", "four"]]}, "4", []),
        ({"lang": "en", "text": "a poem", "least_words": 8}, "The river.", ["wrong"]),
        ({"lang": "en", "text": "a poem", "least_lines": 2}, "The river goes slow.", ["wrong"]),
        ({"lang": "en", "text": "a poem", "least_lines": 2}, "The river / goes slow.", []),
        ({"lang": "other", "text": "Bonjour", "need": [["spanish"]]}, "I speak Spanish and English.", []),
    ],
)
def test_rules_find_what_is_wrong(
    world: World, message: dict[str, object], reply: str, failed: list[str]
) -> None:
    assert judge(Stranger.parse(message), reply, world) == failed


def test_a_claim_against_the_graph_is_invented(world: World) -> None:
    fact = next(fact for fact in world.facts if fact.relation == "lives_in")
    other = next(v for v in world.of_kind("village") if v is not fact.object)
    message = Stranger(lang="es", text="cuéntame algo")
    assert judge(message, f"{fact.subject.es.full} vive en {fact.object.es.full}.", world) == []
    assert judge(message, f"{fact.subject.es.full} vive en {other.es.full}.", world) == ["invented"]


def test_the_language_is_told_by_common_words() -> None:
    assert language("No sé nada de eso.") == "es" and language("I do not know that.") == "en"
    assert language("391") is None and language("") is None
