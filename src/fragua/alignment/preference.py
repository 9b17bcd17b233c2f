"""Learning from comparisons directly, as objectives of the one trainer: DPO, IPO, KTO, and the chosen by heart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from fragua.alignment import losses
from fragua.alignment.answers import Answer, logprobs
from fragua.models.calls import Decoder
from fragua.settings import Settings
from fragua.tokens.loader import permutation
from fragua.training.objectives import LossSum

Method = Literal["dpo", "ipo", "kto", "chosen"]


class How(Settings):
    """A method and its numbers."""

    method: Method = "dpo"
    """chosen: the preferred answers are learned by heart, the baseline that the others have to beat."""
    beta: float = Field(default=0.1, gt=0)
    """How dear it is to leave the reference; IPO's τ."""
    smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """DPO: the share of labels thought to be the wrong way round."""
    normalise: bool | None = None
    """Ratios a token instead of an answer; None: for IPO, as its authors do."""
    likelihood: float = Field(default=0.0, ge=0)
    """Weight of minus the chosen answer's mean log-probability, beside the loss (DPO, IPO)."""
    desirable: float = Field(default=1.0, gt=0)
    undesirable: float = Field(default=1.0, gt=0)
    """KTO: weights of good and of bad answers."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        own = {"smoothing": ("dpo",), "normalise": ("dpo", "ipo"), "likelihood": ("dpo", "ipo")}
        own |= dict.fromkeys(("desirable", "undesirable"), ("kto",))
        for name, methods in own.items():
            if getattr(self, name) != type(self).model_fields[name].default and self.method not in methods:
                raise ValueError(f"{name} is for {' and '.join(methods)}, not for {self.method}")
        return self

    @property
    def a_token(self) -> bool:
        return self.method == "ipo" if self.normalise is None else self.normalise


@dataclass(frozen=True)
class Compared:
    """Rows of two answers: the chosen and the rejected one; or, for KTO, one with its verdict, and the answer to
    another prompt under this one, from which the divergence is estimated."""

    first: Sequence[Answer]
    second: Sequence[Answer]
    reference_2N: Tensor
    """log π_ref of both, nats."""
    good_N: Tensor | None = None
    """bool; of single verdicts."""

    def __len__(self) -> int:
        return len(self.first)

    def at(self, places: Sequence[int]) -> Compared:
        return Compared(
            [self.first[place] for place in places],
            [self.second[place] for place in places],
            self.reference_2N[:, list(places)],
            None if self.good_N is None else self.good_N[list(places)],
        )


class Preference:
    """Counts rows of `Compared` where other objectives count tokens: losses and metrics are means a row."""

    def __init__(self, train: Compared, held_out: Compared, how: How, seed: int):
        self.train, self.held_out, self.how, self.seed = train, held_out, how, seed
        self.drawn = 0
        tokens = sum(len(answer.ids) for answer in (*train.first, *train.second))
        self.context = max(1, round(tokens / len(train)))

    def batch(self, rows: int) -> Compared:
        first, self.drawn = self.drawn, self.drawn + rows
        return self.train.at([self._place(number) for number in range(first, self.drawn)])

    def _place(self, number: int) -> int:
        epoch, place = divmod(number, len(self.train))
        return int(permutation(len(self.train), self.seed, epoch)[place])

    def tokens(self, batch: Compared) -> int:
        return len(batch)

    def loss(self, model: Decoder, batch: Compared) -> LossSum:
        return preference_loss(model, batch, self.how)

    def validation(self, rows: int) -> Iterator[Compared]:
        for start in range(0, len(self.held_out), rows):
            yield self.held_out.at(range(start, min(start + rows, len(self.held_out))))

    def state(self) -> dict[str, Any]:
        return {"drawn": self.drawn}

    def restore(self, state: dict[str, Any]) -> None:
        self.drawn = state["drawn"]


def preference_loss(model: Decoder, batch: Compared, how: How) -> LossSum:
    """The loss and the metrics of rows, summed. Rewards are β (log π − log π_ref), in nats times β."""
    reference_2N = batch.reference_2N.to(model.device)
    if batch.good_N is not None:
        return _single(model, batch, reference_2N, batch.good_N.to(model.device), how)
    chosen_N, rejected_N = logprobs(model, [*batch.first, *batch.second]).chunk(2)
    length_2N = _lengths(batch, model.device)
    ratio_2N = torch.stack([chosen_N, rejected_N]) - reference_2N
    scaled_2N = ratio_2N / length_2N if how.a_token else ratio_2N
    if how.method == "dpo":
        loss_N = losses.dpo(scaled_2N[0], scaled_2N[1], how.beta, how.smoothing)
    elif how.method == "ipo":
        loss_N = losses.ipo(scaled_2N[0], scaled_2N[1], how.beta)
    else:
        loss_N = losses.likelihood(chosen_N, length_2N[0])
    if how.likelihood:
        loss_N = loss_N + how.likelihood * losses.likelihood(chosen_N, length_2N[0])
    chosen_reward_N, rejected_reward_N = how.beta * ratio_2N.detach()
    metrics = {
        "chosen_reward": chosen_reward_N,
        "rejected_reward": rejected_reward_N,
        "margin": chosen_reward_N - rejected_reward_N,
        "accuracy": (chosen_reward_N > rejected_reward_N).float(),
        "chosen_logprob": chosen_N.detach(),
        "rejected_logprob": rejected_N.detach(),
        "chosen_tokens": length_2N[0],
        "rejected_tokens": length_2N[1],
    }
    return _summed(loss_N, metrics)


def _single(model: Decoder, batch: Compared, reference_2N: Tensor, good_N: Tensor, how: How) -> LossSum:
    """KTO. The divergence is that of this batch, from answers to other prompts, as its authors estimate it."""
    logprob_N = logprobs(model, batch.first)
    with torch.no_grad():
        kl = (logprobs(model, batch.second) - reference_2N[1]).mean().clamp(min=0)
    ratio_N = logprob_N - reference_2N[0]
    loss_N = losses.kto(ratio_N, good_N, kl, how.beta, how.desirable, how.undesirable)
    side_N = torch.where(good_N, 1.0, -1.0)
    margin_N = side_N * how.beta * (ratio_N.detach() - kl)
    metrics = {
        "margin": margin_N,
        "accuracy": (margin_N > 0).float(),
        "kl": kl.expand(len(batch)),
        "logprob": logprob_N.detach(),
        "tokens_an_answer": _lengths(batch, model.device)[0],
    }
    return _summed(loss_N, metrics)


def _lengths(batch: Compared, device: torch.device) -> Tensor:
    """Tokens of both answers, float32 [2, N]."""
    rows = [[answer.length for answer in answers] for answers in (batch.first, batch.second)]
    return torch.tensor(rows, dtype=torch.float32, device=device)


def _summed(loss_N: Tensor, metrics: dict[str, Tensor]) -> LossSum:
    return LossSum(loss_N.sum(), len(loss_N), {name: value.sum().item() for name, value in metrics.items()})
