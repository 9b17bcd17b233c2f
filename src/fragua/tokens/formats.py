"""Tokenizers of the families from before `tokenizer.json`: GPT-2's two files, BERT's list, SentencePiece's model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors

from fragua.errors import InputError
from fragua.files import read_json, read_text
from fragua.tokens.sentencepiece import Kind, SentencePieces, read_sentencepiece

Backend = tuple[tokenizers.Tokenizer, dict[str, Any]]
"""The tokenizer, and the special tokens that its family has where the configuration names none."""

BERT = {
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
}
ROBERTA = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
GPT2 = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
LLAMA = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
T5 = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
XLNET = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "cls_token": "<cls>",
    "sep_token": "<sep>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
SENTENCEPIECE_NAMES = ("spiece.model", "tokenizer.model", "sentencepiece.bpe.model")
SENTINELS = 100
"""T5's `<extra_id_0>` and so on, counted down after the pieces."""


def read_backend(directory: Path, family: str, config: dict[str, Any]) -> Backend | None:
    """From the files that are there; None where none is known. `family` is config.json's `model_type`, or "".

    Raises InputError for a broken file."""
    if (directory / "vocab.json").is_file() and (directory / "merges.txt").is_file():
        return _built(directory / "merges.txt", lambda: _byte_level(directory, family, config))
    if (directory / "vocab.txt").is_file():
        return _built(directory / "vocab.txt", lambda: _word_piece(directory / "vocab.txt", config))
    for name in SENTENCEPIECE_NAMES:
        if (path := directory / name).is_file():
            return _built(path, lambda: _sentence_piece(path, family, config))
    return None


def _built(path: Path, build: Callable[[], Backend]) -> Backend:
    try:
        return build()
    except InputError:
        raise
    except Exception as error:  # tokenizers raises bare Exception
        raise InputError(f"not a tokenizer ({error})", path) from error


def _byte_level(directory: Path, family: str, config: dict[str, Any]) -> Backend:
    vocab = read_json(directory / "vocab.json")
    lines = read_text(directory / "merges.txt").split("\n")
    pairs = [line.partition(" ") for line in lines if line.strip() and not line.startswith("#version")]
    merges = [(first, second) for first, _, second in pairs]
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges))
    space = bool(config.get("add_prefix_space", False))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=space)
    backend.decoder = decoders.ByteLevel()
    specials = ROBERTA if family == "roberta" or "<mask>" in vocab else GPT2
    if specials is ROBERTA:
        backend.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>",
            pair="<s> $A </s> </s>:0 $B:0 </s>:0",
            special_tokens=[(token, vocab[token]) for token in ("<s>", "</s>")],
        )
    return _with_specials(backend, specials, config)


def _word_piece(path: Path, config: dict[str, Any]) -> Backend:
    lines = read_text(path).split("\n")
    vocab = {
        line.rstrip("\r"): number for number, line in enumerate(lines) if line or number < len(lines) - 1
    }
    names = BERT | {key: value for key in BERT if (value := _content(config.get(key)))}
    backend = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token=names["unk_token"]))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        strip_accents=config.get("strip_accents"),
        lowercase=config.get("do_lower_case", True),
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    cls, sep = names["cls_token"], names["sep_token"]
    for token in (cls, sep):
        if token not in vocab:
            raise InputError(f"no {token} in the vocabulary", path, "name it in tokenizer_config.json")
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(token, vocab[token]) for token in (cls, sep)],
    )
    return _with_specials(backend, BERT, config)


