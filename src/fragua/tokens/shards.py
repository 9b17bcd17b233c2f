"""Token shards: documents as ids in flat files, memory-mapped, and an index that tells of damage.

A directory holds `index.json` and, for each shard `i`, `tokens-i.bin` (uint16 or uint32), `offsets-i.bin`
(int64, documents + 1 of them, in tokens) and for conversations `trained-i.bin` (uint8, 1 where a token is the
assistant's). All little-endian. The index is written last: without it there are no shards.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from fragua.errors import InputError
from fragua.files import atomic_write, digest_file, digest_json, make_folder, read_json, write_json

FORMAT = 1
TOKENS_PER_SHARD = 2**27


class Document(NamedTuple):
    """`ids` [T] and, for a conversation, `trained` bool [T]: views of the files, not copies."""

    ids: np.ndarray
    trained: np.ndarray | None


Entry = Sequence[int] | np.ndarray | tuple[Sequence[int], Sequence[bool]]
"""What is written: a document's ids, or a conversation's ids and which of them are the assistant's."""


def dtype_for(vocab_size: int) -> str:
    """`uint16` for up to 65,536 tokens, else `uint32`."""
    return "uint16" if vocab_size <= 2**16 else "uint32"


def write_shards(
    out: str | Path,
    documents: Iterable[Entry],
    dtype: str = "uint16",
    *,
    tokenizer_digest: str | None = None,
    pad_id: int = 0,
    figures: dict[str, Any] | None = None,
    tokens_per_shard: int = TOKENS_PER_SHARD,
) -> dict[str, Any]:
    """Writes documents as they come, in memory bounded by one shard's offsets; returns the index.

    `figures` is kept in the index; it is read at the end, so that the caller may count while it generates.
    Raises InputError for an id that `dtype` can't hold, for documents of which only some have `trained`, and
    for none at all."""
    out = Path(out)
    make_folder(out)
    (out / "index.json").unlink(missing_ok=True)
    for path in out.glob(".*-*.bin.*"):  # temporary files of a killed run
        path.unlink()
    stream = iter(documents)
    pending = next(stream, None)
    if pending is None:
        raise InputError("no documents to write", out)
    with_trained = isinstance(pending, tuple)
    shards: list[dict[str, Any]] = []
    while pending is not None:
        with _ShardWriter(out, len(shards), np.dtype(dtype), with_trained) as writer:
            while pending is not None and writer.tokens < tokens_per_shard:
                writer.add(pending)
                pending = next(stream, None)
        shards.append(writer.entry)
    index = {
        "format": FORMAT,
        "dtype": dtype,
        "tokens": sum(shard["tokens"] for shard in shards),
        "documents": sum(shard["documents"] for shard in shards),
        "trained": with_trained,
        "tokenizer": tokenizer_digest,
        "pad_id": pad_id,
        "figures": figures or {},
        "shards": shards,
    }
    write_json(out / "index.json", index)
    for path in out.glob("*-*.bin"):  # of an earlier, longer run
        if not any(path.name in shard["files"] for shard in shards):
            path.unlink()
    return index


class _ShardWriter:
    """One shard's files, written side by side; `entry` for the index stands once they are whole."""

    def __init__(self, out: Path, number: int, dtype: np.dtype[Any], with_trained: bool):
        kinds = ["tokens", "trained"] if with_trained else ["tokens"]
        self._names = {kind: f"{kind}-{number:05d}.bin" for kind in [*kinds, "offsets"]}
        self._out, self._dtype, self._with_trained = out, dtype, with_trained
        self._offsets = array("q", [0])
        self._digests = {kind: hashlib.sha256() for kind in self._names}
        self._files: dict[str, IO[bytes]] = {}
        self._stack = ExitStack()
        self.tokens = 0
        self.entry: dict[str, Any] = {}

    def __enter__(self) -> _ShardWriter:
        for kind, name in self._names.items():
            self._files[kind] = self._stack.enter_context(atomic_write(self._out / name, "wb"))
        return self

    def add(self, document: Entry) -> None:
        ids, trained = document if isinstance(document, tuple) else (document, None)
        if (trained is not None) != self._with_trained:
            raise InputError("documents with and without trained marks can't share shards", self._out)
        values = np.asarray(ids, dtype=np.int64)
        if len(values) and not 0 <= values.min() <= values.max() <= np.iinfo(self._dtype).max:
            raise InputError(f"an id from {values.min()} to {values.max()} is no {self._dtype}", self._out)
        self._write("tokens", values.astype(self._dtype.newbyteorder("<")).tobytes())
        if trained is not None:
            if len(trained) != len(values):
                raise InputError(f"{len(values)} ids with {len(trained)} trained marks", self._out)
            self._write("trained", np.asarray(trained, dtype=np.uint8).tobytes())
        self.tokens += len(values)
        self._offsets.append(self.tokens)

    def _write(self, kind: str, data: bytes) -> None:
        self._files[kind].write(data)
        self._digests[kind].update(data)

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self._write("offsets", np.frombuffer(self._offsets, dtype=np.int64).astype("<i8").tobytes())
        self._stack.__exit__(*error)
        self.entry = {
            "tokens": self.tokens,
            "documents": len(self._offsets) - 1,
            "files": {name: self._digests[kind].hexdigest() for kind, name in self._names.items()},
        }


