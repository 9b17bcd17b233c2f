"""The loop: people compare answers, a reward model learns from them, the policy from the reward, and again."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from fragua.alignment.audit import audit, bootstrap, held_out_items
from fragua.alignment.examples import Messages
from fragua.alignment.feedback.events import Comparison
from fragua.alignment.feedback.formats import read_events
from fragua.alignment.feedback.tasks import Drawing, Source, prepare_tasks
from fragua.alignment.gold import write_gold
from fragua.alignment.judging import RewardSettings, train_reward
from fragua.alignment.optimise import OptimiseSettings, optimise, questions_of
from fragua.alignment.rollouts import roll
from fragua.corpus.aldea.world import build_world
from fragua.errors import InputError, RunError
from fragua.files import read_json, read_jsonl, write_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.training.directory import claim, weights_digest

Labeller = Callable[[Messages, Sequence[str]], int | None]
"""Which of the answers is the best, counted from 0; None: none of them."""

GOLD, PEOPLE = "gold", "people"
EVENTS, LEARNED, ROUND = "events.jsonl", "learned.jsonl", "round.json"


class LoopSettings(OptimiseSettings):
    """What `fragua align loop` can be told. `reward`: parts beside the reward model that is learned."""

    reward: tuple[str, ...] = ()
    labeller: str = GOLD
    """gold; people, who judge with `fragua align collect`; or MODULE:FUNCTION, a `Labeller`."""
    times: int = Field(default=2, gt=0)
    comparisons: int = Field(default=500, gt=1)
    """Each time."""
    candidates: int = Field(default=4, ge=2, le=9)
    """Answers in a comparison."""
    members: int = Field(default=1, ge=1, le=32)
    """Of the reward model."""
    items: int = Field(default=200, gt=0)
    """Questions on which each policy is measured beside the first model."""

    @model_validator(mode="after")
    def _gold_knows_a_world(self) -> Self:
        if self.labeller == GOLD and self.world is None:
            raise ValueError("labeller: gold judges questions of a world; give world, or another labeller")
        return self


def loop(settings: LoopSettings, out: str | Path) -> dict[str, Any]:
    """Does what is missing, a folder a round: its comparisons, `judge`, `policy` and `round.json`.

    Returns `rounds`. Raises InputError for a labeller that is none, RunError where people have not judged enough
    yet."""
    out = Path(out)
    labeller = None if settings.labeller in (GOLD, PEOPLE) else load_labeller(settings.labeller)
    claim(out, "loop", *settings.claimed())
    policy, learned, rounds = settings.model, list[dict[str, Any]](), list[dict[str, Any]]()
    for number in range(1, settings.times + 1):
        folder = out / f"round-{number}"
        _collect(settings, labeller, policy, folder, number)
        learned += [row for _, row in read_jsonl(folder / EVENTS)]
        if not (folder / LEARNED).is_file():
            write_jsonl(folder / LEARNED, learned)
        judge = {"model": settings.model, "data": folder / LEARNED, "members": settings.members}
        reward = train_reward(RewardSettings.parse(judge | {"seed": settings.seed}), folder / "judge")
        own = {name: getattr(settings, name) for name in OptimiseSettings.model_fields}
        parts = (f"model={folder / 'judge'}", *settings.reward)
        changed = {"model": policy, "reward": parts, "seed": settings.seed + number - 1}
        figures = optimise(OptimiseSettings.parse(own | changed), folder / "policy")
        policy = folder / "policy"
        if not (folder / ROUND).is_file():
            told = {
                "round": number,
                "comparisons": len(learned),
                "judge_accuracy": reward.get("accuracy", {}).get("value"),
                "score": figures["validation_score"],
                "kl": figures["validation_kl"],
                **_measured(settings, labeller, policy),
            }
            write_json(folder / ROUND, told)
        rounds.append(read_json(folder / ROUND))
    return {"rounds": rounds, "out": str(policy)}


def load_labeller(name: str) -> Labeller:
    """The function of MODULE:FUNCTION. Raises InputError where there is none."""
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        mend = "gold, people, or MODULE:FUNCTION that Python can import"
        raise InputError(f"no labeller '{name}' ({error})", "--labeller", mend) from error
    if not callable(found):
        raise InputError(f"'{name}' is no function", "--labeller")
    labeller: Labeller = found
    return labeller


def _collect(
    settings: LoopSettings, labeller: Labeller | None, policy: Path, folder: Path, number: int
) -> None:
    """Comparisons of the policy's answers in the folder's log."""
    events = folder / EVENTS
    if settings.labeller == PEOPLE:
        judged = (
            sum(isinstance(event, Comparison) for event in read_events(events)) if events.is_file() else 0
        )
        if judged < settings.comparisons:
            asked = f"--prompts {settings.prompts}" if settings.prompts else "--prompts FILE"
            mend = f"fragua align collect {policy} {asked} --out {folder}, and then this command again"
            raise RunError(f"{judged} of {settings.comparisons} comparisons are judged", events, mend)
    elif not events.is_file():
        lm = LanguageModel.load(policy)
        if labeller is None:
            assert settings.world is not None, "gold knows a world"
            world, seed = build_world(settings.world), settings.seed + number
            write_gold(lm, world, settings.comparisons, seed, events)
        else:
            rows = _labelled(settings, labeller, Source(lm, weights_digest(policy)), folder, number)
            write_jsonl(events, (event.model_dump(mode="json", exclude_none=True) for event in rows))


def _labelled(
    settings: LoopSettings, labeller: Labeller, source: Source, folder: Path, number: int
) -> Iterator[Comparison]:
    """What the code thinks of the different answers that were drawn for each prompt."""
    asked = settings.questions(settings.comparisons)
    prompts = [asked[at % len(asked)].prompt for at in range(settings.comparisons)]
    drawing = Drawing(
        candidates=settings.candidates, temperature=1.0, max_tokens=settings.max_tokens, seed=number << 32
    )
    for place, task in enumerate(prepare_tasks(prompts, [source], drawing, folder / "answers"), 1):
        texts = [candidate.text for candidate in task.candidates]
        if len(texts) < 2:
            continue
        best = labeller(task.prompt, texts)
        yield Comparison(
            id=f"{settings.labeller}-{number}-{place}",
            at=datetime.now(UTC),
            annotator=settings.labeller,
            seconds=0.0,
            prompt=task.prompt,
            candidates=task.candidates,
            order=tuple(range(len(texts))),
            verdict="bad" if best is None else "best",
            ranking=() if best is None else (best,),
        )


def _measured(settings: LoopSettings, labeller: Labeller | None, policy: Path) -> dict[str, Any]:
    """Wins over the first model on what is held out, by who labels; people are not asked for that."""
    if settings.labeller == PEOPLE:
        return {}
    new, old = (LanguageModel.load(path) for path in (policy, settings.model))
    if labeller is None:
        assert settings.world is not None, "gold knows a world"
        items = held_out_items(build_world(settings.world), settings.seed + 1, settings.items)
        return audit(new, old, items, seed=settings.seed)
    asked = questions_of(settings, old)[1]
    said = [roll(lm, asked, max_tokens=settings.max_tokens, seed=settings.seed) for lm in (new, old)]
    wins = [
        0.5
        if a.text == b.text
        else {0: 1.0, 1: 0.0, None: 0.5}[labeller(a.question.prompt, [a.text, b.text])]
        for a, b in zip(*said, strict=True)
    ]
    return {"questions": len(wins), "win_rate": bootstrap(np.array(wins))}
