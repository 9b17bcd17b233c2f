"""What a head of labels tells: the label of a text or a pair, a number, the tags of words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fragua.corpus.labelled import OUTSIDE, marks_spans, spans
from fragua.errors import InputError
from fragua.inference.encoding import batches
from fragua.models.calls import Model
from fragua.tokens.tokenizer import Framed, Tokenizer

Worded = tuple[str, list[tuple[int, int]]]
"""A text, and where each of its words begins and ends."""
WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Labelled:
    """A text's label and how probable each is."""

    label: str
    probability: float
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Entity:
    """A span that the tags of words mark."""

    label: str
    text: str
    start: int
    """In characters of the text; of words that were given, of their join by spaces."""
    stop: int
    probability: float
    """The mean of its words'."""


@dataclass(frozen=True)
class Tagged:
    """A text's words with the tag of each; the spans that BIO tags mark."""

    words: list[str]
    tags: list[str]
    probabilities: list[float]
    entities: list[Entity]


def framed_text(tokenizer: Tokenizer, text: str, pair: str | None, limit: int) -> Framed:
    """As the family frames texts and pairs; where it frames nothing, a line break parts them. Never empty."""
    if pair is not None and not tokenizer.framed("").ids:
        text, pair = f"{text}\n{pair}", None
    framed = tokenizer.framed(text, pair, limit)
    return framed if framed.ids else Framed([tokenizer.end_id or 0], [0])


def framed_words(
    tokenizer: Tokenizer, text: str, bounds: Sequence[tuple[int, int]], limit: int
) -> tuple[Framed, list[int | None]]:
    """`Tokenizer.framed_words`, never empty."""
    framed, places = tokenizer.framed_words(text, bounds, limit)
    return (framed if framed.ids else Framed([tokenizer.end_id or 0], [0])), places


def joined(words: Sequence[str]) -> Worded:
    """The text of words, and where each begins and ends in it."""
    stops = np.cumsum([len(word) + 1 for word in words]) - 1
    bounds = [(int(stop) - len(word), int(stop)) for word, stop in zip(words, stops, strict=True)]
    return " ".join(words), bounds


@torch.inference_mode()
def text_logits(model: Model, tokenizer: Tokenizer, texts: Sequence[tuple[str, str | None]]) -> np.ndarray:
    """float32 [n, labels]. What is over the context is cut."""
    framed = [framed_text(tokenizer, *text, model.config.context) for text in texts]
    logits_NL = np.zeros((len(texts), model.config.labels), dtype=np.float32)
    for places, ids_BT, mask_BT, types_BT in batches(model, framed):
        x_BTD = model.labelled_states(ids_BT, mask_BT, types_BT)
        logits_NL[places] = model.labels(x_BTD, ids_BT, mask_BT).float().cpu().numpy()
    return logits_NL


def softmax(logits_NL: np.ndarray) -> np.ndarray:
    """Probabilities of the labels, float32 [n, labels]."""
    return torch.from_numpy(logits_NL).softmax(-1).numpy()


def classify(model: Model, tokenizer: Tokenizer, texts: Sequence[str | tuple[str, str]]) -> list[Labelled]:
    """The label of each text, or pair of texts. Raises InputError where the model has no such head."""
    names = model.config.label_names
    if model.config.task != "label" or len(names) < 2:
        what = f"this {model.config.family} has no head for labels of texts"
        raise InputError(what, "classify", "a directory with a sequence classifier is needed")
    rows = softmax(text_logits(model, tokenizer, [_pair(text) for text in texts])).tolist()
    return [Labelled(*_best(row, names), dict(zip(names, row, strict=True))) for row in rows]


def regress(model: Model, tokenizer: Tokenizer, texts: Sequence[str | tuple[str, str]]) -> np.ndarray:
    """The number of each text, or pair of texts: float32 [n]. Raises InputError where the model tells none."""
    if model.config.task != "label" or model.config.labels != 1:
        what = f"this {model.config.family} has no head for a number"
        raise InputError(what, "regress", "make one with: fragua finetune MODEL --task regress")
    return text_logits(model, tokenizer, [_pair(text) for text in texts])[:, 0]


@torch.inference_mode()
def word_probabilities(model: Model, tokenizer: Tokenizer, texts: Sequence[Worded]) -> list[np.ndarray]:
    """float32 [words, labels] a text. Words that have no token, or are beyond the context, are outside."""
    outside_L = np.array([name == OUTSIDE for name in model.config.label_names], dtype=np.float32)
    framed = [framed_words(tokenizer, text, bounds, model.config.context) for text, bounds in texts]
    found = [np.tile(outside_L, (len(bounds), 1)) for _, bounds in texts]
    for texts_B, ids_BT, mask_BT, types_BT in batches(model, [each for each, _ in framed]):
        probabilities_BTL = model.judge(model.labelled_states(ids_BT, mask_BT, types_BT)).float().softmax(-1)
        for text, probabilities_TL in zip(texts_B, probabilities_BTL.cpu().numpy(), strict=True):
            for word, place in enumerate(framed[text][1]):
                if place is not None:
                    found[text][word] = probabilities_TL[place]
    return found


def tag(model: Model, tokenizer: Tokenizer, texts: Sequence[str | Sequence[str]]) -> list[Tagged]:
    """The tags of the words of each text; letters and digits are words, and each mark is one, or words as given.

    Raises InputError where the model has no such head, and for a text over the context."""
    names = model.config.label_names
    if model.config.task != "tag":
        what = f"this {model.config.family} has no head for tags of words"
        raise InputError(what, "tag", "make one with: fragua finetune MODEL --task tag")
    read = [_worded(text) for text in texts]
    for number, (text, _) in enumerate(read, 1):
        if (size := len(tokenizer.framed(text).ids)) > model.config.context:
            what = f"{size} tokens do not fit: the context holds {model.config.context}"
            raise InputError(what, f"tag, text {number}", "give it sentence by sentence")
    rows = word_probabilities(model, tokenizer, read)
    return [_tagged(*each, row.tolist(), names) for each, row in zip(read, rows, strict=True)]


def _worded(text: str | Sequence[str]) -> Worded:
    if not isinstance(text, str):
        return joined(text)
    return text, [word.span() for word in WORD.finditer(text)]


def _tagged(
    text: str, bounds: Sequence[tuple[int, int]], rows: Sequence[Sequence[float]], names: Sequence[str]
) -> Tagged:
    best = [_best(row, names) for row in rows]
    tags, probabilities = [label for label, _ in best], [probability for _, probability in best]
    entities = []
    for span in spans(tags) if marks_spans(names) else []:
        start, stop = bounds[span.start][0], bounds[span.stop - 1][1]
        mean = sum(probabilities[span.start : span.stop]) / (span.stop - span.start)
        entities.append(Entity(span.label, text[start:stop], start, stop, mean))
    return Tagged([text[start:stop] for start, stop in bounds], tags, probabilities, entities)


def _best(row: Sequence[float], names: Sequence[str]) -> tuple[str, float]:
    best = max(range(len(row)), key=row.__getitem__)
    return names[best], row[best]


def _pair(text: str | tuple[str, str]) -> tuple[str, str | None]:
    return (text, None) if isinstance(text, str) else text
