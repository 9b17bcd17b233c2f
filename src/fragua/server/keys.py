"""API keys: only their SHA-256 is kept, and compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from pathlib import Path

from fragua.errors import InputError
from fragua.files import read_text

PREFIX = "sha256:"


class Keys:
    """Who may ask. Without any, everybody."""

    def __init__(self, digests: list[bytes]):
        self.digests = digests

    def allow(self, key: str) -> bool:
        given = digest(key)
        # no early end: how long it takes tells nothing of which key is near
        found = [hmac.compare_digest(given, digest) for digest in self.digests]
        return not self.digests or any(found)

    @classmethod
    def read(cls, path: Path) -> Keys:
        """A key a line, or `sha256:` and its digest (`add_key` writes it so); `#` begins a remark.

        Raises InputError for a file without keys or a broken digest."""
        digests = []
        for number, line in enumerate(read_text(path).splitlines(), 1):
            text = line.split("#")[0].strip()
            if text.startswith(PREFIX):
                if not re.fullmatch("[0-9a-f]{64}", text.removeprefix(PREFIX)):
                    raise InputError("not 64 hexadecimal digits", f"{path}:{number}")
                digests.append(bytes.fromhex(text.removeprefix(PREFIX)))
            elif text:
                digests.append(digest(text))
        if not digests:
            raise InputError("no key in it", path, "write one with --new-api-key")
        return cls(digests)


def add_key(path: Path) -> str:
    """A new random key; its digest is added to the file, which only its owner may read.

    Raises InputError where it can't be written."""
    key = f"fragua-{secrets.token_urlsafe(32)}"
    try:
        path.touch(0o600, exist_ok=True)
        with path.open("a+", encoding="utf-8") as file:
            file.seek(0)
            before = file.read()
            file.write(
                ("\n" if before and not before.endswith("\n") else "") + f"{PREFIX}{digest(key).hex()}\n"
            )
    except OSError as error:
        raise InputError(f"can't be written ({error.strerror})", path) from error
    return key


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
