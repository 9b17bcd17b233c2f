"""`fragua corpus`: build a corpus from files, write the embedded world, look at what a corpus holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from fragua.corpus.card import CorpusCard

app = typer.Typer(help="Text to clean, deduplicated, split JSONL.", no_args_is_help=True)

JSON = typer.Option(False, "--json", help="One JSON object on standard output.")


@app.command()
def build(
    sources: list[str] = typer.Argument(
        help="Files (.txt .md .jsonl), folders, globs, or - for standard input."
    ),
    out: Path = typer.Option(..., "--out", help="Directory of the corpus."),
    validation_share: float = typer.Option(0.02, help="Share of the documents kept for validation."),
    seed: int = typer.Option(0, help="Chooses which documents are kept for validation."),
    lang: str = typer.Option("", help="Language of all documents, e.g. es; else each row's own, or 'und'."),
    column: str = typer.Option("text", help="Name of the text in JSONL rows."),
    as_json: bool = JSON,
) -> None:
    """Reads text, cleans it, drops duplicates, and splits it into train and validation."""
    from fragua.corpus.build import build_corpus
    from fragua.corpus.read import STDIN, find_files
    from fragua.progress import progress_bar

    total = 0.0 if STDIN in sources else sum(Path(file).stat().st_size for file in find_files(sources)) / 1e6
    with progress_bar("corpus", total, "MB") as advance:
        card = build_corpus(
            sources,
            out,
            validation_share,
            seed,
            lang=lang or None,
            column=column,
            on_document=lambda size: advance(size / 1e6),
        )
    _show(card, out, as_json)


@app.command()
def aldea(
    graph: bool = typer.Option(False, "--graph", help="Print the world as JSON and write nothing."),
    seed: int = typer.Option(0, help="Each seed is another world; the same seed gives the same bytes."),
    megabytes: float = typer.Option(8.0, min=0.1, help="Size of the texts."),
    conversations: int = typer.Option(6000, min=0, help="Conversations for fine-tuning."),
    exam: int = typer.Option(400, min=0, help="Questions of the exam."),
    out: Path | None = typer.Option(None, "--out", help="Directory of the corpus."),
    as_json: bool = JSON,
) -> None:
    """Writes the embedded world: texts, conversations, exam and graph."""
    from fragua.corpus.aldea.world import build_world
    from fragua.corpus.aldea.write import write_aldea
    from fragua.errors import InputError
    from fragua.progress import progress_bar

    if graph:
        typer.echo(json.dumps(build_world(seed).to_json(), ensure_ascii=False, indent=None if as_json else 1))
        return
    if out is None:
        raise InputError(
            "no place to write the world", "--out", "give a directory, or --graph to see it only"
        )
    with progress_bar("aldea", megabytes, "MB") as advance:
        card = write_aldea(
            out,
            seed,
            int(megabytes * 1e6),
            conversations,
            exam,
            on_document=lambda size: advance(size / 1e6),
        )
    _show(card, out, as_json)


@app.command()
def stats(
    directory: Path = typer.Argument(help="Directory of a corpus."),
    as_json: bool = JSON,
) -> None:
    """Shows what a corpus holds: documents, bytes, languages, genres, sources, what was dropped."""
    from fragua.corpus.card import read_card

    _show(read_card(directory), directory, as_json)


def _show(card: CorpusCard, directory: Path, as_json: bool) -> None:
    """The card as one JSON object, or as a table."""
    if as_json:
        typer.echo(json.dumps({"corpus": str(directory), **card.model_dump()}, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("", str(directory), show_header=True, box=None, pad_edge=False)
    table.add_row("documents", f"{card.documents:,} ({card.validation_documents:,} for validation)")
    table.add_row("text", f"{card.bytes / 1e6:,.2f} MB")
    counts = (
        ("languages", card.languages),
        ("genres", card.genres),
        ("sources", card.sources),
        ("dropped", card.dropped),
    )
    for name, counter in counts:
        shown = ", ".join(f"{key or '-'} {count:,}" for key, count in list(counter.items())[:12])
        if any(counter):
            table.add_row(name, shown + (f" and {len(counter) - 12} more" if len(counter) > 12 else ""))
    table.add_row("digest", card.digest)
    Console().print(table)
