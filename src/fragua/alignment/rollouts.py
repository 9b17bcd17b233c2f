"""Rollouts: a policy answers prompts through the engine, tools run on the way; each is a record to be replayed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fragua.alignment.answers import Written, by_length, own_states
from fragua.alignment.examples import Messages
from fragua.corpus.aldea.exam import ExamItem, item_from_json, item_to_json
from fragua.corpus.aldea.graders.text import final_text
from fragua.errors import InputError
from fragua.evaluation.declared import declared_tools
from fragua.files import read_jsonl, write_jsonl
from fragua.inference import sampling
from fragua.inference.chat import MAX_ROUNDS, ReplyReader
from fragua.inference.engine import Engine, Result, Sampling
from fragua.inference.language_model import LanguageModel
from fragua.inference.tools import CALCULATOR, Tool, schema
from fragua.models.calls import Decoder
from fragua.progress import progress_bar
from fragua.tokens.chat import ChatTokens

READ_TOKENS = 2048
MAX_TOKENS = 160
"""Own tokens of an answer where nothing else is told: three calls of a tool and a sentence are a hundred."""


@dataclass(frozen=True)
class Question:
    """A prompt, and where its right answer is known, what a grader needs."""

    prompt: Messages
    item: ExamItem | None = None


@dataclass(frozen=True)
class Rollout:
    """What a policy wrote after a prompt, and what its tools answered."""

    question: Question
    ids: np.ndarray
    """int64 [T]: prompt, answer and results of tools, exactly as they were drawn."""
    own: np.ndarray
    """bool [T]: which of them the policy wrote, its end of turn included."""
    drawn: np.ndarray
    """float32 [N]: log-probabilities of its own tokens as the sampler found them, before the temperature."""
    steps: tuple[dict[str, Any], ...]
    """The messages after the prompt, in OpenAI's form."""
    ended: bool
    """Whether it came to an end by itself; else tokens or context ran out, or it went on calling."""
    seed: int

    @property
    def text(self) -> str:
        return final_text(list(self.steps))


@dataclass
class _Open:
    """A rollout in the making."""

    question: Question
    ids: list[int]
    seed: int
    spans: list[tuple[int, int]] = field(default_factory=list)
    drawn: list[float] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False

    def closed(self) -> Rollout:
        ids, drawn = np.array(self.ids, dtype=np.int64), np.array(self.drawn, dtype=np.float32)
        own = _mask(self.spans, len(ids))
        return Rollout(self.question, ids, own, drawn, tuple(self.steps), self.ended, self.seed)


def roll(
    lm: LanguageModel,
    questions: Sequence[Question],
    group: int = 1,
    *,
    temperature: float = 1.0,
    max_tokens: int = MAX_TOKENS,
    seed: int = 0,
    deterministic: bool = False,
) -> list[Rollout]:
    """`group` answers to each question, side by side. `max_tokens`: own tokens of an answer, over all its calls.

    Answer i draws with seed + i, its message after k results with seed + i + k · answers. Raises InputError for a
    prompt that leaves no room in the context."""
    writer = _Writer(lm, len(questions) * group, temperature, deterministic)
    rows = []
    for number, question in enumerate(questions):
        ids = _encoded(lm, question, []).ids
        if len(ids) >= lm.context:
            what = f"{len(ids)} tokens do not fit: the context holds {lm.context}"
            raise InputError(what, f"prompt {number + 1}", "shorten it, or leave it out")
        rows += [_Open(question, list(ids), seed + number * group + place) for place in range(group)]
    waiting, turn = rows, 0
    with progress_bar("rollouts", len(rows), "answers") as advance:
        while waiting:
            budgets = [max_tokens - len(row.drawn) for row in waiting]
            together = group if turn == 0 else 1
            results = writer.write(waiting, budgets, together, turn * len(rows))
            going = [
                row
                for row, budget, result in zip(waiting, budgets, results, strict=True)
                if writer.take(row, result, budget, turn + 1 < MAX_ROUNDS)
            ]
            advance(len(waiting) - len(going))
            waiting, turn = going, turn + 1
    return [row.closed() for row in rows]


