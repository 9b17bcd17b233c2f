"""The dial: from minutes and a measured speed to every size of a life. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from fragua.models.config import Stack, decoder_config
from fragua.recipes import scaling
from fragua.recipes.recipe import Recipe
from fragua.recipes.speed import Speed
from fragua.settings import Settings
from fragua.tokens.train import CHARACTERS, vocabulary_for


@dataclass(frozen=True)
class Costs:
    """What the plan believes about all that is not the trainer's inner loop. Seconds, bytes, tokens."""

    start_s: float = 12.0
    corpus_bytes_per_s: float = 1.4e6
    tokenizer_bytes_per_s: float = 3.5e6
    exam_tokens_per_item: float = 30.0
    decode_share: float = 0.3  # tokens generated a second, as a share of tokens trained a second
    report_s: float = 3.0
    compile_s: float = 25.0
    again_s: float = 12.0  # to compile the same blocks once more, and all else that a training begins with
    finetune_gain: float = 1.22  # of fine-tuning's tokens a second over reading's: only replies are predicted
    spare: float = 1.25  # conversations written for each that is expected to be learned
    least_kept: float = 0.6  # of those that were expected, however late it is
    overhead: float = 0.06  # of training: evaluation, samples, checkpoints
    slack: float = 0.02  # of all: what goes wrong
    finetune_share: float = 0.72  # of the time for training, at most, with all that conversations take
    least_finetune_share: float = 0.4
    enough_text: float = 3.0e6  # tokens that are read before conversations get more than their least share
    data_share: float = 0.05  # of all, at most
    corpus_epochs: float = 1.0  # times through the corpus, where so much can be written in time
    conversations_per_s: float = 4500.0
    neighbours_per_s: float = 15000.0  # conversations among which the exam's control looks for the nearest
    bytes_per_conversation: float = 288.0  # its marks included, and what stays empty of rows
    shards_bytes_per_s: float = 2.5e6  # text to token shards, at the start of pretraining
    readied_per_s: float = 2700.0  # conversations to token shards, at the start of fine-tuning
    align_share: float = 0.06  # of all, at most
    most_align_s: float = 150.0
    drawn_per_comparison: float = 80.0  # tokens, of all its answers
    read_per_comparison: float = 1250.0  # tokens, of all its pairs: reference and replay too
    min_corpus_bytes: float = 1.0e6
    max_corpus_bytes: float = 1.0e9
    process_bytes: float = 0.45e9

    def on(self, machine: dict[str, Any]) -> Costs:
        """On a machine that writes texts so much faster or slower than WRITTEN_PER_S."""
        pace = machine.get("written_per_s", WRITTEN_PER_S) / WRITTEN_PER_S
        paced = (
            "corpus_bytes_per_s",
            "tokenizer_bytes_per_s",
            "conversations_per_s",
            "neighbours_per_s",
            "shards_bytes_per_s",
            "readied_per_s",
        )
        return replace(self, **{name: pace * getattr(self, name) for name in paced})


COSTS = Costs()
WRITTEN_PER_S = 1.2e6
"""Bytes of the embedded world's texts, on one core of the machine where the costs were measured."""
DEPTHS = range(2, 65)
ENOUGH_DEPTH = 3
"""Two layers learn facts but copy nothing from the prompt (docs/decisions/0006): three are taken where they are not
starved of tokens, whatever their expected loss."""
MIN_TOKENS_PER_PARAMETER = 1.4
"""Of text; the tokens of conversations come on top."""
MOST_CONVERSATIONS = 250_000
MIN_STEPS = 40
TRAINING_SHARE = 0.85
"""Of all the time, at most: as long as it is not known what the rest takes."""
COMPILE_MINUTES = 4
MOST_WORDS = 4096
"""The embedded world uses few words: a larger vocabulary adds parameters and hardly shortens its texts."""
EVALUATION_ROWS = 64
PROGRESS_SAMPLES = 40
SAMPLE_INTERVAL_S = 25.0


class Plan(Settings):
    """Every size of a life, resolved. `estimates` are guesses for people; nothing is computed from them."""

    corpus_seed: int
    corpus_bytes: int
    conversations: int
    exam_items: int
    vocab_size: int
    depth: int
    width: int
    heads: int
    context: int
    parameters: int
    tokens: int
    batch_tokens: int
    steps: int
    learning_rate: float | None
    precision: Literal["auto", "float32", "bfloat16"]
    compile: Literal["auto", "on", "off"]
    evaluate_every: int
    sample_every: int
    finetune_epochs: int
    finetune_conversations: int | None = None
    """The first so many are learned; None: all that are written."""
    settled: bool = True
    """False as long as `finetune_conversations` is a guess: it is settled when pretraining has shown how fast it is."""
    finetune_batch_tokens: int
    finetune_learning_rate: float | None
    finetune_texts_share: float = 0.0
    comparisons: int = 0
    seed: int
    estimates: Estimates


