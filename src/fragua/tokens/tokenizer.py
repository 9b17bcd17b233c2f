"""The tokenizer: text to ids and back, chats to ids, saved as transformers and others read it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from itertools import count, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tokenizers

from fragua.errors import InputError
from fragua.files import atomic_write, read_json, read_text, write_json
from fragua.tokens import chat
from fragua.tokens.byte_level import token_to_bytes
from fragua.tokens.chat import ChatTokens
from fragua.tokens.detokenizer import Detokenizer
from fragua.tokens.formats import SENTENCEPIECE_NAMES, read_backend

END, TURN_START, TURN_END, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
TOOL_CALL, TOOL_CALL_END = "<tool_call>", "</tool_call>"
SPECIAL_TOKENS = (END, TURN_START, TURN_END, PAD, TOOL_CALL, TOOL_CALL_END)


def sentinel(number: int) -> str:
    """The mark of a gap, as T5 writes it."""
    return f"<extra_id_{number}>"


OTHER_TURN_ENDS = ("<|eot_id|>", "<end_of_turn>", "<|end|>")
"""How other families end a turn, for their directories."""


class Framed(NamedTuple):
    """The ids of a framed text, and which of two texts each is of."""

    ids: list[int]
    types: list[int]


class Tokenizer:
    """A `tokenizers.Tokenizer` with what the project asks of it.

    `config` is the content of `tokenizer_config.json`, `chat_template` a Jinja2 template or None.
    `end_id`, `turn_end_id`, `pad_id`, `cls_id`, `sep_id` and `mask_id` are None where a tokenizer has no such token;
    `sentinel_ids` are T5's marks of gaps, in their order."""

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        config: dict[str, Any] | None = None,
        chat_template: str | None = None,
    ):
        self.config = config or {}
        self.chat_template = chat_template
        self._backend = backend
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True  # text is text: specials are only ever put in by id
        self._added = backend.get_added_tokens_decoder()
        self.special_ids = {token.content: i for i, token in self._added.items() if token.special}
        self.end_id = self._first_special(END, self.configured("eos_token"))
        self.turn_end_id = self._first_special(TURN_END, *OTHER_TURN_ENDS)
        self.pad_id = self._first_special(PAD, self.configured("pad_token"))
        self.mask_id = self._first_special(self.configured("mask_token"))
        self.cls_id = self._first_special(self.configured("cls_token"))
        self.sep_id = self._first_special(self.configured("sep_token"))
        eos_id = self._first_special(self.configured("eos_token"))
        known = {i for i in (self.end_id, self.turn_end_id, eos_id) if i is not None}
        self.stop_ids = tuple(sorted(known))

    # ---- text

    def encode(self, text: str | bytes) -> list[int]:
        """The ids of `text`, never a special one, whatever the text says; equal to transformers'
        `tokenizer(text, split_special_tokens=True, add_special_tokens=False)`.

        Raises InputError with the offset for a lone surrogate, or bytes that are not UTF-8."""
        text = _valid(text)
        return self._backend.encode(text, add_special_tokens=False).ids if text else []

    def framed(self, text: str, pair: str | None = None, limit: int | None = None) -> Framed:
        """A text, or two, with the special tokens that the family puts around them. Special tokens that are written
        in the text, a mask above all, are read as such: for encoders, whose texts are not conversations.
        `limit`: of tokens, the frame included; what is longer is cut at its end."""
        encoding = self._framed(text, pair, limit)
        return Framed(encoding.ids, encoding.type_ids)

    def framed_words(
        self, text: str, bounds: Sequence[tuple[int, int]], limit: int | None = None
    ) -> tuple[Framed, list[int | None]]:
        """A framed text, and the place of the first token of each word (characters start to stop, in their order).
        None for a word that was cut off, or has no token."""
        encoding = self._framed(text, None, limit)
        pieces = [
            (start, stop, place)
            for place, (start, stop) in enumerate(encoding.offsets)
            if start < stop and not encoding.special_tokens_mask[place]
        ]
        places: list[int | None] = []
        at = 0
        for first, last in bounds:
            while at < len(pieces) and pieces[at][1] <= first:
                at += 1
            inside = at < len(pieces) and pieces[at][0] < last
            places.append(pieces[at][2] if inside else None)
        return Framed(encoding.ids, encoding.type_ids), places

    def framed_end(self, text: str, pair: str, limit: int) -> Framed | None:
        """As `framed`, but what is too long loses the beginning of `text`; None where `pair` leaves no room for it."""
        try:
            encoding = self._framed(text, pair, limit, strategy="only_first", direction="left")
        except Exception as error:  # the library's own, which has no name
            if "Truncation error" not in str(error):
                raise
            return None
        return Framed(encoding.ids, encoding.type_ids)

    def _framed(self, text: str, pair: str | None, limit: int | None, **how: str) -> tokenizers.Encoding:
        for each in (text, pair or ""):
            _valid(each)
        backend = self._reading_specials
        if limit is None:
            backend.no_truncation()
        else:
            backend.enable_truncation(limit, **how)
        return backend.encode(text, pair)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of many texts at once, on all the cores that TOKENIZERS_PARALLELISM allows."""
        try:
            return [e.ids for e in self._backend.encode_batch_fast(texts, add_special_tokens=False)]
        except TypeError:
            for text in texts:
                _valid(text)
            raise

    def decode(self, ids: Sequence[int], skip_special: bool = True) -> str:
        """Bytes that are not UTF-8 become U+FFFD. Raises InputError for an id outside the vocabulary."""
        if self.byte_level:
            data = b"".join([self.text_bytes(i, skip_special) for i in ids])
            return data.decode("utf-8", errors="replace")
        return self._backend.decode(list(ids), skip_special_tokens=skip_special)

    def stream(self, skip_special: bool = True) -> Detokenizer:
        """A streaming detokenizer: `feed(id)` gives the text that has become certain, `flush()` the rest."""
        return Detokenizer(self, skip_special)

    def token_bytes(self, token: int) -> bytes:
        """The exact bytes of a token, b"" for a special one. Raises InputError outside the vocabulary."""
        return self.text_bytes(token, skip_special=True)

    def text_bytes(self, token: int, skip_special: bool) -> bytes:
        """`token_bytes`, with the literal of a special token where it is not to be skipped."""
        if not 0 <= token < self.vocab_size:
            raise InputError(f"token id {token} is outside the vocabulary of {self.vocab_size}")
        data, special = self._bytes[token]
        return b"" if special and skip_special else data

    def token(self, token: int) -> str | None:
        """A token as the vocabulary writes it (`Ġhola`); None where the id is unused."""
        return self._backend.id_to_token(token)

    @cached_property
    def byte_lengths_V(self) -> np.ndarray:
        """int64 [V]: how many bytes of text each token stands for (0 for special ones), for bits per byte."""
        return np.array([len(self.token_bytes(i)) for i in range(self.vocab_size)], dtype=np.int64)

    @cached_property
    def sentinel_ids(self) -> list[int]:
        marks = takewhile(self.special_ids.__contains__, map(sentinel, count()))
        return [self.special_ids[mark] for mark in marks]

    @cached_property
    def vocab_size(self) -> int:
        """The number of rows an embedding needs: the highest id and one."""
        return 1 + max(self._backend.get_vocab(with_added_tokens=True).values())

    @cached_property
    def definition(self) -> dict[str, Any]:
        """The content of `tokenizer.json`."""
        definition: dict[str, Any] = json.loads(self._backend.to_str())
        return definition

    @cached_property
    def start_id(self) -> int | None:
        """The special token that this tokenizer puts before every text (`<s>` in Llama's); ours has none."""
        return self._frame[0]

    @cached_property
    def closing_id(self) -> int | None:
        """The one that it puts behind every text: the end of a source that is to be answered."""
        return self._frame[1]

    def source(self, text: str) -> list[int]:
        """The ids of a text with the tokens that stand before and behind it, none of them out of the text itself."""
        ends = [[] if i is None else [i] for i in (self.start_id, self.closing_id)]
        return [*ends[0], *self.encode(text), *ends[1]]

    @cached_property
    def byte_level(self) -> bool:
        """Whether tokens are bytes in the byte-level alphabet, so that joining their bytes gives the text."""
        decoder = self.definition["decoder"] or {}
        steps = decoder.get("decoders", [decoder])
        return any(step.get("type") == "ByteLevel" for step in steps)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides ids: vocabulary, merges, special tokens, chat template."""
        whole = json.dumps([self._backend.to_str(), self.chat_template])
        return hashlib.sha256(whole.encode()).hexdigest()

    # ---- chats

    def render(
        self,
        messages: Sequence[dict[str, Any]],
        tools: Sequence[dict[str, Any]] | None = None,
        add_generation_prompt: bool = False,
    ) -> str:
        """The conversation as one text, equal to transformers' `apply_chat_template(…, tokenize=False)`.

        For people and comparison only: encoded, it would let user text become special; `encode_chat` doesn't.
        Raises InputError for messages that are not OpenAI's or that the template refuses."""
        return chat.render(self, messages, tools, add_generation_prompt)

    def encode_chat(
        self,
        messages: Sequence[dict[str, Any]],
        tools: Sequence[dict[str, Any]] | None = None,
        add_generation_prompt: bool = False,
    ) -> ChatTokens:
        """Ids in which only the template's own special tokens are special, and which are the assistant's."""
        return chat.encode_chat(self, messages, tools, add_generation_prompt)

    def parse_reply(self, ids: Sequence[int]) -> dict[str, Any]:
        """Generated ids as an OpenAI assistant message; see `fragua.tokens.chat.parse_reply`."""
        return chat.parse_reply(self, ids)

    # ---- directories

    def save(self, directory: str | Path) -> None:
        """Writes tokenizer.json, tokenizer_config.json and chat_template.jinja, each whole or not at all."""
        directory = Path(directory)
        with atomic_write(directory / "tokenizer.json") as file:
            file.write(self._backend.to_str(pretty=True) + "\n")
        if self.chat_template is not None:
            with atomic_write(directory / "chat_template.jinja") as file:
                file.write(self.chat_template)
        write_json(directory / "tokenizer_config.json", self.config)

    @classmethod
    def load(cls, directory: str | Path) -> Tokenizer:
        """Reads ours, or any Hugging Face directory with a `tokenizer.json`, or with the files that GPT-2, RoBERTa,
        BERT, Llama 2, T5 and XLNet have instead.

        Raises InputError for a missing or broken file."""
        directory = Path(directory)
        config = _object(directory / "special_tokens_map.json") | _object(directory / "tokenizer_config.json")
        path = directory / "tokenizer.json"
        if path.is_file():
            return cls(_from_json(path), config, _chat_template(directory, config))
        family = _object(directory / "config.json").get("model_type", "")
        found = read_backend(directory, family, config)
        if found is None:
            raise InputError("no tokenizer.json here", directory, "name a tokenizer's or a model's folder")
        return cls(found[0], found[1] | config, _chat_template(directory, config))

    # ---- inside

    @cached_property
    def _frame(self) -> tuple[int | None, int | None]:
        """The special tokens before and behind a text."""
        ids, specials = self._backend.encode("a", add_special_tokens=True).ids, self.special_ids.values()
        first, last = (next((i for i in each if i in specials), None) for each in (ids[:1], ids[-1:]))
        return first, last

    @cached_property
    def _reading_specials(self) -> tokenizers.Tokenizer:
        backend = tokenizers.Tokenizer.from_str(self._backend.to_str())
        backend.encode_special_tokens = False
        return backend

    @cached_property
    def _bytes(self) -> list[tuple[bytes, bool]]:
        """By id: the bytes and whether it is special."""
        return [self._bytes_of(i) for i in range(self.vocab_size)]

    def _bytes_of(self, i: int) -> tuple[bytes, bool]:
        if i in self._added:
            return self._added[i].content.encode("utf-8"), self._added[i].special
        token = self._backend.id_to_token(i)
        if token is None:
            return b"", False
        if self.byte_level:
            return token_to_bytes(token), False
        if len(token) == 6 and token.startswith("<0x"):  # SentencePiece's byte fallback
            return bytes([int(token[3:5], 16)]), False
        return token.replace("▁", " ").encode("utf-8"), False

    def configured(self, name: str) -> str | None:
        """A special token of `tokenizer_config.json`, written as a string or as an object."""
        value = self.config.get(name)
        return value.get("content") if isinstance(value, dict) else value

    def _first_special(self, *contents: str | None) -> int | None:
        return next((self.special_ids[c] for c in contents if c is not None and c in self.special_ids), None)


def _valid(text: str | bytes) -> str:
    """Text that has a UTF-8 form, or InputError with the offset where it has none."""
    try:
        if isinstance(text, bytes):
            return text.decode("utf-8")
        text.encode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start} of the text") from error
    except UnicodeEncodeError as error:
        found = f"U+{ord(text[error.start]):04X}"  # type: ignore[arg-type]
        raise InputError(f"lone surrogate {found} at character {error.start} of the text") from error
    return text


def has_tokenizer(directory: Path) -> bool:
    """Whether there is any file that `Tokenizer.load` reads."""
    names = ("tokenizer.json", "vocab.txt", "merges.txt", *SENTENCEPIECE_NAMES)
    return any((directory / name).exists() for name in names)


def _from_json(path: Path) -> tokenizers.Tokenizer:
    text = read_text(path)
    try:
        return tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # tokenizers raises bare Exception
        read_json(path)  # names the line where it isn't even JSON
        raise InputError(f"not a tokenizer ({error})", path) from error


def _object(path: Path) -> dict[str, Any]:
    """A file's JSON object; nothing where there is no file."""
    value = read_json(path) if path.exists() else {}
    if not isinstance(value, dict):
        raise InputError("a JSON object is needed", path)
    return value


def _chat_template(directory: Path, config: dict[str, Any]) -> str | None:
    """From `chat_template.jinja`, else from the configuration (a string, or a list of named templates)."""
    path = directory / "chat_template.jinja"
    if path.exists():
        return read_text(path)
    template = config.get("chat_template")
    if isinstance(template, list):
        template = next((t["template"] for t in template if t.get("name") == "default"), None)
    return template
