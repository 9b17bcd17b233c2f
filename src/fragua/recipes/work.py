"""What each stage of a life does: it calls one room and says what came of it in a few figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fragua.files import read_json, read_jsonl, write_json
from fragua.recipes.recipe import AdaptPart, AlignPart, Recipe
from fragua.recipes.stage import Life

if TYPE_CHECKING:
    from fragua.corpus.build import BuildSettings

OWN_SHARE = 0.5
"""Of texts, conversations and questions, where there are own documents and the recipe gives no share."""
WHOLE_CHARACTERS = 1 << 30
GENERAL_BYTES = 500_000
AUDIT_SEED = 1000
"""Added to the life's seed it gives the questions of the audit: others than the exam's."""
PRETRAIN_KEYS = (
    "depth",
    "width",
    "heads",
    "context",
    "steps",
    "batch_tokens",
    "learning_rate",
    "seed",
    "precision",
    "compile",
    "evaluate_every",
    "sample_every",
)
GIVEN_KEYS = ("rows", "weight_decay", "dropout", "keep_best", "copying_steps")
TEXTS_KEYS = ("texts_genres", "texts_weight")
LORA_KEYS = ("lora_rank", "lora_alpha", "lora_dropout", "frozen")


def make_corpus(life: Life) -> dict[str, Any]:
    from fragua.corpus.aldea import write_aldea
    from fragua.corpus.build import build_corpus

    plan, given, out = life.plan, life.recipe.corpus, life.out / "corpus"
    if not given.aldea:
        card = build_corpus(given.sources, out, texts_of(life.recipe))
    elif given.sources:
        from fragua.corpus.build import BuildSettings
        from fragua.corpus.own.write import VALIDATION_SHARE, write_own

        build = BuildSettings(
            validation_share=VALIDATION_SHARE,
            column=given.column,
            mask=tuple(given.mask),
            skip_broken=given.skip_broken,
        )
        card = write_own(
            given.sources,
            out,
            build,
            seed=plan.corpus_seed,
            max_bytes=plan.corpus_bytes,
            share=given.share or OWN_SHARE,
            conversations=plan.conversations,
            exam=plan.exam_items,
        )
    else:
        card = write_aldea(out, plan.corpus_seed, plan.corpus_bytes, plan.conversations, plan.exam_items)
    if life.recipe.adapt:
        _adapting(life.recipe.adapt, out)
    figures = card.model_dump(include={"documents", "bytes", "languages", "genres"})
    return figures | ({"own": card.details["own"]} if given.aldea and given.sources else {})


def _adapting(adapt: AdaptPart, corpus: Path) -> None:
    """Adds the examples to the conversations, and beside them the text on which forgetting is measured."""
    from fragua.corpus.aldea import write_aldea
    from fragua.corpus.conversations import read_conversations
    from fragua.evaluation.perplexity import read_texts
    from fragua.files import write_jsonl
    from fragua.recipes.exams import GENERAL

    if adapt.examples:
        rows = [row for _, row in read_jsonl(corpus / "conversations.jsonl")]
        for told in read_conversations(adapt.examples):
            rows.append(told.model_dump(include={"messages", "tools"}, exclude_none=True))
        write_jsonl(corpus / "conversations.jsonl", rows)
    if adapt.general:
        rows = [{"text": text} for text in read_texts(adapt.general)]
        write_jsonl(corpus / GENERAL / "validation.jsonl", rows)
    else:
        write_aldea(corpus / GENERAL, adapt.world, GENERAL_BYTES, conversations=1, exam=1)


def note_origin(life: Life) -> dict[str, Any]:
    """The model as it was: its tokenizer is taken over, its exam and its bits per byte are noted."""
    from fragua.recipes.exams import sit_origins_exam
    from fragua.tokens.tokenizer import Tokenizer

    model = origin_of(life)
    Tokenizer.load(model).save(life.out / "tokenizer")
    result = sit_origins_exam(model, life.out / "corpus")
    write_json(life.out / "exam" / "origin.json", result)
    return _figures(result)


def origin_of(life: Life) -> Path:
    assert life.recipe.adapt and life.recipe.adapt.model, "only a life that adapts a model has an origin"
    return life.recipe.adapt.model


def make_tokenizer(life: Life) -> dict[str, Any]:
    from fragua.tokens.train import train_tokenizer

    corpus = life.out / "corpus"
    texts = (row["text"] for _, row in read_jsonl(corpus / "train.jsonl"))
    tokenizer = train_tokenizer(texts, life.plan.vocab_size, life.recipe.tokenizer.kind)
    tokenizer.save(life.out / "tokenizer")
    held_out = [row["text"] for _, row in read_jsonl(corpus / "validation.jsonl")][:500]
    tokens = sum(len(tokenizer.encode(text)) for text in held_out)
    size = sum(len(text.encode()) for text in held_out)
    return {"vocab_size": tokenizer.vocab_size, "bytes_per_token": round(size / max(tokens, 1), 3)}


def make_base(life: Life) -> dict[str, Any]:
    from fragua.training.pretrain import PretrainSettings, pretrain

    plan, out = life.plan, life.out
    settings = PretrainSettings.parse(
        {
            "corpus": out / "corpus",
            "tokenizer": out / "tokenizer",
            **chosen(plan.model_dump(), PRETRAIN_KEYS),
            **chosen(life.recipe.pretrain.model_dump(), GIVEN_KEYS),
            "model": life.recipe.adapt and life.recipe.adapt.model,
            "sample_prompts": [prompt.model_dump() for prompt in life.recipe.pretrain.samples],
        }
    )
    return pretrain(settings, out / "base", on_step=life.watcher.step, on_sample=life.watcher.sample)


def measure_base(life: Life) -> dict[str, Any]:
    from fragua.evaluation.perplexity import perplexity, read_texts
    from fragua.inference.language_model import LanguageModel

    result = perplexity(
        LanguageModel.load(life.out / "base"), read_texts(life.out / "corpus" / "validation.jsonl")
    )
    write_json(life.out / "exam" / "held_out.json", result)
    return result


def make_assistant(life: Life) -> dict[str, Any]:
    from fragua.training.finetune import FinetuneSettings, finetune

    plan, out = life.plan, life.out
    settings = FinetuneSettings.parse(
        {
            "model": out / "base",
            "data": out / "corpus" / "conversations.jsonl",
            "epochs": plan.finetune_epochs,
            "conversations": plan.finetune_conversations,
            "batch_tokens": plan.finetune_batch_tokens,
            "learning_rate": plan.finetune_learning_rate,
            "seed": plan.seed,
            "precision": plan.precision,
            "compile": plan.compile,
            "texts": out / "corpus" if plan.finetune_texts_share else None,
            "texts_share": plan.finetune_texts_share,
            **chosen(life.recipe.finetune.model_dump(), TEXTS_KEYS),
            **(chosen(life.recipe.adapt.model_dump(), LORA_KEYS) if life.recipe.adapt else {}),
        }
    )
    return finetune(settings, out / "assistant", on_step=life.watcher.step, on_sample=life.watcher.sample)


def examine_base(life: Life) -> dict[str, Any]:
    from fragua.recipes.exams import sit_base_exam

    return _examined(life, "base", sit_base_exam(life.out / "base", life.out / "corpus"))


def examine_assistant(life: Life) -> dict[str, Any]:
    from fragua.recipes.exams import sit_exam

    corpus = life.out / "corpus"
    result = sit_exam(life.out / "assistant", corpus, life.plan.finetune_conversations)
    return _examined(life, "assistant", result)


def make_aligned(life: Life) -> dict[str, Any]:
    from fragua.alignment.align import AlignSettings, align
    from fragua.alignment.audit import audit, held_out_items
    from fragua.alignment.gold import write_gold
    from fragua.corpus.aldea.exam import read_exam
    from fragua.corpus.aldea.world import build_world
    from fragua.evaluation.exam import run_exam
    from fragua.inference.language_model import LanguageModel
    from fragua.training.card import write_card

    plan, out, part = life.plan, life.out, align_part(life)
    assistant, world = LanguageModel.load(out / "assistant"), build_world(plan.corpus_seed)
    feedback = out / "align" / "feedback.jsonl"
    if not feedback.is_file():
        write_gold(assistant, world, plan.comparisons, plan.seed, feedback)
    settings = AlignSettings.parse(
        {
            "model": out / "assistant",
            "data": feedback,
            "method": part.method,
            "seed": plan.seed,
            "replay": out / "corpus" / "conversations.jsonl",
        }
    )
    figures = align(settings, out / "aligned", on_step=life.watcher.step)
    aligned, exam = LanguageModel.load(out / "aligned"), read_exam(str(out / "corpus" / "exam.jsonl"))
    asked = held_out_items(world, plan.seed + AUDIT_SEED, part.questions, exam)
    result = audit(aligned, assistant, asked, seed=plan.seed)
    sat = run_exam(aligned, exam)
    write_json(out / "exam" / "aligned.json", sat)
    write_json(out / "align" / "audit.json", result)
    write_card(out / "aligned", sat)
    drawn = result["by_temperature"]["1"]
    before = read_json(out / "exam" / "assistant.json")["accuracy"]["value"]
    return {
        "comparisons": plan.comparisons,
        **chosen(figures, ("steps", "validation_loss", "validation_accuracy")),
        "win_rate": drawn["win_rate"],
        "exam_change_points": 100 * (sat["accuracy"]["value"] - before),
    }


def align_part(life: Life) -> AlignPart:
    assert life.recipe.align is not None, "only a life that aligns has this stage"
    return life.recipe.align


def _examined(life: Life, model: str, result: dict[str, Any]) -> dict[str, Any]:
    from fragua.training.card import write_card

    write_json(life.out / "exam" / f"{model}.json", result)
    write_card(life.out / model, result)
    return _figures(result)


def _figures(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "correct": sum(answer["correct"] for answer in result["answers"]),
        "items": len(result["answers"]),
        **({"by_part": result["by_part"]} if "documents" in result["by_part"] else {}),
        **({"bits_per_byte": result["bits_per_byte"]} if "bits_per_byte" in result else {}),
    }


def hold_talk(life: Life) -> dict[str, Any]:
    from fragua.inference.language_model import LanguageModel
    from fragua.recipes.talk import hear_strangers, talk

    model = LanguageModel.load(life.out / "assistant")
    exchanges = talk(model, life.recipe.talk)
    strangers = hear_strangers(model, life.plan.corpus_seed)
    write_json(life.out / "talk" / "conversation.json", exchanges)
    write_json(life.out / "talk" / "strangers.json", strangers)
    good = sum(row["good"] for row in strangers)
    return {"exchanges": len(exchanges), "strangers": len(strangers), "good": good}


def make_report(life: Life) -> dict[str, Any]:
    from fragua.recipes.report.page import write_report

    return write_report(life.out, life.lang, finished=True)


def chosen(values: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: values[key] for key in keys}


def texts_of(recipe: Recipe) -> BuildSettings:
    """How sources are read that are all there is: whole, not in pieces, and with what they repeat."""
    from fragua.corpus.build import BuildSettings

    given = recipe.corpus
    return BuildSettings(
        tail=given.tail,
        most_characters=WHOLE_CHARACTERS,
        near=0,
        column=given.column,
        mask=tuple(given.mask),
        skip_broken=given.skip_broken,
    )
