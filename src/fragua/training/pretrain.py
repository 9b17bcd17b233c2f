"""Pretraining: a corpus and a tokenizer in, a base model directory out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fragua.corpus.source_target import read_pairs
from fragua.errors import InputError
from fragua.files import digest_file, read_json
from fragua.inference.language_model import LanguageModel
from fragua.models import initialise, load_model
from fragua.models.build import build
from fragua.models.calls import Model, share
from fragua.models.config import Stack
from fragua.models.family_start import start_family
from fragua.models.presets import Trained, preset
from fragua.settings import Settings
from fragua.tokens.frames import FRAMES, closed
from fragua.tokens.prepare import tokenize_corpus
from fragua.tokens.shards import Shards
from fragua.tokens.tokenizer import Tokenizer
from fragua.training import copying
from fragua.training.directory import announce, claim, finish, finished_figures, parent, weights_digest
from fragua.training.dropout import add_dropout
from fragua.training.families import T5Learns, check_tokenizer, make_objective, sampler
from fragua.training.machine import device
from fragua.training.objectives import NextToken, Objective
from fragua.training.seq2seq import open_pairs, pair_sampler, pairs_objective
from fragua.training.trainer import OnRow, Trainer, Training

PEAK = 0.015
PEAKS = {"bert": 0.0018, "roberta": 0.0018, "xlnet": 0.0018, "gpt2": 0.005, "t5": 0.0028}
"""Muon's rate at a width of 256, and of the families that bear less (docs/decisions/0014)."""
PROMPTS = [{"lang": "es", "text": "Había una vez"}, {"lang": "en", "text": "Once upon a time"}]


