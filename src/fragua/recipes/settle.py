"""The plan of a run, settled once: measured and chosen the first time, read from plan.json ever after.

One figure is settled later, when there is more to go by: how many conversations the minutes hold that are left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fragua.corpus.read import find_files
from fragua.errors import InputError
from fragua.files import digest_json, read_json, write_json
from fragua.models.config import decoder_config
from fragua.progress import console
from fragua.recipes.plan import COSTS, Plan, compiles, finetune_s, make_plan, tokens_per_conversation
from fragua.recipes.recipe import Recipe
from fragua.recipes.speed import Speed, fit_speed
from fragua.recipes.stage import Life

PLAN_FILE = "plan.json"
PROBE_DEPTHS = (2, 4)
PROBE_VOCAB = 4096
AFTER = ("exam", "align", "talk", "report")
"""What comes after fine-tuning."""


def settle(recipe: Recipe, out: Path) -> tuple[Plan, dict[str, Any]]:
    """The plan in `out` if it was made for this recipe, else a new one, measured and stored; and the machine.

    A run that goes on therefore keeps its sizes, even where the machine is busier or another one now."""
    path, digest = out / PLAN_FILE, digest_json(recipe.model_dump(mode="json"))
    if path.is_file():
        stored = read_json(path)
        if stored.get("recipe_digest") == digest:
            return Plan.parse(stored["plan"], path), stored["machine"]
    plan, machine = plan_here(recipe)
    write_json(path, {"recipe_digest": digest, "plan": plan.model_dump(mode="json"), "machine": machine})
    return plan, machine


def plan_here(recipe: Recipe) -> tuple[Plan, dict[str, Any]]:
    """A new plan for this machine, and the machine. Raises InputError where a source or a genre is not there."""
    _check_genres(recipe)
    files = find_files(recipe.corpus.sources) if not recipe.corpus.aldea else []
    source_bytes = sum(Path(file).stat().st_size for file in files)
    speed, machine = measure_here(recipe)
    return make_plan(recipe, speed, machine, source_bytes=source_bytes), machine


def _check_genres(recipe: Recipe) -> None:
    """Before anything is learned: fine-tuning comes late. Documents of one's own have genres that nobody knows yet."""
    from fragua.corpus.aldea.genres import GENRES

    strange = sorted(set(recipe.finetune.texts_genres) - set(GENRES))
    if strange and not recipe.corpus.sources:
        what = f"Aldea has no texts of the genre '{strange[0]}'"
        raise InputError(what, "finetune.texts_genres", f"known: {', '.join(GENRES)}")


def measure_here(recipe: Recipe) -> tuple[Speed, dict[str, Any]]:
    """A few seconds of measuring: the machine, its faster precision, how fast it writes and, by depth, trains."""
    from fragua.corpus.aldea import written_per_s
    from fragua.training.machine import measure, throughput

    machine, sizes = measure() | {"written_per_s": written_per_s()}, recipe.pretrain
    precision = machine["precision"] if sizes.precision == "auto" else sizes.precision
    vocab_size = recipe.tokenizer.vocab_size or PROBE_VOCAB
    measured = []
    for depth in PROBE_DEPTHS if sizes.depth is None else (sizes.depth,):
        stack = decoder_config(depth, vocab_size, sizes.context, width=sizes.width, heads=sizes.heads)
        rate = throughput(
            depth,
            vocab_size,
            sizes.context,
            precision=precision,
            compiled=compiles(recipe, machine),
            width=sizes.width,
        )
        measured.append((stack, rate))
    return fit_speed(measured), machine


def settle_conversations(life: Life) -> Life:
    """The life with as many conversations as the minutes hold that are left, now that pretraining has shown how fast
    this machine is. Written into plan.json, so that it is settled once."""
    plan, path = life.plan, life.out / PLAN_FILE
    if plan.settled:
        return life
    done, costs = life.ledger.entries, COSTS.on(life.ledger.head["machine"])
    before = [entry.seconds for name, entry in done.items() if name not in ("finetune", *AFTER)]
    learned = done["pretrain"].figures
    rate = learned["tokens"] / learned["seconds"]
    rest = sum(plan.estimates.seconds.get(name, 0.0) for name in AFTER)
    left = 60 * life.recipe.minutes * (1 - costs.slack)
    left -= costs.start_s + sum(before) + costs.again_s + rest
    expected = plan.finetune_conversations or plan.conversations
    each = tokens_per_conversation(plan.vocab_size, costs, plan.finetune_texts_share)
    held = int(left / finetune_s(1, plan.finetune_epochs * each, rate, costs))
    settled = max(int(costs.least_kept * expected), min(plan.conversations, held))
    told = f"{settled:,} conversations in the time that is left ({expected:,} were expected)"
    console.print(f"finetune: {told}", highlight=False)
    plan = plan.model_copy(update={"finetune_conversations": settled, "settled": True})
    write_json(path, read_json(path) | {"plan": plan.model_dump(mode="json")})
    return replace(life, plan=plan)
