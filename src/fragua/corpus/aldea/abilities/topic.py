"""Topic: what a short text is about, as one of the words or letters that the prompt offers, or who speaks of it."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.sentiment import chosen
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.topics import topics, two_said

LETTERS = ("ABCD", "FGHI", "PQRS", "WXYZ")


def _text(asker: Asker, topic: str) -> str:
    """Two sentences of the topic whose pair is on this side of the hold-out."""
    return two_said(topic, asker.column, asker.rng, asker.for_exam)


def _name(asker: Asker, topic: str) -> str:
    return str(topics()[topic]["name"][asker.column])


def _asked(asker: Asker, form: str, **holes: str) -> str:
    template = asker.rng.choice(table("topics.toml")["ask"][f"{form}_{asker.lang}"])
    return asker.text(template, **holes)


def _options(asker: Asker) -> list[str]:
    return asker.rng.sample(sorted(topics()), asker.rng.choice((3, 4)))


def _or(words: list[str], lang: str) -> str:
    return f"{', '.join(words[:-1])} {'o' if lang == 'es' else 'or'} {words[-1]}"


def _worded(asker: Asker) -> Task:
    options = _options(asker)
    topic = asker.rng.choice(options)
    names = [_name(asker, option) for option in options]
    right = _name(asker, topic)
    asked = _asked(asker, "word", l=_or(names, asker.lang))
    parts = [_text(asker, topic), asked]
    asker.rng.shuffle(parts)
    wrong = [name for name in names if name != right]
    return chosen("\n".join(parts), asker.sentence(right), [right], wrong, "word")


def _lettered(asker: Asker) -> Task:
    options = _options(asker)
    number = asker.rng.randrange(len(options))
    letters = asker.rng.choice(LETTERS)[: len(options)]
    shown = [f"{letter}) {_name(asker, option)}" for letter, option in zip(letters, options, strict=True)]
    request = f"{_text(asker, options[number])}\n{_asked(asker, 'letter', l=', '.join(shown) + '.')}"
    wrong = [letter for letter in letters if letter != letters[number]]
    answer = asker.sentence(f"{_name(asker, options[number])}: {letters[number]}")
    return chosen(request, answer, [letters[number]], wrong, "letter")


def _who(asker: Asker) -> Task:
    one, two = asker.rng.sample(sorted(topics()), 2)
    right, wrong = asker.rng.sample(asker.strangers, 2)
    quotes = ("«", "»") if asker.lang == "es" else ('"', '"')
    lines = [f"{p.es.bare}: {quotes[0]}{_text(asker, t)}{quotes[1]}" for p, t in ((right, one), (wrong, two))]
    asker.rng.shuffle(lines)
    request = "\n".join([*lines, _asked(asker, "who", t=_name(asker, one))])
    return chosen(request, asker.sentence(right.es.bare), [right.es.bare], [wrong.es.bare], "who")


def task(asker: Asker) -> Task:
    return asker.rng.choices((_worded, _lettered, _who), (30, 25, 45))[0](asker)
