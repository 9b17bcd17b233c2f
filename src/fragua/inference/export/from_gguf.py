"""Reading GGUF: Llama and Qwen3 with float32, float16 or Q8_0 weights, and the tokenizer inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import tokenizers
from gguf import GGMLQuantizationType as Quantization
from gguf import TokenType
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors

from fragua.errors import InputError
from fragua.inference.export.assemble import assemble, interleaved_to_halves
from fragua.inference.export.sentencepiece import sentencepiece_tokenizer
from fragua.inference.export.to_gguf import ARCHITECTURES, PRE
from fragua.inference.export.vocabulary import GPT2_PATTERN
from fragua.models import Decoder, Stack
from fragua.models.families.llama import table
from fragua.tokens.tokenizer import Tokenizer
from fragua.tokens.train import QWEN2_PATTERN

READ = (Quantization.F32, Quantization.F16, Quantization.BF16, Quantization.Q8_0, Quantization.Q4_0)
PATTERNS = {
    name: QWEN2_PATTERN.replace(r"|\p{N}|", rf"|\p{{N}}{{1,{n}}}|" if n > 1 else r"|\p{N}|")
    for n, name in PRE.items()
}
PATTERNS |= {"gpt-2": GPT2_PATTERN, "llama3": PATTERNS["llama-bpe"]}


def read_gguf(path: Path) -> tuple[Decoder, Tokenizer]:
    """Raises InputError for a file that is cut, another architecture, quantisation or tokenizer."""
    try:
        reader = gguf.GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
    except (ValueError, IndexError, KeyError, OSError, OverflowError, UnicodeDecodeError, TypeError) as error:
        raise InputError(f"cannot be read ({error})", path, "the file is truncated or not GGUF") from error
    architecture = fields.get("general.architecture")
    if architecture not in ("llama", "qwen3"):
        raise InputError(f"architecture {architecture!r} is not supported", path, "known: llama, qwen3")
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    try:
        stack = _stack(architecture, fields, tensors, path)
        tokenizer = _tokenizer(fields, path)
    except KeyError as error:
        raise InputError(f"no field {error}", path) from error
    return assemble(stack, _weights(stack, tensors, path), path), tokenizer


def _stack(architecture: str, fields: dict[str, Any], tensors: dict[str, Any], path: Path) -> Stack:
    def of(name: str, default: Any = None) -> Any:
        full = f"{architecture}.{name}"
        return fields[full] if default is None else fields.get(full, default)

    if of("rope.scaling.type", "none") != "none" or "rope_freqs.weight" in tensors:
        raise InputError("scaled rotary positions are not supported", path)
    heads, width = of("attention.head_count"), of("embedding_length")
    head_width = of("attention.key_length", width // heads)
    if of("rope.dimension_count", head_width) != head_width:
        raise InputError("partial rotary positions are not supported", path)
    shape = {
        "family": architecture,
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "context": of("context_length"),
        "layers": of("block_count"),
        "width": width,
        "heads": heads,
        "kv_heads": of("attention.head_count_kv", heads),
        "head_width": head_width,
        "ffn_width": of("feed_forward_length"),
        "norm_eps": round(of("attention.layer_norm_rms_epsilon"), 12),
        "rope_theta": of("rope.freq_base", 10_000.0),
        "qk_norm": architecture == "qwen3",
        "attention_bias": "blk.0.attn_q.bias" in tensors,
        "output_bias": "blk.0.attn_output.bias" in tensors,
        "tied": "output.weight" not in tensors,
    }
    return Stack.parse(shape, path)


def _weights(stack: Stack, tensors: dict[str, Any], path: Path) -> dict[str, np.ndarray]:
    """By Hugging Face's names, float32."""
    names = gguf.get_tensor_name_map(ARCHITECTURES[stack.family], stack.layers)
    found: dict[str, np.ndarray] = {}
    for theirs in (name for row in table(stack) for name in row.theirs):
        name = names.get_name(theirs, try_suffixes=(".weight", ".bias"))
        if name not in tensors:
            raise InputError(f"tensor '{name}' is missing", path)
        tensor = tensors.pop(name)
        if tensor.tensor_type not in READ:
            kind = tensor.tensor_type.name
            raise InputError(f"tensor '{name}' is {kind}", path, f"known: {', '.join(k.name for k in READ)}")
        weights = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if stack.family == "llama":
            for part, heads in (("q_proj", stack.heads), ("k_proj", stack.kv_heads)):
                weights = interleaved_to_halves(weights, heads) if part in theirs else weights
        found[theirs] = weights
    for name in tensors:
        raise InputError(f"tensor '{name}' is left over", path)
    return found


def _tokenizer(fields: dict[str, Any], path: Path) -> Tokenizer:
    tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    model = fields["tokenizer.ggml.model"]
    start = fields["tokenizer.ggml.bos_token_id"] if fields.get("tokenizer.ggml.add_bos_token") else None
    if model == "llama" and start is None:
        start = (
            fields.get("tokenizer.ggml.bos_token_id")
            if "tokenizer.ggml.add_bos_token" not in fields
            else None
        )
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
    }
    for name, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"), ("unk", "unknown")):
        i = fields.get(f"tokenizer.ggml.{key}_token_id")
        config[f"{name}_token"] = None if i is None else tokens[i]
    special = [i for i, kind in enumerate(types) if kind in (TokenType.CONTROL, TokenType.UNKNOWN)]
    if model == "llama":
        tokenizer = sentencepiece_tokenizer(tokens, fields["tokenizer.ggml.scores"], special, config, start)
    elif model == "gpt2":
        pre = fields.get("tokenizer.ggml.pre")
        if pre not in PATTERNS:
            raise InputError(
                f"a text is cut as '{pre}', which is unknown", path, f"known: {', '.join(PATTERNS)}"
            )
        merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"]]
        tokenizer = Tokenizer(_byte_level(tokens, types, merges, pre, start), config)
    else:
        raise InputError(f"a tokenizer of type '{model}' is unknown", path, "known: gpt2, llama")
    template = fields.get("tokenizer.chat_template")
    tokenizer.chat_template = template
    return tokenizer


def _byte_level(
    tokens: list[str], types: list[int], merges: list[Any], pre: str, start: int | None
) -> tokenizers.Tokenizer:
    whole_words = pre in ("llama-bpe", "llama3")
    ids = {token: i for i, token in enumerate(tokens)}
    backend = tokenizers.Tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=whole_words))
    split = pre_tokenizers.Split(Regex(PATTERNS[pre]), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    backend.decoder = decoders.ByteLevel()
    added = [i for i, kind in enumerate(types) if kind in (TokenType.CONTROL, TokenType.USER_DEFINED)]
    for i in added:
        special = types[i] == TokenType.CONTROL
        backend.add_tokens([AddedToken(tokens[i], special=special, normalized=False)])
    if start is not None:
        name = tokens[start]
        backend.post_processor = processors.TemplateProcessing(
            single=[name, "$A"], pair=[name, "$A", name, "$B"], special_tokens=[(name, start)]
        )
    return backend
