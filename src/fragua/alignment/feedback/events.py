"""The kinds of feedback. Each owns its fields, what is wrong in them, and what it teaches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from fragua.alignment.examples import Choice, Example, Pair, Rated, Target, Unpaired
from fragua.errors import InputError
from fragua.settings import Settings

FORMAT: Literal[1] = 1


class Sampling(Settings):
    """How an answer was drawn."""

    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int | None = Field(default=None, gt=0)
    max_tokens: int | None = Field(default=None, gt=0)
    seed: int | None = None


class Candidate(Settings):
    """An answer, and where it is from."""

    text: str
    model: str | None = None
    """SHA-256 of the weights; None: not a model's, or not known."""
    sampling: Sampling | None = None


class Event(Settings):
    """What all kinds have. A line of the log is one event's JSON."""

    format: Literal[1] = FORMAT
    id: str = Field(min_length=1)
    kind: str
    at: datetime
    annotator: str = Field(min_length=1)
    seconds: float = Field(ge=0, allow_inf_nan=False)
    """From showing to verdict."""
    prompt: tuple[dict[str, Any], ...] = Field(min_length=1)
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    order: tuple[int, ...]
    """Candidates by number in the order shown, leftmost first."""
    text: str = ""
    """A remark beside the verdict."""

    @model_validator(mode="after")
    def _shown(self) -> Self:
        if sorted(self.order) != list(range(len(self.candidates))):
            raise ValueError(f"order {list(self.order)} is not one of {len(self.candidates)} candidates")
        for message in self.prompt:
            if not isinstance(message.get("role"), str) or not isinstance(message.get("content"), str):
                raise ValueError("prompt: each message has a role and a content")
        if self.prompt[-1]["role"] != "user":
            raise ValueError("prompt: the last message is the user's")
        return self

    def examples(self) -> Iterator[Example]:
        """What it teaches, in every form that it has; a learner takes those of one form."""
        return iter(())

    def _answer(self, number: int) -> str:
        return self.candidates[number].text

    def _check(self, *numbers: int) -> None:
        for number in numbers:
            if not 0 <= number < len(self.candidates):
                raise ValueError(f"candidate {number} of {len(self.candidates)} (counted from 0)")


class Comparison(Event):
    """Two or more answers: the best one, all in order, a tie, or all bad."""

    kind: Literal["comparison"] = "comparison"
    verdict: Literal["best", "ranking", "tie", "bad"]
    ranking: tuple[int, ...] = ()
    """best: that candidate. ranking: all of them, the best first. tie, bad: empty."""
    margin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """best of two: how much better, in units of reward."""

    @model_validator(mode="after")
    def _judged(self) -> Self:
        count = len(self.candidates)
        if count < 2:
            raise ValueError("a comparison has two candidates or more")
        self._check(*self.ranking)
        wanted = {"best": 1, "ranking": count, "tie": 0, "bad": 0}[self.verdict]
        if len(set(self.ranking)) != len(self.ranking) or len(self.ranking) != wanted:
            raise ValueError(f"ranking {list(self.ranking)}: '{self.verdict}' names {wanted} of {count}")
        return self

    def examples(self) -> Iterator[Example]:
        """Pairs of every answer with those below it. The best of several is also a choice, all bad is each bad."""
        texts, who = tuple(candidate.text for candidate in self.candidates), self.annotator
        if self.verdict == "bad":
            yield from (Unpaired(self.prompt, text, False, who) for text in texts)
        if self.verdict == "tie":
            yield from (Pair(self.prompt, a, b, tie=True, annotator=who) for a, b in combinations(texts, 2))
        if self.verdict == "best":
            (best,) = self.ranking
            for number, text in enumerate(texts):
                if number != best:
                    yield Pair(self.prompt, texts[best], text, self.margin, annotator=who)
            yield Choice(self.prompt, texts, best, who)
        for high, low in combinations(self.ranking, 2):
            yield Pair(self.prompt, texts[high], texts[low], annotator=who)


