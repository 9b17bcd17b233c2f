"""What each family learns when it is trained from scratch, and how it shows what it has learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from fragua.errors import InputError
from fragua.inference.language_model import LanguageModel
from fragua.models.presets import Trained
from fragua.tokens.frames import FRAMES
from fragua.tokens.shards import Shards
from fragua.tokens.tokenizer import Tokenizer, sentinel
from fragua.training.masked import FullSentences, SentencePairs
from fragua.training.objectives import Objective
from fragua.training.permuted import Permutation
from fragua.training.spans import Prefix, SpanCorruption
from fragua.training.vocabulary import Vocabulary

T5Learns = Literal["spans", "prefix"]


def check_tokenizer(family: Trained, tokenizer: Tokenizer, place: object) -> None:
    """Raises InputError where the tokenizer lacks the family's special tokens."""
    frame = FRAMES.get(family)
    if frame is None:
        return
    missing = [name for name in frame.named if tokenizer.configured(name) not in tokenizer.special_ids]
    missing += ["<extra_id_0>"] if frame.sentinels and not tokenizer.sentinel_ids else []
    if missing:
        mend = f"train one with: fragua tokenizer train … --family {family}"
        raise InputError(f"the tokenizer has no {missing[0]}, which {family} needs", str(place), mend)


def make_objective(
    family: Trained,
    train: Shards,
    validation: Shards,
    tokenizer: Tokenizer,
    context: int,
    seed: int,
    *,
    whole_words: bool = False,
    t5_learns: T5Learns = "spans",
) -> Objective:
    """Of a family with an objective of its own. Raises InputError where the context does not fit it."""
    data = (train, validation, Vocabulary(tokenizer), context, seed)
    if family == "bert":
        return SentencePairs(*data, whole_words)
    if family == "roberta":
        return FullSentences(*data, whole_words)
    if family == "t5":
        return (SpanCorruption if t5_learns == "spans" else Prefix)(*data)
    assert family == "xlnet", "the others learn the next token"
    return Permutation(*data)


def sampler(
    lm: LanguageModel, prompts: list[dict[str, str]], seed: int, t5_learns: T5Learns
) -> Callable[[], list[dict[str, Any]]]:
    """Rows of `samples.jsonl`: a text continued, or the words that fit a gap in the place of its last one."""
    show = SHOWS.get(lm.model.config.family, _continued)
    if lm.model.config.family == "t5" and t5_learns == "prefix":
        show = _written

    def sample() -> list[dict[str, Any]]:
        rows = ((prompt["lang"], *show(lm, prompt["text"], seed)) for prompt in prompts)
        return [{"lang": lang, "prompt": shown, "text": text} for lang, shown, text in rows]

    return sample


Shown = Callable[[LanguageModel, str, int], tuple[str, str]]


def _continued(lm: LanguageModel, text: str, seed: int) -> tuple[str, str]:
    return text, lm.generate(text, max_tokens=48, temperature=0.7, top_k=40, seed=seed).text


def _filled(lm: LanguageModel, text: str, seed: int) -> tuple[str, str]:
    gapped = f"{text.rpartition(' ')[0]} {lm.tokenizer.configured('mask_token')}."
    (candidates,) = [lm.fill(gapped)]
    return gapped, " · ".join(f"{each.token} {each.probability:.2f}" for each in candidates)  # type: ignore[union-attr]


def _written(lm: LanguageModel, text: str, seed: int) -> tuple[str, str]:
    return text, lm.generate(text, max_tokens=24, seed=seed).text


def _restored(lm: LanguageModel, text: str, seed: int) -> tuple[str, str]:
    return _written(lm, f"{text.rpartition(' ')[0]} {sentinel(0)}.", seed)


SHOWS: dict[str, Shown] = {"bert": _filled, "roberta": _filled, "xlnet": _filled, "t5": _restored}
