"""Personal data replaced by its kind in brackets: where there is a check digit it must be right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])")
_ID = re.compile(r"\b(?:[XYZ][ -]?)?\d{7,8}[ -]?[A-Z]\b", re.IGNORECASE)
_EMAIL = re.compile(r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b")
_PHONE = re.compile(
    r"(?<![\w+.,-])(?:"
    r"(?:\+|00)[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]?\d{2,4}){1,4}"  # +34 612 345 678
    r"|[6-9]\d{2}([ .-]?)\d{3}\1\d{3}|[6-9]\d{2}([ .-]?)\d{2}\2\d{2}\2\d{2}|[6-9]\d([ .-])\d{3}\3\d{2}\3\d{2}"
    r"|(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}"  # (555) 123-4567
    r")(?![\w-]|[.,]\d)"
)
ID_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
"""The letter of a DNI is that of its number modulo 23 (Orden INT/2058/2008); an NIE's X, Y, Z stand for 0, 1, 2."""


def iban_is_right(text: str) -> bool:
    """ISO 13616: the first four moved to the end, letters as 10 to 35, the whole is 1 modulo 97."""
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(mark, 36)) for mark in plain[4:] + plain[:4])) % 97 == 1


def luhn_is_right(text: str) -> bool:
    """ISO 7812: every second digit from the right doubled, digits summed, divisible by ten."""
    digits = [int(mark) for mark in text if mark.isdigit()][::-1]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0


def id_is_right(text: str) -> bool:
    plain = re.sub(r"[ -]", "", text).upper()
    number = str("XYZ".index(plain[0])) + plain[1:-1] if plain[0] in "XYZ" else plain[:-1]
    return len(number) == 8 and plain[-1] == ID_LETTERS[int(number) % 23]


def _always(text: str) -> bool:
    return True


MASKS: dict[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "iban": (_IBAN, iban_is_right),
    "card": (_CARD, luhn_is_right),
    "id": (_ID, id_is_right),
    "email": (_EMAIL, _always),
    "phone": (_PHONE, _always),
}
"""In the order in which they are looked for: a card's digits are not a telephone."""


def mask(text: str, kinds: Iterable[str]) -> tuple[str, list[str]]:
    """The text with '[iban]' and so on instead of each, and the kinds that were found.

    Masking twice changes nothing."""
    found = []
    for kind, (pattern, is_right) in MASKS.items():
        if kind not in kinds:
            continue
        parts, at = [], 0
        for match in filter(lambda match: is_right(match[0]), pattern.finditer(text)):
            parts += [text[at : match.start()], f"[{kind}]"]
            at = match.end()
        if parts:
            found.append(kind)
            text = "".join(parts) + text[at:]
    return text, found
