"""The stages of a life: each calls one room and says what came of it in a few figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fragua.files import digest_file, read_json, read_jsonl, write_json
from fragua.recipes.recipe import AdaptPart, AlignPart, Recipe
from fragua.recipes.stage import Life, Stage

if TYPE_CHECKING:
    from fragua.corpus.build import BuildSettings

OWN_SHARE = 0.5
"""Of texts, conversations and questions, where there are own documents and the recipe gives no share."""
WHOLE_CHARACTERS = 1 << 30
MODEL_FILES = ("config.json", "*.safetensors", "tokenizer.json")


def _corpus(life: Life) -> dict[str, Any]:
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


def _origin(life: Life) -> dict[str, Any]:
    """The model as it was: its tokenizer is taken over, its exam and its bits per byte are noted."""
    from fragua.recipes.exams import sit_origins_exam
    from fragua.tokens.tokenizer import Tokenizer

    model = _origin_of(life)
    Tokenizer.load(model).save(life.out / "tokenizer")
    result = sit_origins_exam(model, life.out / "corpus")
    write_json(life.out / "exam" / "origin.json", result)
    return _figures(result)


def _origin_of(life: Life) -> Path:
    assert life.recipe.adapt and life.recipe.adapt.model, "only a life that adapts a model has an origin"
    return life.recipe.adapt.model


def _origin_settings(life: Life) -> object:
    from fragua.training.directory import weights_digest

    return [life.plan.exam_items, weights_digest(_origin_of(life))]


def _tokenizer(life: Life) -> dict[str, Any]:
    from fragua.tokens.train import train_tokenizer

    corpus = life.out / "corpus"
    texts = (row["text"] for _, row in read_jsonl(corpus / "train.jsonl"))
    tokenizer = train_tokenizer(texts, life.plan.vocab_size, life.recipe.tokenizer.kind)
    tokenizer.save(life.out / "tokenizer")
    held_out = [row["text"] for _, row in read_jsonl(corpus / "validation.jsonl")][:500]
    tokens = sum(len(tokenizer.encode(text)) for text in held_out)
    size = sum(len(text.encode()) for text in held_out)
    return {"vocab_size": tokenizer.vocab_size, "bytes_per_token": round(size / max(tokens, 1), 3)}


def _pretrain(life: Life) -> dict[str, Any]:
    from fragua.training.pretrain import PretrainSettings, pretrain

    plan, out = life.plan, life.out
    settings = PretrainSettings.parse(
        {
            "corpus": out / "corpus",
            "tokenizer": out / "tokenizer",
            **_chosen(plan.model_dump(), PRETRAIN_KEYS),
            **_chosen(life.recipe.pretrain.model_dump(), GIVEN_KEYS),
            "model": life.recipe.adapt and life.recipe.adapt.model,
            "sample_prompts": [prompt.model_dump() for prompt in life.recipe.pretrain.samples],
        }
    )
    return pretrain(settings, out / "base", on_step=life.watcher.step, on_sample=life.watcher.sample)


def _held_out(life: Life) -> dict[str, Any]:
    from fragua.evaluation.perplexity import perplexity, read_texts
    from fragua.inference.language_model import LanguageModel

    result = perplexity(
        LanguageModel.load(life.out / "base"), read_texts(life.out / "corpus" / "validation.jsonl")
    )
    write_json(life.out / "exam" / "held_out.json", result)
    return result


def _finetune(life: Life) -> dict[str, Any]:
    from fragua.training.finetune import FinetuneSettings, finetune

    plan, out = life.plan, life.out
    settings = FinetuneSettings.parse(
        {
            "model": out / "base",
            "data": out / "corpus" / "conversations.jsonl",
            "epochs": plan.finetune_epochs,
            "batch_tokens": plan.finetune_batch_tokens,
            "learning_rate": plan.finetune_learning_rate,
            "seed": plan.seed,
            "precision": plan.precision,
            "compile": plan.compile,
            **(_chosen(life.recipe.adapt.model_dump(), LORA_KEYS) if life.recipe.adapt else {}),
        }
    )
    return finetune(settings, out / "assistant", on_step=life.watcher.step, on_sample=life.watcher.sample)


def _exam_base(life: Life) -> dict[str, Any]:
    from fragua.recipes.exams import sit_base_exam

    return _examined(life, "base", sit_base_exam(life.out / "base", life.out / "corpus"))


def _exam(life: Life) -> dict[str, Any]:
    from fragua.recipes.exams import sit_exam

    corpus = life.out / "corpus"
    result = sit_exam(life.out / "assistant", corpus)
    return _examined(life, "assistant", result)


def _align(life: Life) -> dict[str, Any]:
    from fragua.alignment.align import AlignSettings, align
    from fragua.alignment.audit import audit, held_out_items
    from fragua.alignment.gold import write_gold
    from fragua.corpus.aldea.exam import read_exam
    from fragua.corpus.aldea.world import build_world
    from fragua.evaluation.exam import run_exam
    from fragua.inference.language_model import LanguageModel
    from fragua.training.card import write_card

    plan, out, part = life.plan, life.out, _part(life)
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
        **_chosen(figures, ("steps", "validation_loss", "validation_accuracy")),
        "win_rate": drawn["win_rate"],
        "exam_change_points": 100 * (sat["accuracy"]["value"] - before),
    }


def _part(life: Life) -> AlignPart:
    assert life.recipe.align is not None, "only a life that aligns has this stage"
    return life.recipe.align


AUDIT_SEED = 1000
"""Added to the life's seed it gives the questions of the audit: others than the exam's."""


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


def _talk(life: Life) -> dict[str, Any]:
    from fragua.inference.language_model import LanguageModel
    from fragua.recipes.talk import hear_strangers, talk

    model = LanguageModel.load(life.out / "assistant")
    exchanges = talk(model, life.recipe.talk)
    strangers = hear_strangers(model, life.plan.corpus_seed)
    write_json(life.out / "talk" / "conversation.json", exchanges)
    write_json(life.out / "talk" / "strangers.json", strangers)
    good = sum(row["good"] for row in strangers)
    return {"exchanges": len(exchanges), "strangers": len(strangers), "good": good}


def _report(life: Life) -> dict[str, Any]:
    from fragua.recipes.report.page import write_report

    return write_report(life.out, life.lang, finished=True)


def _chosen(values: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: values[key] for key in keys}


def _model(folder: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in MODEL_FILES)


CORPUS_KEYS = ("corpus_seed", "corpus_bytes", "conversations", "exam_items")
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
FINETUNE_KEYS = (
    "finetune_epochs",
    "finetune_batch_tokens",
    "finetune_learning_rate",
    "seed",
    "precision",
    "compile",
)


LORA_KEYS = ("lora_rank", "lora_alpha", "lora_dropout", "frozen")
GENERAL_BYTES = 500_000


def _of_plan(*keys: str) -> Callable[[Life], object]:
    return lambda life: _chosen(life.plan.model_dump(mode="json"), keys)


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


def _corpus_settings(life: Life) -> object:
    """Of the plan; and the documents as they lie there, where there are any."""
    settings = _chosen(life.plan.model_dump(mode="json"), CORPUS_KEYS)
    given, adapt = life.recipe.corpus, life.recipe.adapt
    if adapt:
        files = {"examples": adapt.examples, "general": adapt.general}
        settings |= {name: digest_file(path) for name, path in files.items() if path}
        settings["world"] = adapt.world
    if not given.sources:
        return settings
    from fragua.corpus.build import identity
    from fragua.corpus.read import find_files

    own = given.model_dump(mode="json", include={"aldea", "tail", "share", "column", "mask", "skip_broken"})
    return settings | own | {"files": [identity(file) for file in find_files(given.sources)]}


STAGES = (
    Stage(
        name="corpus",
        settings=_corpus_settings,
        work=_corpus,
        writes=(
            "corpus/train.jsonl",
            "corpus/validation.jsonl",
            "corpus/conversations.jsonl",
            "corpus/exam.jsonl",
        ),
        owns=("corpus",),
        resumes=True,
    ),
    Stage(
        name="tokenizer",
        settings=lambda life: {"vocab_size": life.plan.vocab_size, "kind": life.recipe.tokenizer.kind},
        reads=("corpus/train.jsonl",),
        work=_tokenizer,
        writes=("tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
        owns=("tokenizer",),
    ),
    Stage(
        name="pretrain",
        settings=lambda life: {
            **_chosen(life.plan.model_dump(mode="json"), PRETRAIN_KEYS),
            **_chosen(life.recipe.pretrain.model_dump(), GIVEN_KEYS),
            "samples": life.recipe.model_dump(mode="json")["pretrain"]["samples"],
            **({"model": _origin_settings(life)} if life.recipe.adapt else {}),
        },
        reads=("corpus/train.jsonl", "corpus/validation.jsonl", "tokenizer/tokenizer.json"),
        work=_pretrain,
        writes=_model("base"),
        owns=("base",),
        resumes=True,
    ),
    Stage(
        name="exam_base",
        settings=_of_plan("exam_items"),
        reads=(*_model("base"), "corpus/exam.jsonl"),
        work=_exam_base,
        writes=("exam/base.json",),
        owns=("exam/base.json",),
    ),
    Stage(
        name="finetune",
        settings=lambda life: {
            **_chosen(life.plan.model_dump(mode="json"), FINETUNE_KEYS),
            **(_chosen(life.recipe.adapt.model_dump(mode="json"), LORA_KEYS) if life.recipe.adapt else {}),
        },
        reads=(*_model("base"), "corpus/conversations.jsonl"),
        work=_finetune,
        writes=_model("assistant"),
        owns=("assistant",),
        resumes=True,
    ),
    Stage(
        name="exam",
        settings=_of_plan("exam_items"),
        reads=(*_model("assistant"), "corpus/exam.jsonl", "corpus/conversations.jsonl"),
        work=_exam,
        writes=("exam/assistant.json",),
        owns=("exam/assistant.json",),
    ),
    Stage(
        name="talk",
        settings=lambda life: {
            **life.recipe.model_dump(mode="json")["talk"],
            "strangers": _file_digest("evaluation", "strangers.toml"),
            "world": life.plan.corpus_seed,
        },
        reads=_model("assistant"),
        work=_talk,
        writes=("talk/conversation.json", "talk/strangers.json"),
        owns=("talk",),
    ),
    Stage(
        name="report",
        settings=lambda life: {
            "lang": life.lang,
            "template": _file_digest("recipes", "report", "page.html.jinja"),
        },
        reads=("exam/*.json", "talk/*.json", *_model("base"), *_model("assistant")),
        work=_report,
        writes=("report/index.html", "report/*.png"),
        owns=("report",),
    ),
)


HELD_OUT = Stage(
    name="held_out",
    settings=lambda life: None,
    reads=(*_model("base"), "corpus/validation.jsonl"),
    work=_held_out,
    writes=("exam/held_out.json",),
    owns=("exam",),
)
ORIGIN = Stage(
    name="origin",
    settings=_origin_settings,
    reads=("corpus/exam.jsonl", "corpus/general/validation.jsonl"),
    work=_origin,
    writes=("tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json", "exam/origin.json"),
    owns=("tokenizer", "exam/origin.json"),
)
"""Instead of the tokenizer's stage, where a model is adapted."""


