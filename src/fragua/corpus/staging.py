"""Rows on their way to a corpus, appended to disk so that a build that was stopped goes on where it was."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from fragua.corpus.duplicates import PERMUTATIONS, Keys, Signatures, key, signature
from fragua.corpus.tally import Tally
from fragua.files import full_disk_is_clear, make_folder, read_json, write_json

COMMIT_INTERVAL_S = 5.0
WIDTHS = {"rows": None, "keys": 16, "signatures": 4 * PERMUTATIONS}


class Staging:
    """`OUT/.build/`: `rows` (JSONL), `keys` and `signatures` (so many bytes a row), and `state.json`, which names
    how far the three are good and what had been read by then."""

    def __init__(self, folder: Path, plan: str, near: bool):
        """`plan`: the digest of whatever decides the rows; what another plan left is thrown away."""
        self.folder, self.plan = folder, plan
        self.names = [name for name in WIDTHS if near or name != "signatures"]
        state = read_json(folder / "state.json") if (folder / "state.json").is_file() else {}
        self._take(state if state.get("plan") == plan else {})
        self._open: dict[str, IO[bytes]] = {}
        self._committed = time.monotonic()

    def _take(self, state: dict[str, Any]) -> None:
        self.file: int = state.get("file", 0)
        """Files that are read to their end."""
        self.documents: int = state.get("documents", 0)
        """Documents read of the file after those."""
        self.rows: int = state.get("rows", 0)
        self.files: list[list[Any]] = state.get("files", [])
        """Name, size and time of change of the files that were begun."""
        self.tally = Tally(state.get("tally"))
        self._sizes: dict[str, int] = state.get("sizes", {})

    def __enter__(self) -> Self:
        make_folder(self.folder)
        for name in self.names:
            self._open[name] = (self.folder / name).open("ab", buffering=1 << 20)
            self._open[name].truncate(self._sizes.get(name, 0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._open.values():
            file.close()

    def restart(self) -> None:
        """Forgets all that was staged."""
        self._take({})
        for file in self._open.values():
            file.truncate(0)

    def add(self, row: dict[str, str]) -> None:
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        told = {"rows": line, "keys": key(row["text"])}
        if "signatures" in self.names:
            told["signatures"] = signature(row["text"])
        with full_disk_is_clear(self.folder):
            for name, raw in told.items():
                self._open[name].write(raw)
        self.rows += 1

    def commit(self, now: bool = False) -> None:
        """Makes all that was added safe, every few seconds or `now`."""
        if not now and time.monotonic() - self._committed < COMMIT_INTERVAL_S:
            return
        with full_disk_is_clear(self.folder):
            for name, file in self._open.items():
                file.flush()
                os.fsync(file.fileno())
                self._sizes[name] = file.tell()
        state = {
            "plan": self.plan,
            "file": self.file,
            "documents": self.documents,
            "rows": self.rows,
            "files": self.files,
            "sizes": self._sizes,
            "tally": self.tally.to_json(),
        }
        write_json(self.folder / "state.json", state)
        self._committed = time.monotonic()

    def keys(self) -> Keys:
        return np.memmap(self.folder / "keys", np.uint64, "r", shape=(self.rows, 2))

    def signatures(self) -> Signatures:
        return np.memmap(self.folder / "signatures", np.uint32, "r", shape=(self.rows, PERMUTATIONS))

    def read(self) -> Iterator[dict[str, str]]:
        with (self.folder / "rows").open("rb") as file:
            for line in file:
                yield json.loads(line)

    def discard(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
