"""What a model writes, made safe for a terminal."""

from __future__ import annotations


def clean(text: str) -> str:
    """Control characters, which could move the cursor or rename the window, are shown as U+FFFD."""
    return "".join(mark if mark.isprintable() or mark in "\n\t" else "\ufffd" for mark in text)
