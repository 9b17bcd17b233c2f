"""Conversations of the chat page, in SQLite: each belongs to the browser that began it."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fragua.errors import InputError

VERSION = 1
SCHEMA = """
CREATE TABLE conversation (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL, settings TEXT NOT NULL, messages TEXT NOT NULL,
    changed REAL NOT NULL);
CREATE INDEX conversation_owner ON conversation (owner, changed);
"""


@dataclass
class Conversation:
    """`messages` in OpenAI's form; what the page alone knows of one stands under its `shown`."""

    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    title: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)


class Conversations:
    """May be used from any thread. Nobody sees another's."""

    def __init__(self, path: Path):
        """Raises InputError for a file that is not ours or can't be written."""
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._database.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            elif version != VERSION:
                raise InputError(f"written by another version ({version})", path, "choose another --chats")
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"can't hold conversations ({error})", path, "choose another --chats") from error

    def list(self, owner: str) -> list[tuple[str, str]]:
        """Id and title, the newest first."""
        query = "SELECT id, title FROM conversation WHERE owner = ? ORDER BY changed DESC"
        with self._lock:
            return self._database.execute(query, (owner,)).fetchall()

    def read(self, owner: str, name: str) -> Conversation | None:
        query = "SELECT title, settings, messages FROM conversation WHERE owner = ? AND id = ?"
        with self._lock:
            row = self._database.execute(query, (owner, name)).fetchone()
        return row and Conversation(name, row[0], json.loads(row[1]), json.loads(row[2]))

    def write(self, owner: str, conversation: Conversation) -> None:
        """Whole or not at all. One of another owner is not touched."""
        query = (
            "INSERT INTO conversation VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET title = excluded.title,"
            " settings = excluded.settings, messages = excluded.messages, changed = excluded.changed"
            " WHERE owner = excluded.owner"
        )
        texts = [json.dumps(value) for value in (conversation.settings, conversation.messages)]
        with self._lock:
            self._database.execute(query, (conversation.id, owner, conversation.title, *texts, time.time()))

    def delete(self, owner: str, name: str) -> None:
        with self._lock:
            self._database.execute("DELETE FROM conversation WHERE owner = ? AND id = ?", (owner, name))

    def close(self) -> None:
        self._database.close()
