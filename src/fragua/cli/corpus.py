"""`fragua corpus`: build a corpus from files, write the embedded world, look at what a corpus holds."""

import json
from pathlib import Path
from typing import Any

import typer

from fragua.cli.screen import clean

app = typer.Typer(help="Text to clean, deduplicated, split JSONL.", no_args_is_help=True)

JSON = typer.Option(False, "--json", help="One JSON object on standard output.")
LANG = typer.Option(None, help="Language of the picture: es or en.")


@app.command()
def build(
    sources: list[str] = typer.Argument(
        help="Files, folders, globs, hf:owner/name, or - for standard input. Read are .txt .md .html .jsonl .csv "
        ".parquet .pdf .docx, also packed as .gz or .zst."
    ),
    out: Path = typer.Option(..., "--out", help="Directory of the corpus."),
    validation_share: float = typer.Option(0.02, help="Share of the documents kept for validation."),
    tail: float | None = typer.Option(
        None, help="Share of each source's characters, its last ones, kept for validation instead."
    ),
    seed: int = typer.Option(0, help="Chooses which documents are kept for validation."),
    lang: str = typer.Option(
        "", help="Language of all documents, e.g. es; else each row's own, or detected."
    ),
    languages: str = typer.Option("", help="Keep documents in these only, e.g. es,en."),
    column: str = typer.Option("text", help="Name of the text in JSONL, CSV and Parquet."),
    encoding: str | None = typer.Option(None, help="Of all text files; else UTF-8, or what fits."),
    near: float = typer.Option(0.8, help="Similarity from which texts are near duplicates; 0 keeps them."),
    mask: str = typer.Option("", help="Personal data to mask: email,phone,iban,id,card, or all."),
    probe: list[Path] = typer.Option(
        [], help="Questions of an evaluation: texts that hold them are dropped."
    ),
    probe_words: int = typer.Option(13, help="Words in a row that a text may not share with a probe."),
    skip_broken: bool = typer.Option(
        False, "--skip-broken", help="Pass over what can't be read, and tell it."
    ),
    as_json: bool = JSON,
) -> None:
    """Reads text, cleans it, drops duplicates, and splits it into train and validation.

    Stopped, the same command goes on where it was."""
    from fragua.corpus.build import BuildSettings, build_corpus
    from fragua.corpus.kinds import ALL_KINDS
    from fragua.corpus.read import STDIN, find_files
    from fragua.progress import progress_bar

    settings = BuildSettings.parse(
        {
            "validation_share": validation_share,
            "tail": tail,
            "seed": seed,
            "lang": lang or None,
            "languages": _listed(languages),
            "column": column,
            "encoding": encoding,
            "near": near,
            "mask": ALL_KINDS if mask == "all" else _listed(mask),
            "probes": probe,
            "probe_words": probe_words,
            "skip_broken": skip_broken,
        }
    )
    total = 0.0 if STDIN in sources else sum(Path(file).stat().st_size for file in find_files(sources)) / 1e6
    with progress_bar("corpus", total, "MB") as advance:
        card = build_corpus(sources, out, settings, on_bytes=lambda size: advance(size / 1e6))
    _show(card.model_dump(), out, as_json)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


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
    _show(card.model_dump(), out, as_json)


@app.command()
def stats(
    directory: Path = typer.Argument(help="Directory of a corpus."),
    tokenizer: Path | None = typer.Option(
        None, help="Counts tokens per word with this one; else with one made here from a part of the texts."
    ),
    picture: Path | None = typer.Option(None, help="Where the picture goes; default: stats.png in there."),
    lang: str | None = LANG,
    as_json: bool = JSON,
) -> None:
    """Shows what a corpus holds and what became of its sources, in figures and in a picture."""
    from fragua.cli.language import choose_lang, speaker
    from fragua.corpus.card import read_card
    from fragua.corpus.picture import draw
    from fragua.tokens.fit import corpus_fit

    say = speaker(choose_lang(lang))
    card = read_card(directory)
    fit = corpus_fit(directory, tokenizer)
    where = picture or directory / "stats.png"
    draw(card, {lang: one.tokens_per_word for lang, one in fit.items()}, where, say)
    figures = card.model_dump() | {
        "fit": {lang: one._asdict() for lang, one in fit.items()},
        "picture": str(where),
    }
    _show(figures, directory, as_json)


def _show(figures: dict[str, Any], directory: Path, as_json: bool) -> None:
    """A card's figures as one JSON object, or as a table with the examples below."""
    if as_json:
        typer.echo(json.dumps({"corpus": str(directory), **figures}, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("", str(directory), show_header=True, box=None, pad_edge=False)
    table.add_row(
        "documents", f"{figures['documents']:,} ({figures['validation_documents']:,} for validation)"
    )
    table.add_row("text", f"{figures['bytes'] / 1e6:,.2f} MB")
    for name in ("languages", "genres", "sources", "dropped", "changed"):
        counter = figures[name]
        shown = ", ".join(f"{key or '-'} {count:,}" for key, count in list(counter.items())[:12])
        if any(counter):
            table.add_row(name, shown + (f" and {len(counter) - 12} more" if len(counter) > 12 else ""))
    if "fit" in figures:
        told = (f"{lang} {fit['tokens_per_word']:.2f}" for lang, fit in figures["fit"].items())
        table.add_row("tokens per word", ", ".join(told))
    table.add_row("digest", figures["digest"])
    if "picture" in figures:
        table.add_row("picture", figures["picture"])
    console = Console()
    console.print(table)
    for reason, examples in figures["examples"].items():
        for example in examples[:1]:
            line = f"  {reason}: {example['source']}: {example['text']}"
            console.print(clean(line), style="dim", markup=False, highlight=False)
    for line in figures["broken"]:
        console.print(clean(f"  skipped: {line}"), style="yellow", markup=False, highlight=False)
