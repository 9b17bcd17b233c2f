"""The engine: one queue; each step computes rows of many requests, prompts and answers mixed."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

import torch

from fragua.errors import InputError, RunError
from fragua.inference.decoding import Ending, check_room
from fragua.inference.engine.answer import Answer
from fragua.inference.engine.asking import Sampling
from fragua.inference.engine.drawing import draw, logprobs
from fragua.inference.engine.metrics import Metrics
from fragua.inference.engine.runner import Part, Runner, Step, TorchRunner
from fragua.inference.engine.store import PAGE, Pages, Store, page_count, pages_for
from fragua.inference.engine.ticket import Result, Ticket
from fragua.inference.language_model import LanguageModel
from fragua.models.calls import Decoder

MakeRunner = Callable[[Decoder, Store, bool], Runner]


class Busy(RunError):
    """The queue is full."""


class Engine:
    """Requests in, tokens out. `submit` and `abort` may be called from any thread; steps are done by the engine's
    own thread after `start()`, else by whoever waits for a ticket or calls `step()`."""

    def __init__(
        self,
        lm: LanguageModel,
        *,
        cache_bytes: int | None = None,
        max_running: int = 16,
        max_waiting: int = 1024,
        step_tokens: int = 512,
        deterministic: bool = False,
        prefix_cache: bool = True,
        runner: MakeRunner = TorchRunner,
    ):
        """`cache_bytes`: for keys and values (default: `max_running` whole contexts). `step_tokens`: rows a step at
        most. `deterministic`: a request's tokens are the same alone and in any company, at some cost in speed.
        `runner`: makes the arithmetic.

        Raises InputError where the model does not continue texts or a number is out of range."""
        for name, value in {"max_running": max_running, "step_tokens": step_tokens}.items():
            if value < 1:
                raise InputError(f"{name} is {value}, at least 1 is needed", "engine")
        self.lm, self.deterministic, self.prefix_cache = lm, deterministic, prefix_cache
        self.max_running, self.max_waiting, self.step_tokens = max_running, max_waiting, step_tokens
        model = lm.decoder
        dtype = model.transformer.embedding.weight.dtype
        self._pages = Pages(page_count(model.config, dtype, cache_bytes, max_running))
        self.runner = runner(
            model, Store(model.config, self._pages.count, dtype, model.device), deterministic
        )
        self.metrics = Metrics(pages=self._pages.count - 1)
        self._waiting: deque[Answer] = deque()
        self._running: list[Answer] = []
        """In order of arrival."""
        self._asked: dict[Answer, float] = {}
        self._last: dict[Answer, float] = {}
        self._stepping = threading.Lock()
        self._queue = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    # ---- asking

    def submit(
        self,
        prompt_ids: Sequence[int],
        sampling: Sampling | None = None,
        *,
        n: int = 1,
        ending: Ending | None = None,
    ) -> Ticket:
        """Queues a request for `n` answers (answer i draws with seed + i). `ending`: which tokens end it and how it
        becomes text (default `lm.text_ending`; `lm.chat_ending` for an assistant's turn).

        Raises InputError where the prompt is empty, does not fit or names no token of the vocabulary; Busy where the
        queue is full."""
        sampling, ending = sampling or Sampling(), ending or self.lm.text_ending
        prompt = list(prompt_ids)
        limit = self._checked(prompt, sampling, n)
        ticket = Ticket(n, self._advance)
        seed = secrets.randbits(62) if sampling.seed is None else sampling.seed
        answers = [Answer(prompt, sampling, ending, limit, ticket, index, seed) for index in range(n)]
        for answer in answers[1:]:
            answer.leader = answers[0]
        with self._queue:
            if self._closing:
                raise RunError("the engine is closed", "engine")
            if len(self._waiting) + n > self.max_waiting:
                raise Busy(f"{len(self._waiting)} requests are waiting", "engine", "ask again later")
            now = time.monotonic()
            self._asked |= dict.fromkeys(answers, now)
            self._waiting.extend(answers)
            self.metrics.requests += n
            self._queue.notify_all()
        return ticket

    def abort(self, ticket: Ticket) -> None:
        """Gives a request up: within a step its pages are free and its chunks end with 'abort'."""
        ticket.aborted = True
        with self._queue:
            self._queue.notify_all()

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | None = None) -> list[Result]:
        """The answers to several prompts, in order; prompt i draws with seed + i."""
        sampling = sampling or Sampling()
        tickets = []
        for place, prompt in enumerate(prompts):
            seeded = None if sampling.seed is None else (sampling.seed + place) % 2**63
            while len(self._waiting) >= self.max_waiting and self._advance():
                pass
            tickets.append(self.submit(prompt, sampling.model_copy(update={"seed": seeded})))
        return [ticket.result() for ticket in tickets]

    def _checked(self, prompt: list[int], sampling: Sampling, n: int) -> int:
        """How many tokens may be written."""
        vocabulary = self.lm.tokenizer.vocab_size
        if n < 1:
            raise InputError(f"n is {n}, at least 1 is needed", "request")
        if not prompt:
            raise InputError("the prompt is empty", "prompt", "begin with at least one token")
        for name, ids in (
            ("prompt", prompt),
            ("logit_bias", sampling.logit_bias),
            ("stop_ids", sampling.stop_ids),
        ):
            wrong = next((token for token in ids if not 0 <= token < vocabulary), None)
            if wrong is not None:
                raise InputError(f"token id {wrong} is outside the vocabulary of {vocabulary}", name)
        check_room(len(prompt), self.lm.context + (sampling.max_tokens == 0), "error")
        limit = min(sampling.max_tokens, self.lm.context - len(prompt))
        room = (self._pages.count - 1) * PAGE
        if len(prompt) + limit > room:
            message = f"{len(prompt)} tokens and {limit} more do not fit a cache of {room} positions"
            raise InputError(
                message, "prompt", "shorten it, lower max_tokens, or give the engine more cache_bytes"
            )
        return limit

    # ---- living

    def start(self) -> Self:
        """Steps are done by a thread of its own from now on."""
        with self._queue:
            if self._thread is None:
                self._thread = threading.Thread(target=self._live, name="fragua-engine", daemon=True)
                self._thread.start()
        return self

    @property
    def alive(self) -> bool:
        """Whether its own thread does steps."""
        return self._thread is not None and self._thread.is_alive()

    def close(self, *, drain: bool = True) -> None:
        """Takes no more requests; those it has are answered first, or given up where `drain` is False."""
        with self._queue:
            self._closing = True
            if not drain:
                for answer in [*self._waiting, *self._running]:
                    answer.ticket.aborted = True
            self._queue.notify_all()
        if self._thread is not None:
            self._thread.join()
        while self.step():
            pass

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.close(drain=exception[0] is None)

    def _busy(self) -> bool:
        return bool(self._waiting or self._running)

    def _live(self) -> None:
        while True:
            with self._queue:
                self._queue.wait_for(lambda: self._busy() or self._closing)
                if not self._busy():
                    return
            try:
                self.step()
            except RunError:
                continue  # those who wait have been told

    def _advance(self) -> bool:
        return self._thread is None and self.step()

    # ---- stepping

    def step(self) -> bool:
        """Computes rows of the requests that are there; False where there are none.

        Raises RunError where the model breaks; all requests then fail with it."""
        with self._stepping:
            try:
                self._drop_aborted()
                plan = self._plan()
                if plan:
                    self._run(plan)
            except Exception as error:
                raise self._broken(error) from error
            self._tell()
            return bool(plan) or self._busy()

    def _drop_aborted(self) -> None:
        with self._queue:
            given_up = [answer for answer in [*self._running, *self._waiting] if answer.ticket.aborted]
            for answer in given_up:
                if answer in self._waiting:
                    self._waiting.remove(answer)
        for answer in given_up:
            answer.finish("abort")
            self._leave(answer)
            answer.deliver()

    def _plan(self) -> list[tuple[Answer, int]]:
        """Which answers compute how many of their pending tokens: running ones first, in order of arrival."""
        budget = self.step_tokens
        plan: list[tuple[Answer, int]] = []
        for answer in list(self._running):
            rows = min(answer.pending, budget)
            if rows and answer in self._running and self._reserve(answer, answer.computed + rows):
                plan.append((answer, rows))
                budget -= rows
        while budget and len(self._running) < self.max_running:
            admitted = self._admit()
            if admitted is None:
                break
            rows = min(admitted.pending, budget)
            self._reserve(admitted, admitted.computed + rows)
            plan.append((admitted, rows))
            budget -= rows
        return plan

    def _reserve(self, answer: Answer, positions: int) -> bool:
        """Pages for so many positions; who came last gives up its own for them, maybe this answer itself."""
        while len(answer.pages) < pages_for(positions):
            page = self._pages.take(answer.pages[-1] if answer.pages else None)
            if page is not None:
                answer.pages.append(page)
                continue
            last = self._running[-1]
            self._preempt(last)
            if last is answer:
                return False
        return True

    def _preempt(self, answer: Answer) -> None:
        """Back to the front of the queue; what it has computed is computed again, where the prefix cache forgets."""
        self._running.remove(answer)
        self._free(answer)
        with self._queue:
            self._waiting.appendleft(answer)
        self.metrics.preemptions += 1

    def _admit(self) -> Answer | None:
        """The next in the queue, if its known tokens fit beside the others."""
        with self._queue:
            answer = next((answer for answer in self._waiting if answer.ready), None)
            if answer is None:
                return None
            if self.prefix_cache and answer.sampling.prompt_logprobs is None:
                answer.pages = self._pages.match(answer.ids[:-1])
            for page in answer.pages:
                self._pages.hold(page)
            if self._pages.free < pages_for(len(answer.ids) + 1) - len(answer.pages):
                self._free(answer)
                return None
            self._waiting.remove(answer)
        answer.computed = len(answer.pages) * PAGE
        if answer.cached_tokens is None:
            answer.cached_tokens = answer.computed
            self.metrics.cached_tokens += answer.computed
            self.metrics.prompt_tokens += answer.prompt_length
        self._running.append(answer)
        self._running.sort(key=lambda each: each.arrival)
        return answer

    def _run(self, plan: Sequence[tuple[Answer, int]]) -> None:
        ids: list[int] = []
        parts: list[Part] = []
        wanted: list[int] = []
        rows_of: dict[Answer, range] = {}
        for answer, rows in plan:
            end = answer.computed + rows
            parts.append(Part(len(ids), rows, end, answer.pages))
            first = min(max(answer.computed, answer.unscored - 1), end)
            if end == len(answer.ids):
                first = min(first, end - 1)
            rows_of[answer] = range(len(wanted), len(wanted) + end - first)
            wanted += range(len(ids) + first - answer.computed, len(ids) + end - answer.computed)
            ids += answer.ids[answer.computed : end]
        x_ND = self.runner.states(Step(ids, parts))
        self.metrics.steps += 1
        self.metrics.computed_rows += len(ids)
        logits_WV = None
        if wanted:
            logits_WV = self.runner.logits(x_ND[torch.tensor(wanted, device=x_ND.device)])
            logits_WV = logits_WV[:, : self.lm.tokenizer.vocab_size].float()
        drawing = []
        for answer, rows in plan:
            end = answer.computed + rows
            self._computed(answer, end)
            places = list(rows_of[answer])
            known = places[: len(answer.ids) - 1 - (end - len(places))]
            if logits_WV is not None and known and answer.sampling.prompt_logprobs is not None:
                tokens = answer.ids[end - len(places) + 1 :][: len(known)]
                for logprob in logprobs(logits_WV[known], tokens, answer.sampling.prompt_logprobs):
                    answer.score(logprob)
            if end == len(answer.ids):
                if answer.limit:
                    drawing.append((answer, places[-1]))
                else:
                    answer.finish("length")
        if drawing and logits_WV is not None:
            answers, places = [each[0] for each in drawing], [each[1] for each in drawing]
            rows_BV = logits_WV[places]
            for place, (answer, token) in enumerate(zip(answers, draw(answers, rows_BV), strict=True)):
                top = answer.sampling.logprobs
                found = None if top is None else logprobs(rows_BV[place][None], [token], top)[0]
                answer.take(token, found)
                self._note(answer)
        for answer, _ in plan:
            if answer.finish_reason is not None:
                self._leave(answer)
            answer.deliver()

    def _computed(self, answer: Answer, end: int) -> None:
        """The keys and values of the first `end` tokens are stored: full pages can be found by others."""
        first, answer.computed = answer.computed // PAGE, end
        if self.prefix_cache:
            for place in range(first, end // PAGE):
                before = answer.pages[place - 1] if place else None
                self._pages.publish(
                    before, answer.pages[place], answer.ids[place * PAGE : (place + 1) * PAGE]
                )

    def _free(self, answer: Answer) -> None:
        self._pages.release(answer.pages)
        answer.pages, answer.computed = [], 0

    def _leave(self, answer: Answer) -> None:
        """Finished: its pages are free, its figures counted."""
        if answer in self._running:
            self._running.remove(answer)
        self._free(answer)
        assert answer.finish_reason is not None, "only who is finished leaves"
        self.metrics.finished[answer.finish_reason] += 1
        self.metrics.request_s.observe(time.monotonic() - self._asked.pop(answer))
        self._last.pop(answer, None)

    def _note(self, answer: Answer) -> None:
        """A token was written now."""
        now, before = time.monotonic(), self._last.get(answer)
        if before is None:
            self.metrics.time_to_first_token_s.observe(now - self._asked[answer])
        else:
            self.metrics.time_per_token_s.observe(now - before)
        self._last[answer] = now
        self.metrics.completion_tokens += 1

    def _tell(self) -> None:
        metrics = self.metrics
        metrics.waiting, metrics.running = len(self._waiting), len(self._running)
        metrics.pages_held = self._pages.held
        metrics.kv_use = metrics.pages_held / metrics.pages

    def _broken(self, error: Exception) -> RunError:
        told = error if isinstance(error, RunError) else RunError(f"the engine broke: {error}", "engine")
        with self._queue:
            answers = [*self._running, *self._waiting]
            self._waiting.clear()
        self._running.clear()
        for answer in answers:
            self._free(answer)
            self._asked.pop(answer, None)
            self._last.pop(answer, None)
            answer.ticket.fail(told)
        return told
