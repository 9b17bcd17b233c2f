"""The engine: one queue; each step computes rows of many requests, prompts and answers mixed."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Literal, Self, cast

import numpy as np

from fragua.errors import FraguaError, InputError, RunError
from fragua.inference.decoding import Ending, check_room
from fragua.inference.encoding import Embedding
from fragua.inference.engine.answer import Answer
from fragua.inference.engine.asking import Sampling
from fragua.inference.engine.constraints import Grammars
from fragua.inference.engine.drafts import DraftModel, Lookup
from fragua.inference.engine.embedding import EmbeddingJob
from fragua.inference.engine.metrics import Metrics
from fragua.inference.engine.native_runner import fastest_runner
from fragua.inference.engine.runner import Runner
from fragua.inference.engine.schedule import Schedule
from fragua.inference.engine.stepping import Guessing, Stepper
from fragua.inference.engine.store import Pages, Store, page_count, pages_for
from fragua.inference.engine.ticket import Result, Ticket
from fragua.inference.language_model import LanguageModel
from fragua.inference.reading import GenerativeModel
from fragua.models.calls import Decoder
from fragua.models.encoder_decoder import EncoderDecoder

MakeRunner = Callable[[GenerativeModel, Store, bool], Runner]
"""Makes the arithmetic: of a model, on a store, deterministic or not."""


class Busy(RunError):
    """The queue is full."""


class Engine:
    """Requests in, tokens out. `submit`, `submit_embedding` and `abort` may be called from any thread; steps are done
    by the engine's own thread after `start()`, else by whoever waits for a ticket or calls `step()`."""

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
        draft: LanguageModel | Literal["lookup"] | None = None,
        draft_tokens: int = 4,
        runner: MakeRunner = fastest_runner,
    ):
        """`cache_bytes`: for keys and values (default: `max_running` whole contexts). `step_tokens`: rows a step at
        most. `deterministic`: a request's tokens are the same alone and in any company, at some cost in speed.
        `draft`: a smaller model, or the text itself, guesses `draft_tokens` tokens ahead. `runner`: the arithmetic.

        A model that only reads (BERT) takes embeddings alone. Raises InputError where a number is out of range."""
        counts = {"max_running": max_running, "max_waiting": max_waiting, "step_tokens": step_tokens}
        for name, value in {**counts, "draft_tokens": draft_tokens}.items():
            if value < 1:
                raise InputError(f"{name} is {value}, at least 1 is needed", "engine")
        self.lm, self.deterministic = lm, deterministic
        self.max_waiting, self.step_tokens = max_waiting, step_tokens
        writes = isinstance(lm.model, Decoder | EncoderDecoder)
        config, dtype = lm.model.config, lm.model.dtype
        pages = Pages(page_count(config, dtype, lm.model.device, cache_bytes, max_running) if writes else 1)
        self.metrics = Metrics(pages=pages.count - 1)
        self._schedule = Schedule(pages, max_running, step_tokens, prefix_cache, self.metrics)
        self._grammars = Grammars(lm.tokenizer)
        self._guessing = None
        if draft is not None:
            self._guessing = Guessing(Lookup() if draft == "lookup" else DraftModel(draft, lm), draft_tokens)
        self._stepper: Stepper | None = None
        if writes:
            store = Store(config, pages.count, dtype, lm.model.device)
            made = runner(cast(GenerativeModel, lm.model), store, deterministic)
            vocab_size = lm.tokenizer.vocab_size
            self._stepper = Stepper(made, self._schedule, vocab_size, self._guessing, self.metrics)
        self._new: deque[Answer] = deque()
        self._jobs: deque[EmbeddingJob] = deque()
        self._queue = threading.Condition()
        """Guards the two queues and `_closing`; all else belongs to who holds `_stepping`."""
        self._stepping = threading.Lock()
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

        Raises InputError where the prompt is empty, does not fit or names no token of the vocabulary, or a constraint
        cannot be held; Busy where the queue is full."""
        sampling, ending = sampling or Sampling(), ending or self.lm.text_ending
        prompt = list(prompt_ids)
        limit = self._limit(prompt, sampling, n)
        source: list[int] = []
        if isinstance(self.lm.model, EncoderDecoder):
            source, prompt = prompt, [self.lm.model.config.pad_id or 0]
        ticket = Ticket(n, self._advance)
        seed = secrets.randbits(62) if sampling.seed is None else sampling.seed
        answers: list[Answer] = []
        for index in range(n):
            matcher = None
            if sampling.constraint is not None:
                matcher = self._grammars.matcher(sampling.constraint, ending.stop_ids)
            answers.append(Answer(prompt, sampling, ending, limit, ticket, index, seed, matcher, source))
            answers[-1].leader = answers[0] if index else None
        with self._queue:
            self._admit_work(len(self._new) + len(self._schedule.waiting) + n)
            self._new.extend(answers)
            self.metrics.requests += n
            self._queue.notify_all()
        return ticket

    def submit_embedding(self, texts: Sequence[str], **how: Any) -> Future[np.ndarray]:
        """Queues texts; the future holds a vector each, float32 [n, D]. `how` as in `lm.embed`."""
        chosen = Embedding.parse(Embedding.of(self.lm.directory).model_dump() | how, "embed")
        job = EmbeddingJob(self.lm, texts, chosen, self.deterministic)
        with self._queue:
            self._admit_work(len(self._jobs) + 1)
            self._jobs.append(job)
            self._queue.notify_all()
        return job.future

    def abort(self, ticket: Ticket) -> None:
        """Gives a request up: within a step its pages are free and its chunks end with 'abort'."""
        ticket.aborted = True
        with self._queue:
            self._queue.notify_all()

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling | None = None,
        *,
        ending: Ending | None = None,
    ) -> list[Result]:
        """The answers to several prompts, in order; prompt i draws with seed + i. Waits where the queue is full."""
        sampling = sampling or Sampling()
        tickets: list[Ticket] = []
        for place, prompt in enumerate(prompts):
            seed = None if sampling.seed is None else (sampling.seed + place) % 2**63
            if place >= self.max_waiting:
                tickets[place - self.max_waiting].result()
            tickets.append(self.submit(prompt, sampling.model_copy(update={"seed": seed}), ending=ending))
        return [ticket.result() for ticket in tickets]

    def score(self, sequences: Sequence[Sequence[int]]) -> list[list[float | None]]:
        """log p(token | tokens before) in nats of each token of each sequence; None for the first."""
        asked = Sampling(max_tokens=0, prompt_logprobs=0)
        found = [result.prompt_logprobs or [] for result in self.generate(sequences, asked)]
        return [[None if each is None else each.logprob for each in row] for row in found]

    def embed(self, texts: Sequence[str], **how: Any) -> np.ndarray:
        """As `lm.embed`, through the queue."""
        future = self.submit_embedding(texts, **how)
        while not future.done() and self._advance():
            pass
        return future.result()

    def _admit_work(self, waiting: int) -> None:
        if self._closing:
            raise RunError("the engine is closed", "engine")
        if waiting > self.max_waiting:
            raise Busy(f"{self.max_waiting} requests are waiting already", "engine", "ask again later")

    def _limit(self, prompt: list[int], sampling: Sampling, n: int) -> int:
        """How many tokens may be written. Raises InputError for what cannot be asked."""
        if self._stepper is None:
            what = f"{self.lm.model.config.family} does not continue a text"
            raise InputError(what, self.lm.directory, "only embeddings can be asked of it")
        if not 1 <= n <= self.max_waiting:
            raise InputError(f"n is {n}, 1 to {self.max_waiting} are possible", "request")
        if not prompt:
            raise InputError("the prompt is empty", "prompt", "begin with at least one token")
        vocabulary = self.lm.tokenizer.vocab_size
        named = {"prompt": prompt, "logit_bias": sampling.logit_bias, "stop_ids": sampling.stop_ids}
        for name, ids in named.items():
            wrong = next((token for token in ids if not 0 <= token < vocabulary), None)
            if wrong is not None:
                raise InputError(f"token id {wrong} is outside the vocabulary of {vocabulary}", name)
        if isinstance(self.lm.model, EncoderDecoder):
            if sampling.prompt_logprobs is not None:
                raise InputError("a source has no log-probabilities", "prompt_logprobs", "leave it out")
            limit = sampling.max_tokens
            pages = pages_for(len(prompt)) + pages_for(1 + limit)
        else:
            check_room(len(prompt), self.lm.context + (sampling.max_tokens == 0), "error")
            limit = min(sampling.max_tokens, self.lm.context - len(prompt))
            pages = pages_for(len(prompt) + limit)
        if pages > self.metrics.pages:
            message = f"{len(prompt)} tokens and {limit} more need {pages} pages of {self.metrics.pages}"
            raise InputError(
                message, "prompt", "shorten it, lower max_tokens, or raise the engine's cache_bytes"
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
                for answer in [*self._new, *self._schedule.waiting, *self._schedule.running]:
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
        return bool(self._new or self._jobs or self._schedule.waiting or self._schedule.running)

    def _live(self) -> None:
        while True:
            with self._queue:
                self._queue.wait_for(lambda: self._busy() or self._closing)
                if not self._busy():
                    return
            try:
                self.step()
            except FraguaError:
                continue  # those who wait have been told

    def _advance(self) -> bool:
        return self._thread is None and self.step()

    # ---- stepping

    def step(self) -> bool:
        """Computes rows of the requests that are there; False where there are none.

        Raises RunError where the model breaks; all requests then fail with it."""
        with self._stepping:
            if not self._busy():
                return False
            try:
                self._take_in()
                self._embed()
                turns = self._schedule.plan()
                if turns and self._stepper is not None:
                    self._stepper.run(turns)
                for turn in turns:
                    self._hand_over(turn.answer)
            except Exception as error:
                raise self._broken(error) from error
            self._tell()
            return True

    def _take_in(self) -> None:
        """New requests into the schedule, those given up out of it."""
        schedule = self._schedule
        with self._queue:
            schedule.waiting.extend(self._new)
            self._new.clear()
        for answer in [*schedule.running, *schedule.waiting]:
            if answer.ticket.aborted:
                answer.finish("abort")
                self._hand_over(answer)

    def _embed(self) -> None:
        """A share of the first embedding job; where it breaks, only it does."""
        if not self._jobs:
            return
        job = self._jobs[0]
        try:
            done = job.future.cancelled() or job.step(self.step_tokens)
        except Exception as error:
            job.future.set_exception(error)
            done = True
        if done:
            with self._queue:
                self._jobs.popleft()

    def _hand_over(self, answer: Answer) -> None:
        now = time.monotonic()
        if answer.fresh:
            answer.note(now, self.metrics)
        if answer.finish_reason is not None:
            self._schedule.leave(answer)
            if answer in self._schedule.waiting:
                self._schedule.waiting.remove(answer)
            if self._guessing is not None:
                self._guessing.drafter.forget(answer)
            self.metrics.finished[answer.finish_reason] += 1
            self.metrics.request_s.observe(now - answer.asked_at)
        answer.deliver()

    def _tell(self) -> None:
        metrics, schedule = self.metrics, self._schedule
        metrics.waiting, metrics.running = len(self._new) + len(schedule.waiting), len(schedule.running)
        metrics.pages_held = schedule.pages.held
        metrics.kv_use = metrics.pages_held / max(1, metrics.pages)

    def _broken(self, error: Exception) -> FraguaError:
        """What all who wait are told."""
        told = error if isinstance(error, FraguaError) else RunError(f"the engine broke: {error}", "engine")
        schedule = self._schedule
        with self._queue:
            answers, jobs = [*schedule.running, *schedule.waiting, *self._new], [*self._jobs]
            schedule.waiting.clear()
            self._new.clear()
            self._jobs.clear()
        for answer in answers:
            schedule.leave(answer)
            answer.ticket.fail(told)
        for job in jobs:
            job.future.set_exception(told)
        return told
