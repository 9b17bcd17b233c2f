"""The two ways: a model directory out to another form, and a file of another form in to a model directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fragua.errors import InputError
from fragua.files import make_folder
from fragua.inference.language_model import LanguageModel
from fragua.models.io import check_finite

DTYPES = {
    "two-files": ("float32", "int8", "int4"),
    "hf": ("float32", "bfloat16", "float16"),
    "gguf": ("float32", "float16", "q8_0", "q4_0"),
}
"""What the weights of each form may be stored as; the first is the default."""


def export_model(directory: Path, to: str, out: Path, dtype: str | None = None) -> dict[str, Any]:
    """Writes the model in another form and returns its figures: form, dtype, parameters, bytes, files.

    Raises InputError for an unknown form or dtype, and for a model or tokenizer which that form can't hold."""
    if to not in DTYPES:
        raise InputError(f"'{to}' is not a form it writes", "--to", ", ".join(DTYPES))
    dtype = dtype or DTYPES[to][0]
    if dtype not in DTYPES[to]:
        raise InputError(f"'{dtype}' is not for {to}", "--dtype", ", ".join(DTYPES[to]))
    if out.resolve() == directory.resolve():
        raise InputError("is the model itself", out, "choose another --out")
    if to == "gguf":
        from fragua.inference.export.to_gguf import write_gguf

        return _figures(to, dtype, write_gguf(directory, out, dtype))
    lm = LanguageModel.load(directory)
    check_finite(lm.model, directory)
    make_folder(out)
    if to == "hf":
        from fragua.inference.export.to_hf import write_hf

        return _figures(to, dtype, write_hf(lm, out, dtype))
    from fragua.inference.export.two_files import write_two_files

    return _figures(to, dtype, write_two_files(lm.decoder, lm.tokenizer, out, dtype))


def import_model(file: Path, out: Path) -> dict[str, Any]:
    """Writes a model directory from a GGUF file or one of llama2.c's; returns the form, family and parameters.

    Raises InputError for a file of another form, one that is cut, and an `out` that is in use."""
    if not file.is_file():
        raise InputError("no such file", file)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("is in use by something else", out, "choose another --out")
    with file.open("rb") as opened:
        is_gguf = opened.read(4) == b"GGUF"
    if is_gguf:
        from fragua.inference.export.from_gguf import read_gguf

        model, tokenizer = read_gguf(file)
    else:
        from fragua.inference.export.from_llama2c import read_llama2c

        model, tokenizer = read_llama2c(file)
    LanguageModel(model, tokenizer).save(out)
    return {
        "form": "gguf" if is_gguf else "llama2.c",
        "family": model.config.family,
        "parameters": model.config.parameters(),
        "out": str(out),
    }


def _figures(to: str, dtype: str, files: list[Path]) -> dict[str, Any]:
    return {
        "form": to,
        "dtype": dtype,
        "bytes": sum(file.stat().st_size for file in files),
        "files": [str(file) for file in files],
    }
