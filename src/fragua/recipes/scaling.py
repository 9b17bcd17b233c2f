"""What a model of some size will have learned after some tokens: an estimate, its constants in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ScalingLaw:
    """L(N, D) = E + A / N^alpha + B / D^beta in nats a token (Hoffmann et al., 2203.15556, equation 2).

    N: all parameters. D: tokens, of which only the first time through the corpus counts in full
    (Muennighoff et al., 2305.16264, equation 5)."""

    floor: float
    parameters: float
    parameters_power: float
    tokens: float
    tokens_power: float
    repeat_worth: float

    def loss(self, parameters: float, tokens: float, unique_tokens: float) -> float:
        """Expected validation loss, nats a token."""
        worth = self.tokens_worth(tokens, unique_tokens)
        return (
            self.floor
            + self.parameters / parameters**self.parameters_power
            + self.tokens / worth**self.tokens_power
        )

    def tokens_worth(self, tokens: float, unique_tokens: float) -> float:
        """D' = U + U R* (1 - exp(-R / R*)), R the repetitions after the first time through."""
        unique = min(tokens, unique_tokens)
        repeats = tokens / unique - 1
        return unique + unique * self.repeat_worth * (1 - math.exp(-repeats / self.repeat_worth))


ALDEA = ScalingLaw(
    floor=0.036,
    parameters=10_800.0,
    parameters_power=0.75,
    tokens=3190.0,
    tokens_power=0.55,
    repeat_worth=15.4,
)
"""Put through a handful of short runs on the embedded world (docs/decisions/0006): a guide for the dial."""


def bits_per_byte(nats_per_token: float, bytes_per_token: float) -> float:
    return nats_per_token / math.log(2) / bytes_per_token
