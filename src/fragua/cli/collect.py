"""`fragua align collect`: people compare a model's answers, on a page or in the terminal."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fragua.cli.output import result
from fragua.errors import InputError

if TYPE_CHECKING:
    from fragua.alignment.feedback.labelling import Labelling
    from fragua.language import Lang

EVENTS = "events.jsonl"


def collect(
    model: Annotated[Path, typer.Argument(help="Model directory whose answers are judged.")],
    prompts: Annotated[
        Path,
        typer.Option(help="What it is asked: .txt, one a line; or .jsonl with prompts or conversations."),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the answers and of the log; one that is there is gone on with.")
    ] = Path("feedback"),
    against: Annotated[
        list[Path] | None, typer.Option(help="Another model that answers too, by turns; may be repeated.")
    ] = None,
    ask: Annotated[
        str, typer.Option(help="best (of two or more), ranking, rating or thumbs (of one).")
    ] = "best",
    candidates: Annotated[
        int | None, typer.Option(help="Answers to a prompt; 2, or 1 for rating and thumbs.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="Of the answers: the higher, the more they differ.")
    ] = 0.9,
    top_p: Annotated[
        float, typer.Option(help="Draw among the fewest tokens that hold this probability.")
    ] = 1.0,
    max_tokens: Annotated[int, typer.Option(help="Tokens of an answer at most.")] = 128,
    seed: Annotated[int, typer.Option(help="Of the answers, the order shown and what is asked of all.")] = 0,
    overlap: Annotated[
        float, typer.Option(help="Share that every annotator judges, to see how far they agree.")
    ] = 0.2,
    levels: Annotated[int, typer.Option(help="Marks of a rating.")] = 5,
    guidelines: Annotated[
        Path | None, typer.Option(help="Text that tells how to judge, in place of ours.")
    ] = None,
    terminal: Annotated[bool, typer.Option("--terminal", help="Here, instead of on a page.")] = False,
    annotator: Annotated[
        str | None, typer.Option(help="Who judges; on the page each says a name, else your user name.")
    ] = None,
    port: Annotated[int, typer.Option(help="Of the page, on this machine alone; 0: any free one.")] = 0,
    lang: Annotated[str | None, typer.Option(help="Language: es or en.")] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Let people compare a model's answers; every verdict is a line of OUT/events.jsonl."""
    from fragua.alignment.feedback.labelling import Labelling, LabellingSettings
    from fragua.alignment.feedback.log import EventLog
    from fragua.alignment.feedback.tasks import Drawing, Source, prepare_tasks, read_prompts
    from fragua.cli.language import choose_lang
    from fragua.files import read_text

    spoken = choose_lang(lang)
    single = ask in ("rating", "thumbs")
    settings = LabellingSettings.parse(
        {"ask": ask, "levels": levels, "overlap": overlap, "seed": seed}, "collect"
    )
    drawing = Drawing.parse(
        {
            "temperature": temperature,
            "top_p": top_p,
            "max_tokens": max_tokens,
            "seed": seed,
            "candidates": candidates or (1 if single else 2),
        },
        "collect",
    )
    if not single and drawing.candidates < 2:
        raise InputError("one answer can't be compared", "--candidates", "2 or more, or --ask rating")
    asked, told = read_prompts(prompts), read_text(guidelines) if guidelines else None
    log = EventLog(out / EVENTS, on_broken=lambda error: print(f"passed over: {error}", file=sys.stderr))

    from fragua.inference.language_model import LanguageModel
    from fragua.training.directory import weights_digest

    sources = [
        Source(LanguageModel.load(path, threads=threads), weights_digest(path))
        for path in (model, *(against or ()))
    ]
    labelling = Labelling(prepare_tasks(asked, sources, drawing, out), log, settings)
    if not labelling.tasks:
        raise InputError("the model always answers the same", model, "raise --temperature")
    if terminal:
        _here(labelling, annotator or getpass.getuser(), told, spoken, json)
    else:
        _on_a_page(labelling, annotator, told, spoken if lang else None, port)
    figures = labelling.summary() | {"events": str(out / EVENTS)}
    if not json:
        print(out / EVENTS)
    result(figures if json else _shown(figures), json, ("tasks", "judged", *_agreed(figures)))


def agreement(
    events: Annotated[Path, typer.Argument(help="Event log, or the folder that it is in.")],
    seed: Annotated[int, typer.Option(help="Of the resamples.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """How far annotators agree: Krippendorff's alpha, by kind, with a 95 % interval."""
    from fragua.alignment.feedback.agreement import agreement as agree
    from fragua.alignment.feedback.events import standing
    from fragua.alignment.feedback.log import EventLog

    path = events / EVENTS if events.is_dir() else events
    if not path.is_file():
        raise InputError("no such file", path, "an event log is needed")
    found = agree(standing(EventLog(path).events), seed)
    figures = {"agreement": {kind: one._asdict() for kind, one in found.items()}}
    result(figures if json else _shown(figures), json, _agreed(figures))


def _here(labelling: Labelling, annotator: str, guidelines: str | None, lang: Lang, as_json: bool) -> None:
    """With --json the talk goes to standard error: standard output is the object's."""
    from rich.console import Console

    from fragua.alignment.feedback.choices import default_guidelines
    from fragua.cli.labelling_session import LabellingSession
    from fragua.language import speaker

    say = speaker(lang)
    console = Console(stderr=as_json, highlight=False, markup=False, emoji=False)
    session = LabellingSession(labelling, annotator, say, console)
    session.welcome(guidelines or default_guidelines(say))
    if sys.stdin.isatty():
        session.converse()
    else:
        all(session.take(line) for line in sys.stdin)


def _on_a_page(
    labelling: Labelling, annotator: str | None, guidelines: str | None, lang: Lang | None, port: int
) -> None:
    """Until Ctrl-C, which is how it is meant to end."""
    import webbrowser
    from contextlib import suppress
    from urllib.parse import quote

    from fastapi import FastAPI

    from fragua.server.labelling.page import NAME, add_labelling
    from fragua.server.loopback import serve_here
    from fragua.server.page import add_pages

    app = FastAPI(openapi_url=None)
    add_labelling(labelling, guidelines, lang)
    add_pages(app)

    def opened(url: str) -> None:
        address = f"{url}/?{NAME}={quote(annotator)}" if annotator else f"{url}/"
        print(f"{address}   (Ctrl-C ends)", file=sys.stderr, flush=True)
        if sys.stdin.isatty():
            webbrowser.open(address)

    with suppress(KeyboardInterrupt):
        serve_here(app, port, opened)


def _shown(figures: dict[str, Any]) -> dict[str, Any]:
    """For a table: a line a kind of agreement."""
    return figures | {
        f"alpha of {kind}": one["alpha"]
        for kind, one in figures["agreement"].items()
        if one["alpha"] is not None
    }


def _agreed(figures: dict[str, Any]) -> tuple[str, ...]:
    return tuple(key for key in _shown(figures) if key.startswith("alpha of "))
