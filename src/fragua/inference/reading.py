"""The reading head: what a model has read so far, its keys and values, and the logits of what comes next."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fragua.models.cache import Cache, Source
from fragua.models.calls import Decoder
from fragua.models.encoder_decoder import EncoderDecoder

GenerativeModel = Decoder | EncoderDecoder
FIRST_CACHE = 256


class Reader:
    """Reads one sequence. What it has read before and finds again at the start is not computed again."""

    def __init__(self, model: Decoder):
        self.model = model
        self.cache: Cache | None = None
        self.ids: list[int] = []

    @torch.inference_mode()
    def read(self, ids: Sequence[int]) -> Tensor:
        """The logits after `ids`, [1, V]: the cache is rewound to where they agree with what it holds."""
        same = min(_agreement(self.ids, ids), len(ids) - 1)
        del self.ids[same:]
        cache = self._room_for(len(ids))
        cache.rewind(same)
        return self._forward(ids[same:], cache)

    @torch.inference_mode()
    def feed(self, token: int) -> Tensor:
        """The logits after one more token, [1, V]."""
        return self._forward([token], self._room_for(len(self.ids) + 1))

    def _forward(self, new_ids: Sequence[int], cache: Cache) -> Tensor:
        ids_BT = torch.tensor([new_ids], device=_device(self.model))
        logits_BV = self.model(ids_BT, cache=cache, logits_to_keep=1).logits[:, -1]
        self.ids.extend(new_ids)
        return logits_BV

    def _room_for(self, length: int) -> Cache:
        """The cache, made or doubled so that it holds `length` positions."""
        old = self.cache
        if old is not None and old.size >= length:
            return old
        size = max(FIRST_CACHE, length, 0 if old is None else 2 * old.size)
        self.cache = new = self.model.new_cache(1, max(length, min(size, self.model.config.context)))
        if old is not None:
            new.length = old.length
            for tensors, copies in ((old.keys, new.keys), (old.values, new.values)):
                for tensor, copy in zip(tensors, copies, strict=True):
                    copy[:, :, : old.length] = tensor[:, :, : old.length]
        return new


class BatchReader:
    """Reads several sequences side by side, padded on the left; each sees only its own tokens."""

    @torch.inference_mode()
    def __init__(self, model: Decoder, prompts: Sequence[Sequence[int]], new_tokens: int):
        """`new_tokens`: how many tokens may be fed after the prompts."""
        self.model, device = model, _device(model)
        self.width = width = max(len(prompt) for prompt in prompts)
        ids_BT = torch.zeros(len(prompts), width, dtype=torch.long)
        self.mask_BS = torch.ones(len(prompts), width + new_tokens, dtype=torch.long, device=device)
        for row, prompt in enumerate(prompts):
            ids_BT[row, width - len(prompt) :] = torch.tensor(prompt)
            self.mask_BS[row, : width - len(prompt)] = 0
        self.padded = any(len(prompt) < width for prompt in prompts)
        self.next_B1 = torch.tensor([[len(prompt)] for prompt in prompts], device=device)
        self.cache = model.new_cache(len(prompts), width + new_tokens)
        positions_BT = (self.mask_BS[:, :width].cumsum(-1) - 1).clamp(min=0)
        self.logits_BV = self._forward(ids_BT.to(device), positions_BT)
        """The logits after the prompts."""

    @torch.inference_mode()
    def feed(self, ids_B: Tensor) -> Tensor:
        """The logits after one more token a row, [B, V]."""
        positions_B1 = self.next_B1
        self.next_B1 = positions_B1 + 1
        return self._forward(ids_B.unsqueeze(1), positions_B1)

    @torch.inference_mode()
    def keep(self, rows: Sequence[int]) -> None:
        """Goes on with these rows, in this order; one may come several times."""
        index = torch.tensor(rows, device=self.mask_BS.device)
        self.mask_BS, self.next_B1 = self.mask_BS[index], self.next_B1[index]
        self.cache.select(index)

    def _forward(self, ids_BT: Tensor, positions_BT: Tensor) -> Tensor:
        seen = self.cache.length + ids_BT.shape[1]
        mask_BS = self.mask_BS[:, :seen] if self.padded else None
        output = self.model(ids_BT, mask_BS, positions_BT, cache=self.cache, logits_to_keep=1)
        return output.logits[:, -1]


class SourceReader:
    """Writes with several sources in sight, each encoded once; every row begins with the decoder's start token."""

    @torch.inference_mode()
    def __init__(self, model: EncoderDecoder, sources: Sequence[Sequence[int]], new_tokens: int):
        """`new_tokens`: how many tokens may be fed."""
        self.model, device = model, model.device
        width, start = max(len(source) for source in sources), model.config.pad_id or 0
        ids_BS = torch.full((len(sources), width), start, dtype=torch.long)
        mask_BS = torch.zeros(len(sources), width, dtype=torch.long)
        for row, source in enumerate(sources):
            ids_BS[row, : len(source)], mask_BS[row, : len(source)] = torch.tensor(source), 1
        self.source = model.source(model.encode(ids_BS.to(device), mask_BS.to(device)), mask_BS.to(device))
        self.owners = list(range(len(sources)))
        self.cache = model.new_cache(len(sources), 1 + new_tokens)
        self.logits_BV = self.feed(torch.full((len(sources),), start, device=device))
        """The logits of the first token."""

    @torch.inference_mode()
    def feed(self, ids_B: Tensor) -> Tensor:
        """The logits after one more token a row, [B, V]."""
        ids_B1 = ids_B.unsqueeze(1)
        output = self.model(decoder_input_ids=ids_B1, cache=self.cache, source=self.source, logits_to_keep=1)
        assert output.logits is not None, "a model that writes gives logits"
        return output.logits[:, -1]

    @torch.inference_mode()
    def keep(self, rows: Sequence[int]) -> None:
        """Goes on with these rows, in this order; one may come several times."""
        index = torch.tensor(rows, device=self.model.device)
        self.cache.select(index)
        owners = [self.owners[row] for row in rows]
        if owners != self.owners:  # beams of one source only change places
            visible, pairs = self.source.visible, self.source.keys_values
            kept = [(keys[index], values[index]) for keys, values in pairs]
            self.source = Source(kept, None if visible is None else visible[index])
            self.owners = owners


def batch_reader(
    model: GenerativeModel, prompts: Sequence[Sequence[int]], new_tokens: int
) -> BatchReader | SourceReader:
    """What reads the prompts of this kind of model side by side."""
    kind = SourceReader if isinstance(model, EncoderDecoder) else BatchReader
    return kind(model, prompts, new_tokens)  # type: ignore[arg-type]


def room(model: GenerativeModel, prompt: Sequence[int], wanted: int) -> int:
    """How many tokens can be written: a decoder's prompt stands in the same context."""
    return wanted if isinstance(model, EncoderDecoder) else min(wanted, model.config.context - len(prompt))


def _agreement(held: Sequence[int], wanted: Sequence[int]) -> int:
    """How many tokens both begin with."""
    return next(
        (at for at, (a, b) in enumerate(zip(held, wanted, strict=False)) if a != b),
        min(len(held), len(wanted)),
    )


def _device(model: Decoder) -> torch.device:
    return next(model.parameters()).device
