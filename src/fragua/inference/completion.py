"""What is asked of a model and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from pydantic import Field

from fragua.inference.sampling import Sampling

FinishReason = Literal["stop", "length"]
"""'stop': the model ended its text or wrote a stop string; 'length': max_tokens or the context ran out."""


class Options(Sampling):
    """Everything that can be chosen for one answer."""

    max_tokens: int = Field(
        default=256, ge=1, description="tokens at most; fewer where the context ends first"
    )
    stop: tuple[str, ...] = Field(default=(), description="the text ends before the first of these strings")
    overflow: Literal["error", "slide"] = Field(default="error", description="when the context is full")
    """'error': a prompt that leaves no room is refused, and the answer ends where the context does.
    'slide': whenever the context is full its oldest quarter is forgotten and the rest is read anew."""
    beams: int = Field(default=1, ge=1, le=64, description="continuations kept side by side (beam search)")
    length_penalty: float = Field(
        default=1.0, description="beams are compared by log-probability / length^penalty"
    )
    n_best: int = Field(default=1, ge=1, description="how many of the beams are given back")
    logprobs: bool = Field(default=False, description="give each token's log-probability")


class Piece(NamedTuple):
    """One token's share of a stream. `text` may be empty: characters and stop strings are never cut."""

    text: str
    tokens: list[int]
    logprobs: list[float]
    """In nats, of the model's own distribution; empty unless asked for."""
    finish_reason: FinishReason | None = None


@dataclass(frozen=True)
class Completion:
    """A whole answer. `tokens` are all that were drawn but the end token, also those of a stop string."""

    text: str
    tokens: list[int]
    finish_reason: FinishReason
    logprobs: list[float] | None = None
    """One a token, in nats, of the model's own distribution (before temperature and filters)."""
    score: float | None = None
    """Of beam search: log-probability in nats, the end token's included, over length^penalty."""
    others: tuple[Completion, ...] = ()
    """Of beam search: the next best, by falling score."""


@dataclass(frozen=True)
class Score:
    """How probable a text is: `logprobs[i]` is log p(tokens[i] | tokens[:i]) in nats; the first is None."""

    tokens: list[int]
    logprobs: list[float | None]


@dataclass(frozen=True)
class Message:
    """An assistant's answer; `steps`: all messages it took in OpenAI's form (calls, results, the answer)."""

    content: str
    steps: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: FinishReason = "stop"
    tokens: int = 0
    """Tokens drawn over all steps."""


@dataclass(frozen=True)
class Event:
    """Something that happened while an answer was made, in order; the last one is 'message'."""

    kind: Literal["text", "tool_call", "tool_result", "message"]
    text: str = ""
    call: dict[str, Any] | None = None
    message: Message | None = None
