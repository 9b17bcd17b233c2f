"""Encoder-decoders write, and beam search finds the same sequences with the same scores as transformers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from benchmarks.random_peers import scatter
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.errors import InputError
from fragua.inference.beams import search_batch
from fragua.inference.completion import Options
from fragua.inference.decoding import Ending, complete_batch
from fragua.inference.language_model import LanguageModel
from fragua.inference.reading import GenerativeModel
from fragua.models.calls import Decoder
from fragua.models.encoder_decoder import EncoderDecoder
from fragua.models.io import load
from tests.tiny_model import tiny_tokenizer

PROMPTS = [[5, 9, 17, 200, 31], [40, 41], [7, 300, 7]]


@cache
def pair(kind: str, folder: Path) -> tuple[GenerativeModel, Any]:
    """Ours and theirs, on the same weights in float64; ends are likely enough to come."""
    size = tiny_tokenizer().vocab_size
    ends = dict(vocab_size=size, eos_token_id=tiny_tokenizer().end_id, pad_token_id=tiny_tokenizer().pad_id)
    if kind == "t5":
        config = transformers.T5Config(
            d_model=32,
            d_kv=8,
            d_ff=48,
            num_layers=2,
            num_heads=4,
            decoder_start_token_id=ends["pad_token_id"],
            **ends,
        )
        peer: Any = transformers.T5ForConditionalGeneration(config)
    else:
        config = transformers.GPT2Config(
            n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=0, tie_word_embeddings=False, **ends
        )
        peer = transformers.GPT2LMHeadModel(config)
    scatter(peer.eval(), torch.Generator().manual_seed(5), 0.3)
    with torch.no_grad():
        if kind == "t5":
            peer.shared.weight[ends["eos_token_id"]] *= 1.5
        else:
            peer.lm_head.weight[ends["eos_token_id"]] *= 1.8
    peer.save_pretrained(folder / kind)
    ours = load(folder / kind)
    assert isinstance(ours, Decoder | EncoderDecoder)
    return ours.double(), peer.double()  # a negative penalty multiplies what float32 rounds off


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("beams")


def ending() -> Ending:
    assert tiny_tokenizer().end_id is not None
    return Ending(tiny_tokenizer(), frozenset([tiny_tokenizer().end_id or 0]), skip_special=False)


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
@settings(max_examples=12)
@given(
    beams=st.integers(1, 5),
    penalty=st.sampled_from([0.0, 0.6, 1.0, 2.0, -1.0]),
    limit=st.integers(1, 14),
    data=st.data(),
)
def test_beams_end_as_those_of_transformers(
    kind: str, folder: Path, beams: int, penalty: float, limit: int, data: st.DataObject
) -> None:
    ours, peer = pair(kind, folder)
    n_best = data.draw(st.integers(1, beams))
    options = Options.parse(dict(max_tokens=limit, beams=beams, length_penalty=penalty, n_best=n_best))
    for prompt in PROMPTS:
        found = search_batch(ours, [prompt], options, ending())[0]
        with torch.no_grad():
            wanted = peer.generate(
                torch.tensor([prompt]),
                attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                num_beams=beams,
                num_return_sequences=n_best,
                length_penalty=penalty,
                max_new_tokens=limit,
                do_sample=False,
                output_scores=True,
                return_dict_in_generate=True,
            )
        skipped = 1 if kind == "t5" else len(prompt)
        for place, mine in enumerate((found, *found.others)):
            theirs = wanted.sequences[place, skipped:].tolist()
            ends = [*theirs, ending().tokenizer.end_id].index(ending().tokenizer.end_id)
            assert mine.tokens == theirs[:ends]
            if beams > 1:
                assert mine.score == pytest.approx(wanted.sequences_scores[place].item(), abs=1e-4)
        assert len(found.others) == n_best - 1


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_prompts_side_by_side_find_what_each_finds_alone(kind: str, folder: Path) -> None:
    ours, _ = pair(kind, folder)
    options = Options.parse(dict(max_tokens=8, beams=3, n_best=2))
    together = search_batch(ours, PROMPTS, options, ending())
    for prompt, completion in zip(PROMPTS, together, strict=True):
        alone = search_batch(ours, [prompt], options, ending())[0]
        assert alone.tokens == completion.tokens
        assert alone.score == pytest.approx(completion.score, abs=1e-4)


def test_an_encoder_decoder_draws_greedily_and_with_a_seed(folder: Path) -> None:
    ours, peer = pair("t5", folder)
    greedy = complete_batch(ours, PROMPTS, Options.parse(dict(max_tokens=9)), ending(), [0, 1, 2])
    for prompt, completion in zip(PROMPTS, greedy, strict=True):
        with torch.no_grad():
            theirs = peer.generate(torch.tensor([prompt]), max_new_tokens=9, do_sample=False)[0, 1:].tolist()
        assert completion.tokens == [token for token in theirs if token != ending().tokenizer.end_id]
    drawn = Options.parse(dict(max_tokens=9, temperature=1.0, seed=3))
    first = complete_batch(ours, PROMPTS, drawn, ending(), [0, 1, 2])
    alone = complete_batch(ours, PROMPTS[1:2], drawn, ending(), [1])
    assert first[1].tokens == alone[0].tokens


def test_a_directory_of_an_encoder_decoder_generates_text(folder: Path, tmp_path: Path) -> None:
    _, peer = pair("t5", folder)
    peer.save_pretrained(tmp_path)
    tiny_tokenizer().save(tmp_path)
    lm = LanguageModel.load(tmp_path)
    best = lm.generate("Había una vez", beams=4, n_best=3, max_tokens=6)
    assert len(best.others) == 2 and best.score is not None and best.score >= (best.others[0].score or 0)
    assert [one.tokens for one in lm.generate(["Había", "What is"], max_tokens=6)] == [
        lm.generate(text, max_tokens=6).tokens for text in ("Había", "What is")
    ]
    texts = ["Había una vez", "What is 3 + 4?"]
    together = lm.generate(texts, beams=3, max_tokens=6)
    assert [one.tokens for one in together] == [lm.generate(t, beams=3, max_tokens=6).tokens for t in texts]
    for wrong in (dict(temperature=1.0), dict(n_best=9), dict(stop=("a",))):
        with pytest.raises(InputError):
            lm.generate("Había", beams=2, **wrong)
    with pytest.raises(InputError, match="does not continue a text"):
        lm.score("Había")


def test_beams_of_prompts_with_more_and_less_room_are_those_that_each_has_alone(lm: LanguageModel) -> None:
    """What fills the context ends there, while the others of its batch go on."""
    prompts = ["El panadero se llama Íñigo. " * 4, "Once upon", "Había una vez una niña"]
    options: dict[str, Any] = {"max_tokens": 60, "beams": 3}
    together = lm.generate(prompts, **options)
    for one, prompt in zip(together, prompts, strict=True):
        alone = lm.generate(prompt, **options)
        assert one.tokens == alone.tokens and one.score == pytest.approx(alone.score, rel=1e-4)
    room = lm.context - len(lm.tokenizer.encode(prompts[0]))
    assert 0 < room < 60 and len(together[0].tokens) <= room
