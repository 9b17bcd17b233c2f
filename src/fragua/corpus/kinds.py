"""The kinds of personal data that can be masked."""

from __future__ import annotations

from typing import Literal

Kind = Literal["email", "phone", "iban", "id", "card"]
ALL_KINDS: tuple[Kind, ...] = ("email", "phone", "iban", "id", "card")
