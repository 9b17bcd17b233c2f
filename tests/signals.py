"""Signals of programs that a test starts."""

from __future__ import annotations

import signal


def hears_ctrl_c() -> None:
    """In the child, before it begins: what runs in the background inherits a deaf ear for Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