def fitting(lm: LanguageModel, questions: Sequence[Question]) -> list[Question]:
    """Those that leave room for an answer in the model's context."""
    return [each for each in questions if len(_encoded(lm, each, []).ids) < lm.context]


def _encoded(lm: LanguageModel, question: Question, steps: Sequence[dict[str, Any]]) -> ChatTokens:
    tools = _tools(question)
    described = [schema(tool) for tool in tools] if tools else None
    return lm.tokenizer.encode_chat([*question.prompt, *steps], described, add_generation_prompt=True)


def _tools(question: Question) -> Sequence[Tool] | None:
    return None if question.item is None else declared_tools(question.item)


class _Writer:
    """The engine, and what becomes of the messages that it writes."""

    def __init__(self, lm: LanguageModel, count: int, temperature: float, deterministic: bool):
        self.lm, self.tokenizer, self.temperature = lm, lm.tokenizer, temperature
        self.engine = Engine(
            lm, max_running=min(count, 64), max_waiting=count, step_tokens=1024, deterministic=deterministic
        )

    def write(
        self, rows: Sequence[_Open], budgets: Sequence[int], together: int, offset: int
    ) -> list[Result]:
        """The next message of each row; so many neighbours have the same prompt."""
        tickets = []
        for row, budget in list(zip(rows, budgets, strict=True))[::together]:
            asked = Sampling(
                temperature=self.temperature, max_tokens=budget, logprobs=0, seed=row.seed + offset
            )
            ending = self.lm.chat_ending
            tickets.append(self.engine.submit(row.ids, asked, n=together, ending=ending))
        return [result for ticket in tickets for result in ticket.results()]

    def take(self, row: _Open, result: Result, budget: int, may_call: bool) -> bool:
        """Adds a message, and the answers to its calls; whether the policy goes on after them."""
        assert result.logprobs is not None, "they were asked for"
        written = [*result.logprobs, *([result.ended_by] if result.ended_by else [])]
        row.spans.append((len(row.ids), len(row.ids) + len(written)))
        row.ids += [each.token for each in written]
        row.drawn += [each.logprob for each in written]
        row.ended = result.ended_by is not None and result.ended_by.token in self.tokenizer.stop_ids
        tools = _tools(row.question)
        reader = ReplyReader(self.tokenizer, (CALCULATOR,) if tools is None else tools)
        message, answers = reader.read(result.token_ids, "stop" if row.ended else "length")
        row.steps.append(message)
        if not row.ended or not answers:
            return False
        whole = _encoded(self.lm, row.question, [*row.steps, *answers])
        end = len(whole.trained) - whole.trained[::-1].index(True)
        row.ended = False
        if not may_call or budget <= len(written) or len(row.ids) + len(whole.ids) - end >= self.lm.context:
            return False
        row.steps += answers
        row.ids += whole.ids[end:]
        return True


def _mask(spans: Sequence[Sequence[int]], length: int) -> np.ndarray:
    own = np.zeros(length, dtype=bool)
    for start, end in spans:
        own[start:end] = True
    return own


class Read(NamedTuple):
    """Of the own tokens of several answers, one after the other: float32 [N] each."""

    logprob_N: Tensor
    """At the temperature they were drawn with, nats."""
    plain_N: Tensor
    """At temperature 1."""
    entropy_N: Tensor
    value_N: Tensor
    """0 where the model has no head for values."""


