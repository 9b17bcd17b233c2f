"""What models that read are for: vectors of texts, words for a gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from fragua.errors import InputError
from fragua.files import read_json
from fragua.models.calls import Model
from fragua.models.config import Pooling
from fragua.models.encoder import Encoder
from fragua.models.heads import pool
from fragua.models.permuting import Permuting
from fragua.settings import Settings
from fragua.tokens.tokenizer import Framed, Tokenizer

BATCH_TOKENS = 4096
MASKS = ("[MASK]", "<mask>")
"""What may stand for a gap, whatever the tokenizer calls it."""


class Embedding(Settings):
    """How the states of a text's tokens become one vector."""

    pooling: Pooling = "mean"
    normalise: bool = True
    limit: int | None = Field(default=None, gt=0)
    """Tokens that are read, the frame included; None: what the model holds."""

    @classmethod
    def of(cls, directory: Path | None) -> Embedding:
        """As sentence-transformers' files beside the model say, where there are any."""
        folder = directory or Path()
        if not (folder / "modules.json").is_file():
            return cls()
        modules = [module["type"].rsplit(".", 1)[-1] for module in read_json(folder / "modules.json")]
        values: dict[str, object] = {"normalise": "Normalize" in modules}
        if (folder / "1_Pooling" / "config.json").is_file():
            values["pooling"] = _pooling(read_json(folder / "1_Pooling" / "config.json"), folder)
        if (folder / "sentence_bert_config.json").is_file():
            values["limit"] = read_json(folder / "sentence_bert_config.json").get("max_seq_length")
        return cls.parse(values, folder)


def _pooling(config: dict[str, object], place: Path) -> Pooling:
    names: dict[str, Pooling] = {"mean_tokens": "mean", "cls_token": "cls", "lasttoken": "last"}
    chosen = [name.removeprefix("pooling_mode_") for name, on in config.items() if on is True]
    chosen = [name for name in chosen if name != "include_prompt"]
    if len(chosen) != 1 or chosen[0] not in names:
        raise InputError(f"pooling {chosen} is not supported", place, "mean, cls or last")
    return names[chosen[0]]


@torch.inference_mode()
def embed(model: Model, tokenizer: Tokenizer, texts: Sequence[str], how: Embedding) -> np.ndarray:
    """One vector a text: float32 [n, D]. Texts beyond the limit are cut."""
    vectors = np.zeros((len(texts), model.config.width), dtype=np.float32)
    limit = min(how.limit or model.config.context, model.config.context)
    framed = [tokenizer.framed(text, limit=limit) for text in texts]
    for places, ids_BT, mask_BT, types_BT in batches(model, framed):
        vector_BD = pool(model.states(ids_BT, mask_BT, types_BT), mask_BT, how.pooling)
        if how.normalise:
            vector_BD = torch.nn.functional.normalize(vector_BD, dim=-1)
        vectors[places] = vector_BD.float().cpu().numpy()
    return vectors


@dataclass(frozen=True)
class Filled:
    """A candidate for a gap."""

    token: str
    probability: float
    id: int
    text: str
    """The whole text with it, other gaps as they were."""


@torch.inference_mode()
def fill(model: Model, tokenizer: Tokenizer, text: str, top_k: int) -> list[list[Filled]]:
    """The likeliest tokens for each gap. Raises InputError where the model or the text has none."""
    mask = tokenizer.mask_id
    if (
        mask is None
        or not isinstance(model, Encoder | Permuting)
        or model.config.task
        not in (
            "tokens",
            "pretraining",
        )
    ):
        what = f"this {model.config.family} fills no gaps"
        raise InputError(what, "fill", "a BERT, RoBERTa or XLNet directory with its head is needed")
    literal = tokenizer.token(mask) or ""
    for other in MASKS:
        text = text.replace(other, literal)
    framed = tokenizer.framed(text)
    if len(framed.ids) > model.config.context:
        what = f"{len(framed.ids)} tokens do not fit: the context holds {model.config.context}"
        raise InputError(what, "fill", "shorten it")
    gaps = [place for place, token in enumerate(framed.ids) if token == mask]
    if not gaps:
        raise InputError("no gap in the text", "fill", f"write {literal} where a word is missing")
    parts = text.split(literal)
    filled = []
    for number, logits_V in enumerate(_gap_logits(model, framed, gaps)):
        probabilities = logits_V.float().softmax(-1)[: tokenizer.vocab_size]
        best = probabilities.topk(min(top_k, len(probabilities)))
        candidates = []
        for probability, token in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            word = tokenizer.decode([token], skip_special=False)
            before, after = literal.join(parts[: number + 1]), literal.join(parts[number + 1 :])
            whole = _joined(before, word, tokenizer.token(token) or "", after)
            candidates.append(Filled(word.strip(), probability, token, whole))
        filled.append(candidates)
    return filled


