"""Feedback of other programs comes in and goes out without a word lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.alignment.examples import Pair, Unpaired
from fragua.alignment.feedback.events import examples, standing
from fragua.alignment.feedback.formats import WRITERS, read_events, write_events
from fragua.alignment.reading import read_feedback
from fragua.cli.main import main
from fragua.errors import InputError
from fragua.files import read_jsonl, write_jsonl

USER, SAYS = {"role": "user", "content": "Hola"}, {"role": "assistant", "content": "Hey"}


def answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def there_and_back(rows: list[dict[str, Any]], form: str, path: Path) -> list[dict[str, Any]]:
    write_jsonl(path, rows)
    return list(write_events(read_events(path), form))


TEXT = st.text(max_size=30).filter(lambda text: "\n\nHuman:" not in text and "\n\nAssistant:" not in text)
TURN = st.builds(
    lambda role, text: {"role": role, "content": text}, st.sampled_from(["user", "assistant"]), TEXT
)
PROMPT = st.builds(
    lambda before, asked: [*before, {"role": "user", "content": asked}], st.lists(TURN, max_size=3), TEXT
)


@settings(max_examples=40)
@given(st.lists(st.tuples(PROMPT, TEXT, TEXT), min_size=1, max_size=4))
def test_every_form_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, str, str]]
) -> None:
    path = tmp_path_factory.mktemp("forms") / "rows.jsonl"
    trl = [{"prompt": p, "chosen": answer(a), "rejected": answer(b)} for p, a, b in rows]
    assert there_and_back(trl, "trl", path) == trl
    hh = list(write_events(read_events(path), "hh"))
    assert there_and_back(hh, "hh", path) == hh
    assert list(write_events(read_events(path), "trl")) == trl, "through hh and back"
    unpaired = [{"prompt": p, "completion": answer(a), "label": bool(b)} for p, a, b in rows]
    assert there_and_back(unpaired, "trl-unpaired", path) == unpaired


def test_the_real_preferences_of_hh_rlhf(data_dir: Path, tmp_path: Path) -> None:
    """2,312 pairs; in five of them the two talks part before the last answer, and they are named."""
    path = data_dir / "hh_rlhf" / "harmless-base.test.jsonl"
    broken: list[InputError] = []
    events = list(read_events(path, broken.append))
    rows = [row for _, row in read_jsonl(path)]
    places = {int(str(error.place).rsplit(":", 1)[1]) for error in broken}
    assert len(events) == 2307 and len(broken) == 5
    assert list(write_events(events, "hh")) == [row for at, row in enumerate(rows, 1) if at not in places]
    with pytest.raises(InputError, match=r"harmless-base\.test\.jsonl:\d+: chosen and rejected are not two"):
        read_feedback(path)


def test_the_real_instructions_with_two_answers(data_dir: Path, tmp_path: Path) -> None:
    path = data_dir / "llms_from_scratch" / "instruction-data-with-preference.json"
    rows = json.loads(path.read_text("utf-8"))
    taught = read_feedback(path)
    pairs = [one for one in taught if isinstance(one, Pair)]
    assert [(one.chosen, one.rejected) for one in pairs] == [(row["chosen"], row["rejected"]) for row in rows]
    assert pairs[0].prompt[0]["content"] == f"{rows[0]['instruction']}\n\n{rows[0]['input']}"
    for form in ("instructions", "trl", "hh"):
        again = tmp_path / f"{path.stem}.{form}" / f"{path.stem}.jsonl"
        write_jsonl(again, write_events(read_events(path), form))
        assert read_feedback(again) == taught, form


def test_trls_other_shapes(tmp_path: Path) -> None:
    rows = [
        {"prompt": "Hola", "chosen": "Hey", "rejected": "No"},
        {"chosen": [USER, SAYS], "rejected": [USER, *answer("No")]},
        {"prompt": "Hola", "completion": "Hey", "label": False},
    ]
    write_jsonl(tmp_path / "eva.jsonl", rows)
    found = [one for one in read_feedback(tmp_path / "eva.jsonl") if isinstance(one, Pair | Unpaired)]
    assert found == [
        Pair((USER,), "Hey", "No", annotator="eva"),
        Pair((USER,), "Hey", "No", annotator="eva"),
        Unpaired((USER,), "Hey", False, "eva"),
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"a": 1}, "no known form of feedback"),
        ({"chosen": "x", "rejected": "y"}, "no known form"),
        ({"prompt": "p", "completion": "x", "label": 1}, "'label' is not true or false"),
        ({"prompt": "p", "chosen": 3, "rejected": "y"}, "an answer is a text"),
        ({"prompt": "p", "chosen": [USER], "rejected": "y"}, "one assistant's message"),
        ({"prompt": [SAYS], "chosen": "x", "rejected": "y"}, "the last message is the user's"),
        ({"chosen": [USER, SAYS], "rejected": [SAYS]}, "not two answers to the same talk"),
        ({"kind": "comparison"}, "Field required"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: dict[str, Any], told: str) -> None:
    good = {"prompt": "Hola", "chosen": "Hey", "rejected": "No"}
    write_jsonl(tmp_path / "rows.jsonl", [good, row, good])
    with pytest.raises(InputError, match=f"rows.jsonl:2: .*{told}"):
        list(read_events(tmp_path / "rows.jsonl"))
    broken: list[InputError] = []
    assert len(list(read_events(tmp_path / "rows.jsonl", broken.append))) == 2 and len(broken) == 1


def test_what_a_form_cannot_hold_is_refused(tmp_path: Path) -> None:
    write_jsonl(
        tmp_path / "r.jsonl",
        [{"prompt": [{"role": "system", "content": "x"}, USER], "chosen": "a", "rejected": "b"}],
    )
    for form in ("hh", "instructions"):
        with pytest.raises(InputError, match="use trl"):
            list(write_events(read_events(tmp_path / "r.jsonl"), form))
    with pytest.raises(InputError, match="'csv' is not a form it writes; events, trl"):
        write_events([], "csv")
    assert set(WRITERS) == {"trl", "trl-unpaired", "hh", "instructions", "messages"}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, log = tmp_path / "pairs.json", tmp_path / "events.jsonl"
    rows = [{"prompt": "Hola", "chosen": "Hey", "rejected": "No"}, {"other": 1}]
    source.write_text(json.dumps(rows), "utf-8")
    convert = ["align", "convert", str(source), "--to", "events", "--out", str(log)]
    assert main(convert) == 2
    assert "pairs.json:2: no known form" in capsys.readouterr().err and not log.exists()
    assert main([*convert, "--skip-broken", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["read"], told["written"], told["broken"]) == (1, 1, 1)
    assert list(examples(standing(read_events(log)))) == read_feedback(log)
    assert main(["align", "convert", str(log), "--to", "trl", "--out", str(tmp_path / "t.json")]) == 0
    assert json.loads((tmp_path / "t.json").read_text("utf-8")) == [
        {"prompt": [USER], "chosen": answer("Hey"), "rejected": answer("No")}
    ]
