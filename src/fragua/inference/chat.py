"""A conversation's turn: the model writes, its tool calls are run and answered, until it calls no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from fragua.inference.completion import Event, FinishReason, Message, Piece
from fragua.inference.stopping import StopStrings
from fragua.inference.tools import ERROR, Tool, run_tool_call
from fragua.tokens.tokenizer import TOOL_CALL, Tokenizer

MAX_ROUNDS = 8
"""Answers a turn may take; the last one's calls are not run."""

BROKEN_CALL = ERROR + 'a tool call is JSON: {"name": "…", "arguments": {…}}'

Speak = Callable[[list[dict[str, Any]]], Iterator[Piece]]
"""Continues a conversation with one assistant message: pieces of its text, special tokens written out."""


class Reply(NamedTuple):
    """One assistant message in OpenAI's form, and the tool messages that answer its calls."""

    message: dict[str, Any]
    results: list[dict[str, Any]]


class ReplyReader:
    """From the tokens that an assistant drew to its message, and to the answers of the calls in it."""

    def __init__(self, tokenizer: Tokenizer, tools: Sequence[Tool], stops: Sequence[str] = ()):
        self.tokenizer, self.tools, self.stops = tokenizer, tools, stops
        self.call_id = tokenizer.special_ids.get(TOOL_CALL)

    def read(self, tokens: Sequence[int], reason: FinishReason) -> Reply:
        """A call that is not JSON stays text and is answered with an error; one cut off is dropped."""
        message = self.tokenizer.parse_reply(tokens)
        content = message["content"] or ""
        broken = self.call_id in tokens and TOOL_CALL in content
        if broken and reason == "length":
            content, broken = content[: content.rindex(TOOL_CALL)], False
        content = StopStrings(self.stops).feed(content) if self._stopped(content) else content
        message = message | {"content": content}
        calls = message.get("tool_calls", [])
        results = [{"role": "tool", "content": run_tool_call(call, self.tools)} for call in calls]
        if broken and not calls:
            results = [{"role": "tool", "content": BROKEN_CALL}]
        return Reply(message, results)

    def _stopped(self, content: str) -> bool:
        return any(stop in content for stop in self.stops)


def converse(
    speak: Speak, reader: ReplyReader, messages: Sequence[dict[str, Any]], max_rounds: int = MAX_ROUNDS
) -> Iterator[Event]:
    """Yields what happens: text (never a call's JSON), calls, their results, and at last the message."""
    steps: list[dict[str, Any]] = []
    drawn = 0
    reason: FinishReason = "length"
    for round_number in range(1, max_rounds + 1):
        tokens: list[int] = []
        shown, reason = StopStrings([TOOL_CALL]), "length"
        for piece in speak([*messages, *steps]):
            tokens += piece.tokens
            reason = piece.finish_reason or reason
            if text := shown.feed(piece.text):
                yield Event("text", text)
        if text := shown.flush():
            yield Event("text", text)
        if not tokens and reason == "length":  # no room was left to speak
            break
        drawn += len(tokens)
        message, results = reader.read(tokens, reason)
        steps.append(message)
        if not results:
            break
        if round_number == max_rounds:
            reason = "length"
            break
        calls = message.get("tool_calls", [None])
        for call, result in zip(calls, results, strict=True):
            yield Event("tool_call", call=call)
            yield Event("tool_result", result["content"], call)
        steps += results
    content = steps[-1]["content"] if steps and steps[-1]["role"] == "assistant" else ""
    yield Event("message", message=Message(content, steps, reason, drawn))


class Fitted(NamedTuple):
    """A conversation that fits, and how many of its oldest turns were dropped for it."""

    messages: list[dict[str, Any]]
    dropped: int


def fit_turns(
    messages: Sequence[dict[str, Any]], count: Callable[[list[dict[str, Any]]], int], limit: int
) -> Fitted:
    """Drops the oldest turns (a user's message and its answers) until `count(messages)` is within `limit`.

    System messages at the start and the newest turn always stay, even when they alone are over the limit."""
    system = 0
    while system < len(messages) and messages[system]["role"] == "system":
        system += 1
    starts = [at for at, message in enumerate(messages) if message["role"] == "user" and at >= system]
    for dropped, start in enumerate(starts):
        kept = [*messages[:system], *(messages[start:] if dropped else messages[system:])]
        if dropped == len(starts) - 1 or count(kept) <= limit:
            return Fitted(kept, dropped)
    return Fitted(list(messages), 0)
