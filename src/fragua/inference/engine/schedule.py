"""Who computes what in the next step, and whose pages hold it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import cached_property

from fragua.inference.engine.answer import Answer
from fragua.inference.engine.metrics import Metrics
from fragua.inference.engine.store import PAGE, Pages, pages_for


@dataclass
class Turn:
    """An answer's share of a step: its next `rows` known tokens, and guesses behind them where it knows no more."""

    answer: Answer
    rows: int
    guesses: list[int] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Known positions that are filled after the step."""
        return self.answer.computed + self.rows

    @property
    def draws(self) -> bool:
        """Whether it reaches the last known token, so that the next can be drawn."""
        return self.rows == self.answer.pending

    @cached_property
    def first_wanted(self) -> int:
        """From this position on the logits are needed: before tokens of the prompt to score, and to draw. As it is
        before the step, which scores."""
        answer = self.answer
        unscored = min(max(answer.computed, answer.unscored - 1), self.end)
        return min(unscored, self.end - 1) if self.draws and answer.limit else unscored


class Schedule:
    """The queue and the running answers. First come, first served: a running answer goes on before a new one begins,
    and where pages are short, who came last gives them up and waits again."""

    def __init__(
        self, pages: Pages, max_running: int, step_tokens: int, prefix_cache: bool, metrics: Metrics
    ):
        self.pages, self.max_running, self.step_tokens = pages, max_running, step_tokens
        self.prefix_cache, self.metrics = prefix_cache, metrics
        self.waiting: deque[Answer] = deque()
        self.running: list[Answer] = []
        """In order of arrival."""

    def plan(self) -> list[Turn]:
        """Up to `step_tokens` rows; every turn's pages are there."""
        budget = self.step_tokens
        turns: list[Turn] = []
        for answer in list(self.running):
            rows = min(answer.pending, budget)
            if rows and answer in self.running and self._reserve(answer, answer.computed + rows):
                turns.append(Turn(answer, rows))
                budget -= rows
        while budget and len(self.running) < self.max_running:
            admitted = self._admit()
            if admitted is None:
                break
            rows = min(admitted.pending, budget)
            self._reserve(admitted, admitted.computed + rows)
            turns.append(Turn(admitted, rows))
            budget -= rows
        return turns

    def room_for_guesses(self, turn: Turn, wanted: int) -> int:
        """How many rows more can be stored without taking pages from anybody."""
        answer = turn.answer
        while len(answer.pages) < pages_for(turn.end + wanted) and self.pages.free:
            self._take(answer.pages)
        return min(wanted, len(answer.pages) * PAGE - turn.end)

    def filled(self, answer: Answer, end: int) -> None:
        """The keys and values of its first `end` tokens are stored: pages that are full can be found by others."""
        first, answer.computed = answer.computed // PAGE, end
        if self.prefix_cache and not answer.source:
            for place in range(first, end // PAGE):
                before = answer.pages[place - 1] if place else None
                ids = answer.ids[place * PAGE : (place + 1) * PAGE]
                self.pages.publish(before, answer.pages[place], ids)

    def leave(self, answer: Answer) -> None:
        """It runs no more; its pages are free."""
        if answer in self.running:
            self.running.remove(answer)
        self.pages.release(answer.pages)
        self.pages.release(answer.source_pages)
        answer.pages, answer.source_pages, answer.computed = [], [], 0

    def _take(self, pages: list[int]) -> bool:
        page = self.pages.take(pages[-1] if pages else None)
        if page is not None:
            pages.append(page)
        return page is not None

    def _reserve(self, answer: Answer, positions: int) -> bool:
        """Pages for so many positions; False where the answer itself had to give up its own."""
        while len(answer.pages) < pages_for(positions):
            if not self._take(answer.pages):
                last = self.running[-1]
                self._preempt(last)
                if last is answer:
                    return False
        return True

    def _preempt(self, answer: Answer) -> None:
        """Back to the front of the queue. What it had computed is computed again, but for what its pages still hold
        when its turn comes."""
        self.leave(answer)
        self.waiting.appendleft(answer)
        self.metrics.preemptions += 1

    def _admit(self) -> Answer | None:
        """The next in the queue, if all that it knows fits beside the others."""
        answer = next((answer for answer in list(self.waiting) if answer.ready), None)
        if answer is None:
            return None
        if self.prefix_cache and not answer.source and answer.sampling.prompt_logprobs is None:
            answer.pages = self.pages.match(answer.ids[:-1])
        for page in answer.pages:
            self.pages.hold(page)
        soon = min(len(answer.ids) + 1, answer.prompt_length + answer.limit)
        needed = pages_for(soon) - len(answer.pages) + pages_for(len(answer.source))
        if self.pages.free < needed:
            self.leave(answer)
            return None
        while len(answer.source_pages) < pages_for(len(answer.source)):
            self._take(answer.source_pages)
        self.waiting.remove(answer)
        answer.computed = len(answer.pages) * PAGE
        if answer.cached_tokens is None:
            answer.cached_tokens = answer.computed
            self.metrics.cached_tokens += answer.computed
            self.metrics.prompt_tokens += len(answer.source) or answer.prompt_length
        self.running.append(answer)
        self.running.sort(key=lambda each: each.arrival)
        return answer
