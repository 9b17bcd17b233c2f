"""A head of labels on any model directory, learned from labelled rows, and judged on others."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fragua.corpus.labelled import Example, Task, label_names, marks_spans, read_labelled
from fragua.errors import InputError
from fragua.evaluation.labels import judge_labels, judge_numbers, judge_spans
from fragua.files import digest_file, write_jsonl
from fragua.inference.labelling import joined, softmax, text_logits, word_probabilities
from fragua.models import initialise
from fragua.models.build import build
from fragua.models.calls import Model
from fragua.models.family_start import start_family
from fragua.models.io import load, read_config
from fragua.models.labelling import learn_last, with_head
from fragua.models.lora import Lora, adapt, merge, save_adapter
from fragua.progress import console
from fragua.settings import Settings
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.directory import announce, claim, finish, finished_figures, parent, weights_digest
from fragua.training.labelling import Labelling
from fragua.training.machine import device
from fragua.training.optimizers import layer_rates
from fragua.training.rows import chance
from fragua.training.trainer import OnRow, Trainer, Training

PREDICTIONS, ADAPTER = "predictions.jsonl", "adapter"
FEW_STEPS, FROZEN_STEPS, HEAD_RATE = 150, 400, 10.0
PEAK, FAST_PEAK = 1e-4, 1e-3
"""Of AdamW at a width of 256; they fall with the root of the width. The second is LoRA's, and of new weights."""
FROZEN_RATE = 1e-2


