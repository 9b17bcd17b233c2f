"""`/v1/completions`: texts continued, and with `echo` the prompt's own log-probabilities."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from fragua.errors import InputError
from fragua.inference.engine import Result, Ticket, TokenLogprob
from fragua.inference.releasing import Releaser, Written
from fragua.server.api.answering import (
    as_json,
    check_length,
    event_stream,
    head,
    model_of,
    shown_token,
    usage,
    while_heard,
)
from fragua.server.api.bodies import CompletionBody
from fragua.server.api.errors import ApiError, api_error
from fragua.server.hosted import Hosted
from fragua.tokens.tokenizer import Tokenizer

router = APIRouter()
DEFAULT_TOKENS = 16
MOST_PROMPTS = 256


@router.post("/v1/completions")
async def complete(request: Request, body: CompletionBody) -> Response:
    """One or more texts, continued."""
    model = model_of(request, body.model)
    prompts = await run_in_threadpool(prompts_of, model, body.prompt)
    job = Continuing(model, body, prompts)
    if body.stream:
        return event_stream(request, job.chunks(), job.abort)
    async with while_heard(request, job.abort):
        return as_json(await job.whole())


def prompts_of(model: Hosted, given: str | list[str] | list[int] | list[list[int]]) -> list[list[int]]:
    """Each prompt's ids. Raises ApiError for none, too many, or an empty one."""
    several: Sequence[str | list[int]]
    if isinstance(given, str):
        several = [given]
    elif given and isinstance(given[0], int):
        several = [[token for token in given if isinstance(token, int)]]
    else:
        several = [each for each in given if not isinstance(each, int)]
    if not 1 <= len(several) <= MOST_PROMPTS:
        message = f"{len(several)} prompts, 1 to {MOST_PROMPTS} may be sent"
        raise ApiError(400, message, param="prompt", code="invalid_value")
    try:
        return [model.lm.prompt_ids(each) if isinstance(each, str) else each for each in several]
    except InputError as error:
        raise api_error(error, "prompt") from error


class Continuing:
    """The tickets of one request; choice number prompt · n + answer."""

    def __init__(self, model: Hosted, body: CompletionBody, prompts: Sequence[list[int]]):
        """Raises ApiError where a prompt does not fit; then nothing is left in the queue."""
        self.model, self.body, self.prompts = model, body, prompts
        self.n, self.tokenizer = body.n or 1, model.lm.tokenizer
        if body.stream and body.echo and body.logprobs is not None:
            message = "the prompt's log-probabilities are not streamed"
            raise ApiError(400, message, param="echo", code="unsupported_value")
        limit = DEFAULT_TOKENS if body.max_tokens is None else body.max_tokens
        scored = body.logprobs if body.echo else None
        sampling = body.sampling(limit, logprobs=body.logprobs, prompt_logprobs=scored)
        self.tickets: list[Ticket] = []
        try:
            for prompt in prompts:
                check_length(model, prompt, sampling, "prompt")
                self.tickets.append(model.engine.submit(prompt, sampling, n=self.n))
        except Exception:
            self.abort()
            raise

    def abort(self) -> None:
        for ticket in self.tickets:
            self.model.engine.abort(ticket)

    async def whole(self) -> dict[str, Any]:
        choices: list[dict[str, Any]] = []
        for prompt, ticket in zip(self.prompts, self.tickets, strict=True):
            async for _ in ticket:
                pass
            for result in ticket.results():
                choices.append(self._choice(len(choices), prompt, result))
        return self._head() | {"choices": choices, "usage": self._usage()}

    def _choice(self, index: int, prompt: list[int], result: Result) -> dict[str, Any]:
        columns = Columns(self.tokenizer)
        before = ""
        if self.body.echo:
            before = self.tokenizer.decode(prompt)
            columns.add_prompt(prompt, result.prompt_logprobs or [])
        releaser = self._releaser()
        for token, logprob in zip(result.token_ids, result.logprobs or [], strict=False):
            columns.add(releaser.feed(token, logprob).tokens, len(before))
        columns.add(releaser.flush().tokens, len(before))
        return self._told(index, before + result.text, columns, result.finish_reason)

    async def chunks(self) -> AsyncIterator[dict[str, Any]]:
        same = self._head()
        for place, (prompt, ticket) in enumerate(zip(self.prompts, self.tickets, strict=True)):
            before = self.tokenizer.decode(prompt) if self.body.echo else ""
            releasers = [self._releaser() for _ in range(self.n)]
            begun: set[int] = set()
            async for chunk in ticket:
                columns, text = Columns(self.tokenizer), "" if chunk.answer in begun else before
                begun.add(chunk.answer)
                releaser = releasers[chunk.answer]
                logprobs = chunk.logprobs or [None] * len(chunk.token_ids)
                steps = [releaser.feed(*each) for each in zip(chunk.token_ids, logprobs, strict=True)]
                if chunk.finish_reason is not None:
                    steps.append(releaser.flush())
                for step in steps:
                    text += step.text
                    columns.add(step.tokens, len(before))
                if text or columns.tokens or chunk.finish_reason is not None:
                    choice = self._told(place * self.n + chunk.answer, text, columns, chunk.finish_reason)
                    yield same | {"choices": [choice]} | ({"usage": None} if self.body.include_usage else {})
        if self.body.include_usage:
            yield same | {"choices": [], "usage": self._usage()}

    def _releaser(self) -> Releaser:
        stops = self.body.stop or []
        return Releaser(self.tokenizer.stream(), [stops] if isinstance(stops, str) else stops)

    def _told(self, index: int, text: str, columns: Columns, reason: str | None) -> dict[str, Any]:
        logprobs = None if self.body.logprobs is None else columns.told()
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}

    def _head(self) -> dict[str, Any]:
        return head("text_completion", "cmpl", self.model)

    def _usage(self) -> dict[str, Any]:
        results = [result for ticket in self.tickets for result in ticket.results()]
        return usage(
            sum(map(len, self.prompts)),
            sum(result.completion_tokens for result in results),
            sum(ticket.result().cached_tokens for ticket in self.tickets),
        )


class Columns:
    """Log-probabilities as this interface has them: four lists of equal length."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.tokens: list[str] = []
        self.token_logprobs: list[float | None] = []
        self.top_logprobs: list[dict[str, float] | None] = []
        self.text_offset: list[int] = []

    def add_prompt(self, prompt: Sequence[int], logprobs: Sequence[TokenLogprob | None]) -> None:
        """The first token has no log-probability."""
        stream, offset = self.tokenizer.stream(), 0
        for token, logprob in zip(prompt, logprobs, strict=False):
            self._row(token, logprob, offset)
            offset += len(stream.feed(token))

    def add(self, tokens: Sequence[Written], before: int) -> None:
        """`before`: characters of the text in front of theirs."""
        for written in tokens:
            self._row(written.logprob.token, written.logprob, before + written.offset)

    def told(self) -> dict[str, Any]:
        names = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
        return {name: getattr(self, name) for name in names}

    def _row(self, token: int, logprob: TokenLogprob | None, offset: int) -> None:
        self.tokens.append(shown_token(self.tokenizer, token))
        self.token_logprobs.append(None if logprob is None else logprob.logprob)
        self.text_offset.append(offset)
        self.top_logprobs.append(None if logprob is None else self._top(logprob))

    def _top(self, logprob: TokenLogprob) -> dict[str, float]:
        """By text; of two tokens with the same text, the likelier. The chosen one stands among them."""
        top: dict[str, float] = {}
        for token, value in (*logprob.top, (logprob.token, logprob.logprob)):
            top.setdefault(shown_token(self.tokenizer, token), value)
        return top
