"""`fragua run`: a whole life, from text to an assistant, with everything to see on the way."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fragua.cli.plan import DEPTH, JSON, LANG, MINUTES, RECIPE, SEED, SET

if TYPE_CHECKING:
    from fragua.cli.language import Say
    from fragua.recipes.recipe import Recipe

OUT = typer.Option(
    None, help="Where everything goes; default: runs/RECIPE. The same folder goes on where it stopped."
)
CHAT = typer.Option(
    None, "--chat/--no-chat", help="Open the chat at the end; default: when a person is at the terminal."
)

FRESH = typer.Option(
    False, "--fresh", help="Do a folder's finished stages again where the settings have changed."
)


def run(
    recipe: str = RECIPE,
    minutes: float | None = MINUTES,
    depth: int | None = DEPTH,
    seed: int | None = SEED,
    settings: list[str] = SET,
    out: Path | None = OUT,
    lang: str | None = LANG,
    chat: bool | None = CHAT,
    fresh: bool = FRESH,
    as_json: bool = JSON,
) -> None:
    """Live a whole recipe, from text to an assistant.

    Corpus, tokenizer, pretraining, exam, fine-tuning, exam, conversation, report.

    The same command goes on where it was stopped, and skips what has not changed."""
    from fragua.cli.language import choose_lang, speaker

    chosen = choose_lang(lang)
    say = speaker(chosen)

    from fragua.cli.terminal import Terminal
    from fragua.progress import console
    from fragua.recipes.recipe import load_recipe
    from fragua.recipes.run import run as live_run

    loaded = load_recipe(recipe, settings, minutes=minutes, depth=depth, seed=seed)
    where = out or Path("runs") / loaded.name
    if not fresh:
        _may_change(loaded, where, say)
    console.print(f"[bold yellow]Fragua[/] · {loaded.name} → {where}", highlight=False)
    terminal = Terminal(say, console)
    ledger = live_run(loaded, where, terminal, lang=chosen, planned=terminal.planned)

    from fragua.cli.closing import as_object, closing

    if as_json:
        import json

        print(json.dumps(as_object(where, ledger), ensure_ascii=False))
        return

    from rich.console import Console

    closing(where, ledger, say, Console())
    wanted = chat if chat is not None else sys.stdin.isatty() and sys.stdout.isatty()
    if wanted and loaded.corpus.aldea:
        from fragua.cli.chat import chat as open_chat

        open_chat(where / "assistant", lang=chosen)


def _may_change(recipe: Recipe, where: Path, say: Say) -> None:
    """Asks before finished stages are done again for other settings. Raises InputError where nobody can answer."""
    from fragua.errors import InputError
    from fragua.recipes.ledger import Ledger

    changed = Ledger.open(where).differences(recipe.model_dump(mode="json"))
    if not changed:
        return
    told = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
    if sys.stdin.isatty() and sys.stderr.isatty():
        question = say(
            f"{where} tiene una vida hecha con {told}. ¿Rehacerla con los ajustes nuevos?",
            f"{where} holds a life made with {told}. Do it again with the new settings?",
        )
        if typer.confirm(question, err=True):
            return
    raise InputError(
        f"holds a life with {told}", where, "--fresh does it again, --out chooses another folder"
    )
