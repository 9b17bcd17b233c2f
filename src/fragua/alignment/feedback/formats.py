"""Feedback as other programs keep it, read as events and written from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fragua.alignment.examples import Example, Pair, Target, unpaired
from fragua.alignment.feedback.events import Undo, Verdict, examples, parse_event
from fragua.alignment.feedback.log import OnBroken, read_line
from fragua.corpus.conversations import alpaca, openai, read_rows
from fragua.errors import InputError
from fragua.files import numbered_lines

Row = dict[str, Any]
SPEAKERS = {"user": "Human", "assistant": "Assistant"}
_TURN = re.compile(r"\n\n(Human|Assistant): ?")


def read_events(path: str | Path, on_broken: OnBroken | None = None) -> Iterator[Verdict | Undo]:
    """Events of a log, or of rows in a known form (`RECOGNISERS`), JSONL or a JSON array.

    Rows of other programs are their file's: its name without the ending is the annotator, its time the verdict's.
    Raises InputError with `path:row` for a broken row, unless `on_broken` is given the error."""
    path = Path(path)
    if not path.is_file():
        raise InputError("no such file", path, "a log of feedback, or preferences, are needed")
    common = {"annotator": path.stem, "at": datetime.fromtimestamp(path.stat().st_mtime, UTC), "seconds": 0.0}
    for number, (place, read) in enumerate(_rows(path), 1):
        try:
            row = read()
            event = parse_event(
                row if "kind" in row else {**common, **_recognise(row, place), "id": str(number)}, place
            )
        except InputError as error:
            if on_broken is None:
                raise
            on_broken(error)
        else:
            yield event


def _rows(path: Path) -> Iterator[tuple[str, Callable[[], Row]]]:
    """(`path:row`, what reads the row): so that one that can't be read does not end the reading."""
    if path.suffix.lower() == ".json":
        for place, row in read_rows(path):
            yield place, lambda row=row: row  # type: ignore[misc]
        return
    with path.open("rb") as file:
        for number, raw in numbered_lines(file, path):
            place = f"{path}:{number}"
            yield place, lambda raw=raw, place=place: read_line(raw, place)  # type: ignore[misc]


def _recognise(row: Row, place: str) -> Row:
    for recogniser in RECOGNISERS:
        if found := recogniser(row, place):
            return found
    keys = ", ".join(sorted(row)) or "nothing"
    raise InputError(
        f"no known form of feedback (it has {keys})",
        place,
        "give an event, 'prompt' with 'chosen' and 'rejected', or 'prompt' with 'completion' and 'label'",
    )


def hh(row: Row, place: str) -> Row | None:
    r"""`{"chosen", "rejected"}`, whole talks as text with `\n\nHuman: ` and `\n\nAssistant: ` before each turn."""
    talks = row.get("chosen"), row.get("rejected")
    if "prompt" in row or not all(isinstance(talk, str) and _TURN.match(talk) for talk in talks):
        return None
    return _pair_of_talks([_talk(str(talk)) for talk in talks], place)


def _talk(text: str) -> list[Row]:
    _, *parts = _TURN.split(text)
    roles = {speaker: role for role, speaker in SPEAKERS.items()}
    turns = zip(parts[::2], parts[1::2], strict=True)
    return [{"role": roles[speaker], "content": content} for speaker, content in turns]


def trl_preference(row: Row, place: str) -> Row | None:
    """TRL's preference type: `{"prompt"?, "chosen", "rejected"}`, texts or messages; without a prompt it is what both
    talks begin with."""
    if "chosen" not in row or "rejected" not in row or "instruction" in row:
        return None
    if "prompt" in row:
        return _pair(_prompt(row, place), _answer(row["chosen"], place), _answer(row["rejected"], place))
    if not all(isinstance(row[key], list) for key in ("chosen", "rejected")):
        return None
    return _pair_of_talks([_messages(row[key], place) for key in ("chosen", "rejected")], place)


def trl_unpaired(row: Row, place: str) -> Row | None:
    """TRL's unpaired preference type: `{"prompt", "completion", "label"}`."""
    if not {"prompt", "completion", "label"} <= row.keys():
        return None
    if not isinstance(row["label"], bool):
        raise InputError("'label' is not true or false", place)
    answer = {"text": _answer(row["completion"], place)}
    return {
        "kind": "thumbs",
        "prompt": _prompt(row, place),
        "candidates": [answer],
        "order": [0],
        "good": row["label"],
    }


