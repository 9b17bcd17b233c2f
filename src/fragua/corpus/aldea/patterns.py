"""Patterns that a few examples show: what stands left of an arrow is marked, framed, doubled, turned round, sorted,
counted."""

from __future__ import annotations

from collections.abc import Callable

from fragua.corpus.aldea.asking import Asker
from fragua.corpus.aldea.names import table, with_a
from fragua.corpus.aldea.wordbook import invented, kind_nouns, kind_pairs, nouns

ARROWS = (" → ", ": ", " = ", " -> ", " - ")
COLOURS = {
    "es": ("rojo", "azul", "verde", "blanco", "negro", "gris", "rosa", "amarillo"),
    "en": ("red", "blue", "green", "white", "black", "grey", "pink", "yellow"),
}
FRAMES = {
    "es": (
        "busco {w}",
        "sueño con {w}",
        "hoy toca {w}",
        "la palabra es {w}",
        "{w}, por favor",
        "adiós, {w}",
        "solo {w}",
        "otra vez {w}",
        "ni {w} ni nada",
        "{w} sin prisa",
        "carta a {w}",
        "historia de {w}",
        "falta {w}",
        "primero {w}",
        "{w} y punto",
        "¿{w} para mí?",
    ),
    "en": (
        "looking for {w}",
        "dreaming of {w}",
        "today it is {w}",
        "the word is {w}",
        "{w}, please",
        "goodbye, {w}",
        "only {w}",
        "{w} once more",
        "no {w} today",
        "{w} without hurry",
        "a letter to {w}",
        "the tale of {w}",
        "more {w}",
        "{w} first",
        "{w}, that is all",
        "{w} for me?",
    ),
}
Pairs = list[tuple[str, str]]


def _words(asker: Asker, count: int) -> list[str]:
    return asker.rng.sample(nouns(asker.lang), count)


def _many(asker: Asker) -> int:
    """Three to five examples, and the case."""
    return asker.rng.randint(4, 6)


def _formed(asker: Asker, form: str) -> Pairs:
    """Words, each in the place of {w}."""
    return [(word, form.replace("{w}", word)) for word in _words(asker, _many(asker))]


def _label(asker: Asker) -> str:
    """An invented word of this side of the hold-out."""
    while True:
        label = invented(asker.rng)
        if asker.mine(f"label {label}"):
            return label


def framed(asker: Asker) -> Pairs:
    """In some words: 'miel → busco miel', 'pan → busco pan'."""
    return _formed(asker, asker.rng.choice(FRAMES[asker.lang]))


def marked(asker: Asker) -> Pairs:
    """A mark or an invented word before or after: 'miel → miel zuco', 'pan → (pan)'."""
    before, after = asker.rng.choice(
        (("¡", "!"), ("(", ")"), ("*", "*"), ("", "?"), ("", "!!"), ("#", ""), ("", "…"), ("<", ">"))
    )
    if asker.rng.random() < 0.6:
        label = _label(asker)
        before, after = asker.rng.choice(((f"{label} ", ""), ("", f" {label}"), (f"{label}-", "")))
    return _formed(asker, f"{before}{{w}}{after}")


def doubled(asker: Asker) -> Pairs:
    forms = (
        "{w} {w}",
        "{w}, {w}",
        "{w}-{w}",
        "{w}/{w}",
        "{w} + {w}",
        "{w} ({w})",
        "{w} & {w}",
        "{w} | {w}",
        "{w}_{w}",
    )
    return _formed(asker, asker.rng.choice((*forms, "{w} y {w}" if asker.lang == "es" else "{w} and {w}")))


def swapped(asker: Asker) -> Pairs:
    """Two words turned round, or only one of the two."""
    joint = asker.rng.choice((" ", ", ", " + ", "/"))
    chosen = asker.rng.choice(((1, 0), (0,), (1,)))
    words = _words(asker, 2 * _many(asker))
    pairs = [words[at : at + 2] for at in range(0, len(words), 2)]
    return [(joint.join(pair), joint.join(pair[at] for at in chosen)) for pair in pairs]


def looked_up(asker: Asker) -> Pairs:
    """Who has what; the case, and often an example too, repeats the left side of an example above."""
    owners = [person.es.bare for person in asker.rng.sample(asker.strangers, 3)]
    if asker.rng.random() < 0.5:
        owners = asker.rng.sample(kind_nouns("species", asker.lang), 3)
    things = asker.rng.sample(COLOURS[asker.lang] if asker.rng.random() < 0.4 else nouns(asker.lang), 3)
    pairs = list(zip(owners, things, strict=True))
    return [*pairs, *asker.rng.choices(pairs, k=asker.rng.randint(1, 3))]


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
    pairs = asker.rng.sample([*kind_pairs("species"), *kind_pairs("ingredients")], _many(asker))
    return [(es, en) if asker.lang == "es" else (en, es) for es, en in pairs]


def articled(asker: Asker) -> Pairs:
    rows = asker.rng.sample(table("names.toml")["species"], _many(asker))
    if asker.lang == "en":
        return [(en, with_a(en)) for _, en, _ in rows]
    articles = asker.rng.choice((("un", "una"), ("el", "la"), ("este", "esta")))
    return [(es, f"{articles[gender == 'f']} {es}") for es, _, gender in rows]


def counted(asker: Asker) -> Pairs:
    """One more, one less or ten more."""
    step = asker.rng.choice((1, -1, 10))
    return [(str(n), str(n + step)) for n in asker.rng.sample(range(2, 90), _many(asker))]


PATTERNS: dict[str, tuple[Callable[[Asker], Pairs], int]] = {
    "marked": (marked, 2),
    "framed": (framed, 2),
    "doubled": (doubled, 2),
    "swapped": (swapped, 2),
    "looked_up": (looked_up, 2),
    "sorted": (sorted_by_kind, 2),
    "articled": (articled, 1),
    "translated": (translated, 1),
    "counted": (counted, 1),
}
"""Pattern -> (its pairs, the last of which is the case; how often it comes)."""


def drawn(asker: Asker) -> str:
    """One of the patterns."""
    (name,) = asker.rng.choices(list(PATTERNS), [weight for _, weight in PATTERNS.values()])
    return name


def examples(asker: Asker, name: str) -> tuple[list[str], str, str, str] | None:
    """(lines of examples, a case with its arrow, its answer, what joins the lines), or None where the case is on the
    other side of the hold-out."""
    *shown, (case, answer) = PATTERNS[name][0](asker)
    if not asker.mine(f"few {name} {case} {answer}"):
        return None
    arrow = asker.rng.choice(ARROWS)
    joint = "\n" if asker.rng.random() < 0.7 or name in ("swapped", "doubled", "framed") else ". "
    return [f"{left}{arrow}{right}" for left, right in shown], case + arrow, answer, joint