def fill_ids(model: Model, tokenizer: Tokenizer, ids: list[int]) -> Tensor:
    """Logits [gaps, V] for the masks among the tokens of a text, around which the family's frame is put."""
    frame = tokenizer.framed("").ids
    ids = [*ids, *frame] if frame[-1] == tokenizer.cls_id else [frame[0], *ids, *frame[1:]]
    types = [0] * (len(ids) - 1) + [2 if ids[-1] == tokenizer.cls_id else 0]
    gaps = [place for place, token in enumerate(ids) if token == tokenizer.mask_id]
    return _gap_logits(model, Framed(ids, types), gaps)


def _joined(before: str, word: str, token: str, after: str) -> str:
    """WordPiece's `##` goes on with the word before; others carry their space."""
    if token.startswith("##"):
        return before.rstrip() + word.removeprefix("##") + after
    return (before.rstrip() if word.startswith(" ") else before) + word + after


def _gap_logits(model: Model, framed: Framed, gaps: list[int]) -> Tensor:
    """[gaps, V]. XLNet is asked for the gaps' positions, which nobody sees."""
    ids_BT = torch.tensor([framed.ids], device=model.device)
    types_BT = torch.tensor([framed.types], device=model.device)
    if isinstance(model, Encoder):
        types_BT = types_BT if model.config.token_types > 1 else None  # type: ignore[assignment]
        return model(ids_BT, token_type_ids=types_BT).logits[0, gaps]
    time = len(framed.ids)
    hidden_BTT, mapping_BPT = torch.zeros(1, time, time), torch.zeros(1, len(gaps), time)
    hidden_BTT[:, :, gaps] = 1
    mapping_BPT[0, torch.arange(len(gaps)), gaps] = 1
    asked = {"perm_mask": hidden_BTT.to(ids_BT.device), "target_mapping": mapping_BPT.to(ids_BT.device)}
    return model(ids_BT, token_type_ids=types_BT, **asked).logits[0]


Batch = tuple[list[int], Tensor, Tensor, Tensor | None]


def batches(model: Model, framed: Sequence[Framed]) -> Iterator[Batch]:
    """Neighbours in length together, padded on the right: places, ids, mask and types, [B, T]."""
    size: Callable[[int], int] = lambda place: len(framed[place].ids)  # noqa: E731
    order = sorted((place for place in range(len(framed)) if size(place)), key=size)
    batch: list[int] = []
    for place in [*order, -1]:
        if batch and (place < 0 or size(place) * (len(batch) + 1) > BATCH_TOKENS):
            yield batch, *padded(model, [framed[each] for each in batch])
            batch = []
        batch.append(place)


def padded(model: Model, framed: Sequence[Framed]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Ids, mask and types [B, T], padded on the right; no types where the model has none."""
    width = max(len(each.ids) for each in framed)
    ids_BT = torch.full((len(framed), width), model.config.pad_id or 0, dtype=torch.long)
    mask_BT, types_BT = torch.zeros_like(ids_BT), torch.zeros_like(ids_BT)
    for row, each in enumerate(framed):
        length = len(each.ids)
        ids_BT[row, :length], types_BT[row, :length] = torch.tensor(each.ids), torch.tensor(each.types)
        mask_BT[row, :length] = 1
    typed = model.config.token_types > 1 or model.config.family == "xlnet"
    device = model.device
    return ids_BT.to(device), mask_BT.to(device), types_BT.to(device) if typed else None