def read(model: Decoder, answers: Sequence[Written], temperature: float) -> Read:
    """How likely a model finds own tokens, through the sampler's own `warp`; answers of like length together."""
    asked = sampling.Sampling(temperature=temperature)
    groups = list(by_length(answers, READ_TOKENS))
    found: list[Read] = []
    for places in groups:
        x_ND, ids_N, _ = own_states(model, [answers[place] for place in places])
        logits_NV = model.head(x_ND).float()
        logprobs_NV = sampling.warp(logits_NV, asked).log_softmax(-1)
        chosen_N = logprobs_NV.gather(1, ids_N[:, None])[:, 0]
        plain_N = chosen_N
        if temperature != 1.0:
            plain_N = logits_NV.detach().log_softmax(-1).gather(1, ids_N[:, None])[:, 0]
        entropy_N = -(logprobs_NV.detach() * logprobs_NV.detach().exp()).sum(-1)
        valued = hasattr(model, "value")
        value_N = model.get_submodule("value")(x_ND)[:, 0].float() if valued else torch.zeros_like(chosen_N)
        found.append(Read(chosen_N, plain_N.detach(), entropy_N, value_N))
    order = [place for places in groups for place in places]
    lengths = [int(answers[place].own[1:].sum()) for place in order]
    back = np.argsort(order)
    columns = (torch.cat(column).split(lengths) for column in zip(*found, strict=True))
    return Read(*(torch.cat([parts[place] for place in back]) for parts in columns))


@dataclass(frozen=True)
class Record:
    """A rollout with all that is learned from it; of its N own tokens float32 [N] each, nats."""

    rollout: Rollout
    logprobs: np.ndarray
    """log π of the policy that drew them, at the temperature of the draw."""
    reference: np.ndarray
    values: np.ndarray
    rewards: dict[str, float]
    """By part, before weights."""
    score: float
    """The parts together."""
    gap: float
    """Nats at most between what the sampler found and what `read` finds, at temperature 1."""

    @property
    def ids(self) -> np.ndarray:
        return self.rollout.ids

    @property
    def own(self) -> np.ndarray:
        return self.rollout.own

    @property
    def kl(self) -> float:
        """The answer's log π − log π_ref in nats: in the mean over answers, the divergence."""
        return float((self.logprobs - self.reference).sum())

    def row(self) -> dict[str, Any]:
        """As a line of JSON; `parse` gives it back."""
        rollout = self.rollout
        edges = np.flatnonzero(np.diff(np.concatenate([[False], rollout.own, [False]]).astype(np.int8)))
        row: dict[str, Any] = {
            "prompt": list(rollout.question.prompt),
            "text": rollout.text,
            "steps": list(rollout.steps),
            "ended": rollout.ended,
            "rewards": self.rewards,
            "score": self.score,
            "kl": self.kl,
            "gap": self.gap,
            "seed": rollout.seed,
            "tokens": rollout.ids.tolist(),
            "own": edges.reshape(-1, 2).tolist(),
        }
        arrays = dict(
            drawn=rollout.drawn, logprobs=self.logprobs, reference=self.reference, values=self.values
        )
        row |= {name: array.tolist() for name, array in arrays.items()}
        return row | ({"item": item_to_json(rollout.question.item)} if rollout.question.item else {})

    @classmethod
    def parse(cls, row: dict[str, Any], place: str) -> Record:
        """Raises InputError at `place` for a row that is no rollout."""
        try:
            item = item_from_json(row["item"], place) if "item" in row else None
            ids = np.array(row["tokens"], dtype=np.int64)
            own = _mask(row["own"], len(ids))
            names = ("drawn", "logprobs", "reference", "values")
            columns = [np.array(row[name], dtype=np.float32) for name in names]
            if any(len(column) != own.sum() for column in columns):
                raise ValueError("as many log-probabilities as own tokens are needed")
            drawn, logprobs, reference, values = columns
            question = Question(tuple(row["prompt"]), item)
            rollout = Rollout(question, ids, own, drawn, tuple(row["steps"]), row["ended"], row["seed"])
            return cls(rollout, logprobs, reference, values, row["rewards"], row["score"], row["gap"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"no rollout ({error})", place) from error


def write_records(path: Path, records: Sequence[Record]) -> None:
    write_jsonl(path, (record.row() for record in records))


def read_records(path: str | Path) -> Iterator[Record]:
    """Raises InputError with `path:line` for a broken row."""
    return (Record.parse(row, f"{path}:{number}") for number, row in read_jsonl(path))
