"""Token ids to text as they come, never cutting a character."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fragua.tokens.tokenizer import Tokenizer


class Detokenizer:
    """`feed` ids one by one, `flush` at the end; the pieces together equal `tokenizer.decode` of all ids."""

    def __init__(self, tokenizer: Tokenizer, skip_special: bool = True):
        self._tokenizer, self._skip_special = tokenizer, skip_special
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._ids: list[int] = []
        self._before, self._given = 0, 0

    def feed(self, token: int) -> str:
        """The text that is now certain: "" while a character is incomplete."""
        if self._tokenizer.byte_level:
            return self._utf8.decode(self._tokenizer.text_bytes(token, self._skip_special))
        self._ids.append(token)
        return self._new_text(whole_characters=True)

    def flush(self) -> str:
        """What was held back: the replacement character U+FFFD for bytes that never became one."""
        if self._tokenizer.byte_level:
            return self._utf8.decode(b"", final=True)
        return self._new_text(whole_characters=False)

    def _new_text(self, whole_characters: bool) -> str:
        """For tokenizers that are not byte-level, whose tokens' text depends on the token before (leading
        spaces): decodes a window from the last piece given out, and gives what the newest ids add to it."""
        decode, skip = self._tokenizer.decode, self._skip_special
        old, new = (
            decode(self._ids[self._before : self._given], skip),
            decode(self._ids[self._before :], skip),
        )
        if len(new) <= len(old) or (whole_characters and new.endswith("\ufffd")):
            return ""
        self._before, self._given = self._given, len(self._ids)
        return new[len(old) :]
