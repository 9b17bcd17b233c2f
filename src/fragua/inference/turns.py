"""An assistant's turn in the engine: text and tool calls as they come; calls are run here, or handed over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from fragua.inference.chat import MAX_ROUNDS, ReplyReader
from fragua.inference.engine import Engine, Sampling, Ticket, TokenLogprob
from fragua.inference.engine.ticket import Chunk
from fragua.inference.releasing import Releaser, Written
from fragua.inference.tools import Tool
from fragua.tokens.tokenizer import TOOL_CALL, TOOL_CALL_END, Tokenizer

NEVER = -1e9
"""Added to a logit: the token is not drawn."""

Reason = Literal["stop", "length", "tool_calls", "abort"]


class Happening(NamedTuple):
    """What one of the answers did; exactly one of the five is given."""

    answer: int
    text: str = ""
    tokens: tuple[Written, ...] = ()
    """Those of the text, where log-probabilities were asked for."""
    call: dict[str, Any] | None = None
    result: str | None = None
    """What a call that was run here gave."""
    finish_reason: Reason | None = None


class Reply:
    """One message as its tokens come. A call is told whole, never as text; one that is no JSON is text."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = ()):
        self.tokenizer, self.tokens = tokenizer, list[int]()
        self.opening, self.closing = map(tokenizer.special_ids.get, (TOOL_CALL, TOOL_CALL_END))
        self.text, self._inside = Releaser(tokenizer.stream(), stops), list[int]()

    def feed(self, chunk: Chunk) -> Iterator[Happening]:
        logprobs: Sequence[TokenLogprob | None] = chunk.logprobs or [None] * len(chunk.token_ids)
        for token, logprob in zip(chunk.token_ids, logprobs, strict=True):
            self.tokens.append(token)
            if self._inside or token == self.opening:
                if not self._inside:
                    yield Happening(chunk.answer, *self.text.flush())
                self._inside.append(token)
                if token == self.closing:
                    yield from self._call(chunk.answer)
            elif token not in self.tokenizer.special_ids.values():
                yield Happening(chunk.answer, *self.text.feed(token, logprob))
        if chunk.finish_reason is not None:
            yield Happening(chunk.answer, *self.text.flush())
            if self._inside and chunk.finish_reason == "stop":
                yield Happening(chunk.answer, self.tokenizer.decode(self._inside, skip_special=False))

    def _call(self, answer: int) -> Iterator[Happening]:
        message = self.tokenizer.parse_reply(self._inside)
        self._inside = []
        for call in message.get("tool_calls", []):
            yield Happening(answer, call=call)
        if message["content"]:
            yield Happening(answer, message["content"])


@dataclass
class Turn:
    """`n` answers to a conversation. `offered`: tools that the prompt describes and whose calls are handed over (the
    answer then ends with 'tool_calls'); without any, calls of the tools in `run` are answered here, and the model
    goes on. `calls`: False forbids all.

    `begin` raises what `Engine.submit` raises; then iterate once. `abort` may be called at any time."""

    engine: Engine
    messages: Sequence[dict[str, Any]]
    sampling: Sampling
    n: int = 1
    offered: Sequence[dict[str, Any]] = ()
    run: Sequence[Tool] = ()
    calls: bool = True
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    steps: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    """Of each answer: the messages before its last one, calls that were run here and what they gave."""
    _tickets: list[tuple[Ticket, list[int]]] = field(default_factory=list)
    """With which answer each of a ticket's is."""

    def prompt(self) -> list[int]:
        """Raises InputError where the chat template does not take the messages."""
        return self._ids(self.messages)

    def begin(self, prompt: Sequence[int]) -> None:
        if not self.calls and (opening := self._tokenizer.special_ids.get(TOOL_CALL)) is not None:
            bias = {**self.sampling.logit_bias, opening: NEVER}
            self.sampling = self.sampling.model_copy(update={"logit_bias": bias})
        self.prompt_tokens = len(prompt)
        self._submit(prompt, self.sampling, list(range(self.n)))

    def abort(self) -> None:
        for ticket, _ in self._tickets:
            self.engine.abort(ticket)

    async def __aiter__(self) -> AsyncIterator[Happening]:
        reader = ReplyReader(self._tokenizer, self.run, self.sampling.stop)
        for ticket, answers in self._tickets:  # grows while it is read
            replies = [Reply(self._tokenizer, self.sampling.stop) for _ in answers]
            called = [False] * len(answers)
            async for chunk in ticket:
                answer, place = answers[chunk.answer], chunk.answer
                for happening in replies[place].feed(chunk._replace(answer=answer)):
                    called[place] |= happening.call is not None
                    if happening.text or happening.tokens or happening.call:
                        yield happening
                if chunk.finish_reason is None:
                    continue
                reason = chunk.finish_reason
                if self.offered or reason == "abort":
                    handed = called[place] and reason == "stop"
                    yield Happening(answer, finish_reason="tool_calls" if handed else reason)
                    continue
                message, results = reader.read(replies[place].tokens, reason)
                for result in results:
                    yield Happening(answer, result=result["content"])
                if not results or not self._goes_on(answer, [message, *results]):
                    yield Happening(answer, finish_reason=reason)
            self._count(ticket)

    def _goes_on(self, answer: int, steps: list[dict[str, Any]]) -> bool:
        """Asks again with what the calls gave, where there is room and patience for it."""
        behind = self.steps.setdefault(answer, [])
        behind += steps
        rounds = 1 + sum(message["role"] == "assistant" for message in behind)
        prompt = self._ids([*self.messages, *behind])
        given_up = any(ticket.aborted for ticket, _ in self._tickets)
        if given_up or rounds > MAX_ROUNDS or len(prompt) >= self.engine.lm.context:
            return False
        seed = self.sampling.seed
        seeded = None if seed is None else (seed + answer) % 2**63
        self._submit(prompt, self.sampling.model_copy(update={"seed": seeded}), [answer])
        return True

    def _submit(self, prompt: Sequence[int], sampling: Sampling, answers: list[int]) -> None:
        ticket = self.engine.submit(prompt, sampling, n=len(answers), ending=self.engine.lm.chat_ending)
        self._tickets.append((ticket, answers))

    def _count(self, ticket: Ticket) -> None:
        results = ticket.results()
        self.cached_tokens += results[0].cached_tokens
        self.completion_tokens += sum(result.completion_tokens for result in results)

    def _ids(self, messages: Sequence[dict[str, Any]]) -> list[int]:
        lm = self.engine.lm
        return lm.tokenizer.encode_chat(messages, self.offered or None, add_generation_prompt=True).ids

    @property
    def _tokenizer(self) -> Tokenizer:
        return self.engine.lm.tokenizer
