"""The two-stream model as the outside calls it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fragua.errors import InputError
from fragua.models.calls import Model
from fragua.models.outputs import Output, states
from fragua.models.positions import Streams, TwoStream
from fragua.models.transformer import Trace
from fragua.models.visibility import Visible


class Permuting(Model):
    """Two streams under a factorisation order: XLNet."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        mems: Sequence[Tensor] | None = None,
        perm_mask: Tensor | None = None,
        target_mapping: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        use_mems: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> Output:
        """perm_mask [B, T, T]: 1 where the first may not see the second. target_mapping [B, P, T]: each row marks the
        one position it asks for (or none); with it logits and states are those of the P rows that ask.
        mems [M, B, D] a layer: states of the segment before; use_mems returns the new ones. hidden_states are of
        content, and with target_mapping of content and asking rows in turn.
        Raises InputError for a target_mapping that marks more than one position, or one twice."""
        trace = Trace.of(output_hidden_states, output_attentions) or Trace()
        if use_mems and trace.hidden is None:
            trace.hidden = []
        time, x_BTD = input_ids.shape[1], self.transformer.embedding(input_ids)
        rows_BP, answered = None, None
        if target_mapping is not None:
            rows_BP, answered = asked(target_mapping)
            position = self.transformer.position
            assert isinstance(position, TwoStream)
            asking_BPD = position.query.expand(*rows_BP.shape, -1)
            x_BTD = torch.cat((x_BTD, asking_BPD), dim=1)
        memory = tuple(each.transpose(0, 1) for each in mems or ())
        before = memory[0].shape[1] if memory else 0
        visible = self._visible(attention_mask, perm_mask, rows_BP, time, before)
        tables = self._streams(input_ids, token_type_ids, rows_BP, answered, memory)
        x_BTD = self.transformer.run(x_BTD, [visible] * self.config.layers, tables, trace=trace)
        output = Output(attentions=states(trace.attentions))
        if use_mems:
            output.mems = self._remembered(trace.hidden or [], time, memory)
        if output_hidden_states:
            kept = trace.hidden or []
            streams = [(x[:, :time], x[:, time:]) if rows_BP is not None else (x,) for x in kept]
            output.hidden_states = tuple(x for pair in streams for x in pair)
        if rows_BP is not None:
            x_BTD = x_BTD[:, time:]
        if self.config.task in ("label", "tag"):
            output.logits = self.labels(x_BTD, input_ids, attention_mask)
        elif self.config.task == "hidden":
            output.last_hidden_state = x_BTD
        else:
            output.logits = self.head(self.before_head(x_BTD))
        return output

    def states(self, ids_BT: Tensor, mask_BT: Tensor | None = None, types_BT: Tensor | None = None) -> Tensor:
        output = self(ids_BT, mask_BT, token_type_ids=types_BT, output_hidden_states=True)
        return output.hidden_states[-1]

    def _visible(
        self,
        mask_BT: Tensor | None,
        perm_BTT: Tensor | None,
        rows_BP: Tensor | None,
        time: int,
        before: int,
    ) -> Visible:
        """Content sees itself beside what the order allows; a row that asks does not."""
        if mask_BT is None and perm_BTT is None:
            return None
        seen_BTT = torch.ones(1, time, time, dtype=torch.bool, device=self.device)
        if mask_BT is not None:
            seen_BTT = seen_BTT & mask_BT.bool()[:, None, :]
        if perm_BTT is not None:
            seen_BTT = seen_BTT & (perm_BTT == 0)
        rows = [seen_BTT | torch.eye(time, dtype=torch.bool, device=self.device)]
        if rows_BP is not None:
            rows.append(_rows(seen_BTT, rows_BP))
        visible_BTS = torch.cat([each.expand(_most(rows), -1, -1) for each in rows], dim=1)
        return torch.nn.functional.pad(visible_BTS, (before, 0), value=True)[:, None]

    def _streams(
        self,
        ids_BT: Tensor,
        types_BT: Tensor | None,
        rows_BP: Tensor | None,
        answered_BP: Tensor | None,
        memory: tuple[Tensor, ...],
    ) -> Streams:
        """Distances and segments of every row to every key."""
        time, before = ids_BT.shape[1], memory[0].shape[1] if memory else 0
        position = self.transformer.position
        assert isinstance(position, TwoStream)
        query_BT = torch.arange(time, device=ids_BT.device)[None]
        if rows_BP is not None:
            query_BT = torch.cat((query_BT.expand(len(rows_BP), -1), rows_BP), dim=1)
        key_S = torch.arange(-before, time, device=ids_BT.device)
        distance_BTS = time + before - (query_BT[:, :, None] - key_S)
        other_BTS = None
        if types_BT is not None:
            types_BS = torch.nn.functional.pad(types_BT, (before, 0))
            asking_BT = types_BT if rows_BP is None else torch.cat((types_BT, types_BT.gather(1, rows_BP)), 1)
            other_BTS = (asking_BT[:, :, None] != types_BS[:, None, :]).long()
        answered_BT1 = None
        if answered_BP is not None:
            ones_BT = torch.ones(ids_BT.shape, device=ids_BT.device)
            answered_BT1 = torch.cat((ones_BT, answered_BP.to(ones_BT)), dim=1)[:, :, None]
        sinusoids_RD = position.sinusoids(time + before, -time)
        return Streams(time, sinusoids_RD, distance_BTS, other_BTS, answered_BT1, memory)

    def _remembered(self, hidden: list[Tensor], time: int, memory: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The content states that came into each layer, behind those remembered before: [M, B, D]."""
        kept = [x_BTD[:, :time] for x_BTD in hidden[: self.config.layers]]
        if memory:
            kept = [torch.cat(pair, dim=1) for pair in zip(memory, kept, strict=True)]
        return tuple(x_BTD[:, -self.config.memory :].transpose(0, 1).detach() for x_BTD in kept)


def asked(target_mapping_BPT: Tensor) -> tuple[Tensor, Tensor]:
    """The position each row asks for (0 where none), and which rows ask: int64 and bool [B, P]."""
    marked = target_mapping_BPT != 0
    if bool(
        (target_mapping_BPT[marked] != 1).any() or (marked.sum(2) > 1).any() or (marked.sum(1) > 1).any()
    ):
        what = "a row marks several positions, or a position is marked twice"
        raise InputError(what, "target_mapping", "mark one position a row with 1")
    return marked.long().argmax(2), marked.any(2)


def _rows(seen_BTT: Tensor, rows_BP: Tensor) -> Tensor:
    """What each asking row sees: [B, P, T]."""
    seen_BTT = seen_BTT.expand(len(rows_BP), -1, -1)
    return seen_BTT.gather(1, rows_BP[:, :, None].expand(-1, -1, seen_BTT.shape[2]))


def _most(rows: list[Tensor]) -> int:
    return max(len(each) for each in rows)