class OfOne(Event):
    """Feedback about one of the candidates shown."""

    candidate: int = 0

    @model_validator(mode="after")
    def _about(self) -> Self:
        self._check(self.candidate)
        return self

    @property
    def answer(self) -> str:
        return self._answer(self.candidate)


class Rating(OfOne):
    """A mark from 1 (worst) to `levels`."""

    kind: Literal["rating"] = "rating"
    rating: int = Field(ge=1)
    levels: int = Field(default=5, ge=2, le=100)

    @model_validator(mode="after")
    def _marked(self) -> Self:
        if self.rating > self.levels:
            raise ValueError(f"rating {self.rating} of {self.levels}")
        return self

    def examples(self) -> Iterator[Example]:
        yield Rated(self.prompt, self.answer, self.rating, self.levels, self.annotator)


class Thumbs(OfOne):
    """Up or down."""

    kind: Literal["thumbs"] = "thumbs"
    good: bool

    def examples(self) -> Iterator[Example]:
        yield Unpaired(self.prompt, self.answer, self.good, self.annotator)


class Correction(OfOne):
    """The answer as it should have been."""

    kind: Literal["correction"] = "correction"
    corrected: str = Field(min_length=1)

    @model_validator(mode="after")
    def _changed(self) -> Self:
        if self.corrected == self.answer:
            raise ValueError("corrected: nothing was changed")
        return self

    def examples(self) -> Iterator[Example]:
        """The edit is preferred to the original, and is a target of fine-tuning."""
        yield Pair(self.prompt, self.corrected, self.answer, annotator=self.annotator)
        yield Target(self.prompt, self.corrected, self.annotator)


class Critique(OfOne):
    """Words about an answer (`text`), with a verdict or without: only a verdict is learned."""

    kind: Literal["critique"] = "critique"
    good: bool | None = None

    @model_validator(mode="after")
    def _said(self) -> Self:
        if not self.text.strip():
            raise ValueError("text: a critique says something")
        return self

    def examples(self) -> Iterator[Example]:
        if self.good is not None:
            yield Unpaired(self.prompt, self.answer, self.good, self.annotator)


class Skip(Event):
    """Shown and not judged: it teaches nothing, and is counted."""

    kind: Literal["skip"] = "skip"


class Undo(Settings):
    """Takes an earlier event back; the log is only ever appended to."""

    format: Literal[1] = FORMAT
    id: str = Field(min_length=1)
    kind: Literal["undo"] = "undo"
    at: datetime
    annotator: str = Field(min_length=1)
    undoes: str = Field(min_length=1)
    """The id of an event of the same annotator."""


Verdict = Comparison | Rating | Thumbs | Correction | Critique | Skip
AnyEvent = Annotated[Verdict | Undo, Field(discriminator="kind")]
KINDS = ("comparison", "rating", "thumbs", "correction", "critique", "skip", "undo")
_EVENT: TypeAdapter[Verdict | Undo] = TypeAdapter(AnyEvent)


def parse_event(row: dict[str, Any], place: str) -> Verdict | Undo:
    """The event of a row of JSON. Raises InputError at `place` with the field that is wrong."""
    if row.get("kind") not in KINDS:
        raise InputError(f"unknown kind {row.get('kind')!r}", place, f"known: {', '.join(KINDS)}")
    try:
        return _EVENT.validate_python(row)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"][1:])
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{key}: {message}" if key else message, place) from error


def standing(events: Iterable[Verdict | Undo]) -> list[Verdict]:
    """The verdicts that their annotators have not taken back, in order."""
    found: dict[str, Verdict] = {}
    for event in events:
        if not isinstance(event, Undo):
            found[event.id] = event
        elif event.undoes in found and found[event.undoes].annotator == event.annotator:
            del found[event.undoes]
    return list(found.values())


def examples(events: Iterable[Verdict | Undo]) -> Iterator[Example]:
    """What the standing verdicts teach."""
    return (example for event in standing(events) for example in event.examples())
