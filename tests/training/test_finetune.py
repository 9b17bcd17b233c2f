"""Fine-tuning: only the assistant's tokens are learned, the end among them; real instruction data goes through."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fragua.errors import InputError
from fragua.evaluation.perplexity import perplexity, read_texts
from fragua.files import read_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.models import Decoder, load_model
from fragua.models.lora import WEIGHTS, load_adapter
from fragua.tokens.prepare import tokenize_conversations, tokenize_corpus
from fragua.tokens.shards import Shards
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.beside import Beside, open_texts
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


def test_of_many_conversations_only_the_first_are_read(base: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    write_jsonl(data, [*conversations(), {"messages": "not read"}])
    values = dict(model=base, data=data, steps=1, batch_tokens=256, compile="off")
    with pytest.raises(InputError, match=r"data\.jsonl:5"):
        finetune(FinetuneSettings.parse(values), tmp_path / "all")
    figures = finetune(FinetuneSettings.parse(values | {"conversations": 3}), tmp_path / "first")
    assert figures["conversations"] == 3


@pytest.mark.parametrize("frozen", ["float32", "int8"])
def test_lora_learns_by_heart_beside_frozen_weights_and_its_model_is_whole(
    tiny_dir: Path, tmp_path: Path, frozen: str
) -> None:
    data, out = tmp_path / "data.jsonl", tmp_path / "m"
    write_jsonl(data, conversations() * 8)
    values = dict(model=tiny_dir, data=data, steps=60, batch_tokens=384, lora_rank=8, frozen=frozen)
    figures = finetune(FinetuneSettings.parse(values | dict(compile="off", precision="float32")), out)
    assert 0 < figures["trained_parameters"] < figures["parameters"]
    lm = LanguageModel.load(out)
    told = [lm.chat([{"role": "user", "content": ask}], max_tokens=20).content for ask in ANSWERS]
    assert told == list(ANSWERS.values())
    assert read_json(out / "fragua.json")["adapter"]["rank"] == 8
    again, before = load_model(tiny_dir), load_model(tiny_dir)
    load_adapter(again, out / "adapter")
    ids = torch.arange(20)[None]
    whole, beside, old = (model(ids).logits for model in (load_model(out), again, before))
    torch.testing.assert_close(whole, beside, atol=1e-5, rtol=1e-5)
    assert (whole - old).abs().max() > 0.1


def test_lora_with_dropout_stopped_half_way_ends_with_the_same_weights(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data.jsonl"
    write_jsonl(data, conversations() * 8)
    values = dict(model=base, data=data, steps=12, batch_tokens=128, lora_rank=2, lora_dropout=0.3)
    settings = FinetuneSettings.parse(
        values | dict(compile="off", precision="float32", checkpoint_every_s=0.0)
    )
    finetune(settings, tmp_path / "whole")

    def fall(row: dict) -> None:
        if row["step"] == 7:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        finetune(settings, tmp_path / "cut", on_step=fall)
    torch.rand(5)
    finetune(settings, tmp_path / "cut")
    whole, cut = ((tmp_path / name / "adapter" / WEIGHTS).read_bytes() for name in ("whole", "cut"))
    assert whole == cut


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (dict(lora_alpha=16.0), "want a lora_rank"),
        (dict(frozen="int8"), "want a lora_rank"),
        (dict(lora_rank=8, optimizer="muon"), "take adamw"),
        (dict(lora_rank=0), "lora_rank"),
    ],
    ids=str,
)
def test_options_that_would_do_nothing_are_refused(wrong: dict, told: str) -> None:
    with pytest.raises(InputError, match=told):
        FinetuneSettings.parse(dict(model="base", data="data.jsonl") | wrong)


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


def test_texts_stand_between_conversations_in_their_share_and_go_on_where_they_stopped(
    base: Path, tiny: Path, tmp_path: Path
) -> None:
    tokenizer = Tokenizer.load(base)
    tokenize_conversations([row["messages"] for row in conversations()], tokenizer, tmp_path / "told")
    tokenize_corpus(tiny / "corpus", tokenizer, tmp_path / "read")
    told, read = Shards.open(tmp_path / "told"), Shards.open(tmp_path / "read")

    def both() -> Beside:
        learned = NextToken(told, told, tokenizer, 64, 0, split_long=False)
        return Beside(learned, NextToken(read, read, tokenizer, 64, 0, split_long=True), 0.3, 1.0)

    first = both()
    batches = [first.batch(rows) for rows in (1, 2, 7, 10)]
    alone = NextToken(told, told, tokenizer, 64, 0, split_long=False).batch(14)
    spoken = {tuple(row) for row in alone.ids_BT}
    texts = [sum(tuple(row) not in spoken for row in batch.rows.ids_BT) for batch in batches]
    assert texts == [len(batch.rows.ids_BT) - batch.told for batch in batches] == [0, 0, 3, 3]
    again = both()
    again.batch(5)
    state = first.state()
    again.restore(state)
    expected, found = first.batch(9), again.batch(9)
    assert all((a == b).all() for a, b in zip(expected.rows, found.rows, strict=True))


def test_what_texts_tell_is_forgotten_less_where_they_are_read_on(
    base: Path, tiny: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data.jsonl"
    write_jsonl(data, conversations() * 40)
    values = dict(model=base, data=data, epochs=6, batch_tokens=256, learning_rate=0.01, compile="off")
    left: dict[str, float] = {}
    steps: dict[str, int] = {}
    for name, more in {
        "alone": {},
        "beside": {"texts": tiny / "corpus", "texts_share": 0.25, "texts_weight": 1.0},
    }.items():
        steps[name] = finetune(FinetuneSettings.parse(values | more), tmp_path / name)["steps"]
        lm = LanguageModel.load(tmp_path / name)
        left[name] = perplexity(lm, read_texts(tiny / "corpus" / "validation.jsonl"))["bits_per_byte"]
        assert lm.chat([{"role": "user", "content": "la forja"}], max_tokens=20).content == "canta"
    assert left["beside"] < 0.7 * left["alone"]
    assert steps["beside"] == pytest.approx(steps["alone"] / 0.75, abs=1), "no conversation is left out"
    with pytest.raises(InputError, match="nowhere"):
        finetune(FinetuneSettings.parse(values | {"texts": tmp_path / "nowhere"}), tmp_path / "none")


def test_only_texts_of_the_named_genres_are_read(base: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "data.jsonl", conversations() * 40)
    rows = [{"text": "la forja canta", "genre": "songs"}, {"text": "el hierro duerme", "genre": "news"}]
    texts, tokenizer = tmp_path / "texts.jsonl", Tokenizer.load(base)
    write_jsonl(texts, rows * 30)
    read = open_texts(texts, ["news", "diaries"], 1000, tokenizer, tmp_path)
    assert {tokenizer.decode(read[at].ids[:-1].tolist()) for at in range(len(read))} == {"el hierro duerme"}
    (tmp_path / "plain.txt").write_text("la forja canta")
    values = dict(model=base, data=tmp_path / "data.jsonl", texts_genres=["opera"])
    for nowhere in (texts, tmp_path / "plain.txt"):
        with pytest.raises(InputError, match="no text is of the genre opera"):
            finetune(FinetuneSettings.parse(values | {"texts": nowhere}), tmp_path / nowhere.stem)
