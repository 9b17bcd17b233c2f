"""Text as it may be shown, with the log-probabilities of just the tokens that wrote it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from fragua.inference.engine.ticket import TokenLogprob
from fragua.inference.stopping import Detokenizer, StopStrings


class Written(NamedTuple):
    """A token and where its text begins in what was shown."""

    logprob: TokenLogprob
    offset: int


class Release(NamedTuple):
    text: str = ""
    tokens: tuple[Written, ...] = ()


class Releaser:
    """Tokens in; out come whole characters before any stop string. A token is told once its text is shown whole:
    one that holds the beginning of a stop string, or of a character, waits for the rest of it, or is never told."""

    def __init__(self, detokenizer: Detokenizer, stops: Sequence[str] = ()):
        self.detokenizer, self.stops = detokenizer, StopStrings(stops)
        self.shown = 0
        self._fed = 0
        self._held: deque[tuple[int, Written]] = deque()

    def feed(self, token: int, logprob: TokenLogprob | None = None) -> Release:
        start, text = self._fed, self.detokenizer.feed(token)
        self._fed += len(text)
        if logprob is not None:
            self._held.append((self._fed, Written(logprob, start)))
        return self._released(self.stops.feed(text))

    def flush(self) -> Release:
        """The rest, when no more tokens will come."""
        text = self.detokenizer.flush()
        self._fed += len(text)
        shown = self.stops.feed(text)
        release = self._released(shown if self.stops.stopped else shown + self.stops.flush())
        rest = () if self.stops.stopped else tuple(written for _, written in self._held)
        self._held.clear()
        return Release(release.text, release.tokens + rest)

    def _released(self, text: str) -> Release:
        self.shown += len(text)
        tokens = []
        while self._held and max(self._held[0][0], self._held[0][1].offset + 1) <= self.shown:
            tokens.append(self._held.popleft()[1])
        return Release(text, tuple(tokens))
