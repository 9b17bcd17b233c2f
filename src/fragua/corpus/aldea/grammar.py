"""Templates to sentences: `{s}` full name, `{s.n}` bare, `{s.a}` with 'un' or 'a', `{s/o/a}` by gender."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from fragua.corpus.aldea.entities import Entity

_HOLE = re.compile(r"\{(\w)(?:\.([na]))?(?:/([^/{}]*)/([^/{}]*))?\}")
_CONTRACTION = re.compile(r"\b([Dd]e|[Aa]) el (?=\w)")
_AND_I = re.compile(r"\by (?=[hH]?[iI][^aeouáéóú])")
Part = str | tuple[str, str, str | None, str | None]


@cache
def parts_of(template: str) -> tuple[Part, ...]:
    found: list[Part] = []
    at = 0
    for match in _HOLE.finditer(template):
        if match.start() > at:
            found.append(template[at : match.start()])
        found.append((match[1], match[2] or "", match[3], match[4]))
        at = match.end()
    if at < len(template):
        found.append(template[at:])
    return tuple(found)


def name_of(entity: Entity, form: str, lang: str, owner: Entity | None) -> str:
    forms = entity.forms(lang)
    if entity.kind == "trade" and lang == "es":
        feminine = owner is not None and owner.gender == "f"
        noun = forms.feminine if feminine else forms.bare
        return f"{'una' if feminine else 'un'} {noun}" if form == "a" else noun
    return forms.bare if form == "n" else forms.indefinite if form == "a" else forms.full


def fill(template: str, lang: str, holes: Mapping[str, Entity | str]) -> str:
    """The template with its holes filled; 'de el' becomes 'del', 'a el' becomes 'al'.

    A hole bound to a string stands as it is. Raises KeyError for a hole that has no filling."""
    found = []
    owner = holes.get("s")
    owner_entity = owner if isinstance(owner, Entity) else None
    for part in parts_of(template):
        if isinstance(part, str):
            found.append(part)
            continue
        key, form, masculine, feminine = part
        value = holes[key]
        if masculine is not None and feminine is not None:
            found.append(feminine if isinstance(value, Entity) and value.gender == "f" else masculine)
        elif isinstance(value, str):
            found.append(value)
        else:
            found.append(name_of(value, form, lang, owner_entity))
    return contract("".join(found)) if lang == "es" else "".join(found)


def contract(text: str) -> str:
    """'de el río' -> 'del río', 'a el río' -> 'al río', 'y Inés' -> 'e Inés'; 'El' of a name is kept."""
    return _AND_I.sub("e ", _CONTRACTION.sub(r"\1l ", text))


def sentence(text: str) -> str:
    """Capital letter first, full stop last."""
    text = text.strip()
    for at, char in enumerate(text):
        if char.isalpha():
            text = text[:at] + char.upper() + text[at + 1 :]
            break
        if char.isdigit():
            break
    end = text[-2] if text[-1] in '»"' and len(text) > 1 else text[-1]
    return text if end in ".!?…:" else text + "."


def listing(items: list[str], lang: str) -> str:
    """'a, b y c' (with 'e' before an i sound) or 'a, b and c'."""
    if len(items) < 2:
        return "".join(items)
    last = items[-1]
    word = "and" if lang == "en" else ("e" if re.match(r"(i|hi(?!e))", last.lower()) else "y")
    return f"{', '.join(items[:-1])} {word} {last}"
