"""GGUF, llama.cpp's file: weights, tokenizer and chat template in one. Llama, Qwen3 and GPT-2."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Quantization
from gguf.gguf_writer import WriterState

from fragua.errors import InputError
from fragua.files import atomic_write
from fragua.inference.export.assemble import halves_to_interleaved
from fragua.inference.export.run import SENTENCEPIECE, WORDS_GPT2
from fragua.inference.export.vocabulary import Vocabulary, read_vocabulary
from fragua.models import Stack
from fragua.models.io import check_finite, load_model, their_tensors
from fragua.progress import progress_bar
from fragua.tokens.templates import strip_generation_marks
from fragua.tokens.tokenizer import Tokenizer

QUANTIZATIONS = {
    "float32": Quantization.F32,
    "float16": Quantization.F16,
    "q8_0": Quantization.Q8_0,
    "q4_0": Quantization.Q4_0,
}
FILE_TYPES = {
    "float32": gguf.LlamaFileType.ALL_F32,
    "float16": gguf.LlamaFileType.MOSTLY_F16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
}
PRE = {1: "qwen2", 3: "llama-bpe"}
"""llama.cpp's name of the cutting, by the most digits of a piece."""
ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen3": gguf.MODEL_ARCH.QWEN3, "gpt2": gguf.MODEL_ARCH.GPT2}
TURNED = ("attn_qkv.weight", "attn_output.weight", "ffn_up.weight", "ffn_down.weight")
"""GPT-2's directory holds these as [inputs, outputs]; llama.cpp wants outputs as rows."""


def write_gguf(directory: Path, out: Path, dtype: str) -> list[Path]:
    """Writes `out`, or `model.gguf` in it. Matrices are stored in `dtype`, with two exceptions: rows that are no
    multiple of 32 stay float16, and beside q4_0 the embedding and the output are q8_0.

    Raises InputError for another family, and for a tokenizer whose cutting llama.cpp has no name for."""
    path = out if out.suffix == ".gguf" else out / "model.gguf"
    if not directory.is_dir():
        raise InputError("no such directory", directory, "a model directory is needed")
    tokenizer = Tokenizer.load(directory)
    model = load_model(directory)
    check_finite(model, directory)
    source = model.config
    family = _family(source, directory)
    writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[ARCHITECTURES[family]])
    writer.add_name(directory.resolve().name)
    writer.add_file_type(FILE_TYPES[dtype])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_shape(writer, source)
    _add_tokenizer(writer, tokenizer, read_vocabulary(tokenizer), source.vocab_size)
    names = gguf.get_tensor_name_map(ARCHITECTURES[family], source.layers)
    with progress_bar("export", source.layers, "layers") as advance:
        for name, tensor in their_tensors(model):
            new = names.get_name(name, try_suffixes=(".weight", ".bias"))
            assert new is not None, f"{name} is a tensor of {family}"
            _add_tensor(writer, new, _in_their_order(new, tensor.numpy(), source), dtype)
            if new.endswith("ffn_down.weight"):
                advance()
    with atomic_write(path, "wb") as file:
        writer.fout, writer.state = [file], WriterState.EMPTY  # type: ignore[list-item]
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    return [path]


def _family(source: Stack, directory: Path) -> str:
    if source.family not in ARCHITECTURES:
        raise InputError(
            f"{source.family} is not written as GGUF", directory, f"known: {', '.join(ARCHITECTURES)}"
        )
    if source.rope_scaling is not None:
        raise InputError("stretched rotary positions are not written as GGUF", directory)
    if source.attention_bias and source.family == "qwen3":
        raise InputError("biases of attention are not known to llama.cpp in this family", directory)
    return source.family


def _add_shape(writer: gguf.GGUFWriter, s: Stack) -> None:
    writer.add_vocab_size(s.vocab_size)
    writer.add_context_length(s.context)
    writer.add_embedding_length(s.width)
    writer.add_block_count(s.layers)
    writer.add_feed_forward_length(s.ffn_width)
    writer.add_head_count(s.heads)
    if s.family == "gpt2":
        writer.add_layer_norm_eps(s.norm_eps)
        return
    writer.add_head_count_kv(s.kv_heads)
    writer.add_key_length(s.head_width)
    writer.add_value_length(s.head_width)
    writer.add_rope_dimension_count(s.head_width)
    writer.add_rope_freq_base(s.rope_theta)
    writer.add_layer_norm_rms_eps(s.norm_eps)


