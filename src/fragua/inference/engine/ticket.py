"""What a request gives back: chunks as they come, and the whole."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fragua.errors import FraguaError

Finish = Literal["stop", "length", "abort"]
"""'stop': an end token, a stop id, a stop string or the end of what a constraint allows; 'length': max_tokens or
the context ran out; 'abort': the request was given up."""


class TokenLogprob(NamedTuple):
    """A token, its log-probability in nats, of the model itself (before penalties and filters), and the likeliest."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


class Chunk(NamedTuple):
    """A step's share of one answer. `text` never cuts a character nor holds part of a stop string."""

    answer: int
    """Which of the n answers."""
    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...]
    finish_reason: Finish | None = None


@dataclass(frozen=True)
class Result:
    """A whole answer."""

    text: str
    token_ids: list[int]
    """All that were written but the end token, also those of a stop string."""
    logprobs: list[TokenLogprob] | None
    prompt_logprobs: list[TokenLogprob | None] | None
    """One for each token of the prompt; the first has none."""
    finish_reason: Finish
    prompt_tokens: int
    cached_tokens: int
    """Tokens of the prompt that were not computed again, found in the prefix cache."""
    completion_tokens: int
    """Tokens written, the one that ended the text included."""
    ended_by: TokenLogprob | None = None
    """The end token or stop id, where one ended the text; its log-probability is NaN where none was asked for."""


class Ticket:
    """A request in the engine. Iterate over it once, with `for` or `async for`, for the chunks of all its answers;
    `result()` waits for the whole. Of an engine without its own thread, waiting does the steps."""

    def __init__(self, n: int, advance: Callable[[], bool]):
        """`advance` does a step where no other thread does them, and tells whether it did."""
        self.n, self._advance = n, advance
        self._results: list[Result | None] = [None] * n
        self._chunks: deque[Chunk] = deque()
        self._changed = threading.Condition()
        self._listeners: list[Callable[[], None]] = []
        self._error: FraguaError | None = None
        self.aborted = False

    @property
    def done(self) -> bool:
        return self._error is not None or None not in self._results

    def result(self) -> Result:
        """The first answer. Raises RunError where the engine broke."""
        return self.results()[0]

    def results(self) -> list[Result]:
        """All n answers, in order."""
        self._wait(lambda: self.done)
        self._raise()
        return [result for result in self._results if result is not None]

    def __iter__(self) -> Iterator[Chunk]:
        while True:
            self._wait(lambda: bool(self._chunks) or self.done)
            if not self._chunks:
                self._raise()
                return
            yield self._chunks.popleft()

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop that waited is closed
                loop.call_soon_threadsafe(woken.set)

        with self._changed:
            self._listeners.append(wake)
        try:
            while True:
                woken.clear()
                while self._chunks:
                    yield self._chunks.popleft()
                if self.done and not self._chunks:
                    self._raise()
                    return
                if not self._advance():
                    await woken.wait()
        finally:
            with self._changed:
                self._listeners.remove(wake)

    def put(self, chunk: Chunk, result: Result | None = None) -> None:
        """For the engine: a chunk more, with the whole answer where it is the last."""
        with self._changed:
            self._chunks.append(chunk)
            if result is not None:
                self._results[chunk.answer] = result
            self._notify()

    def fail(self, error: FraguaError) -> None:
        """For the engine: no more will come."""
        with self._changed:
            if not self.done:
                self._error = error
            self._notify()

    def _notify(self) -> None:
        self._changed.notify_all()
        for wake in self._listeners:
            wake()

    def _wait(self, ready: Callable[[], bool]) -> None:
        while not ready():
            if self._advance():
                continue
            with self._changed:
                self._changed.wait_for(ready)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
