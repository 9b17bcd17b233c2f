"""A SentencePiece BPE vocabulary (pieces with scores) as a `tokenizer.json`: the same merges in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, processors

from fragua.tokens.tokenizer import Tokenizer

BLANK = "▁"


def sentencepiece_tokenizer(
    pieces: Sequence[str],
    scores: Sequence[float],
    special: Sequence[int],
    config: dict[str, Any],
    start: int | None,
) -> Tokenizer:
    """`pieces` by id, blanks as U+2581 and bytes as `<0x0A>`; `special`: the ids that no text may become;
    `start`: the one before every text. A higher score is merged first, as in SentencePiece's `bpe_model.cc`."""
    ids = {piece: i for i, piece in enumerate(pieces)}
    merges = []
    for piece, i in ids.items():
        if i in special or len(piece) < 2:
            continue
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in ids and right in ids:
                merges.append((-scores[i], ids[left], ids[right], left, right))
    unknown = pieces[0]
    backend = tokenizers.Tokenizer(
        models.BPE(
            vocab=ids,
            merges=[(left, right) for *_, left, right in sorted(merges)],
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(BLANK), normalizers.Replace(" ", BLANK)])
    steps = [
        decoders.Replace(BLANK, " "),
        decoders.ByteFallback(),
        decoders.Fuse(),
        decoders.Strip(" ", 1, 0),
    ]
    backend.decoder = decoders.Sequence(steps)
    backend.add_special_tokens([AddedToken(pieces[i], special=True, normalized=False) for i in special])
    if start is not None:
        name = pieces[start]
        backend.post_processor = processors.TemplateProcessing(
            single=[name, "$A"], pair=[name, "$A", name, "$B"], special_tokens=[(name, start)]
        )
    return Tokenizer(backend, config)
