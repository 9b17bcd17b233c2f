"""What an annotator would lose: verdicts, by a killed process, a full disk or a line that nobody spoke of."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.alignment.feedback.events import Verdict, parse_event
from fragua.alignment.feedback.log import EventLog
from fragua.errors import InputError, RunError
from tests.alignment.test_events import row


def thumbs(number: int, text: str = "") -> Verdict:
    event = parse_event(row("thumbs", 1, good=True, id=str(number), text=text), "made")
    assert event.kind == "thumbs"
    return event


@settings(max_examples=40)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=5), st.integers(0, 10_000))
def test_whatever_is_cut_off_only_the_last_line_is_lost_and_it_is_named(texts: list[str], cut: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        EventLog(path).append([thumbs(number, text) for number, text in enumerate(texts)])
        whole = path.read_bytes()
        os.truncate(path, cut % (len(whole) + 1))
        kept = path.read_bytes()
        broken: list[InputError] = []
        log = EventLog(path, broken.append)
        torn = bool(kept) and not kept.endswith(b"\n") and kept + b"\n" not in whole
        assert [event.id for event in log.events] == [str(n) for n in range(len(texts))][: len(log.events)]
        assert (
            len(log.events) + torn
            == len(kept.splitlines())
            == kept.count(b"\n") + (kept[-1:] not in (b"\n", b""))
        )
        assert [str(error.place) for error in broken] == [f"{path}:{kept.count(10) + 1}"] * torn
        log.append([thumbs(99)])
        assert log.events[-1].id == "99" and len(broken) == torn
        assert [event.id for event in EventLog(path, lambda error: None).events] == [e.id for e in log.events]


def test_a_broken_line_is_named_by_its_number_and_the_others_stand(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventLog(path).append([thumbs(0)])
    with path.open("a") as file:
        file.write('\n{"kind": "praise"}\nnonsense\n')
    EventLog(path, lambda error: None).append([thumbs(1)])
    broken: list[InputError] = []
    assert [event.id for event in EventLog(path, broken.append).events] == ["0", "1"]
    assert [str(error).split(";")[0].removeprefix(f"{path}:") for error in broken] == [
        "3: unknown kind 'praise'",
        "4: not JSON (Expecting value)",
    ]
    with pytest.raises(InputError, match=r"events\.jsonl:3: unknown kind"):
        EventLog(path)


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from fragua.alignment.feedback.log import EventLog
from tests.alignment.test_log import thumbs
log = EventLog(sys.argv[1])
for number in range(100000):
    log.append([thumbs(number, "x" * 5000)])
"""


def test_a_killed_writer_loses_at_most_the_line_being_written(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(root)])
    end = time.monotonic() + 60
    while time.monotonic() < end and (not path.exists() or path.stat().st_size < 50_000):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    broken: list[InputError] = []
    found = EventLog(path, broken.append).events
    assert len(found) >= 9 and [event.id for event in found] == [str(number) for number in range(len(found))]
    assert len(broken) <= 1


APPENDER = """
import sys
from fragua.files import append_lines
for number in range(20):
    append_lines(sys.argv[1], [{"name": sys.argv[2], "number": number, "text": "y" * 3000}] * 2)
"""


def test_several_processes_write_into_one_log_without_mixing(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", APPENDER, str(path), name]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for name in "abc":
        assert [found["number"] for found in rows if found["name"] == name] == sorted([*range(20)] * 2)


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    """A limit on the size of files is the full disk here: half of the rows would fit."""
    path = tmp_path / "events.jsonl"
    EventLog(path).append([thumbs(0)])
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 500, hard))
    try:
        with pytest.raises(RunError, match=r"events\.jsonl: no space left on the device; free some"):
            EventLog(path).append([thumbs(1, "z" * 300), thumbs(2, "z" * 300)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