class Estimates(Settings):
    """What it will take and give, before anything has started."""

    tokens_per_s: float
    seconds: dict[str, float]
    total_seconds: float
    memory_bytes: int
    disk_bytes: int
    bytes_per_token: float
    tokens_per_parameter: float
    epochs: float
    loss: float | None
    bits_per_byte: float | None
    """Both None without Aldea: nothing is known beforehand of other texts."""


Plan.model_rebuild()


def make_plan(
    recipe: Recipe,
    speed: Speed,
    machine: dict[str, Any] | None = None,
    costs: Costs = COSTS,
    source_bytes: int = 0,
) -> Plan:
    """Of all depths, the one whose estimated loss is lowest when the whole life takes `recipe.minutes`.

    What the recipe gives by hand is taken as it is, even where the time will not do. `source_bytes`: of the sources,
    where there is no Aldea."""
    machine = machine or {}
    costs = costs.on(machine)
    if recipe.pretrain.depth is not None:
        return _plan_at(recipe, recipe.pretrain.depth, speed, machine, costs, source_bytes)
    best: Plan | None = None
    for depth in DEPTHS:
        plan = _plan_at(recipe, depth, speed, machine, costs, source_bytes)
        better = best and (plan.estimates.loss or math.inf) < (best.estimates.loss or math.inf)
        starved = plan.estimates.tokens_per_parameter < MIN_TOKENS_PER_PARAMETER
        too_big = plan.estimates.memory_bytes > 0.8 * machine.get("memory_bytes", math.inf)
        if best and (starved or too_big or plan.estimates.total_seconds > 60 * recipe.minutes):
            break
        if best is None or depth <= ENOUGH_DEPTH or better:
            best = plan
    assert best is not None
    return best


def compiles(recipe: Recipe, machine: dict[str, Any]) -> bool:
    """Whether the trainer is expected to compile: told to, or able to and long enough at work for it to pay."""
    able = machine.get("compiler", True) and recipe.minutes >= COMPILE_MINUTES
    return recipe.pretrain.compile == "on" or (recipe.pretrain.compile == "auto" and able)