def _in_their_order(name: str, tensor: np.ndarray, s: Stack) -> np.ndarray:
    """llama.cpp's Llama has rotary pairs side by side; its Qwen3 as we do."""
    if s.family == "gpt2" and name.endswith(TURNED):
        return tensor.T
    if s.family == "llama":
        for part, heads in (("attn_q", s.heads), ("attn_k", s.kv_heads)):
            if name.rsplit(".", 1)[0].endswith(part):
                return halves_to_interleaved(tensor, heads)
    return tensor


def _add_tensor(writer: gguf.GGUFWriter, name: str, tensor: np.ndarray, dtype: str) -> None:
    kind = QUANTIZATIONS[dtype]
    if tensor.ndim == 1 or name.startswith("position_embd"):
        kind = Quantization.F32
    elif kind == Quantization.Q4_0 and name.startswith(("token_embd", "output")):
        kind = Quantization.Q8_0
    if kind in (Quantization.Q8_0, Quantization.Q4_0) and tensor.shape[-1] % 32:
        kind = Quantization.F16
    data = gguf.quantize(np.ascontiguousarray(tensor, dtype=np.float32), kind)
    writer.add_tensor(name, data, raw_dtype=kind)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer, words: Vocabulary, rows: int) -> None:
    named = [tokenizer.token(i) for i in range(len(words.tokens))]
    types, names = [], []
    unknown = tokenizer.definition["model"].get("unk_token")
    in_bytes = set(words.byte_ids) if words.words == SENTENCEPIECE else set()
    for i in range(rows):
        name = named[i] if i < len(named) else None
        kind = gguf.TokenType.CONTROL if name is not None and words.special[i] else gguf.TokenType.NORMAL
        if name is None:
            kind = gguf.TokenType.UNUSED
        elif name == unknown:
            kind = gguf.TokenType.UNKNOWN
        elif i in in_bytes:
            kind = gguf.TokenType.BYTE
        names.append(f"[PAD{i}]" if name is None else name)
        types.append(kind)
    if words.words == SENTENCEPIECE:
        writer.add_tokenizer_model("llama")
        writer.add_token_scores(_scores(words, rows))
        writer.add_add_space_prefix(True)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("gpt-2" if words.words == WORDS_GPT2 else _pre(words))
        merges = [f"{named[left]} {named[right]}" for left, right, _ in words.merges]
        writer.add_token_merges(merges)
        writer.add_add_space_prefix(False)
    writer.add_token_list(names)
    writer.add_token_types(types)
    _add_specials(writer, tokenizer, words)


def _pre(words: Vocabulary) -> str:
    if words.digits not in PRE:
        raise InputError(f"llama.cpp has no name for pieces of {words.digits} digits", "tokenizer.json")
    return PRE[words.digits]


def _scores(words: Vocabulary, rows: int) -> list[float]:
    """llama.cpp merges the pair whose token has the highest score: minus the rank of a token's first merge."""
    scores = [0.0] * rows
    for rank, (_, _, result) in reversed(list(enumerate(words.merges))):
        scores[result] = -float(rank + 1)
    return scores


def _add_specials(writer: gguf.GGUFWriter, tokenizer: Tokenizer, words: Vocabulary) -> None:
    writer.add_add_bos_token(words.start is not None)
    writer.add_add_eos_token(False)
    if words.start is not None:
        writer.add_bos_token_id(words.start)
    end = tokenizer.end_id if tokenizer.end_id is not None else tokenizer.turn_end_id
    if end is not None:
        writer.add_eos_token_id(end)
    if tokenizer.turn_end_id is not None:
        writer.add_eot_token_id(tokenizer.turn_end_id)
    if tokenizer.pad_id is not None:
        writer.add_pad_token_id(tokenizer.pad_id)
    if tokenizer.chat_template is not None:
        writer.add_chat_template(strip_generation_marks(tokenizer.chat_template))
