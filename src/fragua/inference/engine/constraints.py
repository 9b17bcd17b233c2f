"""Grammars: which tokens may come next (llguidance)."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from torch import Tensor

from fragua.errors import InputError, RunError
from fragua.inference.engine.asking import Constraint
from fragua.tokens.tokenizer import Tokenizer


class Grammars:
    """One tokenizer's grammars."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self._prepared: dict[tuple[int, ...], LLTokenizer] = {}

    def matcher(self, constraint: Constraint, ends: Iterable[int]) -> Matcher:
        """`ends`: the ids that may stand where the grammar's text is whole.

        Raises InputError for a grammar that is broken or asks for what cannot be held."""
        ids = tuple(sorted(ends))
        if ids not in self._prepared:
            definition, size = json.dumps(self.tokenizer.definition), self.tokenizer.vocab_size
            self._prepared[ids] = LLTokenizer(definition, n_vocab=size, eos_token=list(ids) or None)
        prepared = self._prepared[ids]
        try:
            grammar = _grammar(constraint)
        except ValueError as error:
            raise InputError(str(error), "constraint") from error
        wrong, told = LLMatcher.validate_grammar_with_warnings(grammar, prepared)
        if wrong or told:
            first = " ".join(told[0].split())
            raise InputError(
                f"this cannot be held: {first}", "constraint", "leave that out, or write it otherwise"
            )
        return Matcher(LLMatcher(prepared, grammar), self.tokenizer.vocab_size)


def _grammar(constraint: Constraint) -> str:
    if constraint.choice is not None:
        return LLMatcher.grammar_from_lark(
            "start: " + " | ".join(json.dumps(text, ensure_ascii=False) for text in constraint.choice)
        )
    if constraint.regex is not None:
        return LLMatcher.grammar_from_regex(constraint.regex)
    if constraint.lark is not None:
        return LLMatcher.grammar_from_lark(constraint.lark)
    schema = {} if constraint.json_schema is True else constraint.json_schema
    if not isinstance(schema, dict):
        raise ValueError("no JSON fits the schema false")
    return LLMatcher.grammar_from_json_schema(
        schema, defaults={"whitespace_flexible": not constraint.compact}
    )


class Matcher:
    """Where in its grammar an answer stands."""

    def __init__(self, matcher: LLMatcher, vocab_size: int):
        self._matcher, self.vocab_size = matcher, vocab_size

    def mask(self, device: torch.device) -> Tensor:
        """Which tokens may come next, bool [V]."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._check()
        allowed = np.unpackbits(bits, bitorder="little", count=self.vocab_size).astype(bool)
        return torch.from_numpy(allowed).to(device)

    def forced(self) -> list[int]:
        """The tokens that must come next."""
        return list(self._matcher.compute_ff_tokens())

    def take(self, token: int) -> bool:
        """Goes on; False where nothing may follow."""
        self._matcher.consume_token(token)
        self._check()
        return not self._matcher.is_stopped()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise RunError(f"the grammar broke: {self._matcher.get_error()}", "constraint")
