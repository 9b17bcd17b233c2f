"""A model and its tokenizer together: text in, text out. What `fragua.load` gives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast, overload

import numpy as np
import torch

from fragua.errors import InputError
from fragua.inference.beams import search_batch
from fragua.inference.chat import MAX_ROUNDS, ReplyReader, converse
from fragua.inference.completion import Completion, Event, Message, Options, Piece, Score
from fragua.inference.decoding import Ending, check_room, complete_batch, completed, stream_one
from fragua.inference.encoding import Embedding, Filled, embed, fill
from fragua.inference.labelling import Labelled, Tagged, classify, regress, tag
from fragua.inference.reading import Reader
from fragua.inference.scoring import score_sequences
from fragua.inference.tools import CALCULATOR, Tool, schema
from fragua.models.calls import Decoder, Model
from fragua.models.encoder import Encoder
from fragua.models.encoder_decoder import EncoderDecoder
from fragua.models.io import load, save_model
from fragua.models.permuting import Permuting
from fragua.models.quantize import check_weights, quantize
from fragua.tokens.tokenizer import TURN_START, Tokenizer, has_tokenizer

BATCH_ROWS = 64
BATCH_TOKENS = 16_384
"""A batch's prompts, with padding, hold no more tokens than this."""

Messages = Sequence[dict[str, Any]]


