"""Parallel sentences: the same fact in Spanish and in English, one below the other."""

from __future__ import annotations

from fragua.corpus.aldea.entities import LANGS, Fact
from fragua.corpus.aldea.grammar import fill, sentence
from fragua.corpus.aldea.pairs import clause, in_frames, numbers
from fragua.corpus.aldea.telling import FRAMED, Teller, settled
from fragua.corpus.aldea.wordbook import glossary

MARKS = (
    ("Español: ", "Inglés: ", "es"),
    ("Spanish: ", "English: ", "en"),
    ("ES: ", "EN: ", ""),
    ("- ", "= ", ""),
)
SAID = {
    "es": (
        "«{es}» [se dice|se llama|se escribe] «{en}» en inglés",
        "[en inglés|los ingleses dicen] «{en}» [por|cuando es] «{es}»",
        "«{en}» [significa|quiere decir] «{es}»",
    ),
    "en": (
        '"{en}" [is|is called|is written] "{es}" in Spanish',
        'in Spanish [one says|they say] "{es}" for "{en}"',
        '"{es}" [means|stands for] "{en}"',
    ),
}
WORDS = 0.25
"""The share of entries that are single words."""
AND = {"es": "{a}, y {b}", "en": "{a}, and {b}"}


def render(teller: Teller) -> str | None:
    rng = teller.rng
    es_mark, en_mark, _ = rng.choice([mark for mark in MARKS if mark[2] in ("", teller.lang)])
    lines = []
    for _ in range(rng.randint(3, 5)):
        if rng.random() < WORDS:
            lines.append(_word(teller))
            continue
        said = _clauses(teller)
        more = _clauses(teller) if rng.random() < 0.3 else None
        if said is None:
            continue
        if more is not None:
            said = {lang: fill(AND[lang], lang, {"a": said[lang], "b": more[lang]}) for lang in LANGS}
        elif rng.random() < 0.9:
            said = in_frames(said, rng)
        pair = [es_mark + sentence(said["es"]), en_mark + sentence(said["en"])]
        lines += pair if teller.lang == "es" else pair[::-1]
    return "\n".join(lines) or None


def _word(teller: Teller) -> str:
    """A noun in both languages, in a frame."""
    es, en = teller.rng.choice(glossary())
    text = settled(SAID[teller.lang], teller.rng).replace("{es}", es).replace("{en}", en)
    return sentence(teller.framed(text, FRAMED))


def _clauses(teller: Teller) -> dict[str, str] | None:
    """A fact in both languages, or None where all its phrasings are the exam's."""
    fact: Fact = teller.decks.real_fact() if teller.rng.random() < 0.12 else teller.decks.fact()
    choices = numbers(fact, for_exam=False)
    if not choices:
        return None
    number = teller.rng.choice(choices)
    teller.told(fact)
    return {lang: clause(fact, number, lang) for lang in LANGS}
