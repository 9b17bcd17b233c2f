"""`fragua chat`: a conversation in the terminal, or line by line from a pipe."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fragua.errors import InputError

if TYPE_CHECKING:
    from fragua.corpus.search import PassageIndex
    from fragua.inference.language_model import LanguageModel


def chat(
    model: Annotated[Path, typer.Argument(help="Model directory.")],
    docs: Annotated[
        list[str] | None,
        typer.Option(
            help="Answer from these files or folders only, quoting them; else say that they don't say."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --docs and questions from a pipe: one JSON object.")
    ] = False,
    lang: Annotated[str | None, typer.Option(help="Language of the interface: es or en.")] = None,
    temperature: Annotated[float, typer.Option(help="0 always takes the most probable token.")] = 0.0,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same answers.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Tokens of an answer at most.")] = 256,
    threads: Annotated[int | None, typer.Option(help="Processor threads.")] = None,
    weights: Annotated[
        str, typer.Option(help="Compute with float32, bfloat16, int8 or int4 weights.")
    ] = "float32",
) -> None:
    """Talk with a model. Its tool calls are run and shown; /help tells the commands."""
    from fragua.cli.language import choose_lang, speaker

    say = speaker(choose_lang(lang))
    if as_json and (not docs or sys.stdin.isatty()):
        raise InputError(
            "one JSON object needs documents, and questions from a pipe",
            "--json",
            "echo … | fragua chat M --docs D",
        )

    from rich.console import Console

    from fragua.cli.chat_session import ChatSession
    from fragua.cli.document_session import DocumentSession
    from fragua.inference.completion import Options
    from fragua.inference.language_model import LanguageModel

    options = Options.parse({"temperature": temperature, "seed": seed, "max_tokens": max_tokens}, "chat")
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    with Console(stderr=True).status(say("leyendo el modelo", "reading the model")):
        lm = LanguageModel.load(model, threads=threads, weights=weights)
    if docs:
        from fragua.inference.documents import open_documents

        index = open_documents(docs)
        if as_json:
            _answer_all(lm, index, options.max_tokens)
            return
        session: ChatSession = DocumentSession(lm, options, say, console, index)
    else:
        session = ChatSession(lm, options, say, console)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # so that a wrong byte is told, with its place
    if sys.stdin.isatty():
        session.welcome(model)
        session.converse()
    else:
        all(session.take(line) for line in sys.stdin)


def _answer_all(lm: LanguageModel, index: PassageIndex, max_tokens: int) -> None:
    """The questions on standard input, one a line, and what the documents say, in one JSON object."""
    import json

    from fragua.inference.documents import answer_from

    answers = []
    for question in filter(None, map(str.strip, sys.stdin)):
        told = answer_from(lm, index, question, max_tokens=max_tokens)
        answers.append(
            {"question": question, "abstains": told.abstains, **told._asdict() | {"found": len(told.found)}}
        )
    print(json.dumps({"passages": index.count, "answers": answers}, ensure_ascii=False))
