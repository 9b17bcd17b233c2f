"""Chats: messages to ids with the assistant's tokens marked, and generated ids back to a message."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from fragua.errors import InputError
from fragua.tokens.templates import CLOSE_MARK, OPEN_MARK, render_template

if TYPE_CHECKING:
    from fragua.tokens.tokenizer import Tokenizer

Messages = Sequence[dict[str, Any]]
Tools = Sequence[dict[str, Any]]

_PRIVATE = re.compile("[\U000f0000-\U0010ffff]")
FORM = 'a message is {"role": "user", "content": "…"}'


class ChatTokens(NamedTuple):
    """`ids[i]` and whether it is the assistant's (`trained[i]`): what it writes, its end of turn included."""

    ids: list[int]
    trained: list[bool]


def render(
    tokenizer: Tokenizer, messages: Messages, tools: Tools | None = None, add_generation_prompt: bool = False
) -> str:
    """See `Tokenizer.render`."""
    check_messages(messages)
    return _render(tokenizer, list(messages), tools, add_generation_prompt, {})


def encode_chat(
    tokenizer: Tokenizer, messages: Messages, tools: Tools | None = None, add_generation_prompt: bool = False
) -> ChatTokens:
    """Renders with a guard character inside every special literal that the messages and tools hold, and two
    marks around what the assistant writes; splits at the literals left, which are the template's own; encodes
    the rest as text. The three characters are private ones that occur nowhere in the inputs.

    The ids of the prompt (`add_generation_prompt`) are a prefix of the ids of the conversation with its
    answer: text is cut at the marks before it is encoded, as it is when the model writes on.

    Raises InputError as `Tokenizer.render` does, and for lone surrogates."""
    check_messages(messages)
    guard, opening, closing = _unused_characters((messages, tools, tokenizer.chat_template))
    guarded = _guard(tuple(tokenizer.special_ids), guard)
    marks = {OPEN_MARK: opening, CLOSE_MARK: closing}
    text = _render(
        tokenizer, _map_strings(messages, guarded), _map_strings(tools, guarded), add_generation_prompt, marks
    )
    ids: list[int] = []
    trained: list[bool] = []
    writing = False
    separators = _separators((*tokenizer.special_ids, opening, closing))
    for piece in filter(None, separators.split(text)):
        if piece in marks.values():
            writing = piece == opening
            continue
        special = tokenizer.special_ids.get(piece)
        new = tokenizer.encode(piece.replace(guard, "")) if special is None else [special]
        ids += new
        trained += [writing] * len(new)
    return ChatTokens(ids, trained)


def parse_reply(tokenizer: Tokenizer, ids: Sequence[int]) -> dict[str, Any]:
    """Generated ids, up to the first stop token, as `{"role": "assistant", "content", "tool_calls"?}`.

    A tool call is what stands between the special `<tool_call>` and `</tool_call>` and is a JSON object with
    a string `name` and an object `arguments`; anything else (broken JSON, no closing token) stays in the
    content as text. `content` is None beside calls without text. Inverse of `encode_chat` on what the
    assistant writes."""
    stop = next((i for i, token in enumerate(ids) if token in tokenizer.stop_ids), len(ids))
    ids = list(ids[:stop])
    opening, closing = (tokenizer.special_ids.get(token) for token in ("<tool_call>", "</tool_call>"))
    calls: list[dict[str, Any]] = []
    text: list[int] = []
    place = 0
    while place < len(ids):
        if ids[place] == opening and closing in ids[place:]:
            end = ids.index(closing, place)
            call = _parse_call(tokenizer.decode(ids[place + 1 : end]))
            if call is not None:
                calls.append({"type": "function", "function": call})
                place = end + 1
                continue
        text.append(ids[place])
        place += 1
    kept = [i for i in text if i in (opening, closing) or i not in tokenizer.special_ids.values()]
    content = tokenizer.decode(kept, skip_special=False)
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if calls:
        message |= {"content": content or None, "tool_calls": calls}
    return message