class LanguageModel:
    """`generate`, `chat`, `score` and their streams; `options` are the fields of `completion.Options`.

    By default (`tools=None`) a chat may call the calculator, and the prompt does not speak of it: our
    fine-tuning teaches it that way. Tools that are given are described in the prompt by the chat template;
    `[]` allows none."""

    def __init__(self, model: Model, tokenizer: Tokenizer | None, directory: Path | None = None):
        self.model, self._tokenizer, self.directory = model, tokenizer, directory

    @classmethod
    def load(cls, directory: str | Path, *, threads: int | None = None, weights: str = "float32") -> Self:
        """`threads`: how many torch may use, in the whole process; None leaves its choice. `weights`: as they are
        computed with, 'float32', 'bfloat16', 'int8' or 'int4' (see `models.quantize`).

        Raises InputError where the directory is missing, broken or of an unknown family."""
        directory = Path(directory)
        if threads is not None:
            if threads < 1:
                raise InputError(f"threads is {threads}, at least 1 is needed")
            torch.set_num_threads(threads)
        check_weights(weights)
        if not directory.is_dir():
            raise InputError("no such directory", directory, "a model directory is needed")
        model = load(directory)
        quantize(model, weights)
        return cls(model, Tokenizer.load(directory) if has_tokenizer(directory) else None, directory)

    @property
    def tokenizer(self) -> Tokenizer:
        """Raises InputError where the directory has none: then only `model` and `save` work."""
        if self._tokenizer is None:
            raise InputError("no tokenizer here", self.directory, "put a tokenizer.json beside the model")
        return self._tokenizer

    @property
    def decoder(self) -> Decoder:
        """The model, where it continues texts. Raises InputError where it does not."""
        if self.model.config.task != "tokens" or isinstance(self.model, Encoder | EncoderDecoder | Permuting):
            what = f"{self.model.config.family} does not continue a text"
            raise InputError(what, self.directory, "fill, embed and classify are for encoders")
        return cast(Decoder, self.model)

    @property
    def answers(self) -> bool:
        """Whether it reads a text and writes another, instead of going on with it."""
        return isinstance(self.model, EncoderDecoder) or self.tokenizer.closing_id is not None

    @property
    def context(self) -> int:
        """How many tokens the model can see at once."""
        return self.model.config.context

    @overload
    def generate(self, prompt: str, **options: Any) -> Completion: ...
    @overload
    def generate(self, prompt: Sequence[str], **options: Any) -> list[Completion]: ...
    def generate(self, prompt: str | Sequence[str], **options: Any) -> Completion | list[Completion]:
        """Continues a text, or several side by side (text i draws with seed + i). An empty one is begun anew.

        Greedy unless a temperature is given. Raises InputError where a prompt does not fit
        (`overflow='slide'` reads its end) or an option is out of range.
        An encoder-decoder reads the prompt and writes its answer. With `beams` the likeliest text is searched for;
        `n_best` gives the next best as `others`."""
        parsed = Options.parse(options, "generate")
        prompts = [self.prompt_ids(text) for text in ([prompt] if isinstance(prompt, str) else prompt)]
        completions = self._complete(prompts, parsed, self.text_ending)
        return completions[0] if isinstance(prompt, str) else completions

    def stream(self, prompt: str, **options: Any) -> Iterator[Piece]:
        """As `generate`, a piece for each token; the last has the finish reason. What an encoder-decoder writes, and
        what beams find, comes as one piece."""
        ids, parsed = self.prompt_ids(prompt), Options.parse(options, "stream")
        if parsed.beams > 1 or isinstance(self.model, EncoderDecoder):
            whole = self._complete([ids], parsed, self.text_ending)[0]
            return iter([Piece(whole.text, whole.tokens, whole.logprobs or [], whole.finish_reason)])
        check_room(len(ids), self.context, parsed.overflow)
        return stream_one(self.decoder, ids, parsed, self.text_ending)

    def chat(self, messages: Messages, tools: Sequence[Tool] | None = None, **options: Any) -> Message:
        """The assistant's next message; tool calls are run and answered on the way (see `.steps`)."""
        *_, last = self.stream_chat(messages, tools, **options)
        assert last.message is not None, "the last event is the message"
        return last.message

    def stream_chat(
        self,
        messages: Messages,
        tools: Sequence[Tool] | None = None,
        *,
        reader: Reader | None = None,
        **options: Any,
    ) -> Iterator[Event]:
        """As `chat`, event by event. `reader`: keep one a conversation; each turn reads only what is new."""
        parsed, reader = Options.parse(options, "chat"), reader or Reader(self.decoder)
        check_room(len(self.chat_ids(messages, tools)), self.context, parsed.overflow)

        def speak(so_far: list[dict[str, Any]]) -> Iterator[Piece]:
            ids = self.chat_ids(so_far, tools)
            if parsed.overflow == "slide" or len(ids) < self.context:
                yield from stream_one(self.decoder, ids, parsed, self.chat_ending, reader)

        return converse(speak, self._reply_reader(tools, parsed), messages)

    def reply(
        self,
        conversations: Sequence[Messages],
        tools: Sequence[Tool] | None = None,
        *,
        tools_each: Sequence[Sequence[Tool] | None] | None = None,
        max_rounds: int = MAX_ROUNDS,
        **options: Any,
    ) -> list[list[dict[str, Any]]]:
        """The messages that answer each conversation (calls, tool results, the answer), all side by side.

        `tools_each`: the tools of each conversation, instead of the same `tools` for all. A conversation that
        outgrows the context while tools answer ends there."""
        parsed = Options.parse(options, "reply")
        offered = [tools] * len(conversations) if tools_each is None else list(tools_each)
        readers = [self._reply_reader(each, parsed) for each in offered]
        steps: list[list[dict[str, Any]]] = [[] for _ in conversations]
        waiting = list(range(len(conversations)))
        for round_number in range(1, max_rounds + 1):
            prompts = {
                index: self.chat_ids([*conversations[index], *steps[index]], offered[index])
                for index in waiting
            }
            if parsed.overflow == "error" and round_number > 1:
                prompts = {index: ids for index, ids in prompts.items() if len(ids) < self.context}
            waiting = []
            completions = self._complete(list(prompts.values()), parsed, self.chat_ending)
            for index, completion in zip(prompts, completions, strict=True):
                message, results = readers[index].read(completion.tokens, completion.finish_reason)
                steps[index].append(message)
                if results and round_number < max_rounds:
                    steps[index] += results
                    waiting.append(index)
            if not waiting:
                break
        return steps

    def score(self, text: str, *, overflow: str = "error") -> Score:
        """The text's tokens and log p(token | tokens before) of each, in nats; None for the first.

        A text over the context is refused, or with `overflow='slide'` read in overlapping windows."""
        ids = self.tokenizer.encode(text)
        if len(ids) > self.context and overflow == "error":
            message = f"{len(ids)} tokens do not fit: the context holds {self.context}"
            raise InputError(message, "score", "shorten it, or choose overflow='slide'")
        logprobs: list[float | None] = [None] if ids else []
        return Score(ids, logprobs + list(score_sequences(self.decoder, [ids], self.context)[0]))

    def fill(self, text: str, *, top_k: int = 5) -> list[Filled] | list[list[Filled]]:
        """The likeliest words for the gap that `[MASK]` marks; for several gaps a list of each.

        Raises InputError for a model that fills no gaps or a text without one."""
        gaps = fill(self.model, self.tokenizer, text, top_k)
        return gaps[0] if len(gaps) == 1 else gaps

    def embed(self, texts: str | Sequence[str], **how: Any) -> np.ndarray:
        """A vector a text, float32 [n, D]; `pooling` ('mean', 'cls', 'last'), `normalise` and `limit` where they are
        not to be as the directory says."""
        chosen = Embedding.parse(Embedding.of(self.directory).model_dump() | how, "embed")
        return embed(self.model, self.tokenizer, [texts] if isinstance(texts, str) else texts, chosen)

    def classify(self, texts: str | Sequence[str | tuple[str, str]]) -> list[Labelled]:
        """The label of each text, or pair of texts. Raises InputError for a model without such a head."""
        return classify(self.model, self.tokenizer, [texts] if isinstance(texts, str) else texts)

    def regress(self, texts: str | Sequence[str | tuple[str, str]]) -> np.ndarray:
        """The number of each text, or pair of texts, float32 [n]. Raises InputError for a model that tells none."""
        return regress(self.model, self.tokenizer, [texts] if isinstance(texts, str) else texts)

    def tag(self, texts: str | Sequence[str | Sequence[str]]) -> list[Tagged]:
        """Words, their tags and the spans these mark, of each text (or list of words). Raises InputError for a model
        without such a head, or a text over the context."""
        return tag(self.model, self.tokenizer, [texts] if isinstance(texts, str) else texts)

    def save(self, directory: str | Path, *, dtype: torch.dtype = torch.float32) -> None:
        """The same layout again: weights, configuration, tokenizer and, where there is one, the lineage."""
        directory = Path(directory)
        tokens, generation = self._tokenizer, {}
        if tokens:
            generation = {"eos_token_id": sorted(tokens.stop_ids) or None, "pad_token_id": tokens.pad_id}
        save_model(self.model, directory, generation=generation, dtype=dtype)
        if tokens:
            tokens.save(directory)
        if self.directory is not None and self.directory.resolve() != directory.resolve():
            for name in ("fragua.json", "README.md"):
                if (self.directory / name).is_file():
                    shutil.copyfile(self.directory / name, directory / name)

    def chat_ids(self, messages: Messages, tools: Sequence[Tool] | None = None) -> list[int]:
        """The tokens after which the assistant speaks. Raises InputError for an empty conversation."""
        if not messages:
            raise InputError("the conversation is empty", "messages")
        described = [schema(tool) for tool in tools] if tools else None
        return self.tokenizer.encode_chat(list(messages), tools=described, add_generation_prompt=True).ids

    def prompt_ids(self, text: str) -> list[int]:
        """The tokens that `generate` continues. Raises InputError for an empty text that can't be begun anew."""
        if isinstance(self.model, EncoderDecoder):
            return self.tokenizer.framed(text).ids
        ids = self.tokenizer.source(text)
        if not ids and self.tokenizer.end_id is None:
            raise InputError(
                "the prompt is empty, and this tokenizer has no end token to begin from", "prompt"
            )
        return ids or [self.tokenizer.end_id or 0]

    @cached_property
    def text_ending(self) -> Ending:
        """A continued text ends at the tokenizer's end tokens."""
        return Ending(self.tokenizer, frozenset(self.tokenizer.stop_ids))

    @cached_property
    def chat_ending(self) -> Ending:
        """An assistant's turn also ends where the next one would begin."""
        turn = self.tokenizer.special_ids.get(TURN_START)
        stop_ids = {*self.tokenizer.stop_ids, *([] if turn is None else [turn])}
        return Ending(self.tokenizer, frozenset(stop_ids), skip_special=False)

    def _reply_reader(self, tools: Sequence[Tool] | None, options: Options) -> ReplyReader:
        return ReplyReader(self.tokenizer, (CALCULATOR,) if tools is None else tools, options.stop)

    def _complete(self, prompts: Sequence[list[int]], options: Options, ending: Ending) -> list[Completion]:
        """Batches of neighbours in length; what must slide goes alone: a batch has one width for all."""
        model = self.model if isinstance(self.model, EncoderDecoder) else self.decoder
        for ids in [] if isinstance(model, EncoderDecoder) else prompts:
            check_room(len(ids), self.context, options.overflow)
        done: dict[int, Completion] = {}
        together = []
        for index, ids in enumerate(prompts):
            slides = options.overflow == "slide" and len(ids) + options.max_tokens > self.context
            if slides and options.beams == 1 and not isinstance(model, EncoderDecoder):
                pieces = list(stream_one(model, ids, options, ending, number=index))
                done[index] = completed(pieces, options.logprobs)
            else:
                together.append(index)
        for batch in _batches(together, prompts):
            rows = [prompts[index] for index in batch]
            if options.beams > 1:
                answers = search_batch(model, rows, options, ending)
            else:
                answers = complete_batch(model, rows, options, ending, batch)
            done |= dict(zip(batch, answers, strict=True))
        return [done[index] for index in range(len(prompts))]


def _batches(indices: Sequence[int], prompts: Sequence[list[int]]) -> Iterator[list[int]]:
    """Longest first, so that a batch that is too large shows at once."""
    batch: list[int] = []
    for index in sorted(indices, key=lambda index: -len(prompts[index])):
        if batch and (len(batch) == BATCH_ROWS or len(prompts[batch[0]]) * (len(batch) + 1) > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
