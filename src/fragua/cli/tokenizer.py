"""`fragua tokenizer`: learn a tokenizer from a corpus."""

from pathlib import Path

import typer

app = typer.Typer(help="Learn a tokenizer from text.", no_args_is_help=True, rich_markup_mode=None)

CORPUS = typer.Argument(..., help="A corpus folder (its train.jsonl), a .jsonl file or a text file.")
VOCAB_SIZE = typer.Option(None, help="Tokens in the vocabulary; by default derived from the corpus.")
FAMILY = typer.Option(None, help="Of models it is for: bert, roberta, t5 and xlnet have tokens of their own.")
OUT = typer.Option(..., help="The folder to write tokenizer.json and its companions to.")
JSON = typer.Option(False, "--json", help="One JSON object on standard output.")


@app.callback()
def _group() -> None:
    """Keeps `train` a command of its own while it is the only one."""


@app.command()
def train(
    corpus: Path = CORPUS,
    vocab_size: int | None = VOCAB_SIZE,
    family: str | None = FAMILY,
    out: Path = OUT,
    as_json: bool = JSON,
) -> None:
    """Learn a byte-level BPE vocabulary and say how well it fits each language."""
    import json
    import time

    from fragua.errors import InputError
    from fragua.progress import console
    from fragua.tokens.fit import fit_by_language
    from fragua.tokens.sources import Texts
    from fragua.tokens.train import train_tokenizer, vocabulary_for

    texts = Texts(corpus)
    size = texts.count_bytes()
    if not size:
        raise InputError("holds no text", texts.path, "give another, or build a corpus: fragua corpus build")
    why = "as asked"
    if vocab_size is None:
        vocab_size, why = vocabulary_for(size)
    started = time.monotonic()
    with console.status(f"learning {vocab_size:,} tokens"):
        tokenizer = train_tokenizer((text for _, text in texts), vocab_size, family=family)
    tokenizer.save(out)
    seconds = time.monotonic() - started
    held_out = texts.path.with_name("validation.jsonl")
    measured = held_out if corpus.is_dir() and held_out.exists() else texts.path
    fits = fit_by_language(tokenizer, Texts(measured))
    if as_json:
        result = {
            "vocab_size": tokenizer.vocab_size,
            "asked": vocab_size,
            "why": why,
            "measured_on": measured.name,
            "languages": {lang: fit._asdict() for lang, fit in fits.items()},
            "digest": tokenizer.digest,
            "seconds": round(seconds, 3),
            "out": str(out),
        }
        print(json.dumps(result, ensure_ascii=False))
        return
    print(f"vocabulary  {tokenizer.vocab_size:,} tokens ({why}), learned in {seconds:.1f} s")
    for lang, fit in fits.items():
        print(
            f"{lang:10}  {fit.bytes_per_token:.2f} bytes per token, {fit.tokens_per_word:.2f} tokens per word"
        )
    print(f"written to  {out}")
