"""`parameters.bin` and the program that runs it: `run.c`, with `run.py` beside it for reading."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from fragua.errors import InputError
from fragua.files import atomic_write, make_folder
from fragua.inference.export import run
from fragua.inference.export.chat_turns import read_turns, turn_bytes, turn_start_id
from fragua.inference.export.quantize import in_groups, quantize
from fragua.inference.export.run import FIELDS, FLOAT32, GROUP, HEADER_BYTES, NAMES, SECTIONS, START
from fragua.inference.export.vocabulary import class_table, read_vocabulary
from fragua.models import Decoder, Stack
from fragua.models.positions import Rope
from fragua.progress import progress_bar
from fragua.tokens.tokenizer import Tokenizer

DTYPES = {"float32": run.FLOAT32, "int8": run.INT8, "int4": run.INT4}
PROGRAMS = ("run.c", "run.py")


def write_two_files(model: Decoder, tokenizer: Tokenizer, out: Path, dtype: str) -> list[Path]:
    """Writes `parameters.bin`, `run.c` and `run.py`.

    Raises InputError for a family or tokenizer that run.c does not know."""
    stack, rope = model.config, model.transformer.position
    if not isinstance(rope, Rope) or rope.amplitude != 1.0 or (stack.window or stack.context) < stack.context:
        raise InputError(
            f"run.c does not know this kind of {stack.family}", mend="it runs Llama, Qwen2 and Qwen3"
        )
    if tokenizer.vocab_size > stack.vocab_size:
        raise InputError(f"{tokenizer.vocab_size} tokens, but the model has {stack.vocab_size} rows for them")
    sections, fields = _sections(tokenizer)
    sections["rope"] = rope.inverse.numpy().astype("<f4").tobytes()
    fields |= _shape(stack) | {"dtype": DTYPES[dtype]}
    path = make_folder(out) / "parameters.bin"
    with atomic_write(path, "wb") as file, progress_bar("export", stack.parameters(), "weights") as advance:
        file.write(_header(sections, fields, 0))
        for tensor in tensors(model):
            _write(file, tensor, fields["dtype"])
            advance(tensor.size)
        total = file.tell()
        file.seek(0)
        file.write(_header(sections, fields, total))
    for name in PROGRAMS:
        with atomic_write(out / name, "wb") as file:
            file.write(Path(run.__file__).with_name(name).read_bytes())
    return [path, *(out / name for name in PROGRAMS)]


def tensors(model: Decoder) -> Iterator[np.ndarray]:
    """The weights in the order of the file; matrices have two dimensions."""
    state, stack = model.state_dict(), model.config
    block = ["attention_norm", "attention.qkv", "attention.q_norm", "attention.k_norm", "attention.out"]
    block += ["ffn_norm", "ffn.gate_up", "ffn.down"]
    names = ["transformer.embedding.weight"]
    for layer in range(stack.layers):
        for name in block:
            names += [f"transformer.blocks.{layer}.{name}.{kind}" for kind in ("weight", "bias")]
    names += ["transformer.norm.weight"] + ([] if stack.tied else ["head.weight"])
    for name in names:
        if name in state:
            yield state[name].detach().float().cpu().numpy()
        elif stack.attention_bias and name.endswith("attention.out.bias"):  # Qwen2 has none there
            yield np.zeros(stack.width, np.float32)


def _write(file: IO[bytes], tensor: np.ndarray, dtype: int) -> None:
    if tensor.ndim == 1:
        return _aligned(file, tensor)
    if dtype == FLOAT32:
        return _aligned(file, in_groups(tensor))
    parts = [quantize(rows, dtype) for rows in np.array_split(tensor, max(1, len(tensor) // 1024))]
    for part in zip(*parts, strict=True):
        _aligned(file, np.concatenate(part))
    return None


def _aligned(file: IO[bytes], data: np.ndarray) -> None:
    file.write(np.ascontiguousarray(data).astype(data.dtype.newbyteorder("<"), copy=False).data)
    file.write(bytes(-file.tell() % GROUP))


def _shape(stack: Stack) -> dict[str, Any]:
    named = {"rows": stack.vocab_size, "biases": stack.attention_bias, "rope_scale": 1.0}
    return named | {name: getattr(stack, name) for name in NAMES if hasattr(stack, name)}


def _sections(tokenizer: Tokenizer) -> tuple[dict[str, bytes], dict[str, Any]]:
    words = read_vocabulary(tokenizer)
    turns = read_turns(tokenizer)
    merges = [(left, right, rank, result) for rank, (left, right, result) in enumerate(words.merges)]
    flags = np.array(words.special, np.uint8) * run.SPECIAL
    for stop in tokenizer.stop_ids:
        flags[stop] |= run.STOP
    if (turn := turn_start_id(tokenizer)) is not None:
        flags[turn] |= run.TURN
    sections = {
        "ends": _numbers(np.cumsum([len(token) for token in words.tokens])),
        "bytes": b"".join(words.tokens),
        "sorted": _numbers(words.usable),
        "flags": flags.tobytes(),
        "merges": _numbers(sorted(merges)),
        "byte_ids": _numbers(words.byte_ids),
        "classes": class_table().tobytes(),
        "chat_first": turn_bytes(tokenizer, turns.first) if turns else b"",
        "chat_reply": turn_bytes(tokenizer, turns.reply) if turns else b"",
        "chat_next": turn_bytes(tokenizer, turns.next) if turns else b"",
    }
    fields = {
        "tokens": len(words.tokens),
        "words": words.words,
        "digits": words.digits,
        "whole_words": words.whole_words,
        "start": run.NONE if words.start is None else words.start,
    }
    return sections, fields


def _numbers(values: Any) -> bytes:
    return np.asarray(values, dtype="<u4").tobytes()


def _header(sections: dict[str, bytes], fields: dict[str, Any], file_bytes: int) -> bytes:
    at = HEADER_BYTES + -HEADER_BYTES % GROUP
    places, body = b"", bytes(at - HEADER_BYTES)
    for name in SECTIONS:
        data = sections[name]
        places += struct.pack("<QQ", at, len(data))
        body += data + bytes(-len(data) % GROUP)
        at += len(data) + -len(data) % GROUP
    rest = struct.pack("<QQ", at, file_bytes) + FIELDS.pack(*(fields[name] for name in NAMES)) + places + body
    return START.pack(run.MAGIC, run.VERSION, zlib.crc32(rest), 0, 0)[:16] + rest
