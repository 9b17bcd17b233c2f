"""What a grammar allows is what is written; what it cannot hold is refused by name."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from benchmarks.constraints import random_schema

from fragua.errors import InputError
from fragua.inference.engine import Constraint, Engine, Sampling
from fragua.inference.language_model import LanguageModel

PROMPT = [7, 8, 9]


def written(lm: LanguageModel, seeds: int = 6, **constraint: Any) -> list[str]:
    asked = Sampling(seed=1, max_tokens=90, constraint=Constraint(**constraint))
    results = Engine(lm).generate([PROMPT] * seeds, asked)
    assert {result.finish_reason for result in results} == {"stop"}
    return [result.text for result in results]


def test_choices_expressions_and_grammars_are_kept(qwen: LanguageModel) -> None:
    choices = ("sí", "no, señor", 'con "comillas"\n', "日本語")
    assert set(written(qwen, 16, choice=choices)) <= set(choices)
    assert all(re.fullmatch(r"[a-c]{3}-[0-9]{2}", text) for text in written(qwen, regex=r"[a-c]{3}-[0-9]{2}"))
    grammar = 'start: pair ("," pair){1,2}\npair: /[a-z]{1,2}/ "=" ("uno" | "dos")'
    assert all(
        re.fullmatch(r"[a-z]{1,2}=(uno|dos)(,[a-z]{1,2}=(uno|dos)){1,2}", text)
        for text in written(qwen, lark=grammar)
    )


def test_random_schemas_give_json_that_fits(qwen: LanguageModel) -> None:
    """`fragua bench constraints` does a thousand."""
    engine = Engine(qwen)
    schemas = [random_schema(seed) for seed in range(32)]
    asked = [Sampling(seed=1, max_tokens=90, constraint=Constraint(json_schema=schema)) for schema in schemas]
    tickets = [engine.submit(PROMPT, each) for each in asked]
    for schema, ticket in zip(schemas, tickets, strict=True):
        result = ticket.result()
        if result.finish_reason == "stop":
            jsonschema.validate(json.loads(result.text), schema)
        else:
            assert result.completion_tokens == 90
    assert engine.metrics.forced_tokens > 0
    assert engine.metrics.finished["stop"] >= 26


def test_forced_tokens_change_no_answer(qwen: LanguageModel) -> None:
    """With log-probabilities asked for each token is drawn; where only one may come it is the forced one."""
    schema = {"type": "object", "properties": {"nombre": {"enum": ["Íñigo", "Ana"]}}, "required": ["nombre"]}
    constraint = Constraint(json_schema=schema | {"additionalProperties": False})
    drawn = Engine(qwen).generate([PROMPT], Sampling(temperature=0, constraint=constraint, logprobs=0))[0]
    engine = Engine(qwen)
    forced = engine.generate([PROMPT], Sampling(temperature=0, constraint=constraint))[0]
    assert forced.text == drawn.text and json.loads(forced.text)["nombre"] in ("Íñigo", "Ana")
    assert engine.metrics.forced_tokens > 0
    assert engine.metrics.steps < drawn.completion_tokens


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"not": {"type": "string"}}, "not"),
        ({"type": "array", "contains": {"type": "integer"}}, "contains"),
        ({"if": {"type": "string"}, "then": {}}, "if"),
        ({"dependentRequired": {"a": ["b"]}}, "dependentRequired"),
        ({"propertyNames": {"pattern": "^a"}}, "propertyNames"),
        ({"type": "array", "minContains": 2}, "minContains"),
        ({"unevaluatedProperties": False}, "unevaluatedProperties"),
        ({"type": "string", "format": "color"}, "color"),
        ({"type": "integer", "oneOf": [{"minimum": 1}, {"maximum": 5}]}, "oneOf"),
        ({"$ref": "#/nothing"}, "nothing"),
        ({"type": "text"}, "text"),
        (False, "false"),
    ],
)
def test_what_a_grammar_cannot_hold_is_refused_by_name(qwen: LanguageModel, schema: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        Engine(qwen).submit(PROMPT, Sampling(constraint=Constraint(json_schema=schema)))


def test_broken_constraints_are_refused(qwen: LanguageModel) -> None:
    engine = Engine(qwen)
    for broken in (dict(regex="a(b"), dict(regex="(?=a)b"), dict(lark="start: nothing")):
        with pytest.raises(InputError, match="constraint: this cannot be held"):
            engine.submit(PROMPT, Sampling(constraint=Constraint(**broken)))
    with pytest.raises(InputError, match="exactly one of choice, regex, json_schema, lark"):
        Sampling.parse({"constraint": {"regex": "a", "lark": "b"}}, "request")
