"""run.json: which stages are finished, from what, with which result. Written whole after each change."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fragua.errors import InputError
from fragua.files import digest_file, flat, read_json, write_json
from fragua.settings import Settings

RUN_FILE = "run.json"
HARMLESS = {".lock", ".DS_Store"}


class Entry(Settings):
    """One stage as it stands. `inputs` and `outputs` are SHA-256; `seconds` adds up over resumed attempts."""

    name: str
    status: Literal["running", "done"]
    seconds: float = 0.0
    inputs: str
    outputs: str = ""
    figures: dict[str, Any] = Field(default_factory=dict)


class Ledger:
    """The entries of `out/run.json` in the order of the life."""

    def __init__(self, out: Path, head: dict[str, Any], entries: Iterable[Entry] = ()):
        self.out, self.head = out, head
        self.entries = {entry.name: entry for entry in entries}

    @classmethod
    def open(cls, out: Path) -> Ledger:
        """Reads the run in `out`, or begins one. Raises InputError where `out` holds something else."""
        path = out / RUN_FILE
        if path.is_file():
            values = read_json(path)
            try:
                entries = [Entry.parse(entry, path) for entry in values.pop("stages")]
            except (KeyError, TypeError, AttributeError) as error:
                raise InputError(
                    "not the record of a run", path, "move it away, or choose another --out"
                ) from error
            return cls(out, values, entries)
        foreign = sorted({entry.name for entry in out.iterdir()} - HARMLESS) if out.is_dir() else []
        if any(not name.startswith(f".{RUN_FILE}.") for name in foreign):
            raise InputError(
                f"holds files of something else ('{foreign[0]}')",
                out,
                "choose an empty or new folder with --out",
            )
        return cls(out, {})

    def differences(self, settings: dict[str, Any]) -> list[str]:
        """Where `settings` part from those of the run that is here, if any of it is finished: 'seed = 0, not 3'."""
        if not any(entry.status == "done" for entry in self.entries.values()):
            return []
        old, new = flat(self.head.get("settings", {})), flat(settings)
        return [
            f"{key} = {old.get(key)!r}, not {new.get(key)!r}"
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
        ]

    def put(self, entry: Entry) -> Entry:
        self.entries[entry.name] = entry
        self.save()
        return entry

    def save(self) -> None:
        stages = [entry.model_dump(mode="json") for entry in self.entries.values()]
        write_json(self.out / RUN_FILE, {**self.head, "stages": stages})


def digest_matches(out: Path, patterns: Iterable[str]) -> dict[str, str] | None:
    """Digests of all files that match the patterns (relative to `out`); None where a pattern has no match."""
    digests: dict[str, str] = {}
    for pattern in patterns:
        found = sorted(path for path in out.glob(pattern) if path.is_file())
        if not found:
            return None
        digests |= {path.relative_to(out).as_posix(): digest_file(path) for path in found}
    return digests
