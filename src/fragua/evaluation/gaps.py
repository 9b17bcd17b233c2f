"""One question for every family: which token stands at a gap, seen as the family can see it?

Encoders read the row with a mask there, XLNet is asked for the place, T5 reads a sentinel and writes, and decoders know
only what stands before. The mean of -log p over single gaps is the loss of a pseudo-perplexity (Salazar et al. 2019,
1910.14659, eq. 2), for decoders of perplexity."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fragua.inference.encoding import fill_ids
from fragua.inference.language_model import LanguageModel
from fragua.models.calls import Decoder
from fragua.models.encoder_decoder import EncoderDecoder


class Gap(NamedTuple):
    """A stretch of a text, int64 [T], and the place in it that is asked for, 1 at least."""

    ids_T: np.ndarray
    place: int


def draw_gaps(documents: list[list[int]], length: int, count: int, seed: int) -> list[Gap]:
    """`count` places, each within a stretch of at most `length` tokens, from documents as they come round."""
    rng = np.random.default_rng(seed)
    long = [ids for ids in documents if len(ids) > 2]
    gaps = []
    for number in range(count if long else 0):
        ids = long[number % len(long)]
        start = int(rng.integers(max(1, len(ids) - length + 1)))
        stretch = np.array(ids[start : start + length])
        gaps.append(Gap(stretch, int(rng.integers(1, len(stretch)))))
    return gaps


@torch.inference_mode()
def judge_gaps(lm: LanguageModel, gaps: list[Gap]) -> dict[str, float]:
    """`loss` in nats, its `perplexity`, and the `accuracy` of the likeliest token."""
    loss, right = 0.0, 0
    for gap, logits_V in zip(gaps, _logits(lm, gaps), strict=True):
        wanted = int(gap.ids_T[gap.place])
        loss -= float(logits_V.float().log_softmax(-1)[wanted])
        right += int(logits_V.argmax()) == wanted
    loss /= len(gaps)
    return {"loss": loss, "perplexity": math.exp(min(loss, 700.0)), "accuracy": right / len(gaps)}


@torch.inference_mode()
def write_on(lm: LanguageModel, ids_T: list[int], count: int, temperature: float, seed: int) -> list[int]:
    """`count` more tokens: a gap behind the text, filled by lot, again and again. So each family can write, those too
    that have no order of writing (Wang & Cho 2019, 1902.04094). A decoder's are what it writes anyhow."""
    written, lot = list(ids_T), torch.Generator().manual_seed(seed)
    special = torch.tensor(sorted(lm.tokenizer.special_ids.values()))
    for _ in range(count):
        room = np.array([*written[-(lm.context - 4) :], 0])
        (logits_V,) = _logits(lm, [Gap(room, len(room) - 1)])
        chances_V = (logits_V.float().cpu() / temperature).index_fill(0, special, -math.inf).softmax(-1)
        written.append(int(torch.multinomial(chances_V, 1, generator=lot)))
    return written[len(ids_T) :]


def unigram_baseline(documents: list[list[int]], gaps: list[Gap], vocab_size: int) -> dict[str, float]:
    """The same figures for the frequencies of tokens in `documents`, each counted once more than it occurs."""
    counts_V = 1.0 + np.bincount(np.concatenate(documents), minlength=vocab_size)
    wanted_N = np.array([gap.ids_T[gap.place] for gap in gaps])
    loss = float(-np.log(counts_V / counts_V.sum())[wanted_N].mean())
    accuracy = float((wanted_N == counts_V.argmax()).mean())
    return {"loss": loss, "perplexity": math.exp(loss), "accuracy": accuracy}


def _logits(lm: LanguageModel, gaps: list[Gap]) -> Iterator[Tensor]:
    """[V] a gap, in order."""
    tokens, model = lm.tokenizer, lm.model
    for gap in gaps:
        if isinstance(model, Decoder):
            yield model(torch.tensor(gap.ids_T[None, : gap.place], device=model.device)).logits[0, -1]
        elif isinstance(model, EncoderDecoder):
            mark = tokens.sentinel_ids[0]
            source = torch.tensor([*np.where(_at(gap), mark, gap.ids_T), tokens.end_id], device=model.device)
            written = torch.tensor([[model.config.pad_id or 0, mark]], device=model.device)
            yield model(source[None], decoder_input_ids=written).logits[0, -1]
        else:
            yield fill_ids(model, tokens, np.where(_at(gap), tokens.mask_id or 0, gap.ids_T).tolist())[0]


def _at(gap: Gap) -> np.ndarray:
    return np.arange(len(gap.ids_T)) == gap.place
