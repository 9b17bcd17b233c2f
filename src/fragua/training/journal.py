"""What a run tells of itself: `metrics.jsonl`, `samples.jsonl` and TensorBoard, cut back where it resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fragua.files import drop_torn_line, full_disk_is_clear, read_jsonl, write_jsonl

METRICS, SAMPLES = "metrics.jsonl", "samples.jsonl"


class Journal:
    """Appends rows; each is on its own line before the next step begins."""

    def __init__(self, out: Path, step: int):
        from torch.utils.tensorboard import SummaryWriter

        self.out = out
        self.last_step = _cut(out / METRICS, step)
        _cut(out / SAMPLES, step)
        self.board = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1 if step else None)

    def metrics(self, row: dict[str, Any]) -> None:
        self._append(METRICS, row)
        for key, value in row.items():
            if isinstance(value, float):
                self.board.add_scalar(key, value, row["step"])

    def sample(self, row: dict[str, Any]) -> None:
        self._append(SAMPLES, row)
        self.board.add_text(f"sample/{row['lang']}", row["prompt"] + row["text"], row["step"])

    def close(self) -> None:
        self.board.close()

    def _append(self, name: str, row: dict[str, Any]) -> None:
        with full_disk_is_clear(self.out / name), (self.out / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _cut(path: Path, step: int) -> int:
    """Drops what a killed run wrote after its last checkpoint, a half-written last line included.

    Returns the last step kept, 0 where there is none."""
    if not path.exists():
        return 0
    drop_torn_line(path)
    rows = [row for _, row in read_jsonl(path) if row["step"] <= step]
    write_jsonl(path, rows)
    return rows[-1]["step"] if rows else 0