def _plan_at(
    recipe: Recipe, depth: int, speed: Speed, machine: dict[str, Any], costs: Costs, source_bytes: int
) -> Plan:
    budget = 60 * recipe.minutes * (1 - costs.slack)
    sizes, given = recipe.pretrain, recipe.corpus

    alone = not given.aldea
    characters = recipe.tokenizer.kind == "characters"
    rough = _stack(recipe, depth, recipe.tokenizer.vocab_size or 4096)
    readable = TRAINING_SHARE * budget * speed.tokens_per_s(rough)
    rough_tokens = sizes.tokens or (1 - (0 if alone else _finetune_share(readable, costs))) * readable
    corpus_bytes = source_bytes if alone else _corpus_bytes(recipe, rough_tokens, budget, costs)
    derived = CHARACTERS if characters else min(MOST_WORDS, vocabulary_for(int(corpus_bytes)).vocab_size)
    vocab_size = recipe.tokenizer.vocab_size or derived
    stack = _stack(recipe, depth, vocab_size)
    rate = speed.tokens_per_s(stack)

    seconds = {
        "corpus": corpus_bytes / costs.corpus_bytes_per_s,
        "tokenizer": corpus_bytes / costs.tokenizer_bytes_per_s,
    }
    exam = 0 if alone else recipe.exam.items * costs.exam_tokens_per_item / (costs.decode_share * rate)
    compiling = costs.compile_s if compiles(recipe, machine) else 0.0
    shards = corpus_bytes / costs.shards_bytes_per_s
    bytes_per_token = 1.0 if characters else expected_bytes_per_token(vocab_size)
    unique = corpus_bytes / bytes_per_token
    held_out = (given.tail or 0.02) * unique / rate  # each token is read twice, forward only
    fixed = sum(seconds.values()) + shards + costs.start_s + costs.report_s
    comparisons, align_s = _comparisons(recipe, budget, rate, costs)
    fixed += align_s
    again = compiling and costs.again_s
    training = budget - fixed - (compiling + held_out if alone else 2 * exam + compiling + again)

    share = _share_out(recipe, max(0.0, training), rate, vocab_size, costs)
    tokens = sizes.tokens or share.pretrain_tokens
    batch_tokens = sizes.batch_tokens or _batch_tokens(tokens, sizes.context)
    steps = max(MIN_STEPS if sizes.tokens is None else 1, round(tokens / batch_tokens))
    tokens = steps * batch_tokens
    pretrain_s = tokens / rate / (1 - costs.overhead) + shards
    useful = _batch_tokens(share.finetune_tokens or tokens, sizes.context)
    finetune_batch = recipe.finetune.batch_tokens or useful

    seconds["corpus"] += share.written / costs.conversations_per_s
    seconds["pretrain"] = pretrain_s + compiling
    seconds |= (
        {"held_out": held_out}
        if alone
        else {
            "exam_base": exam,
            "finetune": finetune_s(share.conversations, share.finetune_tokens, rate, costs) + again,
            "exam": exam + share.conversations / costs.neighbours_per_s,
            **({"align": align_s} if recipe.align else {}),
            "talk": 2.0,
        }
    )
    seconds["report"] = costs.report_s
    parameters = stack.parameters()
    loss = None if alone else scaling.ALDEA.loss(parameters, tokens, unique)
    steps_per_s = rate / batch_tokens
    sample_s = max(SAMPLE_INTERVAL_S, pretrain_s / PROGRESS_SAMPLES)
    return Plan(
        corpus_seed=given.seed,
        corpus_bytes=int(corpus_bytes),
        conversations=share.written,
        exam_items=recipe.exam.items,
        vocab_size=vocab_size,
        depth=depth,
        width=stack.width,
        heads=stack.heads,
        context=sizes.context,
        parameters=parameters,
        tokens=tokens,
        batch_tokens=batch_tokens,
        steps=steps,
        learning_rate=sizes.learning_rate,
        precision=machine.get("precision", "auto") if sizes.precision == "auto" else sizes.precision,
        compile=sizes.compile,
        evaluate_every=_evaluate_every(steps, batch_tokens, sizes.context),
        sample_every=int(_clamp(sample_s * steps_per_s, 1, max(1, steps // 4))),
        finetune_epochs=share.epochs,
        finetune_conversations=share.conversations if share.written > share.conversations else None,
        settled=share.written == share.conversations,
        finetune_batch_tokens=finetune_batch,
        finetune_learning_rate=recipe.finetune.learning_rate,
        finetune_texts_share=recipe.texts_share,
        comparisons=comparisons,
        seed=recipe.seed,
        estimates=Estimates(
            tokens_per_s=rate,
            seconds=seconds,
            total_seconds=costs.start_s + sum(seconds.values()),
            memory_bytes=_memory_bytes(stack, batch_tokens, costs),
            disk_bytes=_disk_bytes(parameters, corpus_bytes, unique),
            bytes_per_token=bytes_per_token,
            tokens_per_parameter=tokens / parameters,
            epochs=tokens / unique,
            loss=loss,
            bits_per_byte=loss and scaling.bits_per_byte(loss, bytes_per_token),
        ),
    )


def finetune_s(conversations: float, tokens: float, rate: float, costs: Costs) -> float:
    """Seconds that fine-tuning takes where pretraining reads `rate` tokens a second."""
    learning = tokens / (costs.finetune_gain * rate * (1 - costs.overhead))
    return conversations / costs.readied_per_s + learning


@dataclass(frozen=True)
class Share:
    """How the time for training is divided between reading and conversing."""

    pretrain_tokens: float
    finetune_tokens: float
    conversations: int
    written: int
    """Conversations, some of which may be left over."""
    epochs: int


def _share_out(recipe: Recipe, training_s: float, rate: float, vocab_size: int, costs: Costs) -> Share:
    """Fine-tuning gets its share, in as many different conversations as that holds; pretraining all the rest.

    Where nothing about conversations is given by hand, more are written than are expected to be learned: how many
    there is time for shows when the base has been made."""
    readable = training_s * rate * (1 - costs.overhead)
    given = recipe.corpus.conversations
    if not recipe.corpus.aldea:
        return Share(readable, 0, 0, 0, 1)
    epochs = recipe.finetune.epochs or 1
    each = epochs * tokens_per_conversation(vocab_size, costs, recipe.texts_share)
    dialled = given is None and recipe.finetune.epochs is None and recipe.adapt is None
    spare = costs.spare if dialled else 1.0
    each_s = finetune_s(1, each, rate, costs)
    each_s += spare / costs.conversations_per_s + 1 / costs.neighbours_per_s
    wanted = _finetune_share(readable, costs) * training_s / each_s
    conversations = given or int(_clamp(wanted, 400, MOST_CONVERSATIONS))
    left = training_s - conversations * each_s
    return Share(
        max(0.0, left * rate * (1 - costs.overhead)),
        conversations * each,
        conversations,
        int(spare * conversations),
        epochs,
    )


def _finetune_share(readable: float, costs: Costs) -> float:
    """Of the time for training: the less, the fewer tokens can be read in it (docs/decisions/0007)."""
    wanted = 1 - costs.enough_text / max(readable, 1.0)
    return _clamp(wanted, costs.least_finetune_share, costs.finetune_share)


def tokens_per_conversation(vocab_size: int, costs: Costs, texts: float) -> float:
    """With what is read of texts beside it."""
    return costs.bytes_per_conversation / expected_bytes_per_token(vocab_size) / (1 - texts)


def _comparisons(recipe: Recipe, budget: float, rate: float, costs: Costs) -> tuple[int, float]:
    """How many comparisons there is time for, and the seconds that they, the audit and its exam take."""
    if recipe.align is None:
        return 0, 0.0
    drawn_per_s = costs.decode_share * rate
    each = costs.drawn_per_comparison / drawn_per_s + costs.read_per_comparison / rate
    asked = 4 * recipe.align.questions + recipe.exam.items
    audit = asked * costs.exam_tokens_per_item / drawn_per_s
    left = min(costs.align_share * budget, costs.most_align_s) - audit
    count = recipe.align.comparisons or int(_clamp(left / each, 100, 5000))
    return count, count * each + audit


def expected_bytes_per_token(vocab_size: int) -> float:
    """Bytes of text a token stands for: a line through what byte-level BPE gave on the embedded world
    (1,024: 2.45; 4,096: 3.73)."""
    return _clamp(0.64 * math.log2(vocab_size) - 3.95, 1.5, 5.2)


def _stack(recipe: Recipe, depth: int, vocab_size: int) -> Stack:
    sizes = recipe.pretrain
    return decoder_config(depth, vocab_size, sizes.context, width=sizes.width, heads=sizes.heads)


def _corpus_bytes(recipe: Recipe, tokens: float, budget: float, costs: Costs) -> float:
    if recipe.corpus.megabytes is not None:
        return recipe.corpus.megabytes * 1e6
    wanted = tokens * expected_bytes_per_token(4096) / costs.corpus_epochs
    seconds_per_byte = 1 / costs.corpus_bytes_per_s + 1 / costs.tokenizer_bytes_per_s
    affordable = costs.data_share * budget / seconds_per_byte
    return _clamp(min(wanted, affordable), costs.min_corpus_bytes, costs.max_corpus_bytes)


def _batch_tokens(tokens: float, context: int) -> int:
    """A power of two that grows with the root of the tokens (as the gradient noise scale, 1812.06162)."""
    useful = min(2**20, max(1024, _power_of_two(2.7 * math.sqrt(max(tokens, 1)))))
    return context * max(1, useful // context)


def _evaluate_every(steps: int, batch_tokens: int, context: int) -> int:
    """Twenty times in all, less often where the held-out rows (forward only) would cost over 4 % of training."""
    cost_in_steps = EVALUATION_ROWS * context / 3 / batch_tokens
    return max(1, min(max(steps // 20, round(cost_in_steps / 0.04)), steps // 2))


def _memory_bytes(stack: Stack, batch_tokens: int, costs: Costs) -> int:
    """Weights, gradients and two optimiser states in float32; a micro-batch's activations for backward."""
    micro = min(batch_tokens, 8192)
    activations = micro * stack.layers * (12 * stack.width + 5 * stack.ffn_width) * 4
    logits = 2 * min(micro, 1024) * stack.vocab_size * 4
    return int(costs.process_bytes + 16 * stack.parameters() + activations + logits)


def _disk_bytes(parameters: int, corpus_bytes: float, unique_tokens: float) -> int:
    """Corpus and its shards, two checkpoints with optimiser states for each training, two models."""
    return int(1.2 * corpus_bytes + 2 * unique_tokens + 2 * 2 * 12 * parameters + 2 * 4 * parameters + 5e6)


def _power_of_two(value: float) -> int:
    return int(2 ** round(math.log2(value)))


def _clamp(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))