ALIGN = Stage(
    name="align",
    settings=lambda life: {
        **_part(life).model_dump(mode="json"),
        **_chosen(life.plan.model_dump(mode="json"), ("comparisons", "corpus_seed", "seed")),
    },
    reads=(*_model("assistant"), "corpus/exam.jsonl", "exam/assistant.json"),
    work=_align,
    writes=(*_model("aligned"), "align/feedback.jsonl", "align/audit.json", "exam/aligned.json"),
    owns=("aligned", "align", "exam/aligned.json"),
    resumes=True,
)
"""Between the exam and the conversation, where the recipe has the part."""


def stages_of(recipe: Recipe) -> tuple[Stage, ...]:
    """All of them; without Aldea the base model alone, and what it makes of the held-out text."""
    if recipe.adapt:
        return tuple(ORIGIN if stage.name == "tokenizer" else stage for stage in STAGES)
    if recipe.corpus.aldea and recipe.align:
        after = 1 + [stage.name for stage in STAGES].index("exam")
        return (*STAGES[:after], ALIGN, *STAGES[after:])
    if recipe.corpus.aldea:
        return STAGES
    named = {stage.name: stage for stage in STAGES}
    return (
        replace(named["corpus"], writes=("corpus/train.jsonl", "corpus/validation.jsonl")),
        named["tokenizer"],
        named["pretrain"],
        HELD_OUT,
        replace(named["report"], reads=("exam/*.json", *_model("base"))),
    )


def _file_digest(*names: str) -> str:
    """Of a file of the package: another text makes the stage be done again."""
    return digest_file(Path(__file__).parents[1].joinpath(*names))
