"""What only the exam may ask: decided by a digest of a key, so the sides never meet, of other worlds neither.

Texts and conversations draw from one side of every hold-out, the exam from the other."""

from __future__ import annotations

import hashlib

from fragua.corpus.aldea.entities import Fact

SHARE = 4
"""One key in so many belongs to the exam: phrasings of a fact, operands, strangers, sentences to translate."""
FACT_SHARE = 7
"""One fact in so many is stated in texts and asked by the exam alone."""

_MARKS = str.maketrans("", "", '¿?¡!«»".,:;')


def held_out(key: str, share: int = SHARE) -> bool:
    """Whether the key belongs to the exam: the same in every process."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % share == 0


def held_fact(fact: Fact) -> bool:
    """Whether nothing but the exam asks for the fact."""
    return held_out(f"fact {fact.id}", FACT_SHARE)


def phrasing_key(template: str, about: str, lang: str) -> str:
    """A phrasing of a question about a thing; case and marks make no difference."""
    return f"{lang}|{template.lower().translate(_MARKS)}|{about}"


def question_about(fact: Fact, reverse: bool) -> str:
    """What a question is about: the relation and the end of it that is given."""
    return f"{fact.relation} {fact.object.id if reverse else fact.subject.id}"


def pair_key(a: int, b: int) -> str:
    """Two operands, in any order."""
    low, high = sorted((a, b))
    return f"operands {low} {high}"


def translation_key(fact: Fact, number: int) -> str:
    """A fact in its phrasing of this number, in either direction."""
    return f"translate {number} {fact.id}"
