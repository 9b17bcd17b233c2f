"""Reading llama2.c's formats: version 0 (no magic number), 1 (float32) and 2 (int8), and its tokenizer file."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from fragua.errors import InputError
from fragua.inference.export.assemble import assemble, interleaved_to_halves
from fragua.inference.export.sentencepiece import BLANK, sentencepiece_tokenizer
from fragua.models import Decoder, Stack
from fragua.tokens.tokenizer import Tokenizer

MAGIC = 0x616B3432
MEND = "is it a model of llama2.c, whole?"
TOKENIZERS = ("tok{vocab_size}.bin", "tokenizer.bin")
START = 1
"""`<s>`: llama2.c puts it before a text, and ends where the model writes it."""


def read_llama2c(path: Path) -> tuple[Decoder, Tokenizer]:
    """Raises InputError for a file that is cut or of another format, and where its tokenizer is not beside it."""
    try:
        data = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:
        raise InputError("cannot be read", path, MEND) from error
    stack, reader = _header(data, path)
    model = assemble(stack, reader.tensors(stack), path)
    return model, read_tokenizer(_beside(path, stack.vocab_size), stack.vocab_size)


class _Weights:
    """Takes tensors from the file in order; `group` is the size of int8 groups, or 0 for float32."""

    def __init__(self, data: np.ndarray, at: int, path: Path, version: int, shared: bool, group: int = 0):
        self.data, self.at, self.path, self.version, self.shared, self.group = (
            data,
            at,
            path,
            version,
            shared,
            group,
        )

    def take(self, *shape: int, dtype: type = np.float32) -> np.ndarray:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self.at + size > len(self.data):
            raise InputError("is cut off: its weights are not all there", self.path, MEND)
        part: np.ndarray = self.data[self.at : self.at + size].view(dtype).reshape(shape)
        self.at += size
        return part

    def matrices(self, count: int, *shape: int) -> list[np.ndarray]:
        if not self.group:
            return list(self.take(count, *shape))
        values = []
        for _ in range(count):
            whole = self.take(int(np.prod(shape)), dtype=np.int8).reshape(-1, self.group)
            scales = self.take(len(whole))
            values.append((whole * scales[:, None]).astype(np.float32).reshape(shape))
        return values

    def tensors(self, s: Stack) -> dict[str, np.ndarray]:
        """By the names of the Llama layout."""
        layers, keys = s.layers, s.kv_heads * s.head_width
        found: dict[str, list[np.ndarray]] = {}
        whole: dict[str, np.ndarray] = {}
        if self.version:
            found["input_layernorm"] = list(self.take(layers, s.width))
            found["post_attention_layernorm"] = list(self.take(layers, s.width))
            whole["model.norm.weight"] = self.take(s.width)
        whole["model.embed_tokens.weight"] = self.matrices(1, s.vocab_size, s.width)[0]
        if not self.version:
            found["input_layernorm"] = list(self.take(layers, s.width))
        found["self_attn.q_proj"] = self.matrices(layers, s.width, s.width)
        found["self_attn.k_proj"] = self.matrices(layers, keys, s.width)
        found["self_attn.v_proj"] = self.matrices(layers, keys, s.width)
        found["self_attn.o_proj"] = self.matrices(layers, s.width, s.width)
        if not self.version:
            found["post_attention_layernorm"] = list(self.take(layers, s.width))
        found["mlp.gate_proj"] = self.matrices(layers, s.ffn_width, s.width)
        found["mlp.down_proj"] = self.matrices(layers, s.width, s.ffn_width)
        found["mlp.up_proj"] = self.matrices(layers, s.ffn_width, s.width)
        if not self.version:
            whole["model.norm.weight"] = self.take(s.width)
            self.take(2, s.context, s.head_width // 2)  # its table of cosines and sines
        if not self.shared:
            whole["lm_head.weight"] = self.matrices(1, s.vocab_size, s.width)[0]
        if self.at != len(self.data):
            raise InputError(f"{len(self.data) - self.at} bytes are left over", self.path, MEND)
        for name, heads in (("self_attn.q_proj", s.heads), ("self_attn.k_proj", s.kv_heads)):
            found[name] = [interleaved_to_halves(w, heads) for w in found[name]]
        for name, parts in found.items():
            whole |= {f"model.layers.{i}.{name}.weight": part for i, part in enumerate(parts)}
        return whole


def _header(data: np.ndarray, path: Path) -> tuple[Stack, _Weights]:
    head = data[:256].tobytes()
    if len(head) < 256:
        raise InputError("is too short for a model", path, MEND)
    magic, version = struct.unpack_from("<Ii", head)
    group, at = 0, 28
    if magic == MAGIC:
        if version not in (1, 2):
            raise InputError(f"version {version} of llama2.c's format is unknown", path, "known: 0, 1 and 2")
        values = struct.unpack_from("<7i", head, 8)
        shared, group = struct.unpack_from("<?i", head, 36)
        at, group = 256, group if version == 2 else 0
    else:
        version, values = 0, struct.unpack_from("<7i", head)
        shared = values[5] > 0
    width, ffn, layers, heads, kv_heads, vocab_size, context = values
    if (
        min(width, ffn, layers, heads, kv_heads, context) < 1
        or max(*values, heads) > 1 << 24
        or width % heads
    ):
        raise InputError("its sizes make no sense", path, MEND)
    shape: dict[str, Any] = {
        "family": "llama",
        "vocab_size": abs(vocab_size),
        "context": context,
        "layers": layers,
        "width": width,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_width": width // heads,
        "ffn_width": ffn,
        "norm_eps": 1e-5,
        "qk_norm": False,
        "tied": shared,
    }
    return Stack.parse(shape, path), _Weights(data, at, path, version, shared, group)


def _beside(path: Path, vocab_size: int) -> Path:
    names = [name.format(vocab_size=vocab_size) for name in TOKENIZERS]
    for name in names:
        if (path.parent / name).is_file():
            return path.parent / name
    raise InputError(
        f"neither {' nor '.join(names)} is here", path.parent, "put the tokenizer beside the model"
    )


def read_tokenizer(path: Path, vocab_size: int) -> Tokenizer:
    """llama2.c's tokenizer: the longest length, then score, length and bytes of each piece."""
    data = path.read_bytes()
    pieces: list[str] = []
    scores: list[float] = []
    at = 4
    for _ in range(vocab_size):
        if at + 8 > len(data):
            raise InputError(f"ends after {len(pieces)} of {vocab_size} tokens", path)
        score, length = struct.unpack_from("<fi", data, at)
        piece = data[at + 8 : at + 8 + length]
        if not 0 <= length == len(piece):
            raise InputError(f"token {len(pieces)} is broken", path)
        pieces.append(
            piece.decode("utf-8", errors="replace").strip("\n" if len(pieces) < 3 else "").replace(" ", BLANK)
        )
        scores.append(score)
        at += 8 + length
    if at != len(data) or len(set(pieces)) != len(pieces):
        raise InputError(f"is not a tokenizer of {vocab_size} tokens", path)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "unk_token": pieces[0],
        "bos_token": pieces[START],
        "eos_token": pieces[START],
    }
    return sentencepiece_tokenizer(pieces, scores, [0, 1, 2], config, START)
