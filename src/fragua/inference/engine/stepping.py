"""One step: rows through the model, tokens drawn, answers handed over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fragua.errors import RunError
from fragua.inference.engine.answer import Answer
from fragua.inference.engine.drafts import Drafter
from fragua.inference.engine.drawing import draw, logprobs
from fragua.inference.engine.metrics import Metrics
from fragua.inference.engine.runner import Part, Runner, Step
from fragua.inference.engine.schedule import Schedule, Turn


class Guessing(NamedTuple):
    """Who guesses, and how many tokens at a time."""

    drafter: Drafter
    tokens: int


class Stepper:
    """Computes planned turns."""

    def __init__(
        self,
        runner: Runner,
        schedule: Schedule,
        vocab_size: int,
        guessing: Guessing | None,
        metrics: Metrics,
    ):
        self.runner, self.schedule, self.vocab_size = runner, schedule, vocab_size
        self.guessing, self.metrics = guessing, metrics

    @torch.inference_mode()
    def run(self, turns: Sequence[Turn]) -> None:
        """Every answer of the turns goes on; those that are finished have their finish reason."""
        self._guess(turns)
        for turn in turns:
            answer = turn.answer
            if answer.source and answer.computed == 0:
                self.runner.read_source(answer.source, answer.source_pages)
        ids: list[int] = []
        parts: list[Part] = []
        wanted: list[int] = []
        places: list[int] = []
        for turn in turns:
            answer, start, end = turn.answer, turn.start, turn.end + len(turn.guesses)
            parts.append(
                Part(len(ids), end - start, end, answer.pages, answer.source_pages, len(answer.source))
            )
            places.append(len(wanted))
            wanted += range(len(ids) + turn.first_wanted - start, len(ids) + end - start)
            ids += answer.ids[start : turn.end] + turn.guesses
        x_ND = self.runner.states(Step(ids, parts))
        self.metrics.steps += 1
        self.metrics.computed_rows += len(ids)
        kept = {turn.answer: 0 for turn in turns}
        if wanted:
            logits_WV = self.runner.logits(x_ND[torch.tensor(wanted, device=x_ND.device)])
            logits_WV = logits_WV[:, : self.vocab_size].float()
            self._score(turns, places, logits_WV)
            kept |= self._draw(turns, places, logits_WV)
        for turn in turns:
            self.schedule.filled(turn.answer, turn.end + kept[turn.answer])
            if turn.whole and not turn.draws:
                turn.answer.finish("length")
            self.schedule.filled(turn.answer, turn.end + kept[turn.answer])

    def _guess(self, turns: Sequence[Turn]) -> None:
        """Guesses fill what the plan leaves of the step. An answer with a grammar has its forced tokens instead."""
        if self.guessing is None:
            return
        budget = self.schedule.step_tokens - sum(turn.rows for turn in turns)
        for turn in turns:
            answer = turn.answer
            if answer.pending != 1 or answer.matcher is not None:
                continue
            wanted = min(self.guessing.tokens, budget, answer.limit - answer.written - 1)
            if wanted > 0:
                turn.guesses = self.guessing.drafter.guess(answer, wanted)
                del turn.guesses[max(0, self.schedule.room_for_guesses(turn, len(turn.guesses))) :]
                budget -= len(turn.guesses)
                self.metrics.drafted_tokens += len(turn.guesses)

    def _score(self, turns: Sequence[Turn], places: Sequence[int], logits_WV: Tensor) -> None:
        """The log-probabilities of tokens of prompts."""
        for turn, place in zip(turns, places, strict=True):
            answer, top = turn.answer, turn.answer.sampling.prompt_logprobs
            count = min(turn.end, answer.prompt_length - 1) - turn.first_wanted
            if top is not None and count > 0:
                tokens = answer.ids[answer.unscored :][:count]
                for found in logprobs(logits_WV[place : place + count], tokens, top):
                    answer.score(found)

    def _draw(self, turns: Sequence[Turn], places: Sequence[int], logits_WV: Tensor) -> dict[Answer, int]:
        """Draws the tokens after the last known one and, as long as guesses turn out to be drawn, after those.
        Returns how many guesses each answer keeps."""
        kept: dict[Answer, int] = {}
        drawing = [
            (turn, place + turn.end - 1 - turn.first_wanted)
            for turn, place in zip(turns, places, strict=True)
            if turn.draws
        ]
        while drawing:
            rows_BV = logits_WV[[place for _, place in drawing]]
            if not bool(rows_BV.amax(-1).isfinite().all()):
                raise RunError("the model's logits are not finite numbers", "engine")
            tokens = draw([turn.answer for turn, _ in drawing], rows_BV)
            further = []
            for row, ((turn, place), token) in enumerate(zip(drawing, tokens, strict=True)):
                answer, top = turn.answer, turn.answer.sampling.logprobs
                answer.take(token, None if top is None else logprobs(rows_BV[row][None], [token], top)[0])
                self.metrics.forced_tokens += answer.take_forced()
                at = kept.setdefault(answer, 0)
                if turn.guesses[at : at + 1] == [token]:
                    kept[answer] += 1
                    self.metrics.accepted_drafts += 1
                    if answer.finish_reason is None:
                        further.append((turn, place + 1))
            drawing = further
        return kept
