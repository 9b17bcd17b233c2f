"""From token ids to text as it may be shown: whole characters only, and nothing of a stop string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fragua.errors import InputError


class StopStrings:
    """Passes text through until a stop string is complete; holds back what may still become one.

    The cut is where the stop string that is complete first begins (of two complete at once, the longer):
    the same however the text is cut into pieces."""

    def __init__(self, stops: Sequence[str]):
        if any(not stop for stop in stops):
            raise InputError("a stop string is empty", "stop")
        self.stops = tuple(stops)
        self.held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """Returns what may be shown now; nothing more once `stopped`."""
        if self.stopped:
            return ""
        text = self.held + text
        found = [(start + len(stop), start) for stop in self.stops if (start := text.find(stop)) >= 0]
        if found:
            self.stopped, self.held = True, ""
            return text[: min(found)[1]]
        keep = max((_overlap(text, stop) for stop in self.stops), default=0)
        self.held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back, when no more will come."""
        text, self.held = self.held, ""
        return text


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    for length in range(min(len(stop) - 1, len(text)), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0


class Detokenizer(Protocol):
    """Ids in, whole characters out; `Tokenizer.stream()` gives one."""

    def feed(self, token: int) -> str: ...

    def flush(self) -> str: ...


class TextStream:
    """Tokens in, text out: joined into whole characters, then past the stop strings.

    The pieces together are the text of the tokens, cut at the first stop string."""

    def __init__(self, detokenizer: Detokenizer, stops: Sequence[str] = ()):
        self.detokenizer = detokenizer
        self.stops = StopStrings(stops)

    @property
    def stopped(self) -> bool:
        return self.stops.stopped

    def feed(self, token: int) -> str:
        return self.stops.feed(self.detokenizer.feed(token))

    def flush(self) -> str:
        """The rest, when no more tokens will come."""
        last = self.stops.feed(self.detokenizer.flush())
        return last if self.stopped else last + self.stops.flush()
