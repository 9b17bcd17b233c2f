"""Patterns that a few examples show: what stands left of an arrow is marked, doubled, turned round, sorted, counted."""

from __future__ import annotations

from collections.abc import Callable

from fragua.corpus.aldea.asking import Asker
from fragua.corpus.aldea.names import table, with_a
from fragua.corpus.aldea.wordbook import invented, kind_nouns, nouns

ARROWS = (" → ", ": ", " = ", " -> ", " - ")
COLOURS = {
    "es": ("rojo", "azul", "verde", "blanco", "negro", "gris", "rosa", "amarillo"),
    "en": ("red", "blue", "green", "white", "black", "grey", "pink", "yellow"),
}
Pairs = list[tuple[str, str]]


def _words(asker: Asker, count: int) -> list[str]:
    return asker.rng.sample(nouns(asker.lang), count)


def _label(asker: Asker) -> str:
    """An invented word of this side of the hold-out."""
    while True:
        label = invented(asker.rng)
        if asker.mine(f"label {label}"):
            return label


def marked(asker: Asker) -> Pairs:
    """A mark or an invented word before or after: 'miel → miel zuco', 'pan → (pan)'."""
    before, after = asker.rng.choice(
        (("¡", "!"), ("(", ")"), ("*", "*"), ("", "?"), ("", "!!"), ("#", ""), ("", "…"), ("<", ">"))
    )
    if asker.rng.random() < 0.6:
        label = _label(asker)
        before, after = asker.rng.choice(((f"{label} ", ""), ("", f" {label}"), (f"{label}-", "")))
    return [(word, f"{before}{word}{after}") for word in _words(asker, 4)]


def doubled(asker: Asker) -> Pairs:
    form = asker.rng.choice(
        ("{w} {w}", "{w}, {w}", "{w}-{w}", "{w} y {w}" if asker.lang == "es" else "{w} and {w}")
    )
    return [(word, form.replace("{w}", word)) for word in _words(asker, 4)]


def swapped(asker: Asker) -> Pairs:
    """Two words turned round, or only one of the two."""
    joint = asker.rng.choice((" ", ", ", " + ", "/"))
    chosen = asker.rng.choice(((1, 0), (0,), (1,)))
    words = _words(asker, 8)
    pairs = [words[at : at + 2] for at in range(0, 8, 2)]
    return [(joint.join(pair), joint.join(pair[at] for at in chosen)) for pair in pairs]


def looked_up(asker: Asker) -> Pairs:
    """Who has what; the case repeats one of the examples' left sides."""
    people = [person.es.bare for person in asker.rng.sample(asker.strangers, 3)]
    things = asker.rng.sample(COLOURS[asker.lang] if asker.rng.random() < 0.4 else nouns(asker.lang), 3)
    pairs = list(zip(people, things, strict=True))
    return [*pairs, asker.rng.choice(pairs)]


def sorted_by_kind(asker: Asker) -> Pairs:
    """Two kinds of things, each with an invented name."""
    kinds = asker.rng.sample(("species", "ingredients", "trades", "products"), 2)
    labels = [_label(asker), _label(asker)]
    if labels[0] == labels[1]:
        labels[1] += "s"
    order = [0, 1, 0, 1] if asker.rng.random() < 0.5 else [1, 0, 0, 1]
    pools = [asker.rng.sample(kind_nouns(kind, asker.lang), 3) for kind in kinds]
    order.append(asker.rng.randrange(2))
    return [(pools[at].pop(), labels[at]) for at in order]


def translated(asker: Asker) -> Pairs:
    rows = asker.rng.sample([*table("names.toml")["species"], *table("names.toml")["ingredients"]], 4)
    return [(es, en) if asker.lang == "es" else (en, es) for es, en, _ in rows]


def articled(asker: Asker) -> Pairs:
    rows = asker.rng.sample(table("names.toml")["species"], 4)
    if asker.lang == "en":
        return [(en, with_a(en)) for _, en, _ in rows]
    articles = asker.rng.choice((("un", "una"), ("el", "la"), ("este", "esta")))
    return [(es, f"{articles[gender == 'f']} {es}") for es, _, gender in rows]


def counted(asker: Asker) -> Pairs:
    """One more, one less or ten more."""
    step = asker.rng.choice((1, -1, 10))
    return [(str(n), str(n + step)) for n in asker.rng.sample(range(2, 90), 4)]


PATTERNS: dict[str, Callable[[Asker], Pairs]] = {
    "marked": marked,
    "doubled": doubled,
    "swapped": swapped,
    "looked_up": looked_up,
    "sorted": sorted_by_kind,
    "translated": translated,
    "articled": articled,
    "counted": counted,
}


def examples(asker: Asker, name: str) -> tuple[list[str], str, str, str] | None:
    """(lines of examples, a case with its arrow, its answer, what joins the lines), or None where the case is on the
    other side of the hold-out."""
    *shown, (case, answer) = PATTERNS[name](asker)
    if not asker.mine(f"few {name} {case} {answer}"):
        return None
    arrow = asker.rng.choice(ARROWS)
    joint = "\n" if asker.rng.random() < 0.7 or name in ("swapped", "doubled") else ". "
    return [f"{left}{arrow}{right}" for left, right in shown], case + arrow, answer, joint
