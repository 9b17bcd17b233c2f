"""A corpus directory as it is written: rows split by digest, duplicates dropped, and the card at the end."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from pydantic import BaseModel

from fragua.corpus.data_card import write_data_card
from fragua.corpus.tally import Tally
from fragua.errors import InputError
from fragua.files import atomic_write, digest_json, read_json, write_json

SPLITS = ("train", "validation")


class CorpusCard(BaseModel):
    """What a corpus holds. `bytes` counts the texts in UTF-8; `digest` names rows, in any order, and the split.

    `changed` and `dropped` count by reason, of which `examples` shows some; `broken` tells of files passed over.
    `words` (between white space) by language; `lengths`: language -> power of two -> documents of so many bytes or
    more, but fewer than twice as many."""

    documents: int
    bytes: int
    validation_documents: int
    languages: dict[str, int]
    genres: dict[str, int]
    sources: dict[str, int]
    dropped: dict[str, int]
    changed: dict[str, int] = {}
    examples: dict[str, list[dict[str, str]]] = {}
    broken: list[str] = []
    words: dict[str, int] = {}
    lengths: dict[str, dict[int, int]] = {}
    digest: str
    details: dict[str, Any] = {}


class CorpusWriter:
    """`with CorpusWriter(out, share, seed) as w: w.add(row) …; w.finish()`: files appear whole, when the block ends."""

    def __init__(self, out: str | Path, validation_share: float, seed: int, unique: bool = False):
        """`unique`: no text will come twice, so there is no need to remember them."""
        self.out, self._share, self._seed = Path(out), validation_share, seed
        self.bytes = self.documents = 0
        self._tally, self._unique = Tally(), unique
        self._counts: dict[str, Counter[str]] = {key: Counter() for key in ("lang", "genre", "source")}
        self._words: Counter[str] = Counter()
        self._lengths: dict[str, Counter[int]] = defaultdict(Counter)
        self._validation = 0
        self._seen: set[bytes] = set()
        self._sum = 0
        self._spare: tuple[float, str] | None = None
        self._stack = ExitStack()
        self._files: dict[str, IO[str]] = {}

    def __enter__(self) -> Self:
        self._stack.__enter__()
        for split in SPLITS:
            for left in self.out.glob(f".{split}.jsonl.*"):  # by a build that was killed
                left.unlink()
            self._files[split] = self._stack.enter_context(atomic_write(self.out / f"{split}.jsonl"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, value, trace)

    def add(self, row: dict[str, str], held_out: bool | None = None) -> bool:
        """Writes the row unless its text was written before; says which of the two.

        `held_out`: for validation or not; None: the digest decides."""
        raw = row["text"].encode("utf-8")
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        if not self._unique:
            if digest in self._seen:
                self._tally.drop("duplicate", row["source"], row["text"])
                return False
            self._seen.add(digest)
        line = json.dumps(row, ensure_ascii=False) + "\n"
        if held_out is None:
            self._place(_share_of(digest, self._seed), line)
        else:
            self._files["validation" if held_out else "train"].write(line)
            self._validation += held_out
        self.documents += 1
        self.bytes += len(raw)
        whole = hashlib.blake2b(line.encode("utf-8"), digest_size=16).digest()
        self._sum = (self._sum + int.from_bytes(whole, "big")) % (1 << 128)
        for key, counter in self._counts.items():
            counter[row[key]] += 1
        self._words[row["lang"]] += len(row["text"].split())
        self._lengths[row["lang"]][1 << (len(raw).bit_length() - 1)] += 1
        return True

    def _place(self, share: float, line: str) -> None:
        """Below the validation share: validation. Else train, but the lowest of these waits for the end, so that
        a small corpus has a validation document too."""
        if share < self._share:
            self._files["validation"].write(line)
            self._validation += 1
        elif self._spare is None or share < self._spare[0]:
            if self._spare is not None:
                self._files["train"].write(self._spare[1])
            self._spare = (share, line)
        else:
            self._files["train"].write(line)

    def finish(self, tally: Tally | None = None, details: dict[str, Any] | None = None) -> CorpusCard:
        """Writes `corpus.json` and the data card, and returns the first. Raises InputError when nothing was written.

        `tally`: what befell the documents before they came here."""
        tally = tally or self._tally
        if not self.documents:
            dropped = ", ".join(f"{count} {why}" for why, count in tally.dropped.items())
            message = f"the sources hold no text{f' (dropped: {dropped})' if dropped else ''}"
            raise InputError(message, mend="give others")
        if self._spare is not None:
            needed = self._share > 0 and not self._validation and self.documents > 1
            self._files["validation" if needed else "train"].write(self._spare[1])
            self._validation += needed
        counts = {key: dict(sorted(counter.items())) for key, counter in self._counts.items()}
        card = CorpusCard(
            documents=self.documents,
            bytes=self.bytes,
            validation_documents=self._validation,
            languages=counts["lang"],
            genres=counts["genre"],
            sources=counts["source"],
            **tally.to_json(),
            words=dict(sorted(self._words.items())),
            lengths={lang: dict(sorted(counts.items())) for lang, counts in sorted(self._lengths.items())},
            digest=digest_json([f"{self._sum:032x}", self._share, self._seed]),
            details=details or {},
        )
        return write_card(self.out, card)


def write_card(out: Path, card: CorpusCard) -> CorpusCard:
    """Writes `corpus.json` and the data card of a corpus directory."""
    write_json(out / "corpus.json", card.model_dump())
    write_data_card(out, card)
    return card


def _share_of(digest: bytes, seed: int) -> float:
    """A number in [0, 1) fixed by the document and the seed."""
    mixed = hashlib.blake2b(digest + str(seed).encode(), digest_size=8).digest()
    return int.from_bytes(mixed, "big") / 2**64


def read_card(directory: str | Path) -> CorpusCard:
    """Raises InputError when the directory is not a corpus."""
    path = Path(directory) / "corpus.json"
    if not path.exists():
        raise InputError(
            "not a corpus: it has no corpus.json", directory, "build one with `fragua corpus build`"
        )
    try:
        return CorpusCard.model_validate(read_json(path))
    except ValueError as error:
        raise InputError("not a corpus card", path) from error
