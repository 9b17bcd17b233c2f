"""The decoding loop: prompts in, one drawn token after another out, until each row is done."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fragua.errors import InputError
from fragua.inference.completion import Completion, FinishReason, Options, Piece
from fragua.inference.reading import GenerativeModel, Reader, batch_reader, room
from fragua.inference.sampling import logprobs_of, sample
from fragua.inference.stopping import TextStream
from fragua.models.calls import Decoder
from fragua.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class Ending:
    """How drawn tokens become text and which of them end it."""

    tokenizer: Tokenizer
    stop_ids: frozenset[int]
    skip_special: bool = True


def check_room(tokens: int, context: int, overflow: str) -> None:
    """Raises InputError where a prompt of `tokens` leaves no room for an answer and may not slide."""
    if tokens >= context and overflow == "error":
        mend = "shorten it, or let it slide (overflow='slide', --overflow slide) to read only its end"
        raise InputError(
            f"{tokens} tokens do not fit: the context holds {context}, the answer included", "prompt", mend
        )


def window(ids: list[int], context: int) -> list[int]:
    """What is kept of a sequence that fills the context: its newest three quarters."""
    return ids if len(ids) < context else ids[-max(1, context - context // 4) :]


class Row:
    """One sequence on its way: takes drawn tokens, gives pieces, knows when it is done."""

    def __init__(self, limit: int, options: Options, ending: Ending):
        self.limit, self.stop_ids = limit, ending.stop_ids
        self.stream = TextStream(ending.tokenizer.stream(ending.skip_special), options.stop)
        self.count = 0
        self.finish_reason: FinishReason | None = None

    def take(self, token: int, logprob: float | None) -> Piece:
        if token in self.stop_ids:
            self.finish_reason = "stop"
            return Piece(self.stream.flush(), [], [], "stop")
        self.count += 1
        text = self.stream.feed(token)
        last = self.count == self.limit
        if last:
            text += self.stream.flush()
        if last or self.stream.stopped:
            self.finish_reason = "stop" if self.stream.stopped else "length"
        return Piece(text, [token], [] if logprob is None else [logprob], self.finish_reason)


class Sampler:
    """The drawing of several rows: one generator a row, and which tokens a row has seen (for the penalty)."""

    def __init__(
        self,
        options: Options,
        prompts: Sequence[Sequence[int]],
        numbers: Sequence[int],
        vocab_size: int,
        device: torch.device,
    ):
        """`numbers`: a row's place among all that were asked for; it draws with seed + number."""
        self.options, self.vocab_size = options, vocab_size
        self.generators: list[torch.Generator] = []
        self.seen_BV: Tensor | None = None
        if not options.greedy:
            seed = secrets.randbits(62) if options.seed is None else options.seed
            self.generators = [torch.Generator().manual_seed((seed + number) % 2**63) for number in numbers]
        if options.repetition_penalty != 1.0:
            self.seen_BV = torch.zeros(len(prompts), vocab_size, dtype=torch.bool, device=device)
            for row, prompt in enumerate(prompts):
                self.seen_BV[row, torch.tensor(prompt, device=device)] = True

    @torch.inference_mode()
    def draw(self, logits_BV: Tensor) -> tuple[Tensor, list[float] | None]:
        """The next ids_B, and their log-probabilities where they are wanted."""
        # An embedding may have more rows than there are tokens; those are never drawn.
        ids_B = sample(logits_BV[:, : self.vocab_size], self.options, self.seen_BV, self.generators)
        if self.seen_BV is not None:
            self.seen_BV.scatter_(1, ids_B.unsqueeze(1), True)
        return ids_B, logprobs_of(logits_BV, ids_B).tolist() if self.options.logprobs else None

    def keep(self, rows: Sequence[int]) -> None:
        """Goes on with these rows only."""
        if self.generators:
            self.generators = [self.generators[row] for row in rows]
        if self.seen_BV is not None:
            self.seen_BV = self.seen_BV[torch.tensor(rows, device=self.seen_BV.device)]


def stream_one(
    model: Decoder,
    prompt: list[int],
    options: Options,
    ending: Ending,
    reader: Reader | None = None,
    number: int = 0,
) -> Iterator[Piece]:
    """Draws one sequence, a piece a token; the last piece has the finish reason.

    `reader`: one that has read something before; what agrees is not computed again. `number`: see Sampler.
    Raises InputError where the prompt does not fit (see Options.overflow)."""
    context = model.config.context
    check_room(len(prompt), context, options.overflow)
    reader = reader or Reader(model)
    slide = options.overflow == "slide"
    row = Row(
        options.max_tokens if slide else min(options.max_tokens, context - len(prompt)), options, ending
    )
    logits_BV = reader.read(window(prompt, context))
    sampler = Sampler(options, [prompt], [number], ending.tokenizer.vocab_size, logits_BV.device)
    while True:
        ids_B, logprobs = sampler.draw(logits_BV)
        token = int(ids_B[0])
        piece = row.take(token, logprobs[0] if logprobs else None)
        yield piece
        if piece.finish_reason is not None:
            return
        if len(reader.ids) + 1 >= context:  # reached only when sliding: `limit` ends the row before
            logits_BV = reader.read(window([*reader.ids, token], context))
        else:
            logits_BV = reader.feed(token)


def complete_batch(
    model: GenerativeModel,
    prompts: Sequence[list[int]],
    options: Options,
    ending: Ending,
    numbers: Sequence[int],
) -> list[Completion]:
    """Draws all prompts side by side; `numbers` give each row's seed (see Sampler).

    Every prompt leaves room, none needs to slide. Rows that are done leave the batch when they are half of it."""
    limits = [room(model, prompt, options.max_tokens) for prompt in prompts]
    rows = [Row(limit, options, ending) for limit in limits]
    pieces: list[list[Piece]] = [[] for _ in prompts]
    reader = batch_reader(model, prompts, max(limits))
    logits_BV = reader.logits_BV
    sampler = Sampler(options, prompts, numbers, ending.tokenizer.vocab_size, logits_BV.device)
    at = list(range(len(prompts)))
    while True:
        ids_B, logprobs = sampler.draw(logits_BV)
        for place, (index, token) in enumerate(zip(at, ids_B.tolist(), strict=True)):
            if rows[index].finish_reason is None:
                pieces[index].append(rows[index].take(token, logprobs[place] if logprobs else None))
        places = [place for place, index in enumerate(at) if rows[index].finish_reason is None]
        if not places:
            return [completed(row_pieces, options.logprobs) for row_pieces in pieces]
        if 2 * len(places) <= len(at):
            reader.keep(places)
            sampler.keep(places)
            ids_B, at = ids_B[torch.tensor(places, device=ids_B.device)], [at[place] for place in places]
        logits_BV = reader.feed(ids_B)


def completed(pieces: Sequence[Piece], logprobs: bool) -> Completion:
    """The pieces of one finished row, put together."""
    reason = pieces[-1].finish_reason
    assert reason is not None, "the row is not finished"
    return Completion(
        "".join(piece.text for piece in pieces),
        [token for piece in pieces for token in piece.tokens],
        reason,
        [value for piece in pieces for value in piece.logprobs] if logprobs else None,
    )
