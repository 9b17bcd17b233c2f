"""What people are asked: prompts from a file, and answers that models drew for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from fragua.alignment.examples import Messages
from fragua.alignment.feedback.events import Candidate, Event, Sampling
from fragua.corpus.conversations import read_rows, recognise
from fragua.errors import InputError
from fragua.files import (
    append_lines,
    digest_json,
    drop_torn_line,
    flat,
    read_json,
    read_jsonl,
    read_text,
    write_json,
)
from fragua.progress import progress_bar
from fragua.settings import Settings

if TYPE_CHECKING:
    from fragua.inference.language_model import LanguageModel

TASKS, PLAN = "tasks.jsonl", "collect.json"
PROMPTS_AT_ONCE = 16
TRIES = 4
"""Answers that are empty, or the same as another, are drawn again so many times at most."""


class Task(Settings):
    """A prompt and the answers to compare; they may be fewer than were wanted, where a model repeats itself."""

    prompt: tuple[dict[str, Any], ...] = Field(min_length=1)
    candidates: tuple[Candidate, ...]

    @property
    def id(self) -> str:
        return unit(self)


def unit(asked: Task | Event) -> str:
    """The digest of a prompt and its answers: the same for a task and for every verdict on it."""
    return digest_json([asked.prompt, [candidate.text for candidate in asked.candidates]])


class Drawing(Sampling):
    """How answers are drawn."""

    temperature: float = Field(default=0.9, gt=0, le=100)
    max_tokens: int = Field(default=128, gt=0)
    seed: int = Field(default=0, ge=0)
    candidates: int = Field(default=2, ge=1, le=9)
    """For each prompt, from all models together."""


class Source(NamedTuple):
    """A model that answers, and the digest of its weights."""

    lm: LanguageModel
    weights: str


def read_prompts(path: str | Path) -> list[Messages]:
    """Prompts of a .txt (one a line), or of .jsonl and .json rows with `prompt` (a text or messages) or a
    conversation in a known form, whose end after the last user's turn is left out. Each prompt once.

    Raises InputError with `path:row` for a row of no known form."""
    path = Path(path)
    if path.suffix.lower() in (".json", ".jsonl"):
        prompts = [_prompt(row, place) for place, row in read_rows(path)]
    else:
        lines = filter(None, map(str.strip, read_text(path).splitlines()))
        prompts = [({"role": "user", "content": line},) for line in lines]
    found = {digest_json(prompt): prompt for prompt in prompts}
    if not found:
        raise InputError("holds no prompt", path, "write one a line")
    return list(found.values())


def _prompt(row: dict[str, Any], place: str) -> Messages:
    asked = row.get("prompt")
    if isinstance(asked, str) and asked.strip():
        return ({"role": "user", "content": asked},)
    messages = recognise({"messages": asked} if isinstance(asked, list) else row, place)
    while messages and messages[-1]["role"] != "user":
        messages = messages[:-1]
    if not messages:
        raise InputError("no user's turn, so nothing to answer", place)
    return tuple(messages)


def prepare_tasks(
    prompts: Sequence[Messages], sources: Sequence[Source], drawing: Drawing, out: Path
) -> list[Task]:
    """The tasks of `out`, a line a prompt; those that are not there yet are drawn. Stopped, the same call goes on.

    Raises InputError where `out` holds answers to other prompts, of other models or settings, or a prompt does not
    fit a model's context."""
    for source in sources:
        for number, prompt in enumerate(prompts, 1):
            if (length := len(source.lm.chat_ids(prompt))) >= source.lm.context:
                what = f"{length} tokens do not fit: the context holds {source.lm.context}"
                raise InputError(what, f"prompt {number}", "shorten it, or leave it out")
    plan = {
        "prompts": digest_json(prompts),
        "models": [source.weights for source in sources],
        "drawing": drawing.model_dump(),
    }
    _claim(out / PLAN, plan)
    path = out / TASKS
    tasks = []
    if path.exists():
        drop_torn_line(path)
        tasks = [Task.parse(row, f"{path}:{number}") for number, row in read_jsonl(path)]
    if len(tasks) < len(prompts):
        with progress_bar("answers", len(prompts), "prompts", len(tasks)) as advance:
            for start in range(len(tasks), len(prompts), PROMPTS_AT_ONCE):
                made = draw_tasks(prompts, sources, drawing, start)
                append_lines(path, (task.model_dump(mode="json", exclude_none=True) for task in made))
                tasks += made
                advance(len(made))
    return tasks


def _claim(path: Path, plan: dict[str, Any]) -> None:
    if not path.is_file():
        write_json(path, plan)
        return
    old, new = flat(read_json(path)), flat(plan)
    differing = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    if differing:
        raise InputError(
            f"holds answers drawn with another {differing[0]}", path.parent, "choose another --out"
        )


def draw_tasks(
    prompts: Sequence[Messages], sources: Sequence[Source], drawing: Drawing, start: int
) -> list[Task]:
    """Tasks of the prompts from `start` on, `PROMPTS_AT_ONCE` at most. The models answer by turns.

    An answer that is empty or not new is drawn again, `TRIES` times at most, and then left out. Which seed draws
    which answer depends on nothing but the settings, so that work that was stopped goes on as if it was not."""
    end = min(start + PROMPTS_AT_ONCE, len(prompts))
    found: dict[int, dict[int, Candidate]] = {at: {} for at in range(start, end)}
    options = drawing.model_dump(exclude={"candidates", "seed"})
    for round_number in range(TRIES):
        for number, source in enumerate(sources):
            slots = range(number, drawing.candidates, len(sources))
            missing = [at for at, own in found.items() if not own.keys() >= set(slots)]
            runs = (
                [range(start, end)] if len(missing) == end - start else [range(at, at + 1) for at in missing]
            )
            turn = (round_number * len(sources) + number) * len(prompts) * drawing.candidates
            for run in runs if slots else []:
                asked = [(at, slot) for at in run for slot in slots]
                seed = drawing.seed + turn + run.start * len(slots)
                replies = source.lm.reply([prompts[at] for at, _ in asked], seed=seed, **options)
                for offset, ((at, slot), steps) in enumerate(zip(asked, replies, strict=True)):
                    text = str(steps[-1].get("content") or "").strip()
                    if text and slot not in found[at] and all(one.text != text for one in found[at].values()):
                        sampling = Sampling(**options, seed=seed + offset)
                        found[at][slot] = Candidate(text=text, model=source.weights, sampling=sampling)
    return [
        Task(prompt=prompts[at], candidates=tuple(own[slot] for slot in sorted(own)))
        for at, own in found.items()
    ]
