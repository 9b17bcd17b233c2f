"""A model that has learned given conversations by heart: logits are computed, not stubbed, from what it has read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fragua.inference.language_model import LanguageModel
from fragua.models.cache import Cache
from fragua.models.calls import Output
from fragua.models.config import Stack
from tests.tiny_model import tiny_tokenizer


class Memorised(nn.Module):
    """Says after each sequence what came next in the first script that begins with it, else ends the turn.

    Its cache holds the tokens themselves as keys, so what a real cache would lose or mix up is lost here too."""

    def __init__(self, scripts: Sequence[list[int]], vocab_size: int, end: int, context: int):
        super().__init__()
        self.scripts, self.end = scripts, end
        self.config = Stack(
            vocab_size=vocab_size,
            context=context,
            layers=1,
            width=2,
            heads=1,
            kv_heads=1,
            head_width=2,
            ffn_width=1,
        )
        self.weight = nn.Parameter(torch.zeros(1))
        self.read = 0

    def new_cache(self, batch: int, length: int) -> Cache:
        return Cache(self.config, batch, length, torch.float32, torch.device("cpu"))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: Cache | None = None,
        logits_to_keep: int = 0,
    ) -> Output:
        batch, new = input_ids.shape
        self.read += batch * new
        assert cache is not None
        cache.reserve(new)
        keys = input_ids.float()[:, None, :, None].expand(batch, 1, new, 2)
        all_keys, _ = cache.append(0, keys, keys)
        cache.length += new
        logits_BTV = torch.zeros(batch, 1, self.config.vocab_size)
        for row in range(batch):
            ids_S = all_keys[row, 0, :, 0].long()
            ids = (ids_S if attention_mask is None else ids_S[attention_mask[row].bool()]).tolist()
            logits_BTV[row, 0, self._next(ids)] = 9.0
        return Output(logits_BTV)

    def _next(self, ids: list[int]) -> int:
        for script in self.scripts:
            if len(script) > len(ids) and script[: len(ids)] == ids:
                return script[len(ids)]
        return self.end


def memorised(
    conversations: Sequence[list[dict[str, Any]]],
    context: int = 400,
    tools: Sequence[list[dict[str, Any]]] | None = None,
) -> LanguageModel:
    """`tools`: what each conversation's prompt declares; nothing, if it is not given."""
    tokenizer = tiny_tokenizer()
    declared = tools or [[] for _ in conversations]
    scripts = [
        tokenizer.encode_chat(messages, tools=each or None).ids
        for messages, each in zip(conversations, declared, strict=True)
    ]
    assert tokenizer.turn_end_id is not None
    model = Memorised(scripts, tokenizer.vocab_size, tokenizer.turn_end_id, context)
    return LanguageModel(model, tokenizer)  # type: ignore[arg-type]
