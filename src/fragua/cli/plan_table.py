"""A plan as a table for the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fragua.cli.language import Say
from fragua.recipes.plan import Plan
from fragua.recipes.recipe import Recipe
from fragua.recipes.words import duration, size, stage_name


def plan_table(recipe: Recipe, plan: Plan, machine: dict[str, Any], say: Say) -> RenderableType:
    """Sizes on top, then time by stage, then what it needs and what to expect."""
    guess = plan.estimates
    made = _grid(f"Fragua · {recipe.name}")
    by_hand, by_dial = say("dado", "given"), say("del dial", "from the dial")

    def row(label: str, value: str, given: object = ...) -> None:
        made.add_row(label, value, "" if given is ... else by_dial if given is None else by_hand)

    row(say("máquina", "machine"), machine_line(machine, say))
    row(
        say("texto", "text"),
        f"{size(plan.corpus_bytes)} · "
        + (
            f"Aldea, {say('semilla', 'seed')} {plan.corpus_seed}"
            if recipe.corpus.aldea
            else ", ".join(Path(source).name for source in recipe.corpus.sources)
        ),
        recipe.corpus.megabytes if recipe.corpus.aldea else recipe.corpus.sources,
    )
    row(say("vocabulario", "vocabulary"), f"{plan.vocab_size:,} tokens", recipe.tokenizer.vocab_size)
    row(
        say("modelo", "model"),
        say(
            f"{plan.depth} capas × {plan.width}, {plan.heads} cabezas, contexto {plan.context}",
            f"{plan.depth} layers × {plan.width}, {plan.heads} heads, context {plan.context}",
        ),
        recipe.pretrain.depth,
    )
    row(say("parámetros", "parameters"), f"{plan.parameters / 1e6:.2f} M")
    row(
        say("preentrenamiento", "pretraining"),
        f"{plan.tokens / 1e6:.2f} M tokens = {plan.steps:,} {say('pasos', 'steps')} × {plan.batch_tokens:,}",
        recipe.pretrain.tokens,
    )
    row(
        "",
        say(
            f"{guess.tokens_per_parameter:.1f} tokens por parámetro, {guess.epochs:.1f} veces el texto",
            f"{guess.tokens_per_parameter:.1f} tokens a parameter, {guess.epochs:.1f} times the text",
        ),
    )
    if recipe.corpus.aldea:
        about, learned = "" if plan.settled else "≈ ", plan.finetune_conversations or plan.conversations
        row(
            say("ajuste", "fine-tuning"),
            say(
                f"{about}{learned:,} conversaciones × {plan.finetune_epochs}",
                f"{about}{learned:,} conversations × {plan.finetune_epochs}",
            ),
            recipe.corpus.conversations,
        )
        row(say("examen", "exam"), say(f"{plan.exam_items} preguntas", f"{plan.exam_items} questions"))
    row(say("precisión", "precision"), f"{plan.precision} · {guess.tokens_per_s:,.0f} tokens/s")

    times = _grid(say("Tiempo, estimado", "Time, estimated"))
    for name, seconds in guess.seconds.items():
        bar = "━" * max(1, round(30 * seconds / max(guess.seconds.values())))
        times.add_row(stage_name(name, say), f"{duration(seconds):>9}", Text(bar, style="yellow"))
    times.add_row(
        Text(say("todo", "all"), style="bold"), Text(f"{duration(guess.total_seconds):>9}", style="bold"), ""
    )

    needs = _grid(say("Necesita y promete, estimado", "Needs and promises, estimated"))
    needs.add_row(say("memoria", "memory"), size(guess.memory_bytes), "")
    needs.add_row(say("disco", "disk"), size(guess.disk_bytes), "")
    if guess.loss and guess.bits_per_byte:
        bits = f"{guess.bits_per_byte:.2f} {say('bits por byte', 'bits per byte')}"
        needs.add_row(say("pérdida", "loss"), f"≈ {guess.loss:.2f} nats/token = {bits}", "")
    return Group(made, times, needs)


def machine_line(machine: dict[str, Any], say: Say) -> str:
    """The machine in one line, of the facts that were measured."""
    parts = [str(machine.get("processor") or say("esta máquina", "this machine"))]
    if "cores" in machine:
        parts.append(say(f"{machine['cores']} núcleos", f"{machine['cores']} cores"))
    if "memory_bytes" in machine:
        parts.append(size(machine["memory_bytes"]))
    return " · ".join(parts)


def _grid(title: str) -> Table:
    grid = Table(
        title=title,
        title_justify="left",
        title_style="bold yellow",
        box=None,
        show_header=False,
        pad_edge=False,
    )
    grid.add_column(style="dim", min_width=16)
    grid.add_column()
    grid.add_column(style="dim")
    return grid
