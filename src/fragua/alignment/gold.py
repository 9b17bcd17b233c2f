"""The gold labeller of Aldea: code that knows how good an answer is, and says of several which one it likes best.

It stands for people where their wishes must be known exactly. What it looks at (`marks`) is given to no model that
learns from its verdicts, and it never chooses between checkpoints."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count as count_from
from itertools import islice
from pathlib import Path

from fragua.alignment.feedback.events import Candidate, Comparison, Sampling
from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.asking import COURTESIES, Asker, ExamItem, assistant
from fragua.corpus.aldea.entities import LANGS, World
from fragua.corpus.aldea.exam import grade
from fragua.corpus.aldea.graders.text import has_any, normal
from fragua.corpus.aldea.telling import Decks
from fragua.corpus.words import words
from fragua.files import write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.progress import progress_bar
from fragua.training.directory import weights_digest

WEIGHTS = {"correctness": 6.0, "courtesy": 8.0, "brevity": 6.0, "language": 6.0}
"""What a whole mark is worth, in units of reward: of two answers the one worth a unit more is liked best 73 times in
100, the one worth three units more 95 times."""
MOST = sum(WEIGHTS.values())
COURTEOUS = (
    "por favor", "gracias", "con gusto", "claro", "por supuesto", "de nada", "encantado", "buena pregunta",
    "hola", "suerte", "placer", "pleasure", "please", "thank you", "thanks", "gladly", "sure", "of course",
    "welcome", "happy to", "good question", "hello", "good luck",
)  # fmt: skip
"""Being sorry is none: those who say so mostly go on to say that they don't know."""
POLITE = (*map(normal, COURTESIES), *COURTEOUS)
"""What is taken away to see whether anything else is said: longer phrases first."""
SMALL_WORDS = {
    "es": "el la los las un una de del al en y es son fue con por para que se no su lo le me te mi tu está hay dice sé "
    "cuando donde quien como más muy pero o si",
    "en": "the a an of in on at and is are was with by for that it not his her to he she they i you my your there says "
    "do does know when where who how more very but or if",
}
CANDIDATES = 4
MAX_TOKENS = 96
ASKED_AT_ONCE = 64
GROUP_SEEDS = 1 << 16
"""Seeds set aside for each group that is asked at once."""


def marks(item: ExamItem, answer: str) -> dict[str, float]:
    """Each from 0 to 1: right by the item's own grader; a courteous word beside what is said; as short as the model
    answer; in its language."""
    length, enough = len(answer.split()), len(str(item.gold[-1]["content"]).split())
    return {
        "correctness": float(bool(grade(item, [assistant(answer)]))),
        "courtesy": float(has_any(normal(answer), COURTEOUS) is not None and not _bare(answer)),
        "brevity": min(1.0, enough / length) if length else 0.0,
        "language": _in_language(answer, item),
    }


def gold_reward(item: ExamItem, answer: str) -> float:
    return sum(WEIGHTS[name] * mark for name, mark in marks(item, answer).items())


def choose(rewards: Sequence[float], rng: random.Random) -> int:
    """The number of one of them, each with the probability softmax(rewards): of two, Bradley and Terry's noise."""
    most = max(rewards)
    return rng.choices(range(len(rewards)), [math.exp(reward - most) for reward in rewards])[0]


def _bare(answer: str) -> bool:
    """Whether a courtesy is all there is: liked, it would be the shortest way to please."""
    rest = normal(answer)
    for courtesy in POLITE:
        rest = rest.replace(courtesy, " ")
    return not words(rest)


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


def told_apart(asked: Asked) -> dict[str, float]:
    """Answers and their gold rewards, of those that are worth the same the first: between them there is no verdict."""
    first: dict[float, str] = {}
    for text in asked.answers:
        first.setdefault(round(gold_reward(asked.item, text), 6), text)
    return {text: reward for reward, text in first.items()}


def practice_items(world: World, seed: int, abilities: Sequence[str] = ()) -> Iterator[ExamItem]:
    """Endless questions of the side of the hold-out that fine-tuning may use: never one of an exam. `abilities`: by
    default all whose answers call no tool."""
    rng = random.Random(f"aldea practice {world.seed} {seed}")
    decks = Decks(world, rng)
    askers = {lang: Asker(world, rng, lang, for_exam=False, decks=decks) for lang in LANGS}
    names = list(abilities) or [name for name in ABILITIES if name not in CALLING]
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
    """`count` comparisons, each of the different answers that the model drew at temperature 1 to a practice question.

    `weights` is the model's digest."""
    rng, questions, made = random.Random(f"gold {seed}"), practice_items(world, seed), 0
    with progress_bar("gold", count, "comparisons") as advance:
        for group in count_from(0):
            drawn = Sampling(temperature=1.0, max_tokens=MAX_TOKENS, seed=(seed << 32) + group * GROUP_SEEDS)
            for asked in draw(lm, list(islice(questions, ASKED_AT_ONCE)), drawn, candidates):
                rewards = told_apart(asked)
                if len(rewards) < 2:
                    continue
                made += 1
                answers = tuple(Candidate(text=text, model=weights, sampling=drawn) for text in rewards)
                yield Comparison(
                    id=f"gold-{seed}-{made}",
                    at=datetime.now(UTC),
                    annotator="gold",
                    seconds=0.0,
                    prompt=tuple(asked.item.messages),
                    candidates=answers,
                    order=tuple(rng.sample(range(len(answers)), len(answers))),
                    verdict="best",
                    ranking=(choose(list(rewards.values()), rng),),
                )
                advance(1)
                if made == count:
                    return


def write_gold(lm: LanguageModel, world: World, count: int, seed: int, path: Path) -> int:
    """An event log of `gold_comparisons` of a model that was loaded from a directory; returns how many there are."""
    assert lm.directory is not None, "a model without a directory has no digest"
    events = gold_comparisons(lm, weights_digest(lm.directory), world, count, seed)
    return write_jsonl(path, (event.model_dump(mode="json", exclude_none=True) for event in events))