def check_messages(messages: Messages) -> None:
    """Raises InputError naming the first message that is not OpenAI's form."""
    if isinstance(messages, str | dict) or not messages:
        raise InputError("a conversation is a list of at least one message", mend=FORM)
    for i, message in enumerate(messages):
        place = f"message {i}"
        if not isinstance(message, dict):
            raise InputError("an object is needed", place, FORM)
        role, content, calls = message.get("role"), message.get("content"), message.get("tool_calls")
        if not isinstance(role, str) or not re.fullmatch(r"[a-z_]+", role):
            raise InputError(f"role {role!r} is unknown", place, "system, user, assistant or tool")
        if not isinstance(content, str | list | None):
            raise InputError(f"content must be text, not {type(content).__name__}", place)
        if content is None and not calls:
            raise InputError("neither content nor tool_calls", place)
        if not isinstance(calls, list | tuple | None):
            raise InputError("tool_calls must be a list", place)
        for call in calls or []:
            _check_call(call, place)


def _check_call(call: Any, place: str) -> None:
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise InputError("a tool call without a name", place, '{"function": {"name": …, "arguments": {…}}}')
    if not isinstance(function.get("arguments"), str | dict):
        raise InputError("a tool call's arguments must be an object, or its JSON", place)


def _render(
    tokenizer: Tokenizer, messages: Messages, tools: Tools | None, prompt: bool, marks: dict[str, str]
) -> str:
    if tokenizer.chat_template is None:
        raise InputError(
            "this tokenizer has no chat template", mend="put a chat_template.jinja in its folder"
        )
    given = [{key: value for key, value in message.items() if value is not None} for message in messages]
    names = ("bos_token", "eos_token", "unk_token", "pad_token")
    specials = {name: token for name in names if (token := tokenizer.configured(name)) is not None}
    variables = {"messages": given, "tools": tools, "documents": None, "add_generation_prompt": prompt}
    return render_template(tokenizer.chat_template, specials | variables | marks)


@lru_cache(64)
def _separators(literals: tuple[str, ...]) -> re.Pattern[str]:
    """Cuts a text at each of them, themselves included, longest first."""
    longest_first = sorted(literals, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})")


def _unused_characters(inputs: Any) -> list[str]:
    """Three private-use characters (Unicode plane 15) that occur nowhere in the inputs."""
    used: set[str] = set()

    def note(text: str) -> str:
        used.update(_PRIVATE.findall(text))
        return text

    _map_strings(inputs, note)
    free = (c for c in map(chr, range(0xF0000, 0xFFFFE)) if c not in used)
    return [next(free) for _ in range(3)]


@lru_cache(64)
def _guard(literals: tuple[str, ...], guard: str) -> Callable[[str], str]:
    """A function that breaks every special literal in a text, and any beginning or end of one at the text's
    edges (which the template's own text might complete), by the guard character."""
    longest_first = sorted(literals, key=len, reverse=True)
    whole = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
    heads = tuple({literal[:n] for literal in literals for n in range(1, len(literal))})
    tails = tuple({literal[n:] for literal in literals for n in range(1, len(literal))})

    def apply(text: str) -> str:
        text = whole.sub(lambda match: match[0][0] + guard + match[0][1:], text)
        return (guard if text.startswith(tails) else "") + text + (guard if text.endswith(heads) else "")

    return apply


def _map_strings(value: Any, function: Callable[[str], str]) -> Any:
    """A copy of a JSON value with `function` on every string, keys of objects included."""
    if isinstance(value, str):
        return function(value)
    if isinstance(value, dict):
        return {_map_strings(k, function): _map_strings(v, function) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_map_strings(item, function) for item in value]
    return value


def _parse_call(text: str) -> dict[str, Any] | None:
    """`{"name": str, "arguments": {…}}`; None where the text is not that, or could not be written again."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    try:
        call = json.loads(text, parse_constant=refuse)
        json.dumps(call, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict) or set(call) != {"name", "arguments"}:
        return None
    if not isinstance(call["name"], str) or not isinstance(call["arguments"], dict):
        return None
    return call
