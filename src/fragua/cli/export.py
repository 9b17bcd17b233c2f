"""`fragua export`: a model in another form."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[Path, typer.Argument(help="Model directory.")],
    to: Annotated[str, typer.Option(help="two-files (parameters.bin and run.c), hf or gguf.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; for gguf also a file that ends in .gguf.")],
    dtype: Annotated[
        str | None,
        typer.Option(
            help="How weights are stored: two-files float32, int8, int4; hf float32, bfloat16, float16; "
            "gguf float32, float16, q8_0, q4_0. By default float32."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Write a model for other programs: as two files, in Hugging Face's layout, or as GGUF."""
    from fragua.inference.export.convert import export_model

    figures = export_model(model, to, out, dtype)
    if json:
        from fragua.cli.output import result

        result(figures, True, ())
        return
    for file in figures["files"]:
        print(file)
    if to == "two-files":
        print(f"cc -O3 -march=native -fopenmp {out / 'run.c'} -lm -o {out / 'run'}")
        print(f'{out / "run"} {out / "parameters.bin"} -p "Había una vez"')
