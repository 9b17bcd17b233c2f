"""A thousand random JSON Schemas, a model of random weights: does what it writes fit, and what does that cost?"""

from __future__ import annotations

import json
import random
import string
import time
from typing import Any

SCHEMAS = 1000


def random_schema(seed: int) -> dict[str, Any]:
    """Of a few tokens' size, so that writing ends: every kind of value, nested up to three deep."""
    rng = random.Random(seed)
    schema = _object(rng, 2)
    if rng.random() < 0.3:
        schema["$defs"] = {"word": _string(rng)}
        schema["properties"]["ref"] = {"$ref": "#/$defs/word"}
        schema["required"].append("ref")
    return schema


def _value(rng: random.Random, depth: int) -> dict[str, Any]:
    kinds = [_string, _integer, _number, _choice, _constant, _boolean, _union]
    deep = [lambda rng: _object(rng, depth - 1), lambda rng: _array(rng, depth - 1)]
    made: dict[str, Any] = rng.choice(kinds + deep * (2 if depth else 0))(rng)
    return made


def _object(rng: random.Random, depth: int) -> dict[str, Any]:
    names = rng.sample(["a", "b2", "nombre", "año", "id", "x y", 'q"'], rng.randint(1, 3))
    properties = {name: _value(rng, depth) for name in names}
    required = [name for name in names if rng.random() < 0.7]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _array(rng: random.Random, depth: int) -> dict[str, Any]:
    least = rng.randint(0, 2)
    if rng.random() < 0.3:
        items = [_value(rng, depth) for _ in range(2)]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": 2}
    most = least + rng.randint(0, 1)
    return {"type": "array", "items": _value(rng, depth), "minItems": least, "maxItems": most}


def _string(rng: random.Random) -> dict[str, Any]:
    way = rng.randrange(4)
    if way == 0:
        return {"type": "string", "pattern": f"^[{rng.choice('ab')}-f]{{1,3}}$"}
    if way == 1:
        return {"type": "string", "format": rng.choice(["date", "time", "uuid", "ipv4"])}
    least = rng.randint(0, 2)
    return {"type": "string", "minLength": least, "maxLength": least + rng.randint(0, 4)}


def _integer(rng: random.Random) -> dict[str, Any]:
    low = rng.randint(-500, 500)
    return {"type": "integer", "minimum": low, "maximum": low + rng.randint(0, 300)}


def _number(rng: random.Random) -> dict[str, Any]:
    low = rng.randint(-20, 20)
    return {"type": "number", rng.choice(["minimum", "exclusiveMinimum"]): low, "maximum": low + 7}


def _choice(rng: random.Random) -> dict[str, Any]:
    return {"enum": rng.sample(["uno", "dos", 3, None, True, "ñ\n", 1.5], rng.randint(1, 4))}


def _constant(rng: random.Random) -> dict[str, Any]:
    return {"const": "".join(rng.choices(string.ascii_letters, k=3))}


def _boolean(rng: random.Random) -> dict[str, Any]:
    return {"type": rng.choice(["boolean", "null", ["boolean", "null"]])}


def _union(rng: random.Random) -> dict[str, Any]:
    return {"anyOf": [_integer(rng), _string(rng)]}


def main() -> dict[str, Any]:
    """`valid`: answers that fit their schema; `cut`: those that max_tokens ended. The ratio is what a step costs with
    a grammar for each of 16 requests, against the same requests without."""
    import jsonschema
    from tests.inference.engine.conftest import tiny

    from fragua.inference.engine import Constraint, Engine, Sampling
    from fragua.progress import progress_bar

    lm, prompt = tiny("qwen3", context=1024), [7, 8, 9]
    wide = dict(step_tokens=64, cache_bytes=256 << 20)
    counts = {"valid": 0, "invalid": 0, "cut": 0}
    seconds = {"with": 0.0, "without": 0.0}
    tokens = {"with": 0, "without": 0}
    wrong: list[dict[str, Any]] = []
    forced = 0
    with progress_bar("schemas", SCHEMAS, "schemas") as advance:
        for first in range(0, SCHEMAS, 16):
            schemas = [random_schema(seed) for seed in range(first, min(first + 16, SCHEMAS))]
            for way in ("with", "without"):
                engine = Engine(lm, **wide)
                started, tickets = time.perf_counter(), []
                for seed, schema in enumerate(schemas, first):
                    held = Constraint(json_schema=schema) if way == "with" else None
                    asked = Sampling(seed=seed, max_tokens=900 if held else 30, constraint=held)
                    tickets.append(engine.submit(prompt, asked))
                results = [ticket.result() for ticket in tickets]
                seconds[way] += time.perf_counter() - started
                tokens[way] += sum(result.completion_tokens for result in results)
                if way == "without":
                    continue
                forced += engine.metrics.forced_tokens
                for schema, result in zip(schemas, results, strict=True):
                    if result.finish_reason == "length":
                        counts["cut"] += 1
                        continue
                    try:
                        jsonschema.validate(json.loads(result.text), schema)
                        counts["valid"] += 1
                    except (json.JSONDecodeError, jsonschema.ValidationError):
                        counts["invalid"] += 1
                        wrong.append({"schema": schema, "text": result.text})
            advance(len(schemas))
    speed = {way: tokens[way] / seconds[way] for way in seconds}
    ratio = speed["with"] / speed["without"]
    return {
        "schemas": SCHEMAS,
        **counts,
        "wrong": wrong,
        "forced_share": forced / tokens["with"],
        "tokens_per_s": speed,
        "ratios": {"with a grammar, against without": ratio},
        "ratio_spread": {"with a grammar, against without": [ratio, ratio]},
    }
