"""Tools that the prompt declares and that no one has seen before: the call copies name and arguments from it."""

from __future__ import annotations

from typing import Any, NamedTuple

from fragua.corpus.aldea.asking import Asker, Task, called
from fragua.corpus.aldea.entities import Entity
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.wordbook import invented

Value = Entity | str
INVENTED_SHARE = 0.35
"""Tools whose name says nothing, so that only the description tells what they do."""


class Tool(NamedTuple):
    situation: str
    name: str
    keys: list[str]
    schema: dict[str, Any]


def _name(asker: Asker, nouns: list[str]) -> str:
    """A name of this side of the hold-out: verb and noun, or a word that means nothing."""
    rng, verbs = asker.rng, table("tools.toml")["verbs"][asker.lang]
    while True:
        said = f"{rng.choice(verbs)}_{rng.choice(nouns)}"
        name = invented(rng) if rng.random() < INVENTED_SHARE else said
        if asker.mine(f"tool {name}"):
            return name


def _tool(asker: Asker, situation: str) -> Tool:
    row = table("tools.toml")[situation]
    texts = row[asker.lang]
    keys = [asker.rng.choice(names) for names in texts["keys"]]
    name = _name(asker, texts["nouns"])
    properties = {key: {"type": "string"} for key in keys}
    function = {
        "name": name,
        "description": asker.rng.choice(texts["about"]),
        "parameters": {"type": "object", "properties": properties},
    }
    return Tool(situation, name, keys, {"type": "function", "function": function})


def _value(asker: Asker, kind: str) -> Value:
    rng = asker.rng
    if kind in ("village", "product", "ingredient"):
        return rng.choice(asker.world.of_kind(kind))
    if kind == "person":
        return rng.choice(asker.strangers).es.bare
    if kind == "number":
        return str(rng.randint(2, 60))
    if kind == "few":
        return str(rng.randint(2, 12))
    if kind == "digits":
        return f"{rng.randint(200, 999)} {rng.randint(100, 999)}"
    if kind == "hour":
        return f"{rng.randint(2, 12)}:{rng.choice(('00', '15', '20', '30', '45'))}"
    if kind == "word":
        return invented(rng)
    return str(rng.choice(table("tools.toml")["lists"][kind][asker.lang]))


def task(asker: Asker) -> Task | None:
    rows, rng = table("tools.toml"), asker.rng
    situation = rng.choice(rows["situations"])
    row = rows[situation]
    values = [_value(asker, kind) for kind in row["args"]]
    shown = [value if isinstance(value, str) else value.forms(asker.lang).bare for value in values]
    if len(set(shown)) < len(shown):
        return None
    template = asker.template(row[asker.lang]["asks"], " ".join([situation, *shown]))
    if template is None:
        return None
    tools = [_tool(asker, situation)]
    if rng.random() < 0.5:
        others = [name for name in rows["situations"] if name != situation]
        tools.append(_tool(asker, rng.choice(others)))
        if tools[0].name == tools[1].name:
            return None
    result = _value(asker, row["result"])
    assert isinstance(result, str)
    holes: dict[str, Value] = dict(zip("ab", values, strict=False))
    name, arguments = tools[0].name, dict(zip(tools[0].keys, shown, strict=True))
    said = asker.sentence(row[asker.lang]["say"], r=result, **holes)
    return Task(
        asker.text(template, **holes),
        called(name, arguments, result, said),
        "tool_call",
        lambda: {"name": name, "arguments": arguments, "result": result},
        tags=[situation, f"{len(tools)} declared"],
        tools=[tool.schema for tool in sorted(tools, key=lambda tool: tool.name)],
    )
