"""What docs/family-tree.md says of encoders and decoders, cell by cell, on models with random weights."""

from __future__ import annotations

from typing import Literal, get_args

import pytest
import torch
from torch import Tensor

from fragua.errors import InputError
from fragua.inference.language_model import LanguageModel
from fragua.models.build import build
from fragua.models.calls import Decoder, Model
from fragua.models.encoder import Encoder
from fragua.models.encoder_decoder import EncoderDecoder
from fragua.models.labelling import with_head
from fragua.models.permuting import Permuting
from fragua.models.presets import Trained, preset
from fragua.tokens.train import train_tokenizer

WORDS = 64
TIME = 10
TEXT = torch.arange(20, 20 + TIME)[None]
DECODERS, ENCODERS = ("gpt2", "llama", "qwen3"), ("bert", "roberta")


def made(family: Trained) -> Model:
    """Two layers; weights large enough that everything depends on all that it can see."""
    model = build(preset(family, 2, WORDS, 32, pad_id=0, width=16, heads=2)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return model


def changed(ids_BT: Tensor, place: int) -> Tensor:
    other = ids_BT.clone()
    other[0, place] = 5
    return other


def moved(model: Model, ids_BT: Tensor, other_BT: Tensor) -> list[bool]:
    """Which places have another state for the other text."""
    with torch.no_grad():
        apart_BT = (model.states(ids_BT) - model.states(other_BT)).abs().amax(-1)
    return [bool(each > 1e-5) for each in apart_BT[0]]


def logits(model: Model, **given: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(**given).logits
    return found


@pytest.mark.parametrize("family", ENCODERS)
def test_an_encoder_gives_each_token_a_state_of_the_whole_text(family: Trained) -> None:
    model = made(family)
    assert isinstance(model, Encoder)
    assert all(moved(model, TEXT, changed(TEXT, TIME - 1))) and all(moved(model, TEXT, changed(TEXT, 0)))


@pytest.mark.parametrize("family", DECODERS)
def test_a_decoder_gives_each_token_a_state_of_what_stands_before_and_tells_the_next(family: Trained) -> None:
    model = made(family)
    assert isinstance(model, Decoder)
    for place in (0, 4, TIME - 1):
        assert moved(model, TEXT, changed(TEXT, place)) == [False] * place + [True] * (TIME - place)
    chances_BTV = logits(model, input_ids=TEXT).softmax(-1)
    assert chances_BTV.shape == (1, TIME, WORDS)
    torch.testing.assert_close(chances_BTV.sum(-1), torch.ones(1, TIME))


@pytest.mark.parametrize("family", DECODERS)
def test_all_places_of_a_decoder_are_learned_in_one_pass(family: Trained) -> None:
    """It is written with a token after the other, but read, and trained, all at once."""
    model = made(family)
    alone = torch.cat([logits(model, input_ids=TEXT[:, : n + 1])[:, -1:] for n in range(TIME)], 1)
    torch.testing.assert_close(logits(model, input_ids=TEXT), alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", [*DECODERS, *ENCODERS])
def test_what_was_read_stays_as_it_was_in_decoders_only(family: Trained) -> None:
    """So a decoder may keep it: what is cached is what would be computed again."""
    model = made(family)
    with torch.no_grad():
        kept = torch.allclose(model.states(TEXT)[:, :5], model.states(TEXT[:, :5]), atol=1e-4)
        assert kept == (family in DECODERS)
        if isinstance(model, Decoder):
            cache = model.new_cache(1, 32)
            model(TEXT[:, :5], cache=cache)
            torch.testing.assert_close(
                model(TEXT[:, 5:], cache=cache).logits,
                logits(model, input_ids=TEXT)[:, 5:],
                atol=1e-4,
                rtol=1e-4,
            )


@pytest.mark.parametrize("family", [*DECODERS, *ENCODERS])
def test_states_depend_on_the_context_in_both(family: Trained) -> None:
    """The same token at the same place: another state after another word; before another word in encoders only."""
    model = made(family)
    assert moved(model, TEXT, changed(TEXT, 3))[4]
    assert moved(model, TEXT, changed(TEXT, 5))[4] == (family in ENCODERS)


def test_an_encoder_decides_on_gaps_at_once_and_a_decoder_on_one_token_after_the_other() -> None:
    bert, gpt2 = made("bert"), made("gpt2")
    gapped = changed(changed(TEXT, 3), 6)
    told_BTV = logits(bert, input_ids=gapped)
    assert told_BTV[0, 3].isfinite().all() and told_BTV[0, 6].isfinite().all()  # one pass tells both …
    filled = gapped.clone()
    filled[0, 3] = int(told_BTV[0, 3].argmax())
    after = logits(bert, input_ids=filled)[0, 6]
    assert not torch.allclose(after, told_BTV[0, 6], atol=1e-4)  # … neither knows what the other became
    first, second = changed(TEXT, 6)[:, :7], TEXT[:, :7]
    assert not torch.allclose(logits(gpt2, input_ids=first)[0, -1], logits(gpt2, input_ids=second)[0, -1])


@pytest.mark.parametrize("family", get_args(Trained))
def test_tasks(family: Trained) -> None:
    """Labels and vectors are for all, tags for all but T5; gaps are for masks, and going on is for decoders."""
    texts = ["la forja canta de noche y el hierro duerme en la forja cuando canta"] * 3
    tokenizer = train_tokenizer(texts, 384, family=family)
    stack = preset(family, 2, tokenizer.vocab_size, 32, pad_id=tokenizer.pad_id or 0, width=16, heads=2)
    lm = LanguageModel(build(stack).eval(), tokenizer)
    assert lm.embed([texts[0][:20]]).shape == (1, 16)
    ids_BT, names = torch.tensor([tokenizer.framed("la forja").ids]), ("uno", "dos", "tres")
    tasks: tuple[Literal["label", "tag"], ...] = ("label",) if family == "t5" else ("label", "tag")
    for task in tasks:
        head = with_head(lm.model, task, names, pad_id=stack.pad_id)
        assert logits(head, input_ids=ids_BT).shape == ((1, 3) if task == "label" else (*ids_BT.shape, 3))
    if isinstance(lm.model, Encoder | Permuting):
        assert lm.fill("la [MASK] canta")
        with pytest.raises(InputError, match="does not continue a text"):
            lm.generate("la forja")
    else:
        assert lm.generate("la forja", max_tokens=2).tokens
        with pytest.raises(InputError, match="fills no gaps"):
            lm.fill("la [MASK] canta")


def test_an_encoder_decoder_reads_whole_and_writes_on() -> None:
    model = made("t5")
    assert isinstance(model, EncoderDecoder)
    target = TEXT.flip(1)
    before = logits(model, input_ids=TEXT, decoder_input_ids=target)
    source = logits(model, input_ids=changed(TEXT, TIME - 1), decoder_input_ids=target)
    assert ((before - source).abs().amax(-1) > 1e-5).all()  # each written token looks at all that was read
    written = logits(model, input_ids=TEXT, decoder_input_ids=changed(target, 4))
    assert [bool(apart > 1e-5) for apart in (before - written).abs().amax(-1)[0]] == [False] * 4 + [True] * 6


def test_xlnet_sees_what_the_drawn_order_lets_it_see() -> None:
    """One order, and its last token: seen are those before it in that order, on both sides, and never itself."""
    model = made("xlnet")
    order = torch.tensor([7, 2, 9, 4, 0, 1, 3, 5, 6, 8])
    rank = order.argsort()
    hidden = (rank[:, None] <= rank[None, :]).float()[None]  # 1: not seen
    asked = torch.zeros(1, 1, TIME)
    asked[0, 0, 4] = 1.0

    def told(ids_BT: Tensor) -> Tensor:
        return logits(model, input_ids=ids_BT, perm_mask=hidden, target_mapping=asked)

    seen = [
        place
        for place in range(TIME)
        if not torch.allclose(told(changed(TEXT, place)), told(TEXT), atol=1e-5)
    ]
    assert seen == [2, 7, 9]
