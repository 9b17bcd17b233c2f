"""`fragua chat`: a conversation in the terminal, or line by line from a pipe."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer


def chat(
    model: Annotated[Path, typer.Argument(help="Model directory.")],
    lang: Annotated[str | None, typer.Option(help="Language of the interface: es or en.")] = None,
    temperature: Annotated[float, typer.Option(help="0 always takes the most probable token.")] = 0.0,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same answers.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Tokens of an answer at most.")] = 256,
    threads: Annotated[int | None, typer.Option(help="Processor threads.")] = None,
) -> None:
    """Talk with a model. Its tool calls are run and shown; /help tells the commands."""
    from fragua.cli.language import choose_lang, speaker

    say = speaker(choose_lang(lang))

    from rich.console import Console

    from fragua.cli.chat_session import ChatSession
    from fragua.inference.completion import Options
    from fragua.inference.language_model import LanguageModel

    options = Options.parse({"temperature": temperature, "seed": seed, "max_tokens": max_tokens}, "chat")
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    with Console(stderr=True).status(say("leyendo el modelo", "reading the model")):
        lm = LanguageModel.load(model, threads=threads)
    session = ChatSession(lm, options, say, console)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # so that a wrong byte is told, with its place
    if sys.stdin.isatty():
        session.welcome(model)
        session.converse()
    else:
        all(session.take(line) for line in sys.stdin)
