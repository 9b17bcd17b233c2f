"""Beam search: several continuations side by side, the likeliest kept, compared by length-penalised score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from fragua.errors import InputError
from fragua.inference.completion import Completion, Options
from fragua.inference.decoding import Ending
from fragua.inference.reading import GenerativeModel, batch_reader, room


class Beam(NamedTuple):
    """A continuation and its score: summed log-probability in nats; of finished ones over length^penalty."""

    score: float
    tokens: list[int]


class Candidate(NamedTuple):
    """One more token on a running beam."""

    score: float
    beam: int
    token: int


@dataclass
class Group:
    """The beams of one prompt. Wu et al. 2016, 1609.08144, section 7, with transformers' rules for when to stop:
    a beam finishes only among the best, and the search ends when the best running one could not beat the worst
    finished one at its present length."""

    width: int
    limit: int
    penalty: float
    stop_ids: frozenset[int]
    running: list[Beam] = field(default_factory=lambda: [Beam(0.0, [])])
    finished: list[Beam] = field(default_factory=list)
    open: bool = True
    all_ended: bool = False

    def take(self, candidates: Sequence[Candidate]) -> list[int]:
        """Goes one token on; `candidates` by falling score. Returns which beam each new one grew from."""
        length = len(self.running[0].tokens) + 1
        ended = [each.token in self.stop_ids or length == self.limit for each in candidates]
        grown = [Beam(each.score, [*self.running[each.beam].tokens, each.token]) for each in candidates]
        if self.open:
            done = [grown[place] for place in range(min(self.width, len(grown))) if ended[place]]
            self.finished += [Beam(beam.score / length**self.penalty, beam.tokens) for beam in done]
            self.finished = sorted(self.finished, key=lambda beam: -beam.score)[: self.width]
        order = sorted(range(len(grown)), key=lambda place: ended[place])[: self.width]
        self.running, self.all_ended = [grown[place] for place in order], all(ended)
        best = self.running[0].score / length**self.penalty
        full = len(self.finished) == self.width
        beaten = full and best <= self.finished[-1].score
        self.open = self.open and length < self.limit and not beaten
        return [candidates[place].beam for place in order]


@torch.inference_mode()
def search_batch(
    model: GenerativeModel, prompts: Sequence[list[int]], options: Options, ending: Ending
) -> list[Completion]:
    """The best completion of each prompt, with `options.n_best` - 1 others beside it.

    Raises InputError for options that beams cannot follow."""
    changed = options.repetition_penalty != 1.0 or options.overflow != "error"
    if changed or not options.greedy or options.stop or options.logprobs:
        what = "beams know no temperature, repetition_penalty, stop, logprobs or sliding"
        raise InputError(what, "beams", "leave them out, or beams=1")
    if options.n_best > options.beams:
        raise InputError(
            f"n_best is {options.n_best}, with {options.beams} beams", "n_best", "at most as many"
        )
    limits = [room(model, prompt, options.max_tokens) for prompt in prompts]
    groups = [Group(options.beams, limit, options.length_penalty, ending.stop_ids) for limit in limits]
    reader = batch_reader(model, prompts, max(limits))
    logits_BV = reader.logits_BV
    while True:
        rows: list[int] = []
        first = 0
        for group in groups:
            width = len(group.running)
            candidates = _candidates(logits_BV[first : first + width], group, ending.tokenizer.vocab_size)
            parents = group.take(candidates)
            parents += [parents[-1]] * (group.width - len(parents))  # the vocabulary may be smaller than that
            rows += [first + parent for parent in parents]
            first += width
        if not any(group.open for group in groups) or all(group.all_ended for group in groups):
            return [_completion(group, options, ending) for group in groups]
        for group in groups:
            spare = Beam(-1e9, group.running[-1].tokens)
            group.running += [spare] * (group.width - len(group.running))
        reader.keep(rows)
        tokens = [beam.tokens[-1] for group in groups for beam in group.running]
        logits_BV = reader.feed(torch.tensor(tokens, device=logits_BV.device))


def _candidates(logits_NV: torch.Tensor, group: Group, vocab_size: int) -> list[Candidate]:
    """The likeliest next tokens over all beams: enough that `width` are left when all that end are gone."""
    count = max(2, 1 + len(group.stop_ids)) * group.width
    logprobs_NV = logits_NV.float().log_softmax(-1)[:, :vocab_size]
    scores = torch.tensor([beam.score for beam in group.running], device=logits_NV.device)
    summed = (logprobs_NV + scores[:, None]).flatten()
    best, where = summed.topk(min(count, len(summed)))
    size = logprobs_NV.shape[1]
    pairs = zip(best.tolist(), where.tolist(), strict=True)
    return [Candidate(score, place // size, place % size) for score, place in pairs]


def _completion(group: Group, options: Options, ending: Ending) -> Completion:
    ranked = [_told(beam, group, ending) for beam in group.finished[: options.n_best]]
    best = ranked[0]
    return Completion(best.text, best.tokens, best.finish_reason, score=best.score, others=tuple(ranked[1:]))


def _told(beam: Beam, group: Group, ending: Ending) -> Completion:
    ended = beam.tokens[-1] in group.stop_ids
    tokens = beam.tokens[:-1] if ended else beam.tokens
    text = ending.tokenizer.decode(tokens, skip_special=ending.skip_special)
    return Completion(text, tokens, "stop" if ended else "length", score=beam.score)
