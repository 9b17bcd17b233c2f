"""From sources to a corpus directory: read, cleaned, cut, masked, without duplicates, split by digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from fragua.corpus.card import CorpusCard, CorpusWriter
from fragua.corpus.clean import cleaned, pieces
from fragua.corpus.contamination import RUN_WORDS, Probe, read_probe
from fragua.corpus.document import UNKNOWN, Document, Reading
from fragua.corpus.duplicates import exact_duplicates, near_duplicates
from fragua.corpus.kinds import Kind
from fragua.corpus.language import detect_language
from fragua.corpus.masks import mask
from fragua.corpus.read import STDIN, find_files, read_file
from fragua.corpus.staging import Staging
from fragua.corpus.tail import Tail
from fragua.errors import InputError
from fragua.files import digest_file, digest_json
from fragua.progress import console
from fragua.settings import Settings

STAGING = ".build"
MOST_BROKEN_TOLD = 100


class BuildSettings(Settings):
    """Everything but the sources that decides a corpus. `None` for `lang`: each row's own, else detected."""

    validation_share: float = Field(default=0.02, ge=0, lt=1)
    tail: float | None = Field(default=None, gt=0, lt=1)
    """Held out is this last share of each source's characters, instead of documents by their digest."""
    seed: int = 0
    lang: str | None = None
    languages: tuple[str, ...] = ()
    """Only documents in these are kept; all where there are none."""
    column: str = "text"
    encoding: str | None = None
    most_characters: int = Field(default=10_000, ge=100)
    """A longer document is cut at paragraph borders, so that a lone book too has parts for validation."""
    near: float = Field(default=0.8, ge=0, le=1)
    """Two texts are near duplicates from this estimated Jaccard similarity on; 0 keeps them."""
    mask: tuple[Kind, ...] = ()
    probes: tuple[Path, ...] = ()
    probe_words: int = Field(default=RUN_WORDS, ge=3)
    skip_broken: bool = False


def build_corpus(
    sources: Iterable[str | Path],
    out: str | Path,
    settings: BuildSettings | None = None,
    on_bytes: Callable[[float], None] | None = None,
) -> CorpusCard:
    """Writes `train.jsonl`, `validation.jsonl`, `corpus.json` and `README.md` into `out`, whole or not at all.

    Which split a document falls into depends on its text and the seed alone (but one document at least is kept for
    validation where there are two), so sources may be added later; or with `tail` on its place in its source.
    Memory does not grow with the texts' size; stopped, the same call goes on. `on_bytes` is told of the files'
    bytes as they are read. Raises InputError for unreadable sources, or when nothing is left."""
    settings, out = settings or BuildSettings(), Path(out)
    files = list(find_files(sources))
    probe = Probe((text for path in settings.probes for text in read_probe(path)), settings.probe_words)
    plan = settings.model_dump(mode="json") | {"probes": [digest_file(path) for path in settings.probes]}
    with CorpusWriter(out, settings.tail or settings.validation_share, settings.seed, unique=True) as writer:
        with Staging(out / STAGING, digest_json(plan), near=settings.near > 0) as staging:
            _Gathering(staging, files, settings, probe, on_bytes or (lambda count: None)).run()
            _select(staging, settings, writer)
        card = writer.finish(staging.tally)
    staging.discard()
    return card


