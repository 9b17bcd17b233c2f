"""Fine-tuning: only the assistant's tokens are learned, the end among them; real instruction data goes through."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fragua.errors import InputError
from fragua.files import read_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.models import Decoder
from fragua.tokens.prepare import tokenize_conversations
from fragua.tokens.shards import Shards
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.finetune import FinetuneSettings, finetune
from fragua.training.objectives import NextToken
from fragua.training.pretrain import pretrain
from tests.training.conftest import settings_for

ANSWERS = {"la forja": "canta", "the iron": "sings", "el hierro": "duerme", "the forge": "la noche"}


@pytest.fixture(scope="module")
def base(tiny: Path) -> Path:
    pretrain(settings_for(tiny, context=64), tiny / "base")
    return tiny / "base"


def conversations() -> list[dict]:
    return [
        {"messages": [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]}
        for ask, answer in ANSWERS.items()
    ]


def test_the_loss_counts_the_assistants_tokens_and_its_end_and_no_other(base: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(base)
    tokenize_conversations([row["messages"] for row in conversations()], tokenizer, tmp_path)
    shards = Shards.open(tmp_path)
    batch = NextToken(shards, shards, tokenizer, 64, 0, split_long=False).batch(1)
    learned = [int(token) for token in batch.targets_BT[0] if token != -100]
    text = tokenizer.decode(learned, skip_special=False).replace("\n", "")
    pieces = [piece for piece in text.split("<|im_end|>") if piece]
    assert pieces and set(pieces) <= set(ANSWERS.values())
    assert text.count("<|im_end|>") == len(pieces)
    assert tokenizer.pad_id not in (tokenizer.end_id, tokenizer.turn_end_id)
    for row, target in zip(batch.ids_BT[0], batch.targets_BT[0], strict=True):
        assert target == -100 or row != tokenizer.pad_id


def test_a_few_conversations_are_learned_by_heart_and_the_answer_ends(base: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    write_jsonl(data, conversations() * 8)
    values = dict(model=base, data=data, steps=120, batch_tokens=256, learning_rate=0.01, compile="off")
    finetune(FinetuneSettings.parse(values), tmp_path / "m")
    lm = LanguageModel.load(tmp_path / "m")
    for ask, answer in ANSWERS.items():
        assert lm.chat([{"role": "user", "content": ask}], max_tokens=20).content == answer
    lineage = read_json(tmp_path / "m" / "fragua.json")
    assert lineage["kind"] == "assistant" and lineage["parents"][0]["kind"] == "base"
    tokenizer = lm.tokenizer
    ends = read_json(tmp_path / "m" / "generation_config.json")["eos_token_id"]
    assert ends == [tokenizer.turn_end_id, tokenizer.end_id]


def test_real_instructions_are_learned_from_their_own_format(
    base: Path, data_dir: Path, tmp_path: Path
) -> None:
    data = data_dir / "llms_from_scratch" / "instruction-data.json"
    rows: list[dict] = []
    values = dict(model=base, data=data, steps=12, batch_tokens=256, compile="off", sample_every=1000)
    figures = finetune(FinetuneSettings.parse(values), tmp_path / "m", on_step=rows.append)
    assert figures["conversations"] == 1100
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_what_is_not_conversations_is_refused_with_its_row(base: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"messages": [{"role": "user", "content": "hola"}]}\n')
    with pytest.raises(InputError, match=r"bad\.jsonl"):
        finetune(FinetuneSettings.parse(dict(model=base, data=tmp_path / "bad.jsonl")), tmp_path / "m")
    with pytest.raises(InputError, match="no such file"):
        finetune(FinetuneSettings.parse(dict(model=base, data=tmp_path / "none.jsonl")), tmp_path / "m")


def test_the_global_mean_is_over_tokens_not_over_micro_batches(base: Path, tmp_path: Path) -> None:
    """Rows of very unequal numbers of learned tokens: one pass over all equals the sum over parts."""
    tokenizer = Tokenizer.load(base)
    long = [{"role": "user", "content": "la"}, {"role": "assistant", "content": " ".join(["canta"] * 20)}]
    tokenize_conversations([conversations()[0]["messages"], long], tokenizer, tmp_path)
    shards = Shards.open(tmp_path)
    objective = NextToken(shards, shards, tokenizer, 32, 0, split_long=False)
    model = Decoder(LanguageModel.load(base).model.config)
    batch = objective.batch(4)
    whole = objective.loss(model, batch)
    parts = [objective.loss(model, type(batch)(*(part[row : row + 1] for part in batch))) for row in range(4)]
    assert len({part.tokens for part in parts}) > 1
    total = torch.stack([part.loss for part in parts]).sum() / sum(part.tokens for part in parts)
    torch.testing.assert_close(total, whole.loss / whole.tokens, atol=1e-4, rtol=1e-5)
