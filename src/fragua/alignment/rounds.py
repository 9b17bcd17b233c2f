"""A round of rollouts, judged, and what is learned from each of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from fragua.alignment import policy
from fragua.alignment.rewards import Judge
from fragua.alignment.rollouts import Question, Read, Record, Rollout, read, roll
from fragua.inference.language_model import LanguageModel
from fragua.models.calls import Decoder
from fragua.settings import Settings

Method = Literal["ppo", "grpo", "rloo"]


class Optimising(Settings):
    """How a policy is drawn from and what its answers teach; None is derived from the method."""

    method: Method = "ppo"
    group: int | None = Field(default=None, gt=0)
    """Answers to a prompt; ppo: 1, else 8."""
    temperature: float = Field(default=1.0, gt=0, le=100)
    unfinished: float = Field(default=1.0, ge=0)
    """Taken from the score of an answer that came to no end."""
    kl: float = Field(default=0.05, ge=0)
    """β, how dear a nat of divergence from the first model is. ppo: at each token; rloo: in the answer's score; grpo:
    in the loss (k3)."""
    kl_target: float | None = Field(default=None, gt=0)
    """Nats an answer at which β is kept; None: β stays."""
    clip_low: float = Field(default=0.2, gt=0, lt=1)
    clip_high: float | None = Field(default=None, gt=0)
    """ppo: 0.2, else 0.28."""
    deviation: bool = False
    """grpo: advantages over their group's deviation."""
    value_clip: float = Field(default=0.2, gt=0)
    value_weight: float = Field(default=0.1, gt=0)
    discount: float = Field(default=1.0, gt=0, le=1)
    trace: float = Field(default=0.95, ge=0, le=1)
    """λ of the advantages."""
    deterministic: bool = False
    """Rollouts do not depend on the company an answer is drawn in, on any machine; slower without a compiler."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.method != "ppo" and self.answers < 2:
            raise ValueError(f"group: {self.method} compares the answers to a prompt: 2 or more are needed")
        return self

    @property
    def answers(self) -> int:
        return self.group or (1 if self.method == "ppo" else 8)

    @property
    def high(self) -> float:
        return self.clip_high or (0.2 if self.method == "ppo" else 0.28)


def draw(
    model: Decoder,
    reference: Decoder,
    lm: LanguageModel,
    judge: Judge,
    questions: Sequence[Question],
    how: Optimising,
    *,
    max_tokens: int,
    seed: int,
    group: int,
) -> list[Record]:
    """Rollouts of `lm`, which is `model` in another dress, judged and scored by both models."""
    rollouts = roll(
        lm,
        questions,
        group,
        temperature=how.temperature,
        max_tokens=max_tokens,
        seed=seed,
        deterministic=how.deterministic,
    )
    told, score_B = judge(rollouts)
    with torch.no_grad():
        now, before = (read(each, rollouts, how.temperature) for each in (model, reference))
    lengths = [len(rollout.drawn) for rollout in rollouts]
    told_N = now.logprob_N, before.logprob_N, now.value_N, now.plain_N
    columns = zip(*(part.cpu().split(lengths) for part in told_N), strict=True)
    return [
        Record(
            rollout,
            logprobs=logprob_N.numpy(),
            reference=reference_N.numpy(),
            values=value_N.numpy(),
            rewards={name: float(values[place]) for name, values in told.items()},
            score=float(score_B[place]),
            gap=float(np.abs(rollout.drawn - plain_N.numpy()).max(initial=0.0)),
        )
        for place, (rollout, (logprob_N, reference_N, value_N, plain_N)) in enumerate(
            zip(rollouts, columns, strict=True)
        )
    ]


class Batch(NamedTuple):
    """Rollouts of a micro-batch, and of their N own tokens what the loss needs, float32 [N] each."""

    rollouts: Sequence[Rollout]
    old_N: Tensor
    reference_N: Tensor
    advantage_N: Tensor
    return_N: Tensor
    value_N: Tensor
    beta: float
    figures: dict[str, float]
    """Of the round."""


@dataclass(frozen=True)
class Round:
    """Judged rollouts, groups side by side, with their advantages and returns [B, T]."""

    records: Sequence[Record]
    advantage_BT: Tensor
    return_BT: Tensor
    kept: list[int]
    """Places from which something can be learned."""
    beta: float
    figures: dict[str, float]

    @classmethod
    def of(cls, records: Sequence[Record], how: Optimising, beta: float, group: int) -> Round:
        mask_BT, logprob_BT, reference_BT, value_BT = _tensors(records)
        log_ratio_BT = logprob_BT - reference_BT
        ended_B = torch.tensor([record.rollout.ended for record in records])
        score_B = torch.tensor([record.score for record in records]) - how.unfinished * ~ended_B
        kept = list(range(len(records)))
        dropped = 0.0
        if how.method == "ppo":
            rewards_BT = policy.token_rewards(score_B, log_ratio_BT, mask_BT, beta)
            rewards_BT = policy.whiten(rewards_BT, mask_BT, shift_mean=False)
            advantage_BT, return_BT = policy.gae(rewards_BT, value_BT, mask_BT, how.discount, how.trace)
            advantage_BT = policy.whiten(advantage_BT, mask_BT)
        else:
            alike_G = policy.alike(score_B.view(-1, group))
            kept = [place for place in kept if not alike_G[place // group]]
            dropped = float(alike_G.float().mean())
            if how.method == "rloo":
                score_B = score_B - beta * (log_ratio_BT * mask_BT).sum(1)
            groups = score_B.view(-1, group)
            advantage_B = policy.group_advantages(groups, how.method, how.deviation).flatten()
            advantage_BT, return_BT = advantage_B[:, None].expand_as(value_BT), value_BT
        figures = _figures(records) | {"zero_variance": dropped, "beta": beta}
        if how.method == "ppo":
            figures["explained_variance"] = policy.explained_variance(value_BT[mask_BT], return_BT[mask_BT])
        return cls(records, advantage_BT, return_BT, kept, beta, figures)

    def batch(self, places: Sequence[int], device: torch.device) -> Batch:
        records = [self.records[place] for place in places]

        def own(rows: Sequence[Tensor | np.ndarray]) -> Tensor:
            parts = [
                torch.as_tensor(row)[: len(each.logprobs)] for row, each in zip(rows, records, strict=True)
            ]
            return torch.cat(parts).to(device) if parts else torch.zeros(0, device=device)

        return Batch(
            [record.rollout for record in records],
            own([record.logprobs for record in records]),
            own([record.reference for record in records]),
            own([self.advantage_BT[place] for place in places]),
            own([self.return_BT[place] for place in places]),
            own([record.values for record in records]),
            self.beta,
            self.figures,
        )


def _tensors(records: Sequence[Record]) -> list[Tensor]:
    """The mask, and log-probabilities, reference and values, [B, T] each."""
    columns = [
        [torch.from_numpy(np.asarray(part)) for part in parts]
        for parts in zip(*((r.logprobs, r.reference, r.values) for r in records), strict=True)
    ]
    padded = [pad_sequence(column, batch_first=True) for column in columns]
    lengths_B = torch.tensor([len(record.logprobs) for record in records])
    return [torch.arange(padded[0].shape[1]) < lengths_B[:, None], *padded]


def _figures(records: Sequence[Record]) -> dict[str, float]:
    """Means over answers, told with each step of the round. `kl` is in nats an answer."""

    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values)) if values else 0.0

    ended = [record for record in records if record.rollout.ended]
    cut = [record for record in records if not record.rollout.ended]
    parts = {
        f"reward_{name}": mean([record.rewards[name] for record in records]) for name in records[0].rewards
    }
    return parts | {
        "score": mean([record.score for record in records]),
        "kl": mean([record.kl for record in records]),
        "ended": len(ended) / len(records),
        "tokens_ended": mean([len(record.logprobs) for record in ended]),
        "tokens_cut": mean([len(record.logprobs) for record in cut]),
        "calls": mean([sum(step["role"] == "tool" for step in record.rollout.steps) for record in records]),
        "sampler_gap": max(record.gap for record in records),
    }


def policy_loss(told: Read, batch: Batch, how: Optimising) -> tuple[Tensor, dict[str, Tensor]]:
    """Summed over N own tokens, and metrics of each, [N]."""
    clips = how.clip_low, how.high
    loss_N = policy.clipped_ratio(told.logprob_N, batch.old_N, batch.advantage_N, *clips)
    with torch.no_grad():
        log_ratio_N = told.logprob_N - batch.old_N
        metrics: dict[str, Any] = {
            "policy_loss": loss_N.detach(),
            "entropy": told.entropy_N,
            "ratio": log_ratio_N.exp(),
            "clip_fraction": policy.clipped(told.logprob_N, batch.old_N, batch.advantage_N, *clips).float(),
            "step_kl": policy.divergence(log_ratio_N, "k2"),
        }
    if how.method == "grpo" and batch.beta:
        loss_N = loss_N + batch.beta * policy.divergence(told.logprob_N - batch.reference_N, "k3")
    if how.method == "ppo":
        value_loss_N = policy.clipped_value(told.value_N, batch.value_N, batch.return_N, how.value_clip)
        metrics["value_loss"] = value_loss_N.detach()
        loss_N = loss_N + how.value_weight * value_loss_N
    return loss_N.sum(), metrics
