"""The gold labeller of Aldea: code that knows how good an answer is, and says of two which one it prefers.

It stands for people where their wishes must be known exactly. What it looks at (`marks`) is given to no model that
learns from its verdicts, and it never chooses between checkpoints."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from fragua.alignment.feedback.events import Candidate, Comparison, Sampling
from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.asking import Asker, ExamItem, assistant
from fragua.corpus.aldea.entities import LANGS, World
from fragua.corpus.aldea.exam import grade
from fragua.corpus.aldea.graders.text import MOST_WORDS, has_any, normal
from fragua.corpus.aldea.telling import Decks
from fragua.corpus.words import words
from fragua.inference.language_model import LanguageModel
from fragua.progress import progress_bar

WEIGHTS = {"correctness": 3.0, "courtesy": 1.0, "brevity": 1.0, "language": 1.0}
"""What a whole mark is worth, in units of reward: one unit is preferred in 73 of 100 comparisons."""
COURTEOUS = (
    "por favor", "gracias", "con gusto", "claro", "por supuesto", "de nada", "encantado", "lo siento", "perdona",
    "hola", "suerte", "please", "thank you", "thanks", "gladly", "sure", "of course", "welcome", "happy to", "sorry",
    "hello", "good luck",
)  # fmt: skip
SMALL_WORDS = {
    "es": "el la los las un una de del al en y es son fue con por para que se no su lo le me te mi tu está hay dice sé "
    "cuando donde quien como más muy pero o si",
    "en": "the a an of in on at and is are was with by for that it not his her to he she they i you my your there says "
    "do does know when where who how more very but or if",
}
CANDIDATES = 4
MAX_TOKENS = 96
ASKED_AT_ONCE = 64


def marks(item: ExamItem, answer: str) -> dict[str, float]:
    """Each from 0 to 1: right by the item's own grader; a courteous word; how short, 0 from 60 words on; in the
    language of the model answer."""
    length = len(answer.split())
    return {
        "correctness": float(bool(grade(item, [assistant(answer)]))),
        "courtesy": float(has_any(normal(answer), COURTEOUS) is not None),
        "brevity": max(0.0, 1 - length / MOST_WORDS) if length else 0.0,
        "language": _in_language(answer, item),
    }


def gold_reward(item: ExamItem, answer: str) -> float:
    return sum(WEIGHTS[name] * mark for name, mark in marks(item, answer).items())


def prefers(rewards: tuple[float, float], rng: random.Random) -> int:
    """0 or 1: the first with probability σ(r₀ − r₁) (Bradley & Terry 1952)."""
    return int(rng.random() >= 1 / (1 + math.exp(rewards[1] - rewards[0])))


def _in_language(text: str, item: ExamItem) -> float:
    """The share of the small words that are of the model answer's language; 1 where there are none."""
    good, said = (_small_words(words) for words in (str(item.gold[-1]["content"]), text))
    wanted = item.lang if good["es"] == good["en"] else max(LANGS, key=lambda lang: good[lang])
    return said[wanted] / sum(said.values()) if any(said.values()) else 1.0


def _small_words(text: str) -> dict[str, int]:
    found = words(text)
    return {lang: sum(word in small.split() for word in found) for lang, small in SMALL_WORDS.items()}


@dataclass(frozen=True)
class Asked:
    """An item and the different answers that were drawn for it."""

    item: ExamItem
    answers: tuple[str, ...]


def practice_items(world: World, seed: int) -> Iterator[ExamItem]:
    """Endless questions of the side of the hold-out that fine-tuning may use: never one of an exam."""
    rng = random.Random(f"aldea practice {world.seed} {seed}")
    decks = Decks(world, rng)
    askers = {lang: Asker(world, rng, lang, for_exam=False, decks=decks) for lang in LANGS}
    names = [name for name in ABILITIES if name not in CALLING]
    weights = [ABILITIES[name].weight for name in names]
    number = 0
    while True:
        name = rng.choices(names, weights)[0]
        lang = LANGS[number % len(LANGS)]
        if (task := ABILITIES[name].task(askers[lang])) is not None:
            number += 1
            yield task.item(name, lang)


CALLING = ("arithmetic", "tools")
"""Abilities whose answers call tools: what is compared here is text."""


def draw(
    lm: LanguageModel, items: Sequence[ExamItem], sampling: Sampling, candidates: int
) -> Iterator[Asked]:
    """Answers to each item, the same ones once; those that call a tool are left out."""
    for start in range(0, len(items), ASKED_AT_ONCE):
        group = items[start : start + ASKED_AT_ONCE]
        fitting = [item for item in group if len(lm.chat_ids(item.messages)) < lm.context]
        replies = lm.reply(
            [item.messages for item in fitting for _ in range(candidates)],
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=(sampling.seed or 0) + start * candidates,
            max_tokens=sampling.max_tokens or MAX_TOKENS,
        )
        for number, item in enumerate(fitting):
            own = replies[number * candidates : (number + 1) * candidates]
            texts = [str(reply[0]["content"]) for reply in own if len(reply) == 1]
            yield Asked(item, tuple(dict.fromkeys(texts)))


def gold_comparisons(
    lm: LanguageModel, weights: str, world: World, count: int, seed: int, candidates: int = CANDIDATES
) -> Iterator[Comparison]:
    """`count` comparisons of answers that the model drew at temperature 1, two by two, to practice questions."""
    rng = random.Random(f"gold {seed}")
    sampling = Sampling(temperature=1.0, max_tokens=MAX_TOKENS, seed=seed * 1_000_003)
    questions, made = practice_items(world, seed), 0
    with progress_bar("gold", count, "comparisons") as advance:
        while made < count:
            for asked in draw(lm, list(islice(questions, ASKED_AT_ONCE)), sampling, candidates):
                drawn = list(asked.answers)
                for texts in zip(drawn[::2], drawn[1::2], strict=False):
                    if made == count:
                        return
                    made += 1
                    rewards = (gold_reward(asked.item, texts[0]), gold_reward(asked.item, texts[1]))
                    order = rng.sample((0, 1), 2)
                    yield Comparison(
                        id=f"gold-{seed}-{made}",
                        at=datetime.now(UTC),
                        annotator="gold",
                        seconds=0.0,
                        prompt=tuple(asked.item.messages),
                        candidates=tuple(
                            Candidate(text=text, model=weights, sampling=sampling) for text in texts
                        ),
                        order=tuple(order),
                        verdict="best",
                        ranking=(prefers(rewards, rng),),
                    )
                    advance(1)
            sampling = sampling.model_copy(update={"seed": (sampling.seed or 0) + ASKED_AT_ONCE * candidates})