class PretrainSettings(Settings):
    """What `fragua pretrain` can be told; None is derived and printed."""

    corpus: Path
    tokenizer: Path | None = None
    """Not wanted where there is a model."""
    model: Path | None = None
    """A model that goes on reading, with its own shape and tokenizer; None: one is made from scratch."""
    family: Trained = "qwen3"
    t5_learns: T5Learns = "spans"
    pairs: bool = False
    """The corpus is of pairs: rows `{"source", "target", "prefix"?}`."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Of pairs: this share of what is wanted is spread over all tokens."""
    whole_words: bool = False
    """Masks hide all the tokens of a word (bert, roberta)."""
    depth: int = Field(default=4, gt=0, le=128)
    width: int | None = Field(default=None, gt=0)
    heads: int | None = Field(default=None, gt=0)
    tied: bool = True
    context: int = Field(default=256, ge=8)
    steps: int = Field(default=400, gt=0)
    batch_tokens: int = Field(default=8192, gt=0)
    micro_rows: int | None = Field(default=None, gt=0)
    """Rows that go through at once; None: as many as memory and cache take well."""
    learning_rate: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    keep_best: bool = False
    """End with the weights of the lowest validation loss: for small texts, which are learned by heart after a while."""
    optimizer: Literal["muon", "adamw"] = "muon"
    momentum: float = Field(default=0.85, ge=0, lt=1)
    """Muon's: less than is usual, for runs of some hundred steps (docs/decisions/0004)."""
    rows: Literal["packed", "windows"] = "packed"
    """Documents packed into rows; or windows over few long texts, at another offset in every epoch."""
    copying_steps: int | None = Field(default=None, ge=0)
    """Steps from the start on in which some rows are copying lessons; None: 200, or a quarter of all; 0: none."""
    seed: int = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    evaluate_every: int | None = Field(default=None, gt=0)
    evaluate_rows: int = Field(default=64, gt=0)
    """Of held-out text, from its beginning on."""
    sample_every: int | None = Field(default=None, gt=0)
    checkpoint_every_s: float = Field(default=30.0, ge=0)
    sample_prompts: list[dict[str, str]] = PROMPTS

    def lessons(self) -> int:
        """Steps with copying lessons; a model that has read already has none unless told to."""
        if self.model is not None and self.copying_steps is None:
            return 0
        return min(copying.STEPS, self.steps // 4) if self.copying_steps is None else self.copying_steps

    def rates(self, config: Stack) -> dict[str, float]:
        """Shares of the learning rate where it is derived: before a tied head with a scale (T5) the embedding is as
        much larger, and so are its steps. A rate that is given is everybody's."""
        scaled = config.tied and config.output_scale != 1.0 and self.learning_rate is None
        return {"transformer.embedding.weight": 1 / config.output_scale} if scaled else {}

    def training(self, config: Stack) -> Training:
        """The trainer's settings; the learning rate falls with the root of the width. One that goes on reading gets a
        third of it."""
        peak = 0.003 if self.optimizer == "adamw" else PEAKS.get(config.family, PEAK)
        peak *= 1 / 3 if self.model else 1
        return Training.parse(
            dict(
                steps=self.steps,
                batch_tokens=self.batch_tokens,
                micro_rows=self.micro_rows,
                learning_rate=self.learning_rate or round(peak * (256 / config.width) ** 0.5, 6),
                optimizer=self.optimizer,
                momentum=self.momentum,
                weight_decay=self.weight_decay,
                warmup_steps=max(5, min(40, self.steps // 20)),
                precision=self.precision,
                compile=self.compile,
                evaluate_every=self.evaluate_every or max(10, self.steps // 20),
                evaluate_rows=self.evaluate_rows,
                keep_best=self.keep_best,
                sample_every=self.sample_every or max(10, self.steps // 10),
                checkpoint_every_s=self.checkpoint_every_s,
            )
        )


def pretrain(
    settings: PretrainSettings, out: str | Path, on_step: OnRow | None = None, on_sample: OnRow | None = None
) -> dict[str, Any]:
    """Trains a model, from scratch or further; an unfinished `out` is gone on with, a finished one left as it is.

    Returns the figures of its last step. Raises InputError where corpus or tokenizer are not as needed or `out` holds
    another run, RunError as the trainer does."""
    out = Path(out)
    origin = settings.model or settings.tokenizer
    if origin is None:
        raise InputError(
            "neither a tokenizer nor a model is named", "pretrain", "give --tokenizer or --model"
        )
    if settings.model and settings.family != "qwen3":
        raise InputError("--family is for a new model", "pretrain", "leave it out: --model has its own")
    if settings.pairs and settings.model:
        mend = "a model that is there learns them with: fragua finetune --task seq2seq"
        raise InputError("--pairs is for a new model", "pretrain", mend)
    tokenizer = Tokenizer.load(origin)
    if settings.pairs:
        tokenizer = closed(tokenizer)
    if tokenizer.end_id is None:
        raise InputError("the tokenizer has no end-of-text token", origin)
    check_tokenizer(settings.family, tokenizer, origin)
    train, held_out = (_corpus_file(settings.corpus, name) for name in ("train.jsonl", "validation.jsonl"))
    data = {"train": digest_file(train), "validation": digest_file(held_out), "tokenizer": tokenizer.digest}
    if settings.model:
        data["model"] = weights_digest(settings.model)
    model = load_model(settings.model) if settings.model else _new(settings, tokenizer)
    config = model.config
    training = settings.training(config)
    kept = settings.model_dump(mode="json", exclude={"corpus", "tokenizer", "model"})
    claim(out, "base", kept, data)
    if figures := finished_figures(out):
        return figures
    model = model.to(device())
    if settings.dropout:
        add_dropout(model, settings.dropout)
    lm = LanguageModel(share(model), tokenizer)
    objective: Objective
    if settings.pairs:
        shards = [open_pairs(read_pairs(path), lm, out / "shards" / path.stem) for path in (train, held_out)]
        objective, training, context = pairs_objective(
            lm, shards[0], shards[1], training, settings.seed, settings.label_smoothing
        )
        sample = pair_sampler(lm, read_pairs(held_out))
    else:
        shards = [_shards(path, tokenizer, out / "shards" / path.stem) for path in (train, held_out)]
        context = min(settings.context, config.context)
        objective = _objective(settings, shards[0], shards[1], tokenizer, context)
        sample = sampler(lm, settings.sample_prompts, settings.seed, settings.t5_learns)
    announce("pretrain", config, training)
    trainer = Trainer(
        model,
        objective,
        training,
        out,
        label="pretrain",
        context=context,
        sample=sample,
        rates=settings.rates(config),
        on_step=on_step,
        on_sample=on_sample,
    )
    figures = trainer.run()
    lineage = {
        "parents": [parent(settings.model)] if settings.model else [],
        "corpus": _card(settings.corpus),
    }
    kind = "pairs" if settings.pairs else "base"
    return finish(out, model, tokenizer, kind, figures, lineage, ends=[tokenizer.end_id])


def _new(settings: PretrainSettings, tokenizer: Tokenizer) -> Model:
    config = preset(
        settings.family,
        settings.depth,
        tokenizer.vocab_size,
        settings.context,
        width=settings.width,
        heads=settings.heads,
        tied=settings.tied,
        pad_id=tokenizer.pad_id or 0,
    )
    model = build(config)
    initialise(model, settings.seed)
    start_family(model, settings.seed)
    return model


def _objective(
    settings: PretrainSettings, train: Shards, held_out: Shards, tokenizer: Tokenizer, context: int
) -> Objective:
    seed = settings.seed
    if settings.family in FRAMES:
        return make_objective(
            settings.family,
            train,
            held_out,
            tokenizer,
            context,
            seed,
            whole_words=settings.whole_words,
            t5_learns=settings.t5_learns,
        )
    rows = settings.lessons() * max(1, settings.batch_tokens // context)
    return NextToken(
        train,
        held_out,
        tokenizer,
        context,
        seed,
        split_long=True,
        windows=settings.rows == "windows",
        copying_rows=rows,
    )


def _corpus_file(corpus: Path, name: str) -> Path:
    path = corpus / name
    if not path.is_file():
        raise InputError(f"no {name}", corpus, "make a corpus with: fragua corpus build SOURCE… --out DIR")
    if not path.stat().st_size:
        raise InputError("is empty", path, "a corpus needs two documents at least, one of them held out")
    return path


def _shards(path: Path, tokenizer: Tokenizer, out: Path) -> Shards:
    """The file's tokens, made once."""
    if not (out / "index.json").is_file():
        tokenize_corpus(path, tokenizer, out)
    return Shards.open(out)


def _card(corpus: Path) -> dict[str, Any]:
    card = corpus / "corpus.json"
    return read_json(card) if card.is_file() else {}
