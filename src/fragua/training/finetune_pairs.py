"""Fine-tuning on pairs of texts: any model that writes in, one that answers sources as the pairs do out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from fragua.corpus.source_target import SourceTarget, read_pairs
from fragua.errors import InputError
from fragua.files import digest_file
from fragua.inference.language_model import LanguageModel
from fragua.models.calls import share
from fragua.models.io import load
from fragua.tokens.frames import closed
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.directory import announce, claim, finish, finished_figures, parent, weights_digest
from fragua.training.finetune import FinetuneSettings, held_out_every
from fragua.training.machine import device
from fragua.training.seq2seq import open_pairs, pair_sampler, pairs_objective
from fragua.training.trainer import OnRow, Trainer


class PairsSettings(FinetuneSettings):
    """What `fragua finetune --task seq2seq` can be told beside."""

    dev: Path | None = None
    """Held-out pairs; None: a fiftieth of the data."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _all_weights(self) -> Self:
        if self.lora_rank is not None:
            raise ValueError("pairs are learned with all weights; leave lora_rank out")
        return self


def finetune_pairs(
    settings: PairsSettings, out: str | Path, on_step: OnRow | None = None, on_sample: OnRow | None = None
) -> dict[str, Any]:
    """Fine-tunes on pairs; resumes and raises as `pretrain` does. The tokenizer closes texts from then on."""
    out = Path(out)
    tokenizer = closed(Tokenizer.load(settings.model))
    train, held_out = _parts(settings)
    data = {"pairs": digest_file(settings.data), "model": weights_digest(settings.model)}
    data |= {} if settings.dev is None else {"dev": digest_file(settings.dev)}
    claim(out, "pairs", settings.model_dump(mode="json", exclude={"model", "data", "dev"}), data)
    if figures := finished_figures(out):
        return figures
    model = load(settings.model).to(device())
    lm = LanguageModel(share(model), tokenizer)
    shards = [
        open_pairs(part, lm, out / "shards" / name) for name, part in (("train", train), ("dev", held_out))
    ]
    steps = settings.steps or max(1, math.ceil(settings.epochs * shards[0].tokens / settings.batch_tokens))
    objective, training, row_tokens = pairs_objective(
        lm,
        shards[0],
        shards[1],
        settings.training(model.config.width, steps),
        settings.seed,
        settings.label_smoothing,
    )
    announce("finetune", model.config, training)
    trainer = Trainer(
        model,
        objective,
        training,
        out,
        label="finetune",
        context=row_tokens,
        sample=pair_sampler(lm, held_out),
        on_step=on_step,
        on_sample=on_sample,
    )
    figures = trainer.run() | {"pairs": len(shards[0]) + len(shards[1])}
    assert tokenizer.end_id is not None, "a tokenizer that closes texts has an end"
    lineage = {"parents": [parent(settings.model)], "pairs": settings.data.name}
    return finish(out, model, tokenizer, "pairs", figures, lineage, [tokenizer.end_id])


def _parts(settings: PairsSettings) -> tuple[list[SourceTarget], list[SourceTarget]]:
    """What is learned and what is held out."""
    rows = list(read_pairs(settings.data))
    if settings.dev is not None:
        return rows, list(read_pairs(settings.dev))
    if len(rows) < 2:
        raise InputError(f"{len(rows)} pairs", settings.data, "two at least are needed, one to be held out")
    every = held_out_every(len(rows))
    return [row for number, row in enumerate(rows) if number % every != every - 1], rows[every - 1 :: every]