def _sentence_piece(path: Path, family: str, config: dict[str, Any]) -> Backend:
    pieces = read_sentencepiece(path)
    vocab = list(zip(pieces.pieces, pieces.scores, strict=True))
    if family == "t5" or (not family and config.get("tokenizer_class", "").startswith("T5")):
        extra = config.get("extra_ids", SENTINELS)
        vocab += [(f"<extra_id_{number}>", 0.0) for number in reversed(range(extra))]
    backend = _bpe(pieces) if pieces.bpe else _unigram(pieces, vocab, family, config)
    added = [
        AddedToken(piece, normalized=False, special=kind is not Kind.USER)
        for piece, kind in zip(pieces.pieces, pieces.kinds, strict=True)
        if kind in (Kind.UNKNOWN, Kind.CONTROL, Kind.USER)
    ]
    backend.add_tokens(added)
    backend.add_special_tokens([piece for piece, _ in vocab[len(pieces.pieces) :]])
    ids = {piece: number for number, (piece, _) in enumerate(vocab)}
    if family == "xlnet":
        backend.post_processor = processors.TemplateProcessing(
            single="$A:0 <sep>:0 <cls>:2",
            pair="$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2",
            special_tokens=[(token, ids[token]) for token in ("<sep>", "<cls>")],
        )
        return _with_specials(backend, XLNET, config)
    if pieces.bpe:
        if config.get("add_bos_token", True) and "<s>" in ids:
            backend.post_processor = processors.TemplateProcessing(
                single="<s>:0 $A:0", pair="<s>:0 $A:0 <s>:1 $B:1", special_tokens=[("<s>", ids["<s>"])]
            )
        return _with_specials(backend, LLAMA, config)
    if "</s>" in ids:
        backend.post_processor = processors.TemplateProcessing(
            single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", ids["</s>"])]
        )
    return _with_specials(backend, T5, config)


def _bpe(pieces: SentencePieces) -> tokenizers.Tokenizer:
    """Llama's kind: whitespace is kept as it is, and what no piece writes falls back to bytes."""
    ids = {piece: number for number, piece in enumerate(pieces.pieces)}
    unknown = next((p for p, kind in zip(ids, pieces.kinds, strict=True) if kind is Kind.UNKNOWN), None)
    model = models.BPE(
        vocab=ids,
        merges=pieces.merges(),
        unk_token=unknown,
        fuse_unk=True,
        byte_fallback=pieces.byte_fallback,
    )
    backend = tokenizers.Tokenizer(model)
    prefix = "first" if pieces.dummy_prefix else "never"
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=prefix, split=False)
    if pieces.characters or pieces.trims:
        backend.normalizer = normalizers.Sequence(_normalisation(pieces))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if pieces.dummy_prefix:
        steps.append(decoders.Strip(content=" ", left=1))
    backend.decoder = decoders.Sequence(steps)
    return backend


def _normalisation(pieces: SentencePieces) -> list[normalizers.Normalizer]:
    steps: list[normalizers.Normalizer] = []
    if pieces.characters:
        steps.append(normalizers.Precompiled(pieces.characters))
    if pieces.trims:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    return steps


def _unigram(
    pieces: SentencePieces, vocab: list[tuple[str, float]], family: str, config: dict[str, Any]
) -> tokenizers.Tokenizer:
    """T5's and XLNet's kind. XLNet also straightens quotes and takes accents off."""
    unknown = next(n for n, kind in enumerate(pieces.kinds) if kind is Kind.UNKNOWN)
    model = models.Unigram(vocab, unk_id=unknown, byte_fallback=pieces.byte_fallback)
    backend = tokenizers.Tokenizer(model)
    steps: list[normalizers.Normalizer] = []
    if family == "xlnet":
        steps += [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
        if not config.get("keep_accents", False):
            steps += [normalizers.NFKD(), normalizers.StripAccents()]
        if config.get("do_lower_case", False):
            steps.append(normalizers.Lowercase())
    if pieces.characters:
        steps.append(normalizers.Precompiled(pieces.characters))
    if steps:
        backend.normalizer = normalizers.Sequence(steps)
    prefix = "always" if pieces.dummy_prefix else "never"
    meta = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=prefix)
    split = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), meta])
    backend.pre_tokenizer = split if pieces.trims else meta
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme=prefix)
    return backend


def _with_specials(
    backend: tokenizers.Tokenizer, specials: dict[str, str], config: dict[str, Any]
) -> Backend:
    """Marks them special, those that are in the vocabulary; a mask takes the space before it along where words do."""
    found = {}
    for role, usual in specials.items():
        token = _content(config.get(role)) or usual
        if backend.token_to_id(token) is not None:
            found[role] = token
            takes_space = role == "mask_token" and specials is not BERT
            backend.add_special_tokens(
                [AddedToken(token, lstrip=takes_space, normalized=False, special=True)]
            )
    return backend, found


def _content(value: Any) -> str | None:
    """A special token of a configuration, written as a string or as an object."""
    return value.get("content") if isinstance(value, dict) else value
