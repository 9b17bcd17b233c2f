"""The stages of a life: what each reads, does and writes, and what a change of which it notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fragua.files import digest_file
from fragua.recipes import work
from fragua.recipes.recipe import Recipe
from fragua.recipes.settle import settle_conversations
from fragua.recipes.stage import Life, Stage

MODEL_FILES = ("config.json", "*.safetensors", "tokenizer.json")
CORPUS_KEYS = ("corpus_seed", "corpus_bytes", "conversations", "exam_items")
FINETUNE_KEYS = (
    "finetune_epochs",
    "finetune_conversations",
    "finetune_batch_tokens",
    "finetune_learning_rate",
    "finetune_texts_share",
    "seed",
    "precision",
    "compile",
)


def _of_plan(*keys: str) -> Callable[[Life], object]:
    return lambda life: work.chosen(life.plan.model_dump(mode="json"), keys)


def _model(folder: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in MODEL_FILES)


def _corpus_settings(life: Life) -> object:
    """Of the plan; and the documents as they lie there, where there are any."""
    settings = work.chosen(life.plan.model_dump(mode="json"), CORPUS_KEYS)
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


def _finetune_settings(life: Life) -> object:
    settings = work.chosen(life.plan.model_dump(mode="json"), FINETUNE_KEYS)
    if life.plan.finetune_texts_share:
        settings |= work.chosen(life.recipe.finetune.model_dump(mode="json"), work.TEXTS_KEYS)
    if life.recipe.adapt:
        settings |= work.chosen(life.recipe.adapt.model_dump(mode="json"), work.LORA_KEYS)
    return settings


def _origin_settings(life: Life) -> object:
    from fragua.training.directory import weights_digest

    return [life.plan.exam_items, weights_digest(work.origin_of(life))]


STAGES = (
    Stage(
        name="corpus",
        settings=_corpus_settings,
        work=work.make_corpus,
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
        work=work.make_tokenizer,
        writes=("tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
        owns=("tokenizer",),
    ),
    Stage(
        name="pretrain",
        settings=lambda life: {
            **work.chosen(life.plan.model_dump(mode="json"), work.PRETRAIN_KEYS),
            **work.chosen(life.recipe.pretrain.model_dump(), work.GIVEN_KEYS),
            "samples": life.recipe.model_dump(mode="json")["pretrain"]["samples"],
            **({"model": _origin_settings(life)} if life.recipe.adapt else {}),
        },
        reads=("corpus/train.jsonl", "corpus/validation.jsonl", "tokenizer/tokenizer.json"),
        work=work.make_base,
        writes=_model("base"),
        owns=("base",),
        resumes=True,
    ),
    Stage(
        name="exam_base",
        settings=_of_plan("exam_items"),
        reads=(*_model("base"), "corpus/exam.jsonl"),
        work=work.examine_base,
        writes=("exam/base.json",),
        owns=("exam/base.json",),
    ),
    Stage(
        name="finetune",
        settings=_finetune_settings,
        reads=(*_model("base"), "corpus/conversations.jsonl", "corpus/train.jsonl"),
        work=work.make_assistant,
        writes=_model("assistant"),
        owns=("assistant",),
        resumes=True,
        settles=settle_conversations,
    ),
    Stage(
        name="exam",
        settings=_of_plan("exam_items"),
        reads=(*_model("assistant"), "corpus/exam.jsonl", "corpus/conversations.jsonl"),
        work=work.examine_assistant,
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
        work=work.hold_talk,
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
        work=work.make_report,
        writes=("report/index.html", "report/*.png"),
        owns=("report",),
    ),
)


HELD_OUT = Stage(
    name="held_out",
    settings=lambda life: None,
    reads=(*_model("base"), "corpus/validation.jsonl"),
    work=work.measure_base,
    writes=("exam/held_out.json",),
    owns=("exam",),
)
ORIGIN = Stage(
    name="origin",
    settings=_origin_settings,
    reads=("corpus/exam.jsonl", "corpus/general/validation.jsonl"),
    work=work.note_origin,
    writes=("tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json", "exam/origin.json"),
    owns=("tokenizer", "exam/origin.json"),
)
"""Instead of the tokenizer's stage, where a model is adapted."""


ALIGN = Stage(
    name="align",
    settings=lambda life: {
        **work.align_part(life).model_dump(mode="json"),
        **work.chosen(life.plan.model_dump(mode="json"), ("comparisons", "corpus_seed", "seed")),
    },
    reads=(*_model("assistant"), "corpus/conversations.jsonl", "corpus/exam.jsonl", "exam/assistant.json"),
    work=work.make_aligned,
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
