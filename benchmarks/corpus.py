"""How much memory does building a corpus take, however much text there is?

Text of the size asked for is made: words of a Zipf vocabulary in paragraphs, one document in a hundred a second time,
and again with a word changed. `fragua corpus build` reads it in a process of its own, and the system tells the most
memory that this has had resident. That counts mapped pages of files, which the system takes back when it wants them;
`peak_anonymous_bytes` is the program's own alone. A tenth of the text is built before, to show that memory does not
grow with it. 10 GB take hours, and three times as much disk.

    fragua bench corpus
    python benchmarks/corpus.py --gigabytes 0.1
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fragua.errors import RunError
from fragua.files import read_json, write_json, write_jsonl
from fragua.training.machine import write_result

RESULTS = Path(__file__).parent / "results"
LIMIT_BYTES = 1 << 30
FILE_BYTES = 250_000_000
VOCABULARY, SYLLABLES = 30_000, 60
AGAIN_EVERY = 100
POLL_S = 0.2


class Writer:
    """Documents of about 2 kB, without end, the same for the same seed."""

    def __init__(self, seed: int = 0):
        self.draw = np.random.default_rng(seed)
        letters = [a + b for a in "bcdfglmnprst" for b in "aeiou"]
        lengths = self.draw.integers(1, 5, VOCABULARY)
        self.words = ["".join(letters[i] for i in self.draw.integers(0, SYLLABLES, n)) for n in lengths]
        shares = 1 / np.arange(1, VOCABULARY + 1)
        self.cumulative = np.cumsum(shares / shares.sum())
        self.repeated = 0

    def documents(self, size: int) -> Iterator[str]:
        """Until they have so many bytes. Each hundredth is followed by itself, and by itself but for a word."""
        written, number = 0, 0
        while written < size:
            number += 1
            fresh = self.document()
            told = [fresh]
            if number % AGAIN_EVERY == 0:
                self.repeated += 1
                told += [fresh, f"{fresh.rpartition(' ')[0]} {number}."]
            for text in told:
                written += len(text)
                yield text

    def document(self) -> str:
        count = int(self.draw.integers(200, 600))
        found = np.searchsorted(self.cumulative, self.draw.random(count)).clip(0, VOCABULARY - 1)
        words = [self.words[i] for i in found]
        sentences = [" ".join(words[at : at + 14]).capitalize() + "." for at in range(0, count, 14)]
        return "\n\n".join(" ".join(sentences[at : at + 5]) for at in range(0, len(sentences), 5))


def write_text(folder: Path, size: int) -> int:
    """JSONL files of so many bytes in all, which are made once; the number of documents that stand there twice."""
    done = folder / "done.json"
    if not done.is_file():
        writer = Writer()
        for number, start in enumerate(range(0, size, FILE_BYTES)):
            texts = writer.documents(min(FILE_BYTES, size - start))
            write_jsonl(folder / "texts" / f"{number:04}.jsonl", ({"text": text} for text in texts))
        write_json(done, {"repeated": writer.repeated})
    return int(read_json(done)["repeated"])


def build(texts: Path, out: Path) -> dict[str, Any]:
    """Runs the command; its peaks of memory, seconds, and figures of the card of what it made."""
    command = [sys.executable, "-m", "fragua.cli.main", "corpus", "build", str(texts), "--out", str(out)]
    started, peak, anonymous = time.monotonic(), 0, 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        told = _memory(process.pid)
        peak, anonymous = max(peak, told.get("VmHWM", 0)), max(anonymous, told.get("RssAnon", 0))
        time.sleep(POLL_S)
    if process.returncode:
        raise RunError(f"the build ended with {process.returncode}", out, "its own line says why")
    card = read_json(out / "corpus.json")
    return {
        "peak_rss_bytes": peak,
        "peak_anonymous_bytes": anonymous,
        "seconds": round(time.monotonic() - started, 1),
        "text_bytes": sum(path.stat().st_size for path in texts.iterdir()),
        **{key: card[key] for key in ("documents", "bytes", "dropped")},
    }


def _memory(pid: int) -> dict[str, int]:
    """Bytes by the names of /proc/PID/status; VmHWM is the most that was ever resident since the program began."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines if line.endswith(" kB")}


def main(gigabytes: float = 10.0, work: Path = Path("runs/bench-corpus")) -> dict[str, Any]:
    """The peaks at a tenth of the size and at all of it; `ratios`: the limit of 1 GiB to the peak."""
    if not Path("/proc/self/status").is_file():
        raise RunError("this system does not tell a program's memory", mend="measure on Linux")
    builds = []
    for share in (0.1, 1.0):
        folder = work / f"{share}"
        repeated = write_text(folder, int(share * gigabytes * 1e9))
        told = build(folder / "texts", folder / "corpus")
        if told["dropped"].get("duplicate", 0) != repeated:
            raise RunError(f"{repeated} documents stand there twice, dropped: {told['dropped']}", folder)
        print(f"{told['text_bytes'] / 1e9:.2f} GB: at most {told['peak_rss_bytes'] / 2**20:.0f} MiB resident")
        builds.append(told)
        shutil.rmtree(folder)
    ratio = round(LIMIT_BYTES / builds[-1]["peak_rss_bytes"], 3)
    return {
        "ratios": {"limit_to_peak": ratio},
        "ratio_spread": {"limit_to_peak": [ratio, ratio]},
        "limit_bytes": LIMIT_BYTES,
        "within": ratio >= 1,
        "bytes_per_s": round(builds[-1]["text_bytes"] / builds[-1]["seconds"]),
        "builds": builds,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--work", type=Path, default=Path("runs/bench-corpus"))
    parser.add_argument("--out", type=Path, default=RESULTS / "corpus.json")
    given = parser.parse_args()
    figures = main(given.gigabytes, given.work)
    print(json.dumps(write_result("corpus", given.out, figures)))
