"""The encoder-decoder as the outside calls it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fragua.errors import InputError
from fragua.models import visibility
from fragua.models.block import CrossBlock
from fragua.models.cache import Cache, Source
from fragua.models.calls import Model
from fragua.models.config import Stack
from fragua.models.outputs import Output, states
from fragua.models.transformer import Trace, Transformer


class EncoderDecoder(Model):
    """Reads a source, then writes with it in sight: T5, mT5."""

    def __init__(self, config: Stack):
        super().__init__(config)
        self.encoder = Transformer(config.encoder)
        self.encoder.embedding = self.transformer.embedding

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Sequence[Any] | None = None,
        cache: Cache | None = None,
        source: Source | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int = 0,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> Output:
        """input_ids, attention_mask [B, S]; decoder_input_ids, decoder_attention_mask [B, T]; labels [B, T] are shifted
        to be the decoder's input where that is not given; encoder_outputs[0] [B, S, D] or `source` instead of
        input_ids. Raises InputError where one of the two sides is missing."""
        encoding = Trace.of(output_hidden_states, output_attentions) or Trace()
        decoding = Trace.of(output_hidden_states, output_attentions) or Trace()
        encoded_BSD = None if encoder_outputs is None else encoder_outputs[0]
        if source is None:
            if encoded_BSD is None:
                if input_ids is None:
                    raise InputError("an encoder-decoder needs input_ids or encoder_outputs", "model")
                encoded_BSD = self.encode(input_ids, attention_mask, encoding)
            source = self.source(encoded_BSD, attention_mask)
        if decoder_input_ids is None:
            if labels is None and self.config.task == "label":
                labels = input_ids  # the text is read twice: by the encoder, and as what was written
            if labels is None:
                raise InputError("an encoder-decoder needs decoder_input_ids or labels", "model")
            decoder_input_ids = self.shifted(labels)
        mask, time = decoder_attention_mask, decoder_input_ids.shape[1]
        visible = None if mask is None else visibility.padded(mask, time)
        x_BTD = self.transformer(decoder_input_ids, visible, cache=cache, source=source, trace=decoding)
        if self.config.task == "label":
            assert input_ids is not None, "labels are told of a text"
            logits = self.labels(x_BTD, input_ids, attention_mask)
        else:
            logits = self.head(self.before_head(x_BTD[:, -logits_to_keep:]))
        return Output(
            logits,
            decoder_hidden_states=states(decoding.hidden),
            decoder_attentions=states(decoding.attentions),
            cross_attentions=states(decoding.cross_attentions),
            encoder_last_hidden_state=encoded_BSD,
            encoder_hidden_states=states(encoding.hidden),
            encoder_attentions=states(encoding.attentions),
        )

    def states(self, ids_BT: Tensor, mask_BT: Tensor | None = None, types_BT: Tensor | None = None) -> Tensor:
        return self.encode(ids_BT, mask_BT)

    def labelled_states(
        self, ids_BT: Tensor, mask_BT: Tensor | None = None, types_BT: Tensor | None = None
    ) -> Tensor:
        source = self.source(self.encode(ids_BT, mask_BT), mask_BT)
        return self.transformer(self.shifted(ids_BT), source=source)

    def encode(self, ids_BS: Tensor, mask_BS: Tensor | None = None, trace: Trace | None = None) -> Tensor:
        """The source's states, [B, S, D]."""
        return self.encoder(ids_BS, visibility.real(mask_BS), trace=trace)

    def source(self, encoded_BSD: Tensor, mask_BS: Tensor | None = None) -> Source:
        """The keys and values that every step of writing reads."""
        blocks = [block for block in self.transformer.blocks if isinstance(block, CrossBlock)]
        keys_values = [block.cross.keys_values(encoded_BSD) for block in blocks]
        return Source(keys_values, visibility.real(mask_BS))

    def shifted(self, labels_BT: Tensor) -> Tensor:
        """What the decoder reads to write the labels: its start token, then they, ignored ones as padding."""
        pad = self.config.pad_id or 0
        ids_BT = torch.cat((torch.full_like(labels_BT[:, :1], pad), labels_BT[:, :-1]), dim=1)
        return ids_BT.masked_fill(ids_BT == -100, pad)