class Shards:
    """Documents by number: `len(shards)`, `shards[i]`, `shards.lengths`; opened by `Shards.open`."""

    def __init__(self, directory: Path, index: dict[str, Any]):
        self.directory, self.index = directory, index
        self.tokens: int = index["tokens"]
        self.has_trained: bool = index["trained"]
        self.pad_id: int = index["pad_id"]
        self.tokenizer_digest: str | None = index["tokenizer"]
        self.figures: dict[str, Any] = index["figures"]
        self._ids: list[np.ndarray] = []
        self._trained: list[np.ndarray] = []
        self._offsets: list[np.ndarray] = []
        token_type = np.dtype(index["dtype"]).newbyteorder("<")
        for number, shard in enumerate(index["shards"]):
            self._ids.append(self._map(f"tokens-{number:05d}.bin", token_type, shard["tokens"]))
            self._offsets.append(self._map(f"offsets-{number:05d}.bin", "<i8", shard["documents"] + 1))
            if self.has_trained:
                self._trained.append(self._map(f"trained-{number:05d}.bin", np.bool_, shard["tokens"]))
        self._first = np.cumsum([0, *(shard["documents"] for shard in index["shards"])])

    @classmethod
    def open(cls, directory: str | Path, verify: bool = True) -> Shards:
        """Maps the files; sizes are always checked, contents against their SHA-256 unless `verify` is False.

        Raises InputError for shards that are absent, unfinished, truncated, damaged or of another format."""
        directory = Path(directory)
        path = directory / "index.json"
        if not path.is_file():
            raise InputError("no token shards here (no index.json)", directory, "make them again")
        index = read_json(path)
        if not isinstance(index, dict) or index.get("format") != FORMAT:
            raise InputError(f"not an index of token shards of format {FORMAT}", path, "make them again")
        shards = cls(directory, index)
        if verify:
            for shard in index["shards"]:
                for name, digest in shard["files"].items():
                    if digest_file(directory / name) != digest:
                        raise InputError("damaged: its SHA-256 isn't the index's", directory / name, MEND)
        return shards

    def check_tokenizer(self, digest: str) -> None:
        """Raises InputError where these tokens are another tokenizer's."""
        if self.tokenizer_digest not in (None, digest):
            raise InputError("made with another tokenizer", self.directory, "tokenize the corpus again")

    def __len__(self) -> int:
        return self.index["documents"]

    def __getitem__(self, number: int) -> Document:
        return self.slice(number, 0, None)

    def slice(self, number: int, start: int, stop: int | None) -> Document:
        """Tokens `start` to `stop` of document `number`."""
        if not 0 <= number < len(self):
            raise IndexError(f"document {number} of {len(self)}")
        shard = 0 if len(self._ids) == 1 else int(self._first.searchsorted(number, side="right")) - 1
        offsets, local = self._offsets[shard], number - int(self._first[shard])
        first, end = int(offsets[local]), int(offsets[local + 1])
        begin = min(first + start, end)
        end = end if stop is None else min(first + stop, end)
        trained = self._trained[shard][begin:end] if self.has_trained else None
        return Document(self._ids[shard][begin:end], trained)

    def __iter__(self) -> Iterator[Document]:
        return (self[i] for i in range(len(self)))

    @cached_property
    def lengths(self) -> np.ndarray:
        """int64 [documents]: tokens of each."""
        return np.concatenate([np.diff(offsets) for offsets in self._offsets])

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the files' digests: equal exactly where the tokens are."""
        return digest_json(self.index["shards"])

    def _map(self, name: str, dtype: Any, count: int) -> np.ndarray:
        path, wanted = self.directory / name, count * np.dtype(dtype).itemsize
        if not path.is_file():
            raise InputError("this shard is missing", path, MEND)
        found = path.stat().st_size
        if found != wanted:
            raise InputError(f"truncated: {found:,} bytes instead of {wanted:,}", path, MEND)
        if count == 0:
            return np.empty(0, dtype=dtype)
        return np.memmap(path, dtype=dtype, mode="r", shape=(count,)).view(np.ndarray)


MEND = "delete the folder and make the shards again"
