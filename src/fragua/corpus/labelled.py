"""Rows that somebody has labelled: texts, pairs of texts, or words, with what is to be learned of each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fragua.corpus.formats.rows import CsvTable
from fragua.corpus.opening import decoded, lines, opened, suffix
from fragua.errors import InputError
from fragua.files import numbered_lines, parse_row

Task = Literal["classify", "pair", "regress", "tag"]
NAMES = {
    "text": ("text", "sentence", "sentence1", "premise", "question"),
    "pair": ("pair", "text_pair", "sentence2", "hypothesis"),
    "label": ("label", "class", "score", "value"),
    "words": ("words", "tokens"),
    "tags": ("tags", "ner_tags", "labels"),
}
"""How columns are called, the first that is there; `columns` names others."""
OUTSIDE = "O"
"""The tag of a word that is of no span."""
NEEDED: dict[Task, tuple[str, ...]] = {
    "classify": ("text", "label"),
    "pair": ("text", "pair", "label"),
    "regress": ("text", "label"),
    "tag": ("words", "tags"),
}
WORD_FILES = (".conll", ".bio", ".iob", ".txt")
"""A word and its tag a line, an empty line after each sentence."""


class Example(NamedTuple):
    """One row; `target` is a label, a number or the tags of its words."""

    text: str
    pair: str | None
    words: tuple[str, ...]
    target: str | float | tuple[str, ...]
    place: str
    """File and line."""


def read_labelled(path: Path, task: Task, columns: Mapping[str, str] | None = None) -> list[Example]:
    """Rows of JSONL, CSV, TSV or Parquet, and for words also of CoNLL's two columns.

    Raises InputError with the line of a row that lacks a column, has an empty text, a number that is not finite, or
    other numbers of words and tags, and where the file holds no row."""
    for name in columns or {}:
        if name not in NAMES:
            raise InputError(f"unknown column '{name}'", "--columns", f"known: {', '.join(NAMES)}")
    examples = [_example(row, place, task, columns or {}) for place, row in _rows(path, task)]
    if not examples:
        raise InputError("holds no row", path, f"rows with {', '.join(NEEDED[task])} are needed")
    return examples


def label_names(examples: Sequence[Example]) -> tuple[str, ...]:
    """The labels, or tags, of the rows in their order: whole numbers by size, before words."""
    targets = [each.target if isinstance(each.target, tuple) else (str(each.target),) for each in examples]
    found = {label for labels in targets for label in labels}
    return tuple(
        sorted(found, key=lambda label: (not label.isdecimal(), len(label) * label.isdecimal(), label))
    )


class Span(NamedTuple):
    """Words start to stop, stop not included."""

    label: str
    start: int
    stop: int


def spans(tags: Sequence[str]) -> list[Span]:
    """What BIO tags mark. A span also begins where the label changes without a `B-`, as in conlleval."""
    found: list[Span] = []
    begun: tuple[str, int] | None = None
    for place, tag in enumerate([*tags, OUTSIDE]):
        mark, _, label = tag.partition("-")
        inside = mark in ("B", "I") and bool(label)
        if begun and not (inside and mark == "I" and label == begun[0]):
            found.append(Span(begun[0], begun[1], place))
            begun = None
        if inside and begun is None:
            begun = label, place
    return found


def marks_spans(names: Sequence[str]) -> bool:
    """Whether tags are BIO's."""
    return any(name.startswith(("B-", "I-")) for name in names)


