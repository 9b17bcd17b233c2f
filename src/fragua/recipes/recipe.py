"""A recipe: a whole life in one TOML file. What it leaves out, the dial derives (see `plan.py`)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fragua.corpus.hub import fetch_model, is_hub
from fragua.corpus.kinds import Kind
from fragua.errors import InputError
from fragua.settings import Settings, read_toml

BUILTIN = Path(__file__).parent / "builtin"


class Prompt(Settings):
    """The beginning of a text that the model continues while it learns."""

    lang: Literal["es", "en"]
    text: str = Field(min_length=1)


class CorpusPart(Settings):
    """The embedded world, Aldea: which world, and how much text is written about it; and own documents beside it.

    `sources`: files, folders, globs, data sets of the hub. `share`: how much of texts, conversations and questions is
    about them; a recipe that gives a share wants sources. Without `aldea` the sources are all there is: a base model
    and its measure, no conversations. `tail`: the last share of each source is held out."""

    aldea: bool = True
    tail: float | None = Field(default=None, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
    megabytes: float | None = Field(default=None, gt=0, le=100_000)
    conversations: int | None = Field(default=None, ge=1)
    sources: list[str] = Field(default=[])
    share: float | None = Field(default=None, gt=0, lt=1)
    column: str = "text"
    mask: list[Kind] = Field(default=[])
    skip_broken: bool = False


class TokenizerPart(Settings):
    kind: Literal["bpe", "characters"] = "bpe"
    vocab_size: int | None = Field(default=None, ge=2, le=262_144)


class PretrainPart(Settings):
    """`None` is derived: depth and tokens by the dial, the rest from them."""

    depth: int | None = Field(default=None, ge=1, le=128)
    width: int | None = Field(default=None, ge=32)
    heads: int | None = Field(default=None, ge=1)
    context: int = Field(default=256, ge=16)
    tokens: int | None = Field(default=None, ge=1)
    batch_tokens: int | None = Field(default=None, ge=256)
    learning_rate: float | None = Field(default=None, gt=0, lt=1)
    weight_decay: float = Field(default=0.1, ge=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    keep_best: bool = False
    """The base is the model of the lowest validation loss, not the last one."""
    rows: Literal["packed", "windows"] = "packed"
    copying_steps: int | None = Field(default=None, ge=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    samples: list[Prompt] = Field(
        default=[Prompt(lang="es", text="Todo empezó el día"), Prompt(lang="en", text="It all began the day")]
    )


class FinetunePart(Settings):
    epochs: int | None = Field(default=None, ge=1, le=100)
    batch_tokens: int | None = Field(default=None, ge=256)
    learning_rate: float | None = Field(default=None, gt=0, lt=1)
    texts_share: float = Field(default=0.0, ge=0, lt=1)
    """Of the rows: the corpus's texts, read on between conversations. A model that is adapted reads none."""
    texts_genres: list[str] = Field(default_factory=list)
    """Only these; none: all."""
    texts_weight: float = Field(default=0.1, gt=0)
    """What a token of them counts beside one of a reply."""


class AdaptPart(Settings):
    """A model that is there already, and how it is adapted. A life without it begins with a model of its own."""

    model: Path | None = None
    """A directory, or `hf:owner/name`."""
    examples: Path | None = None
    """Conversations (OpenAI messages, Alpaca, ShareGPT) that join those of the corpus."""
    general: Path | None = None
    """Text on which forgetting is measured; None: the unseen texts of the world with the seed `world`."""
    world: int = Field(default=0, ge=0)
    lora_rank: int = Field(default=8, gt=0)
    lora_alpha: float | None = Field(default=None, gt=0)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    frozen: Literal["auto", "float32", "int8"] = "auto"


class AlignPart(Settings):
    """The assistant's answers are compared by Aldea's gold labeller, and it learns which are liked better."""

    method: Literal["dpo", "ipo", "kto"] = "dpo"
    comparisons: int | None = Field(default=None, ge=2)
    questions: int = Field(default=150, ge=1)
    """Held-out ones, on which the aligned model is compared with the assistant."""


class ExamPart(Settings):
    items: int = Field(default=200, ge=1)


class Turn(Settings):
    """What a person says in the closing conversation."""

    lang: Literal["es", "en"]
    text: str = Field(min_length=1)


class TalkPart(Settings):
    turns: list[Turn] = Field(
        default=[
            Turn(lang="es", text="Hola, ¿quién eres?"),
            Turn(lang="es", text="¿Cuánto es 12*37?"),
            Turn(lang="en", text="Hello! What is the capital of France?"),
        ]
    )


