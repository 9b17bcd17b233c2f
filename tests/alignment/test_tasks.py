"""What is asked: prompts in any known form, and answers that are drawn once, whatever stops the drawing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fragua.alignment.feedback import tasks as module
from fragua.alignment.feedback.log import EventLog
from fragua.alignment.feedback.tasks import Drawing, Source, draw_tasks, prepare_tasks, read_prompts
from fragua.cli.main import main
from fragua.errors import InputError
from fragua.inference.language_model import LanguageModel

PROMPTS = [({"role": "user", "content": text},) for text in ("Hola", "¿Qué?", "Once upon", "Uno", "Dos")]
DRAWING = Drawing(max_tokens=4, candidates=2, seed=5)


def test_prompts_of_every_form(tmp_path: Path) -> None:
    user, says = {"role": "user", "content": "Hola"}, {"role": "assistant", "content": "Hey"}
    rows = [
        {"prompt": "uno"},
        {"prompt": [user, says, user, says]},
        {"messages": [user, says]},
        {"instruction": "suma", "input": "1 2", "output": "3"},
        {"prompt": "uno"},
    ]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    found = read_prompts(tmp_path / "p.jsonl")
    assert [[message["content"] for message in prompt] for prompt in found] == [
        ["uno"], ["Hola", "Hey", "Hola"], ["Hola"], ["suma\n\n1 2"],
    ]  # fmt: skip
    (tmp_path / "p.txt").write_text("\ufeffuno\r\n\r\n dos \nuno\n", "utf-8")
    assert [prompt[0]["content"] for prompt in read_prompts(tmp_path / "p.txt")] == ["uno", "dos"]
    (tmp_path / "none.jsonl").write_text(json.dumps({"messages": [says]}), "utf-8")
    with pytest.raises(InputError, match=r"none\.jsonl:1: no user's turn"):
        read_prompts(tmp_path / "none.jsonl")
    (tmp_path / "empty.txt").write_text("\n", "utf-8")
    with pytest.raises(InputError, match=r"empty\.txt: holds no prompt"):
        read_prompts(tmp_path / "empty.txt")


def test_an_answer_is_drawn_again_by_what_is_noted_beside_it(lm: LanguageModel) -> None:
    """Which model, which settings, which seed: enough to make each answer once more."""
    drawing = Drawing(max_tokens=6, candidates=3, seed=9)
    found = draw_tasks(PROMPTS, [Source(lm, "one"), Source(lm, "two")], drawing, 0)
    assert len(found) == len(PROMPTS)
    for task in found:
        assert len({one.text for one in task.candidates}) == len(task.candidates) == 3
        assert [one.model for one in task.candidates] == ["one", "two", "one"]
        for one in task.candidates:
            assert one.sampling is not None and one.sampling.seed is not None
            ((*_, answer),) = lm.reply([task.prompt], **one.sampling.model_dump())
            assert answer["content"].strip() == one.text


def test_drawing_that_was_stopped_goes_on_as_if_it_was_not(
    lm: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [Source(lm, "w")]
    monkeypatch.setattr(module, "PROMPTS_AT_ONCE", 2)
    whole = prepare_tasks(PROMPTS, sources, DRAWING, tmp_path / "whole")
    lines = (tmp_path / "whole" / module.TASKS).read_bytes().splitlines(keepends=True)
    assert len(lines) == len(PROMPTS)
    for kept in (0, 1, 3):
        out = tmp_path / str(kept)
        out.mkdir()
        (out / module.PLAN).write_bytes((tmp_path / "whole" / module.PLAN).read_bytes())
        (out / module.TASKS).write_bytes(b"".join(lines[:kept]) + lines[kept][:20])
        assert prepare_tasks(PROMPTS, sources, DRAWING, out) == whole
        assert (out / module.TASKS).read_bytes() == b"".join(lines)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"drawing": DRAWING.model_copy(update={"temperature": 0.5})}, "drawing.temperature"),
        ({"prompts": PROMPTS[:2]}, "prompts"),
        ({"sources": "v"}, "models"),
    ],
)
def test_answers_of_other_settings_are_not_mixed_in(
    lm: LanguageModel, tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    (tmp_path / module.PLAN).write_text(
        json.dumps({"prompts": "?", "models": ["w"], "drawing": DRAWING.model_dump()}), "utf-8"
    )
    prepared = json.loads((tmp_path / module.PLAN).read_text("utf-8"))
    prepared["prompts"] = module.digest_json(PROMPTS)
    (tmp_path / module.PLAN).write_text(json.dumps(prepared), "utf-8")
    sources = [Source(lm, change.get("sources", "w"))]
    with pytest.raises(InputError, match=f"another {told}; choose another --out"):
        prepare_tasks(change.get("prompts", PROMPTS), sources, change.get("drawing", DRAWING), tmp_path)


def test_a_prompt_that_does_not_fit_is_named_before_anything_is_drawn(
    lm: LanguageModel, tmp_path: Path
) -> None:
    long = ({"role": "user", "content": "palabra " * 100},)
    with pytest.raises(InputError, match=r"prompt 2: \d+ tokens do not fit: the context holds 96; shorten"):
        prepare_tasks([PROMPTS[0], long], [Source(lm, "w")], DRAWING, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_in_the_terminal_from_a_pipe(
    tiny_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    (tmp_path / "p.txt").write_text("Hola\nUno\nDos\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    collect = ["align", "collect", str(tiny_dir), "--prompts", "p.txt", "--max-tokens", "5", "--terminal"]
    monkeypatch.setattr("sys.stdin", io.StringIO("1\nx\nq\n"))
    assert main([*collect, "--annotator", "eva", "--json"]) == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert told["tasks"] == 3 and told["judged"] == 2 and told["annotators"] == {"eva": 2}
    assert "0 done, 3 left" in printed.err or "0 hechas" in printed.err
    with Path("feedback/events.jsonl").open("a") as file:
        file.write('{"kind": "comparison", "id": ')
    monkeypatch.setattr("sys.stdin", io.StringIO("0\n"))
    assert main([*collect, "--annotator", "eva", "--lang", "es"]) == 0
    printed = capsys.readouterr()
    assert "passed over: feedback/events.jsonl:3: has no end" in printed.err
    assert "No queda nada: 3 juzgadas." in printed.out
    broken = EventLog("feedback/events.jsonl", lambda error: None)
    assert [event.kind for event in broken.events] == ["comparison"] * 3
    assert main(["align", "agreement", "feedback"]) == 2
    assert "events.jsonl:3: not JSON" in capsys.readouterr().err