class TransferSettings(Settings):
    """What `fragua finetune --task` can be told of labels; None is derived and printed."""

    model: Path
    data: Path
    dev: Path | None = None
    """Rows to judge on, and to stop early by; None: a share of `data`."""
    dev_share: float = Field(default=0.1, ge=0, lt=1)
    task: Task = "classify"
    columns: dict[str, str] = Field(default_factory=dict)
    """Of the file, where they are called otherwise: text, pair, label, words, tags."""
    method: str = "full"
    """What learns beside the head: full, last-K (so many blocks), frozen (nothing), lora."""
    from_scratch: bool = False
    """The directory's config and tokenizer, with new weights."""
    pooling: Literal["family", "mean"] | None = None
    """What the label of a text is told from; None: the mean where the body is frozen, else what the family has."""
    layer_decay: float = Field(default=0.9, gt=0, le=1)
    """Each block learns so much slower than the one above it."""
    lora_rank: int = Field(default=8, gt=0)
    lora_alpha: float | None = Field(default=None, gt=0)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    epochs: float | None = Field(default=None, gt=0)
    steps: int | None = Field(default=None, gt=0)
    """Instead of epochs."""
    batch_rows: int | None = Field(default=None, gt=0)
    learning_rate: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    patience: int = Field(default=3, gt=0)
    """Evaluations without a better loss after which it stops; the best weights are kept."""
    seed: int = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpoint_every_s: float = Field(default=30.0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.from_scratch and self.method != "full":
            raise ValueError("from_scratch learns all weights: leave the method full")
        if not re.fullmatch(r"full|frozen|lora|last-[1-9]\d*", self.method):
            raise ValueError(
                f"'{self.method}' is not a method; known: full, last-K (for example last-2), frozen, lora"
            )
        return self

    def rows(self, count: int) -> int:
        """A step's."""
        if self.method == "frozen":
            return self.batch_rows or min(count, 256)
        return self.batch_rows or (16 if count < 2000 else 32)

    def length(self, count: int) -> int:
        """Steps: ten epochs and 150 steps at least, but three epochs of many rows."""
        each = count / self.rows(count)
        if self.steps or self.epochs:
            return self.steps or math.ceil(each * (self.epochs or 0))
        if self.method == "frozen":
            return FROZEN_STEPS
        return max(FEW_STEPS, math.ceil(3 * each), min(1000, math.ceil(10 * each)))

    def training(self, width: int, count: int, longest: int, held_out: int) -> Training:
        steps = self.length(count)
        if self.method == "frozen":
            peak = FROZEN_RATE
        else:
            fast = self.from_scratch or self.method == "lora"
            peak = (FAST_PEAK if fast else PEAK) * (256 / width) ** 0.5
        return Training.parse(
            dict(
                steps=steps,
                batch_tokens=self.rows(count) * longest,
                learning_rate=self.learning_rate or float(f"{peak:.2g}"),
                optimizer="adamw",
                weight_decay=self.weight_decay,
                warmup_steps=steps // 10,
                decay_share=0.9,
                precision=self.precision,
                compile="off",
                evaluate_every=max(1, steps // 10),
                evaluate_rows=max(1, held_out),
                sample_every=steps,
                checkpoint_every_s=self.checkpoint_every_s,
                keep_best=held_out > 0,
                patience=self.patience if held_out else None,
            )
        )


def transfer(settings: TransferSettings, out: str | Path, on_step: OnRow | None = None) -> dict[str, Any]:
    """Learns the labels of `data`; resumes as `pretrain` does. `out` gets the model, and `predictions.jsonl` of the
    rows that were held out.

    Returns the figures of training, and those of the held-out rows beginning with `dev_`. Raises InputError where a
    row is broken, the labels are fewer than two, or the model cannot learn them."""
    out = Path(out)
    tokenizer = Tokenizer.load(settings.model)
    train, held_out = _rows(settings)
    names = _names(settings, train, held_out)
    data = {"data": digest_file(settings.data), "model": weights_digest(settings.model)}
    if settings.dev:
        data["dev"] = digest_file(settings.dev)
    claim(out, "labels", settings.model_dump(mode="json", exclude={"model", "data", "dev"}), data)
    if figures := finished_figures(out):
        return figures
    model = _model(settings, names, tokenizer).to(device())
    objective = Labelling(model, tokenizer, train, held_out, settings.seed)
    if settings.method == "frozen":
        objective.freeze(model)
    if objective.cut:
        what = f"finetune: {objective.cut} rows longer than {model.config.context} tokens cut"
        console.print(what, style="yellow", highlight=False)
    training = settings.training(model.config.width, len(train), objective.longest, len(held_out))
    announce("finetune", model.config, training)
    trainer = Trainer(
        model,
        objective,
        training,
        out,
        label="finetune",
        context=objective.longest,
        on_step=on_step,
        rates=_rates(settings, model),
    )
    figures = trainer.run() | {"rows": len(train), "cut": objective.cut}
    lineage: dict[str, Any] = {
        "parents": [] if settings.from_scratch else [parent(settings.model)],
        "labels": list(names),
    }
    if settings.method == "lora":
        save_adapter(model, out / ADAPTER, str(settings.model))
        merge(model)
    if objective.numbers:
        objective.unfold(model)
    model.requires_grad_(True).eval()
    if held_out:
        told, rows = judge(model, tokenizer, held_out)
        write_jsonl(out / PREDICTIONS, rows)
        figures |= {f"dev_{key}": value for key, value in told.items()}
    ends = [end for end in (tokenizer.end_id,) if end is not None]
    return finish(out, model, tokenizer, "labels", figures, lineage, ends)


def judge(
    model: Model, tokenizer: Tokenizer, examples: Sequence[Example]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How well labelled rows are told, and a row each with what was told and how probable it is."""
    config = model.config
    if config.task == "tag":
        return _judge_tags(model, tokenizer, examples)
    shown = [
        {"text": each.text} | ({"pair": each.pair} if each.pair is not None else {}) for each in examples
    ]
    logits_NL = text_logits(model, tokenizer, [(each.text, each.pair) for each in examples])
    if config.labels == 1:
        targets_N = np.array([each.target for each in examples], dtype=np.float64)
        values = [float(value) for value in logits_NL[:, 0]]
        numbers = [
            row | {"value": each.target, "predicted": value}
            for row, each, value in zip(shown, examples, values, strict=True)
        ]
        return judge_numbers(np.array(values), targets_N), numbers
    probabilities_NL = softmax(logits_NL)
    labels_N = np.array([config.label_names.index(str(each.target)) for each in examples])
    rows: list[dict[str, Any]] = [
        row
        | {
            "label": each.target,
            "predicted": config.label_names[int(told.argmax())],
            "probabilities": dict(zip(config.label_names, _rounded(told), strict=True)),
        }
        for row, each, told in zip(shown, examples, probabilities_NL, strict=True)
    ]
    return judge_labels(probabilities_NL, labels_N, config.label_names), rows


def _judge_tags(
    model: Model, tokenizer: Tokenizer, examples: Sequence[Example]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Figures of words, and where tags are BIO's of whole spans."""
    names = model.config.label_names
    found = word_probabilities(model, tokenizer, [joined(each.words) for each in examples])
    told = [[names[label] for label in row.argmax(1)] for row in found]
    wanted = [list(each.target) for each in examples if isinstance(each.target, tuple)]
    labels_N = np.array([names.index(label) for tags in wanted for label in tags])
    figures = judge_labels(np.concatenate(found), labels_N, names)
    if marks_spans(names):
        figures |= judge_spans(told, wanted)
    rows = [
        {"words": list(each.words), "tags": tags, "predicted": mine, "probabilities": _rounded(row.max(1))}
        for each, tags, mine, row in zip(examples, wanted, told, found, strict=True)
    ]
    return figures | {"words": len(labels_N), "rows": len(rows)}, rows


def _rounded(values_N: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in values_N]


def _rows(settings: TransferSettings) -> tuple[list[Example], list[Example]]:
    """Rows to learn from and rows held out: those of `dev`, or a share drawn by the seed."""
    examples = read_labelled(settings.data, settings.task, settings.columns)
    if settings.dev:
        return examples, read_labelled(settings.dev, settings.task, settings.columns)
    count = round(settings.dev_share * len(examples))
    held = set(chance(settings.seed).permutation(len(examples))[:count].tolist())
    parts: tuple[list[Example], list[Example]] = ([], [])
    for number, example in enumerate(examples):
        parts[number in held].append(example)
    return parts


def _names(
    settings: TransferSettings, train: Sequence[Example], held_out: Sequence[Example]
) -> tuple[str, ...]:
    """Labels of the rows that are learned from. Raises InputError where a held-out row has another one."""
    if settings.task == "regress":
        return ("value",)
    names = label_names(train)
    if len(names) < 2:
        raise InputError(f"every row has the label '{names[0]}'", settings.data, "two at least are needed")
    for each in held_out:
        for label in each.target if isinstance(each.target, tuple) else (str(each.target),):
            if label not in names:
                raise InputError(f"no row to learn from has the label '{label}'", each.place, "add one")
    return names


def _model(settings: TransferSettings, names: Sequence[str], tokenizer: Tokenizer) -> Model:
    """The body under its head, with what stands still frozen."""
    pad_id = tokenizer.end_id if tokenizer.pad_id is None else tokenizer.pad_id
    pooling = settings.pooling or ("mean" if settings.method == "frozen" else "family")
    body = build(read_config(settings.model)) if settings.from_scratch else load(settings.model)
    model = with_head(
        body,
        "tag" if settings.task == "tag" else "label",
        names,
        pooling=pooling,
        pad_id=pad_id,
        seed=settings.seed,
    )
    if settings.from_scratch:
        initialise(model, settings.seed)
        start_family(model, settings.seed)
    if settings.method == "lora":
        lora = Lora(rank=settings.lora_rank, alpha=settings.lora_alpha, dropout=settings.lora_dropout)
        adapt(model, lora, settings.seed)
    elif settings.method != "full":
        learn_last(model, int(settings.method.removeprefix("last-")) if settings.method != "frozen" else 0)
    return model


def _rates(settings: TransferSettings, model: Model) -> dict[str, float]:
    """How fast each parameter learns: the head fastest, blocks slower the deeper they stand."""
    if settings.from_scratch or settings.method in ("frozen", "lora"):
        return {}
    return layer_rates(model, settings.layer_decay, HEAD_RATE)
