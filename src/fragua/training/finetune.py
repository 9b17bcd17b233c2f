"""Fine-tuning: a base model and conversations in, an assistant out; only the assistant's tokens are learned."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from fragua.corpus.conversations import read_conversations
from fragua.errors import InputError
from fragua.files import digest_file
from fragua.models import Stack, load_model
from fragua.models.calls import share
from fragua.models.lora import Lora, adapt, load_adapter, merge, save_adapter
from fragua.progress import console
from fragua.settings import Settings
from fragua.tokens.loader import Loader
from fragua.tokens.packing import pack
from fragua.tokens.prepare import tokenize_conversations
from fragua.tokens.shards import Shards
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.beside import Beside, open_texts, texts_digest
from fragua.training.checkpoint import trained
from fragua.training.directory import announce, claim, finish, finished_figures, parent, weights_digest
from fragua.training.machine import device, memory_bytes
from fragua.training.objectives import NextToken, Objective
from fragua.training.trainer import OnRow, Trainer, Training

QUESTIONS = [{"lang": "es", "text": "Hola, ¿quién eres?"}, {"lang": "en", "text": "How much is 12 * 37?"}]
HELD_OUT_SHARE = 0.02


class FinetuneSettings(Settings):
    """What `fragua finetune` can be told; None is derived and printed."""

    model: Path
    data: Path
    conversations: int | None = Field(default=None, gt=1)
    """Only so many, from the beginning of the file."""
    texts: Path | None = None
    """Texts that are read on between conversations, so that what they tell is not forgotten (docs/decisions/0024)."""
    texts_share: float = Field(default=0.05, ge=0, lt=1)
    """Of the rows, where there are texts."""
    texts_genres: list[str] = Field(default_factory=list)
    """Only texts of these genres; none: all."""
    texts_weight: float = Field(default=0.1, gt=0)
    """What a token of the texts counts beside one of a reply."""
    epochs: float = Field(default=3.0, gt=0)
    steps: int | None = Field(default=None, gt=0)
    """Instead of epochs."""
    batch_tokens: int = Field(default=8192, gt=0)
    learning_rate: float | None = Field(default=None, gt=0)
    optimizer: Literal["muon", "adamw"] | None = None
    """None: muon, and adamw for LoRA."""
    lora_rank: int | None = Field(default=None, gt=0)
    """Learn changes of this rank beside the frozen weights (LoRA); None: all weights."""
    lora_alpha: float | None = Field(default=None, gt=0)
    """None: twice the rank."""
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    frozen: Literal["auto", "float32", "int8"] = "auto"
    """How LoRA keeps the frozen weights; auto: int8 where float32 would take over a quarter of memory."""
    seed: int = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    evaluate_every: int | None = Field(default=None, gt=0)
    sample_every: int | None = Field(default=None, gt=0)
    checkpoint_every_s: float = Field(default=30.0, ge=0)
    sample_prompts: list[dict[str, str]] = QUESTIONS

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.lora_rank is None and (self.lora_alpha or self.lora_dropout or self.frozen != "auto"):
            raise ValueError("lora_alpha, lora_dropout and frozen want a lora_rank")
        if self.lora_rank is not None and self.optimizer == "muon":
            raise ValueError("muon does not learn LoRA's changes; leave out the optimizer or take adamw")
        return self

    @property
    def lora(self) -> Lora | None:
        """How large LoRA's changes are; None where all weights are learned."""
        if self.lora_rank is None:
            return None
        return Lora(rank=self.lora_rank, alpha=self.lora_alpha, dropout=self.lora_dropout)

    def training(self, width: int, steps: int) -> Training:
        """The trainer's settings: 0.3 of pretraining's peak rate, down from the first step on; LoRA's is ten times
        AdamW's (Schulman et al. 2025, LoRA Without Regret)."""
        optimizer = self.optimizer or ("adamw" if self.lora_rank else "muon")
        peak = 0.01 if self.lora_rank else {"muon": 0.003, "adamw": 0.001}[optimizer]
        return Training.parse(
            dict(
                steps=steps,
                batch_tokens=self.batch_tokens,
                learning_rate=self.learning_rate or round(peak * (256 / width) ** 0.5, 6),
                optimizer=optimizer,
                weight_decay=0.0 if self.lora_rank else 0.1,
                warmup_steps=max(1, min(10, steps // 20)),
                decay_share=0.9,
                precision=self.precision,
                compile=self.compile,
                evaluate_every=self.evaluate_every or max(10, steps // 5),
                sample_every=self.sample_every or max(10, steps // 5),
                checkpoint_every_s=self.checkpoint_every_s,
            )
        )


def finetune(
    settings: FinetuneSettings,
    out: str | Path,
    on_step: OnRow | None = None,
    on_sample: OnRow | None = None,
) -> dict[str, Any]:
    """Fine-tunes on conversations (OpenAI messages, Alpaca or ShareGPT); resumes and raises as `pretrain` does."""
    out = Path(out)
    tokenizer = Tokenizer.load(settings.model)
    weights = weights_digest(settings.model)
    conversations = _conversations(settings.data, settings.conversations)
    data = {"conversations": digest_file(settings.data), "model": weights, **texts_digest(settings.texts)}
    claim(out, "assistant", settings.model_dump(mode="json", exclude={"model", "data", "texts"}), data)
    if figures := finished_figures(out):
        return figures
    train, held_out = _shards(conversations, tokenizer, out / "shards")
    model = load_model(settings.model)
    if settings.lora:
        adapt(model, settings.lora, settings.seed, int8=_in_int8(settings, model.config))
    model = model.to(device())
    context = model.config.context
    learned = NextToken(train, held_out, tokenizer, context, settings.seed, split_long=False)
    read_share = settings.texts_share if settings.texts else 0.0
    rows = max(1, settings.batch_tokens // context)
    steps = settings.steps or max(
        1, math.ceil(settings.epochs * _rows(train, context) / (1 - read_share) / rows)
    )
    objective: Objective = learned
    if settings.texts and read_share:
        most = read_share * steps * rows * context
        texts = open_texts(settings.texts, settings.texts_genres, most, tokenizer, out)
        read = NextToken(texts, texts, tokenizer, context, settings.seed, split_long=True)
        objective = Beside(learned, read, read_share, settings.texts_weight)
    training = settings.training(model.config.width, steps)
    announce("finetune", model.config, training)
    twin = share(model)

    def sample() -> list[dict[str, Any]]:
        from fragua.inference.language_model import LanguageModel

        lm = LanguageModel(twin, tokenizer)
        rows = []
        for prompt in settings.sample_prompts:
            answer = lm.chat([{"role": "user", "content": prompt["text"]}], max_tokens=48)
            rows.append(
                {"lang": prompt["lang"], "prompt": prompt["text"], "text": answer.content, "kind": "answer"}
            )
        return rows

    trainer = Trainer(
        model, objective, training, out, label="finetune", sample=sample, on_step=on_step, on_sample=on_sample
    )
    assert isinstance(learned.loader, Loader), "conversations are packed"
    figures = trainer.run() | {"conversations": len(train) + len(held_out)}
    for what in ("truncated", "dropped"):
        if number := learned.loader.counts[what]:
            console.print(
                f"finetune: {number} conversations longer than {context} tokens {what}", style="yellow"
            )
            figures[what] = number
    lineage: dict[str, Any] = {"parents": [parent(settings.model)], "conversations": str(settings.data.name)}
    if settings.lora:
        lineage["adapter"] = settings.lora.model_dump(mode="json")
        figures["trained_parameters"] = sum(parameter.numel() for _, parameter in trained(model))
        save_adapter(model, out / ADAPTER, str(settings.model))
        model = load_model(settings.model)
        load_adapter(model, out / ADAPTER)
        merge(model)
    ends = [end for end in (tokenizer.turn_end_id, tokenizer.end_id) if end is not None]
    return finish(out, model, tokenizer, "assistant", figures, lineage, ends)


ADAPTER = "adapter"
"""Of a directory made with LoRA: its changes alone, in PEFT's format; its model has them merged."""


def _rows(conversations: Shards, context: int) -> int:
    """How many rows they fill, each packed once."""
    lengths = [min(int(length), context) for length in conversations.lengths]
    return sum(1 for _ in pack(lengths, context, split_long=False))


def _in_int8(settings: FinetuneSettings, config: Stack) -> bool:
    if settings.frozen == "auto":
        return 4 * config.parameters() > 0.25 * memory_bytes()
    return settings.frozen == "int8"


def _conversations(path: Path, most: int | None) -> list[dict[str, Any]]:
    if not path.is_file():
        raise InputError("no such file", path, "a JSON or JSONL file of conversations is needed")
    conversations = [
        conversation.model_dump(include={"messages", "tools"})
        for conversation in islice(read_conversations(path), most)
    ]
    if len(conversations) < 2:
        raise InputError(
            f"{len(conversations)} conversations", path, "two at least are needed, one to be held out"
        )
    return conversations


def _shards(conversations: list[dict[str, Any]], tokenizer: Tokenizer, out: Path) -> tuple[Shards, Shards]:
    """Conversations as tokens, made once; a fiftieth held out evenly (one at least)."""
    if not (out / "validation" / "index.json").is_file():
        every = held_out_every(len(conversations))
        parts = {
            "train": [row for number, row in enumerate(conversations) if number % every != every - 1],
            "validation": conversations[every - 1 :: every],
        }
        for name, part in parts.items():
            tokenize_conversations(part, tokenizer, out / name)
    return Shards.open(out / "train"), Shards.open(out / "validation")


def held_out_every(rows: int) -> int:
    """Every so many rows one is held out: a fiftieth, and one at least."""
    return max(2, min(round(1 / HELD_OUT_SHARE), rows))
