"""`fragua generate`: continues a text, shown as it is written."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def generate(
    model: Annotated[Path, typer.Argument(help="Model directory.")],
    prompt: Annotated[
        str,
        typer.Option("--prompt", "-p", help="Text to continue; '-' reads standard input, '' begins anew."),
    ],
    max_tokens: Annotated[int, typer.Option(help="Tokens at most.")] = 128,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="0 always takes the most probable token. Default 0.8; 0 with beams, or a model that answers."
        ),
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw among the k most probable tokens.")] = None,
    top_p: Annotated[float, typer.Option(help="Draw among the fewest that hold this probability.")] = 0.95,
    min_p: Annotated[float, typer.Option(help="None below this share of the most probable one.")] = 0.0,
    repetition_penalty: Annotated[float, typer.Option(help="Over 1: what was said is less likely.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="The same seed writes the same text.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="End before this text; may be repeated.")] = None,
    overflow: Annotated[
        str, typer.Option(help="When the context is full: 'error', or 'slide' to forget the oldest part.")
    ] = "error",
    logprobs: Annotated[bool, typer.Option("--logprobs", help="With --json: each token's.")] = False,
    beams: Annotated[int, typer.Option(help="Search among so many continuations side by side.")] = 1,
    length_penalty: Annotated[float, typer.Option(help="Beams are compared by score / length^this.")] = 1.0,
    n_best: Annotated[int, typer.Option(help="With --json, so many of the beams.")] = 1,
    threads: Annotated[int | None, typer.Option(help="Processor threads.")] = None,
    weights: Annotated[
        str, typer.Option(help="Compute with float32, bfloat16, int8 or int4 weights.")
    ] = "float32",
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Continue a text with a model."""
    options: dict[str, Any] = {
        "max_tokens": max_tokens,
        "temperature": temperature or 0.0,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "seed": seed,
        "stop": tuple(stop or ()),
        "overflow": overflow,
        "logprobs": logprobs,
        "beams": beams,
        "length_penalty": length_penalty,
        "n_best": n_best,
    }
    from fragua.inference.completion import Options

    Options.parse(options, "generate")  # a wrong option is told before the model is read

    import fragua

    lm = fragua.load(str(model), threads=threads, weights=weights)
    text = _standard_input() if prompt == "-" else prompt
    if temperature is None and beams == 1 and not lm.answers:
        options["temperature"] = 0.8
    if json:
        _as_object(lm.generate(text, **options))
        return
    from rich.console import Console

    from fragua.cli.screen import clean

    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        console.print(clean(text), style="yellow", end="\n" if lm.answers else "", soft_wrap=True)
    for piece in lm.stream(text, **options):
        shown = clean(piece.text) if console.is_terminal else piece.text
        console.file.write(shown)
        console.file.flush()
    console.file.write("\n")


def _as_object(completion: Any) -> None:
    import json
    from dataclasses import asdict

    figures = {key: value for key, value in asdict(completion).items() if value not in (None, ())}
    print(json.dumps(figures, ensure_ascii=False))


def _standard_input() -> str:
    """All of it, without the line end that `echo` adds."""
    from fragua.errors import InputError

    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}", "standard input") from error
