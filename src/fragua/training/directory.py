"""A stage's output directory: claimed at the start, a whole model with its lineage and card at the end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from fragua import __version__
from fragua.errors import InputError
from fragua.files import digest_file, flat, read_json, write_json
from fragua.models import Stack, save_model
from fragua.models.calls import Model
from fragua.models.weights import weight_files
from fragua.progress import console
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.card import write_card
from fragua.training.trainer import Training

CLAIM, LINEAGE = "settings.json", "fragua.json"


def claim(out: Path, kind: str, settings: dict[str, Any], data: dict[str, str]) -> None:
    """Notes what runs in `out`. Raises InputError where another run, or other files, are there already."""
    wanted = {"kind": kind, "settings": settings, "data": data}
    path = out / CLAIM
    if path.is_file():
        found = read_json(path)
        if found == wanted:
            return
        old, new = flat(found), flat(wanted)
        key = next(key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key))
        what = f"holds a run with {key} = {old.get(key)!r}, not {new.get(key)!r}"
        raise InputError(what, out, "choose another --out, or remove this one")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("is in use by something else", out, "choose another --out")
    write_json(path, wanted)


def finished_figures(out: Path) -> dict[str, Any] | None:
    """The figures of a finished run, said aloud; None where there is still work."""
    if not (out / LINEAGE).is_file():
        return None
    console.print(f"{out}: finished already", highlight=False)
    return read_json(out / LINEAGE)["figures"]


def announce(label: str, config: Stack, training: Training) -> None:
    """Every derived value, printed."""
    console.print(
        f"{label}: {config.parameters():,} parameters · "
        f"{config.layers} layers of width {config.width}, {config.heads} heads · context {config.context} · "
        f"vocabulary {config.vocab_size:,} · {training.steps:,} steps of {training.batch_tokens:,} tokens · "
        f"learning rate {training.learning_rate:g} ({training.optimizer})",
        highlight=False,
    )


def finish(
    out: Path,
    model: Model,
    tokenizer: Tokenizer,
    kind: str,
    figures: dict[str, Any],
    lineage: dict[str, Any],
    ends: list[int],
) -> dict[str, Any]:
    """Writes the model directory, then its lineage and card, and drops checkpoints and shards. Returns the figures."""
    tokenizer.save(out)
    generation = {
        "eos_token_id": ends[0] if len(ends) == 1 else ends or None,
        "pad_token_id": tokenizer.pad_id,
    }
    save_model(model, out, generation=generation)
    figures = figures | {"parameters": model.config.parameters()}
    found = read_json(out / CLAIM)
    record = {
        "format": 1,
        "fragua": __version__,
        "kind": kind,
        "weights": digest_file(out / "model.safetensors"),
        "settings": found["settings"],
        "data": found["data"],
        "figures": figures,
        **lineage,
    }
    write_json(out / LINEAGE, record)
    write_card(out)
    for folder in ("checkpoints", "shards"):
        shutil.rmtree(out / folder, ignore_errors=True)
    return figures


def weights_digest(model: Path) -> str:
    """Of the files that hold a model's weights."""
    return "+".join(digest_file(path) for path in weight_files(model))


def _name(model: Path) -> str:
    """Of its directory; in the hub's cache (models--owner--name/snapshots/COMMIT) the hub's."""
    path = model.absolute()
    if path.parent.name == "snapshots":
        return path.parents[1].name.removeprefix("models--").replace("--", "/")
    return path.name


def parent(model: Path) -> dict[str, Any]:
    """What a lineage says of the model that another was made of."""
    lineage = read_json(model / LINEAGE) if (model / LINEAGE).is_file() else {}
    return {"name": _name(model), "weights": weights_digest(model)} | {
        key: lineage[key] for key in ("kind", "parents", "corpus") if key in lineage
    }