def _rows(path: Path, task: Task) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(place, row) by the kind of file."""
    kind = suffix(path)
    if kind == ".parquet":
        yield from _parquet(path)
        return
    with opened(path) as file:
        if kind == ".jsonl":
            for number, raw in numbered_lines(file, path):
                yield f"{path}:{number}", parse_row(raw, f"{path}:{number}")
        elif kind in (".csv", ".tsv"):
            yield from CsvTable(file, path).rows()
        elif kind in WORD_FILES and task == "tag":
            yield from _sentences(lines(decoded(file, path).blocks, path), path)
        else:
            known = ".jsonl, .csv, .tsv, .parquet" + (f", {', '.join(WORD_FILES)}" if task == "tag" else "")
            raise InputError(f"unknown kind of file '{kind}'", path, f"known: {known}")


def _parquet(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        with opened(path) as file:
            rows = parquet.read_table(file).to_pylist()
    except pyarrow.ArrowException as error:
        told = " ".join(str(error).split())
        raise InputError(f"no Parquet file that can be read ({told})", path, "copy it again") from error
    yield from ((f"{path}: row {number}", row) for number, row in enumerate(rows, 1))


def _sentences(told: Iterator[str], path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    words: list[str] = []
    tags: list[str] = []
    first = 1
    for number, line in enumerate(told, 1):
        cells = line.split()
        if cells and cells[0] != "-DOCSTART-":
            if len(cells) == 1:
                raise InputError("a word without a tag", f"{path}:{number}", "write both, parted by a tab")
            first = number if not words else first
            words.append(cells[0])
            tags.append(cells[-1])
        elif words:
            yield f"{path}:{first}", {"words": words, "tags": tags}
            words, tags = [], []
    if words:
        yield f"{path}:{first}", {"words": words, "tags": tags}


def _example(row: Mapping[str, Any], place: str, task: Task, columns: Mapping[str, str]) -> Example:
    if task == "tag":
        words, tags = (_strings(row, name, place, columns) for name in NEEDED[task])
        if len(words) != len(tags):
            raise InputError(f"{len(words)} words and {len(tags)} tags", place, "each word needs its own")
        return Example(" ".join(words), None, words, tags, place)
    text, pair = _text(row, "text", place, columns), None
    if task == "pair" or (task == "regress" and _found(row, "pair", columns) is not None):
        pair = _text(row, "pair", place, columns)
    value = row[_column(row, "label", place, columns)]
    return Example(
        text, pair, (), _number(value, place) if task == "regress" else _label(value, place), place
    )


def _found(row: Mapping[str, Any], name: str, columns: Mapping[str, str]) -> str | None:
    names = (columns[name],) if name in columns else NAMES[name]
    return next((each for each in names if each in row), None)


def _column(row: Mapping[str, Any], name: str, place: str, columns: Mapping[str, str]) -> str:
    found = _found(row, name, columns)
    if found is None:
        wanted = columns.get(name, name)
        there = ", ".join(map(str, row)) or "none"
        raise InputError(f"no column '{wanted}'", place, f"columns: {there}; see --columns")
    return found


def _text(row: Mapping[str, Any], name: str, place: str, columns: Mapping[str, str]) -> str:
    column = _column(row, name, place, columns)
    text = row[column]
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"'{column}' is not a text, or empty", place)
    return text.strip()


def _strings(row: Mapping[str, Any], name: str, place: str, columns: Mapping[str, str]) -> tuple[str, ...]:
    column = _column(row, name, place, columns)
    value = row[column]
    parts = value.split() if isinstance(value, str) else value
    if not isinstance(parts, list) or not parts or not all(_is_word(part) for part in parts):
        raise InputError(f"'{column}' is not a list of words, or empty", place)
    return tuple(str(part) for part in parts)


def _is_word(part: Any) -> bool:
    """A tag may be a number; a word has no space inside, which would part it."""
    return (isinstance(part, int) and not isinstance(part, bool)) or (
        isinstance(part, str) and len(part.split()) == 1 and part == part.strip()
    )


def _label(value: Any, place: str) -> str:
    if isinstance(value, bool | int) or (isinstance(value, str) and value.strip()):
        return str(value).strip()
    raise InputError(f"the label is {value!r}, a word or a whole number is needed", place)


def _number(value: Any, place: str) -> float:
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"the value is {value!r}, a finite number is needed", place)
    return number