def instructions(row: Row, place: str) -> Row | None:
    """`{"instruction", "input"?, "chosen", "rejected"}`: Alpaca's rows with two answers."""
    if not {"instruction", "chosen", "rejected"} <= row.keys():
        return None
    messages = alpaca({**row, "output": row["chosen"]}, place) or []
    return _pair(messages[:-1], _answer(row["chosen"], place), _answer(row["rejected"], place))


RECOGNISERS: tuple[Callable[[Row, str], Row | None], ...] = (hh, trl_preference, trl_unpaired, instructions)
"""Asked in this order; each gives an event's own fields, or None where the row is of another form."""


def _pair(prompt: list[Row], chosen: str, rejected: str) -> Row:
    return {
        "kind": "comparison",
        "verdict": "best",
        "ranking": [0],
        "prompt": prompt,
        "candidates": [{"text": chosen}, {"text": rejected}],
        "order": [0, 1],
    }


def _pair_of_talks(talks: list[list[Row]], place: str) -> Row:
    if not all(talk and talk[-1]["role"] == "assistant" for talk in talks) or talks[0][:-1] != talks[1][:-1]:
        raise InputError("chosen and rejected are not two answers to the same talk", place)
    return _pair(talks[0][:-1], talks[0][-1]["content"], talks[1][-1]["content"])


def _prompt(row: Row, place: str) -> list[Row]:
    asked = row["prompt"]
    return [{"role": "user", "content": asked}] if isinstance(asked, str) else _messages(asked, place)


def _messages(turns: Any, place: str) -> list[Row]:
    return openai({"messages": turns}, place) or []


def _answer(given: Any, place: str) -> str:
    if isinstance(given, list):
        messages = _messages(given, place)
        if len(messages) != 1 or messages[0]["role"] != "assistant":
            raise InputError("an answer is one assistant's message", place)
        given = messages[0]["content"]
    if not isinstance(given, str):
        raise InputError("an answer is a text or a list with one message", place)
    return given


def write_events(events: Iterable[Verdict | Undo], form: str) -> Iterator[Row]:
    """Rows in a form of `WRITERS`, of what the standing verdicts teach; `events` gives them as they are.

    Raises InputError for an unknown form, and for what a form can't hold."""
    if form == "events":
        return (event.model_dump(mode="json", exclude_none=True) for event in events)
    if form not in WRITERS:
        raise InputError(f"'{form}' is not a form it writes", "--to", f"events, {', '.join(WRITERS)}")
    return WRITERS[form](examples(events))


def _write_trl(taught: Iterable[Example]) -> Iterator[Row]:
    for pair in _pairs(taught):
        answers = {"chosen": [_says(pair.chosen)], "rejected": [_says(pair.rejected)]}
        yield {"prompt": list(pair.prompt), **answers}


def _write_unpaired(taught: Iterable[Example]) -> Iterator[Row]:
    for one in unpaired(taught):
        yield {"prompt": list(one.prompt), "completion": [_says(one.answer)], "label": one.good}


def _write_hh(taught: Iterable[Example]) -> Iterator[Row]:
    for pair in _pairs(taught):
        answers = {"chosen": pair.chosen, "rejected": pair.rejected}
        yield {key: "".join(map(_turn, (*pair.prompt, _says(text)))) for key, text in answers.items()}


def _write_instructions(taught: Iterable[Example]) -> Iterator[Row]:
    """The question with its input is the instruction: where the one ended is no longer known."""
    for pair in _pairs(taught):
        if len(pair.prompt) != 1:
            raise InputError(
                "this form holds one question without a talk before it", "instructions", "use trl"
            )
        instruction = pair.prompt[0]["content"]
        yield {"instruction": instruction, "input": "", "chosen": pair.chosen, "rejected": pair.rejected}


def _write_messages(taught: Iterable[Example]) -> Iterator[Row]:
    for one in taught:
        if isinstance(one, Target):
            yield {"messages": [*one.prompt, _says(one.answer)]}


WRITERS: dict[str, Callable[[Iterable[Example]], Iterator[Row]]] = {
    "trl": _write_trl,
    "trl-unpaired": _write_unpaired,
    "hh": _write_hh,
    "instructions": _write_instructions,
    "messages": _write_messages,
}


def _pairs(taught: Iterable[Example]) -> Iterator[Pair]:
    return (one for one in taught if isinstance(one, Pair) and not one.tie)


def _says(text: str) -> Row:
    return {"role": "assistant", "content": text}


def _turn(message: Row) -> str:
    if message["role"] not in SPEAKERS or _TURN.search(message["content"]):
        raise InputError(f"this form can't hold a turn of {message['role']} like this one", "hh", "use trl")
    return f"\n\n{SPEAKERS[message['role']]}: {message['content']}"
