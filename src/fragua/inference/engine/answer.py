"""One answer on its way: its tokens, its pages, how they are drawn and when they end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count

import torch
from torch import Tensor

from fragua.inference.decoding import Ending
from fragua.inference.engine.asking import Sampling
from fragua.inference.engine.constraints import Matcher
from fragua.inference.engine.metrics import Metrics
from fragua.inference.engine.ticket import Chunk, Finish, Result, Ticket, TokenLogprob
from fragua.inference.sampling import INFINITY, number, penalize_repetition
from fragua.inference.stopping import StopStrings, TextStream

_arrivals = count()


class Answer:
    """`ids` are known; the keys and values of the first `computed` of them are stored in `pages`."""

    def __init__(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        ending: Ending,
        limit: int,
        ticket: Ticket,
        index: int,
        seed: int,
        matcher: Matcher | None = None,
        source: Sequence[int] = (),
    ):
        """`limit`: tokens that may be written. It draws with seed + index. `source`: what an encoder-decoder reads;
        `prompt` is then what its writing begins with."""
        self.ids, self.prompt_length, self.sampling, self.limit = list(prompt), len(prompt), sampling, limit
        self.ticket, self.index, self.arrival = ticket, index, next(_arrivals)
        self.matcher, self.source, self.source_pages = matcher, source, list[int]()
        self.leader: Answer | None = None
        """Another answer to the same prompt, which reads it first."""
        self.asked_at = time.monotonic()
        self._noted_at: float | None = None
        self.pages: list[int] = []
        self.computed = 0
        self.cached_tokens: int | None = None
        self.finish_reason: Finish | None = None
        self.stop_ids = frozenset(sampling.stop_ids)
        if not sampling.ignore_end:
            self.stop_ids |= ending.stop_ids
        stops = () if sampling.min_tokens else sampling.stop
        self.stream = TextStream(ending.tokenizer.stream(ending.skip_special), stops)
        self._generator = torch.Generator().manual_seed((seed + index) % 2**63)
        self._numbers: list[Tensor] = []
        self._texts: list[str] = []
        self._logprobs: list[TokenLogprob] = []
        self._prompt_logprobs: list[TokenLogprob | None] = [None]
        self._ended_by: TokenLogprob | None = None
        self._shown, self._told = 0, ""
        self._counts_V: Tensor | None = None
        self._seen_V: Tensor | None = None

    @property
    def pending(self) -> int:
        """Known tokens that are not computed."""
        return len(self.ids) - self.computed

    @property
    def ready(self) -> bool:
        """Whether its prompt need not first be read by another."""
        leader = self.leader
        return leader is None or leader.finish_reason is not None or leader.pending <= leader.written + 1

    @property
    def written(self) -> int:
        return len(self.ids) - self.prompt_length

    @property
    def unscored(self) -> int:
        """The first token of the prompt whose log-probability is wanted and not known."""
        return self.prompt_length if self.sampling.prompt_logprobs is None else len(self._prompt_logprobs)

    def number(self, place: int) -> Tensor:
        """What decides the token written at `place`: the same whenever and however often it is asked for."""
        while len(self._numbers) <= place:
            self._numbers.append(number(self._generator))
        return self._numbers[place]

    def moved(self, logits_V: Tensor) -> Tensor:
        """The logits with penalties and biases, and -inf for what may not be written."""
        sampling = self.sampling
        if self._counts_V is None:
            self._counts_V = logits_V.new_zeros(len(logits_V))
            written = torch.tensor(self.ids[self.prompt_length :], dtype=torch.long, device=logits_V.device)
            self._counts_V += torch.bincount(written, minlength=len(logits_V))
            self._seen_V = self._counts_V > 0
            self._seen_V[torch.tensor(self.ids, device=logits_V.device)] = True
        if sampling.repetition_penalty != 1.0:
            assert self._seen_V is not None, "made with the counts"
            logits_V = penalize_repetition(logits_V, self._seen_V, sampling.repetition_penalty)
        logits_V = logits_V - sampling.frequency_penalty * self._counts_V
        logits_V = logits_V - sampling.presence_penalty * (self._counts_V > 0)
        for token, bias in sampling.logit_bias.items():
            logits_V[token] += bias
        if self.written < sampling.min_tokens:
            logits_V[list(self.stop_ids)] = -INFINITY
        if self.matcher is not None:
            logits_V = logits_V.masked_fill(~self.matcher.mask(logits_V.device), -INFINITY)
        return logits_V

    def take(self, token: int, logprob: TokenLogprob | None) -> None:
        """One token more; it may be the last."""
        self.ids.append(token)
        if self._counts_V is not None and self._seen_V is not None:
            self._counts_V[token] += 1
            self._seen_V[token] = True
        if token in self.stop_ids:
            self._ended_by = logprob or TokenLogprob(token, float("nan"))
            self.finish("stop")
            return
        if logprob is not None:
            self._logprobs.append(logprob)
        self._texts.append(self.stream.feed(token))
        if self.written == self.sampling.min_tokens:
            self.stream.stops = StopStrings(self.sampling.stop)
        if self.stream.stopped or (self.matcher is not None and not self.matcher.take(token)):
            self.finish("stop")
        elif self.written == self.limit:
            self.finish("length")

    def take_forced(self) -> int:
        """Writes what its grammar forces, how many tokens; none where log-probabilities are asked for, which only
        drawing gives."""
        before = self.written
        if self.matcher is not None and self.sampling.logprobs is None and self.finish_reason is None:
            for token in self.matcher.forced():
                if self.finish_reason is None:
                    self.take(token, None)
        return self.written - before

    def score(self, logprob: TokenLogprob) -> None:
        """The next token of the prompt has this log-probability."""
        self._prompt_logprobs.append(logprob)

    def finish(self, reason: Finish) -> None:
        self.finish_reason = reason
        self._texts.append(self.stream.flush())

    @property
    def fresh(self) -> int:
        """Tokens written and not handed over."""
        return self.written - self._shown

    def note(self, now: float, metrics: Metrics) -> None:
        """Its fresh tokens are handed over now."""
        metrics.completion_tokens += self.fresh
        if self._noted_at is None:
            metrics.time_to_first_token_s.observe(now - self.asked_at)
        else:
            for _ in range(self.fresh):
                metrics.time_per_token_s.observe((now - self._noted_at) / self.fresh)
        self._noted_at = now

    def deliver(self) -> None:
        """Hands over what is new, and the whole once it is finished."""
        tokens = self.ids[self.prompt_length + self._shown :]
        if self._ended_by is not None:
            tokens = tokens[:-1]
        if not tokens and self.finish_reason is None:
            return
        logprobs = tuple(self._logprobs[self._shown :])
        text = "".join(self._texts)
        self._told += text
        self._texts.clear()
        self._shown += len(tokens)
        chunk = Chunk(self.index, text, tuple(tokens), logprobs, self.finish_reason)
        self.ticket.put(chunk, None if self.finish_reason is None else self._result())

    def _result(self) -> Result:
        assert self.finish_reason is not None, "only a finished answer is whole"
        tokens = self.ids[self.prompt_length : len(self.ids) - (self._ended_by is not None)]
        return Result(
            self._told,
            tokens,
            None if self.sampling.logprobs is None else self._logprobs,
            None if self.sampling.prompt_logprobs is None else self._prompt_logprobs,
            self.finish_reason,
            len(self.source) or self.prompt_length,
            self.cached_tokens or 0,
            self.written,
            self._ended_by,
        )
