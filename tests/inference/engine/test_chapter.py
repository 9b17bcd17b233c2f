"""What the chapters show can be typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize("page", ["engine.md", "motor.md"])
def test_the_chapter_s_program_runs(page: str, tiny_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL)[0]
    assert "runs/laptop/assistant" in program
    exec(program.replace("runs/laptop/assistant", str(tiny_dir)), {})
    printed = capsys.readouterr().out
    assert "length" in printed or "stop" in printed
    assert "(2, 64)" in printed and "accepted_drafts" in printed
