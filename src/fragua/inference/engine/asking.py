"""What one request may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from fragua.inference import sampling
from fragua.settings import Settings


class Constraint(Settings):
    """What the text must be; exactly one of the four."""

    choice: tuple[str, ...] | None = Field(default=None, min_length=1, description="one of these texts")
    regex: str | None = Field(default=None, description="a text that this expression matches whole")
    json_schema: dict[str, Any] | bool | None = Field(default=None, description="JSON that fits this schema")
    lark: str | None = Field(default=None, description="a text of this grammar, in Lark's notation")
    compact: bool = Field(default=True, description="JSON without white space between its parts")

    @model_validator(mode="after")
    def _one(self) -> Self:
        kinds = ("choice", "regex", "json_schema", "lark")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(kinds)} is needed, not {len(given)}")
        return self


class Sampling(sampling.Sampling):
    """How one request's tokens are drawn, and when they end. `Sampling.parse(values, place)` raises InputError."""

    temperature: float = Field(
        default=1.0, ge=0.0, le=100.0, description="0 is greedy, 1 the model's own distribution"
    )
    frequency_penalty: float = Field(
        default=0.0, ge=-100.0, le=100.0, description="taken from a token's logit each time it was written"
    )
    presence_penalty: float = Field(
        default=0.0, ge=-100.0, le=100.0, description="taken from a token's logit once it was written"
    )
    logit_bias: Mapping[int, float] = Field(default={}, description="added to the logits of these ids")
    stop: tuple[str, ...] = Field(default=(), description="the text ends before the first of these strings")
    stop_ids: tuple[int, ...] = Field(default=(), description="the text also ends at these ids")
    max_tokens: int = Field(
        default=256, ge=0, description="tokens at most; fewer where the context ends first"
    )
    min_tokens: int = Field(default=0, ge=0, description="nothing ends the text before so many tokens")
    ignore_end: bool = Field(default=False, description="the model's own end tokens do not end the text")
    logprobs: int | None = Field(
        default=None, ge=0, description="log-probability of each token, and of so many likeliest beside it"
    )
    prompt_logprobs: int | None = Field(default=None, ge=0, description="the same for the prompt's tokens")
    constraint: Constraint | None = None

    @field_validator("top_p", "min_p", mode="before")
    @classmethod
    def _absent(cls, value: Any, info: Any) -> Any:
        return cls.model_fields[info.field_name].default if value is None else value

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.constraint is not None and self.min_tokens:
            raise ValueError(
                "min_tokens may forbid the end where a constraint allows nothing else; leave one out"
            )
        return self

    @property
    def shape(self) -> tuple[float, int | None, float, float]:
        """What `warp` depends on: rows with the same are warped together."""
        return self.temperature, self.top_k, self.top_p, self.min_p

    @property
    def changes_logits(self) -> bool:
        """Whether single logits are moved before the distribution is cut and drawn from."""
        penalties = (self.repetition_penalty - 1, self.frequency_penalty, self.presence_penalty)
        return any(penalties) or bool(self.logit_bias or self.min_tokens or self.constraint)
