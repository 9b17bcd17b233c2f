"""Fine-tuning: a base model and conversations in, an assistant out; only the assistant's tokens are learned."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fragua.corpus.conversations import read_conversations
from fragua.errors import InputError
from fragua.files import digest_file
from fragua.models import load_model
from fragua.models.calls import share
from fragua.progress import console
from fragua.settings import Settings
from fragua.tokens.loader import Loader
from fragua.tokens.prepare import tokenize_conversations
from fragua.tokens.shards import Shards
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.directory import announce, claim, finish, finished_figures, parent, weights_digest
from fragua.training.machine import device
from fragua.training.objectives import NextToken
from fragua.training.trainer import OnRow, Trainer, Training

QUESTIONS = [{"lang": "es", "text": "Hola, ¿quién eres?"}, {"lang": "en", "text": "How much is 12 * 37?"}]
HELD_OUT_SHARE = 0.02


class FinetuneSettings(Settings):
    """What `fragua finetune` can be told; None is derived and printed."""

    model: Path
    data: Path
    epochs: float = Field(default=3.0, gt=0)
    steps: int | None = Field(default=None, gt=0)
    """Instead of epochs."""
    batch_tokens: int = Field(default=8192, gt=0)
    learning_rate: float | None = Field(default=None, gt=0)
    optimizer: Literal["muon", "adamw"] = "muon"
    seed: int = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    evaluate_every: int | None = Field(default=None, gt=0)
    sample_every: int | None = Field(default=None, gt=0)
    checkpoint_every_s: float = Field(default=30.0, ge=0)
    sample_prompts: list[dict[str, str]] = QUESTIONS

    def training(self, width: int, steps: int) -> Training:
        """The trainer's settings: 0.3 of pretraining's peak rate, down from the first step on."""
        peak = {"muon": 0.003, "adamw": 0.001}[self.optimizer]
        return Training.parse(
            dict(
                steps=steps,
                batch_tokens=self.batch_tokens,
                learning_rate=self.learning_rate or round(peak * (256 / width) ** 0.5, 6),
                optimizer=self.optimizer,
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
    weights, conversations = weights_digest(settings.model), _conversations(settings.data)
    data = {"conversations": digest_file(settings.data), "model": weights}
    claim(out, "assistant", settings.model_dump(mode="json", exclude={"model", "data"}), data)
    if figures := finished_figures(out):
        return figures
    train, held_out = _shards(conversations, tokenizer, out / "shards")
    model = load_model(settings.model).to(device())
    context = model.config.context
    objective = NextToken(train, held_out, tokenizer, context, settings.seed, split_long=False)
    rows = max(1, settings.batch_tokens // context)
    steps = settings.steps or max(1, math.ceil(settings.epochs * train.tokens / (rows * context * FILLED)))
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
    assert isinstance(objective.loader, Loader), "conversations are packed"
    figures = trainer.run() | {"conversations": len(train) + len(held_out)}
    for what in ("truncated", "dropped"):
        if number := objective.loader.counts[what]:
            console.print(
                f"finetune: {number} conversations longer than {context} tokens {what}", style="yellow"
            )
            figures[what] = number
    lineage = {"parents": [parent(settings.model)], "conversations": str(settings.data.name)}
    ends = [end for end in (tokenizer.turn_end_id, tokenizer.end_id) if end is not None]
    return finish(out, model, tokenizer, "assistant", figures, lineage, ends)


FILLED = 0.93
"""The share of a row that packed conversations fill, about."""


def _conversations(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise InputError("no such file", path, "a JSON or JSONL file of conversations is needed")
    conversations = [
        conversation.model_dump(include={"messages", "tools"}) for conversation in read_conversations(path)
    ]
    if len(conversations) < 2:
        raise InputError(
            f"{len(conversations)} conversations", path, "two at least are needed, one to be held out"
        )
    return conversations


def _shards(conversations: list[dict[str, Any]], tokenizer: Tokenizer, out: Path) -> tuple[Shards, Shards]:
    """Conversations as tokens, made once; a fiftieth held out evenly (one at least)."""
    if not (out / "validation" / "index.json").is_file():
        every = max(2, min(round(1 / HELD_OUT_SHARE), len(conversations)))
        parts = {
            "train": [row for number, row in enumerate(conversations) if number % every != every - 1],
            "validation": conversations[every - 1 :: every],
        }
        for name, part in parts.items():
            tokenize_conversations(part, tokenizer, out / name)
    return Shards.open(out / "train"), Shards.open(out / "validation")