class Recipe(Settings):
    """Everything a person may decide about a run. Frozen; printed whole in the report."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    minutes: float = Field(default=15, gt=0, le=60 * 24 * 365)
    seed: int = Field(default=0, ge=0, lt=2**31)
    corpus: CorpusPart = CorpusPart()
    tokenizer: TokenizerPart = TokenizerPart()
    pretrain: PretrainPart = PretrainPart()
    finetune: FinetunePart = FinetunePart()
    exam: ExamPart = ExamPart()
    align: AlignPart | None = None
    talk: TalkPart = TalkPart()
    adapt: AdaptPart | None = None

    @property
    def texts_share(self) -> float:
        """Of fine-tuning's rows; a model that is adapted has read elsewhere."""
        return 0.0 if self.adapt else self.finetune.texts_share


def builtin_names() -> list[str]:
    return sorted(path.stem for path in BUILTIN.glob("*.toml"))


def load_recipe(
    name_or_path: str,
    settings: Iterable[str] = (),
    *,
    minutes: float | None = None,
    depth: int | None = None,
    seed: int | None = None,
) -> Recipe:
    """Reads a builtin recipe by name or a TOML file by path, then lays the overrides over it.

    `settings` are `key=value` with dotted keys and TOML values (`pretrain.depth=6`); a bare word is text.
    Raises InputError that names file, key and mend."""
    path = Path(name_or_path)
    if name_or_path in builtin_names():
        path = BUILTIN / f"{name_or_path}.toml"
    elif not path.is_file():
        known = ", ".join(builtin_names())
        raise InputError(
            "no such recipe", name_or_path, f"built in: {known}; or give the path of a TOML file"
        )
    values = read_toml(path)
    values.setdefault("name", path.stem)
    Recipe.parse(values, path)  # the file's own mistakes are told with the file's name
    for setting in settings:
        _override(values, setting)
    for key, value in (("minutes", minutes), ("pretrain.depth", depth), ("seed", seed)):
        if value is not None:
            _put(values, key, value)
    recipe = Recipe.parse(values, "--set" if settings else name_or_path)
    if recipe.adapt:
        recipe = _shaped(recipe, recipe.adapt, name_or_path)
    if (recipe.corpus.share or not recipe.corpus.aldea) and not recipe.corpus.sources:
        mend = f"for example fragua run {name_or_path} --set corpus.sources='[\"docs/\"]'"
        raise InputError("no documents are named (corpus.sources)", name_or_path, mend)
    return recipe


def _shaped(recipe: Recipe, adapt: AdaptPart, name: str) -> Recipe:
    """The recipe with the sizes of the model that it adapts."""
    if adapt.model is None:
        mend = f"for example fragua run {name} --set adapt.model=runs/laptop/base"
        raise InputError("no model is named (adapt.model)", name, mend)
    if not recipe.corpus.aldea:
        raise InputError(
            "corpus.aldea = false: a model is adapted with Aldea beside it", name, "leave it out"
        )
    for path in (adapt.examples, adapt.general):
        if path is not None and not path.is_file():
            raise InputError("no such file", path)
    if is_hub(str(adapt.model)) and not adapt.model.exists():
        adapt = adapt.model_copy(update={"model": fetch_model(str(adapt.model))})
    from fragua.models.io import read_config

    assert adapt.model, "told above"
    config = read_config(adapt.model)
    if config.visible != "causal" or config.encoder_layers:
        mend = "a GPT-2, Llama, Mistral or Qwen directory is needed"
        raise InputError(f"{config.family} does not continue a text", adapt.model, mend)
    sizes = recipe.pretrain
    given = {"depth": sizes.depth, "width": sizes.width, "heads": sizes.heads}
    shape = {"depth": config.layers, "width": config.width, "heads": config.heads}
    for key, value in given.items():
        if value not in (None, shape[key]):
            raise InputError(f"pretrain.{key} = {value}, the model has {shape[key]}", name, "leave it out")
    shape["context"] = min(sizes.context, config.context)
    vocabulary = recipe.tokenizer.model_copy(update={"vocab_size": config.vocab_size})
    sizes = sizes.model_copy(update=shape)
    return recipe.model_copy(update={"adapt": adapt, "pretrain": sizes, "tokenizer": vocabulary})


def _override(values: dict[str, Any], setting: str) -> None:
    key, separator, text = setting.partition("=")
    key, text = key.strip(), text.strip()
    if not separator or not key or not text:
        raise InputError(f"'{setting}' is not key=value", "--set", "for example --set pretrain.depth=4")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if any(mark in text for mark in "\"'[]{}=\n"):
            raise InputError(f"'{text}' is not a TOML value", f"--set {key}", 'quote text as "…"') from None
        value = text
    _put(values, key, value)


def _put(values: dict[str, Any], key: str, value: object) -> None:
    *parents, last = key.split(".")
    place = values
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise InputError(f"'{parent}' has no keys of its own", f"--set {key}")
    place[last] = value
