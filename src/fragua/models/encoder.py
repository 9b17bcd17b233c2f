"""The encoder as the outside calls it."""

from __future__ import annotations

import torch
from torch import Tensor

from fragua.models import visibility
from fragua.models.calls import Model
from fragua.models.outputs import Output, states
from fragua.models.transformer import Trace


class Encoder(Model):
    """Every token sees every token: BERT, RoBERTa."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> Output:
        """input_ids, attention_mask (0 for padding), token_type_ids: [B, T]."""
        trace = Trace.of(output_hidden_states, output_attentions) or Trace()
        x_BTD = self.states(input_ids, attention_mask, token_type_ids, position_ids, trace)
        output = Output(hidden_states=states(trace.hidden), attentions=states(trace.attentions))
        task = self.config.task
        if task in ("label", "tag"):
            output.logits = self.labels(x_BTD, input_ids, attention_mask)
            return output
        pooled_BD = self.pooler(x_BTD[:, 0]) if self.config.pooler else None
        if task == "hidden":
            output.last_hidden_state, output.pooler_output = x_BTD, pooled_BD
        else:
            output.logits = self.head(self.before_head(x_BTD))
        if task == "pretraining":
            output.seq_relationship_logits = self.next_sentence(pooled_BD)
        return output

    def states(
        self,
        ids_BT: Tensor,
        mask_BT: Tensor | None = None,
        types_BT: Tensor | None = None,
        positions_BT: Tensor | None = None,
        trace: Trace | None = None,
    ) -> Tensor:
        if positions_BT is None and self.config.position_offset:
            positions_BT = self._counted(ids_BT)
        visible = visibility.real(mask_BT)
        return self.transformer(ids_BT, visible, positions_BT, types_BT=types_BT, trace=trace)

    def real_states(
        self, ids_BT: Tensor, mask_BT: Tensor, types_BT: Tensor | None = None, groups: int = 4
    ) -> Tensor:
        """The last states of real tokens alone, [N, D], row by row: for training, where padding is only a cost.

        Rows of like length go through together, each group as wide as its longest."""
        time, order = ids_BT.shape[1], mask_BT.sum(1).argsort()
        states, places = [], []
        for rows in order.tensor_split(min(groups, len(order))):
            columns = mask_BT[rows].any(0).nonzero()
            kept = slice(int(columns[0]), int(columns[-1]) + 1)
            positions_BT = torch.arange(time, device=ids_BT.device)[None, kept]
            if self.config.position_offset:
                positions_BT = self._counted(ids_BT[rows, kept])
            real_BT = mask_BT[rows, kept].bool()
            types = None if types_BT is None else types_BT[rows, kept]
            states.append(self.states(ids_BT[rows, kept], real_BT, types, positions_BT)[real_BT])
            places.append((rows[:, None] * time + torch.arange(time, device=rows.device)[kept])[real_BT])
        return torch.cat(states)[torch.cat(places).argsort()]

    def _counted(self, ids_BT: Tensor) -> Tensor:
        """RoBERTa's positions: real tokens are counted from 0, padding stands before."""
        assert self.config.pad_id is not None, "these positions are counted by padding"
        real_BT = ids_BT.ne(self.config.pad_id)
        return real_BT.cumsum(1) * real_BT - 1
