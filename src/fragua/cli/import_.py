"""`fragua import`: somebody else's file as a model directory."""

from pathlib import Path
from typing import Annotated

import typer


def import_(
    file: Annotated[
        Path, typer.Argument(help="A GGUF file, or one of llama2.c's with its tokenizer .bin beside it.")
    ],
    out: Annotated[Path, typer.Option(help="Model directory to write.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Read a model in another program's format and write it as a model directory."""
    from fragua.cli.output import result
    from fragua.inference.export.convert import import_model

    figures = import_model(file, out)
    if json:
        result(figures, True, ())
        return
    print(
        f"{figures['form']}: {figures['parameters']:,} parameters ({figures['family']}) in {figures['out']}"
    )