class _Gathering:
    """Reads files from where the staging stands, and stages the rows that come of them."""

    def __init__(
        self,
        staging: Staging,
        files: Sequence[Path | str],
        settings: BuildSettings,
        probe: Probe,
        on_bytes: Callable[[float], None],
    ):
        self.staging, self.files, self.settings, self.probe = staging, files, settings, probe
        self.on_bytes = on_bytes
        self.reading = Reading(settings.column, settings.encoding, self._broken)
        self._number = self._skipped = 0

    def run(self) -> None:
        begun = [identity(file) for file in self.files]
        if begun[: len(self.staging.files)] != self.staging.files or STDIN in self.files:
            self.staging.restart()
        done = self.staging.file
        self.on_bytes(sum(size for _, size, _ in begun[:done]))
        for index in range(done, len(self.files)):
            self.staging.files = begun[: index + 1]
            self._read(self.files[index], size=begun[index][1])
            self.staging.file, self.staging.documents = index + 1, 0
            self.staging.commit(now=index + 1 == len(self.files))

    def _read(self, file: Path | str, size: int) -> None:
        told, self._skipped = 0, self.staging.documents
        self._number = 0
        for document in self._documents(file):
            self._number += 1
            if self._number > self._skipped:
                self._take(document)
                self.staging.documents = self._number
                self.staging.commit()
            step = min(size - told, len(document.text))
            told += step
            self.on_bytes(step)
        self.on_bytes(size - told)
        if not self._number:
            self.staging.tally.drop("empty", str(file), "")

    def _documents(self, file: Path | str) -> Iterator[Document]:
        try:
            yield from read_file(file, self.reading)
        except InputError as error:
            self._broken(error)

    def _broken(self, error: InputError) -> None:
        """Passed over where that was asked for, and told; else the end of the build."""
        if not self.settings.skip_broken:
            mend = f"{error.mend}, or pass it over with --skip-broken" if error.mend else "or --skip-broken"
            raise InputError(error.message, error.place, mend) from error
        if self._number < self._skipped:
            return  # told before the build was stopped
        tally = self.staging.tally
        tally.dropped["broken"] += 1
        if len(tally.broken) < MOST_BROKEN_TOLD:
            tally.broken.append(str(error))
        console.print(f"skipped: {error}", style="yellow", markup=False, highlight=False, soft_wrap=True)

    def _take(self, document: Document) -> None:
        settings, tally, source = self.settings, self.staging.tally, document.source
        text, changes = cleaned(document.text)
        for change in (*document.changes, *changes):
            tally.change(change, source, text)
        if not text:
            tally.drop("empty", source, document.text)
            return
        for piece in pieces(text, settings.most_characters):
            lang = settings.lang or (document.lang if document.lang != UNKNOWN else detect_language(piece))
            if settings.languages and lang not in settings.languages:
                tally.drop("language", source, piece)
                continue
            if len(self.probe) and (found := self.probe.find(piece)) is not None:
                tally.drop("contaminated", source, found)
                continue
            masked, kinds = mask(piece, settings.mask)
            for kind in kinds:
                at = masked.find(f"[{kind}]")
                tally.change(f"masked {kind}", source, masked[max(0, at - 40) :])
            self.staging.add({"text": masked, "lang": lang, "genre": document.genre, "source": source})


def identity(file: Path | str) -> list[Any]:
    """Name, size and time of change: a file that has changed is another one."""
    if isinstance(file, str):
        return [file, 0, 0]
    about = file.stat()
    return [str(file), about.st_size, about.st_mtime_ns]


def _select(staging: Staging, settings: BuildSettings, writer: CorpusWriter) -> None:
    """Writes the staged rows that are neither duplicates nor near duplicates of an earlier one."""
    if not staging.rows:
        return
    exact = np.zeros(staging.rows, np.bool_)
    for duplicate, _ in exact_duplicates(staging.keys()):
        exact[duplicate] = True
    close = near_duplicates(staging.signatures(), settings.near, exact) if settings.near else {}
    lengths: Counter[str] = Counter()
    if settings.tail:
        for number, row in enumerate(staging.read()):
            lengths[row["source"]] += len(row["text"]) * (not exact[number] and number not in close)
    tail = Tail(lengths, settings.tail) if settings.tail else None
    for number, row in enumerate(staging.read()):
        if exact[number]:
            staging.tally.drop("duplicate", row["source"], row["text"])
        elif number in close:
            staging.tally.drop("near duplicate", row["source"], row["text"])
        elif tail is None:
            writer.add(row)
        else:
            for part, held_out in tail.parts(row):
                writer.add(part, held_out)
