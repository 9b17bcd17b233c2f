"""The model card, in Spanish and English: what the model is, what it learned from, how well it does, what it can't."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment

from fragua.files import atomic_write, read_json
from fragua.models.config import Stack
from fragua.models.io import read_config

CARD = """---
language: [es, en]
library_name: transformers
pipeline_tag: {{ use.task }}
tags: [fragua]
---

# {{ use.title_es }} de Fragua

{{ use.es }}, {{ "adaptado de `%s`"|format(origin) if origin else "entrenado desde cero" }}.

| | |
|---|---|
| parámetros | {{ number(config.parameters()) }} |
| forma | {{ config.layers }} capas, ancho {{ config.width }}, {{ config.heads }} cabezas, contexto de \
{{ config.context }} tokens, vocabulario de {{ number(config.vocab_size) }} |
| tokens de entrenamiento | {{ number(figures.tokens) }} |
{% if figures.validation_bits_per_byte -%}
| pérdida en datos reservados | {{ "%.3f"|format(figures.validation_loss) }} nats por token, \
{{ "%.3f"|format(figures.validation_bits_per_byte) }} bits por byte |
{% endif -%}
{% if figures.dev_accuracy is defined -%}
| acierto en datos reservados | {{ "%.1f"|format(100 * figures.dev_accuracy) }} % (n = {{ figures.dev_rows }}) |
{% endif -%}
{% if exam -%}
| examen | {{ line(exam.accuracy) }} |
{% endif -%}
{% if documents -%}
| del examen, sobre los documentos | {{ line(documents) }} |
{% endif -%}
{% if corpus.documents -%}
| datos | {{ number(corpus.documents) }} documentos, {{ number(corpus.bytes) }} bytes |
{% endif %}
**Límites.** Es un modelo muy pequeño. Solo sabe lo que estaba en sus textos, puede inventar lo que no sabe y no
conoce nada posterior a ellos. No sirve para decisiones de salud, dinero o derecho.

# Fragua {{ use.title_en }}

{{ use.en }}, {{ "adapted from `%s`"|format(origin) if origin else "trained from scratch" }}.

| | |
|---|---|
| parameters | {{ number(config.parameters()) }} |
| shape | {{ config.layers }} layers, width {{ config.width }}, {{ config.heads }} heads, context of \
{{ config.context }} tokens, vocabulary of {{ number(config.vocab_size) }} |
| training tokens | {{ number(figures.tokens) }} |
{% if figures.validation_bits_per_byte -%}
| loss on held-out data | {{ "%.3f"|format(figures.validation_loss) }} nats a token, \
{{ "%.3f"|format(figures.validation_bits_per_byte) }} bits a byte |
{% endif -%}
{% if figures.dev_accuracy is defined -%}
| accuracy on held-out data | {{ "%.1f"|format(100 * figures.dev_accuracy) }} % (n = {{ figures.dev_rows }}) |
{% endif -%}
{% if exam -%}
| exam | {{ line(exam.accuracy) }} |
{% endif -%}
{% if documents -%}
| of the exam, about the documents | {{ line(documents) }} |
{% endif -%}
{% if corpus.documents -%}
| data | {{ number(corpus.documents) }} documents, {{ number(corpus.bytes) }} bytes |
{% endif %}
**Limits.** It is a very small model. It knows only what its texts said, may make up what it does not know, and knows
nothing later than them. It is no help for decisions of health, money or law.

```python
import fragua
lm = fragua.load("{{ folder }}")
print({{ use.call }})
```
"""


class Use(NamedTuple):
    """What a model is for."""

    task: str
    """transformers' name of it."""
    es: str
    en: str
    call: str
    title_es: str = "Modelo base"
    title_en: str = "base model"


TALKS = Use(
    "text-generation",
    "Un modelo afinado con conversaciones",
    "A model fine-tuned on conversations",
    'lm.chat([{"role": "user", "content": "Hola"}]).content',
    "Asistente",
    "assistant",
)
ANSWERS = Use(
    "text2text-generation",
    "Un modelo que lee un texto y escribe otro, como le enseñaron unos pares",
    "A model that reads a text and writes another, as pairs taught it",
    'lm.generate("Había una vez", max_tokens=50).text',
    "Modelo de pares",
    "model of pairs",
)
CONTINUES = Use(
    "text-generation",
    "Un modelo base: continúa textos",
    "A base model: it continues texts",
    'lm.generate("Había una vez", max_tokens=50).text',
)
FILLS = Use(
    "fill-mask",
    "Un modelo base: rellena huecos y da vectores",
    "A base model: it fills gaps and gives vectors",
    'lm.fill("Había una [MASK].")',
)
READS = Use(
    "text2text-generation",
    "Un modelo base: lee un texto y escribe lo que falta",
    "A base model: it reads a text and writes what is missing",
    'lm.generate("Había una <extra_id_0>.", max_tokens=20).text',
)
JUDGES = Use(
    "text-classification",
    "Un modelo de recompensa: valora respuestas",
    "A reward model: it judges answers",
    "fragua.alignment.reward.RewardModel.load(…).rewards(…)",
    "Modelo de recompensa",
    "reward model",
)
LABELS = Use(
    "text-classification",
    "Un modelo que pone etiquetas a textos",
    "A model that tells the labels of texts",
    'lm.classify("Había una vez")',
    "Modelo de etiquetas",
    "model of labels",
)
NUMBERS = Use(
    "text-classification",
    "Un modelo que pone un número a cada texto",
    "A model that gives each text a number",
    'lm.regress("Había una vez")',
    "Modelo de etiquetas",
    "model of labels",
)
TAGS = Use(
    "token-classification",
    "Un modelo que marca palabras",
    "A model that tags words",
    'lm.tag("Había una vez")',
    "Modelo de etiquetas",
    "model of labels",
)
KINDS = {"assistant": TALKS, "pairs": ANSWERS, "reward": JUDGES}
BASES = {"bert": FILLS, "roberta": FILLS, "xlnet": FILLS, "t5": READS}


def write_card(directory: Path, exam: dict[str, Any] | None = None) -> None:
    """Writes `README.md` of a model directory from its `config.json` and `fragua.json`, with a result of the exam
    where there is one. Raises InputError where either file is missing."""
    record, config = read_json(directory / "fragua.json"), read_config(directory)
    parents = record.get("parents") or [{}]
    text = (
        Environment(keep_trailing_newline=True)
        .from_string(CARD)
        .render(
            config=config,
            origin=_origin(record),
            figures=record["figures"],
            corpus=record.get("corpus") or parents[0].get("corpus") or {},
            exam=exam,
            documents=(exam or {}).get("by_part", {}).get("documents"),
            line=_share,
            use=_use(record["kind"], config),
            folder=directory.name,
            number=lambda value: f"{value:,}".replace(",", "\u202f"),
        )
    )
    with atomic_write(directory / "README.md") as file:
        file.write(text)


def _origin(record: dict[str, Any]) -> str | None:
    """The name of the model that was adapted; None where the base was trained from scratch."""
    parents = record.get("parents") or []
    if record["kind"] == "assistant" and parents and parents[0].get("kind") == "base":
        parents = parents[0].get("parents") or []
    return parents[0]["name"] if parents else None


def _use(kind: str, config: Stack) -> Use:
    if kind in KINDS:
        return KINDS[kind]
    if config.task == "label":
        return LABELS if config.labels > 1 else NUMBERS
    return TAGS if config.task == "tag" else BASES.get(config.family, CONTINUES)


def _share(share: dict[str, Any]) -> str:
    return f"{share['value']:.1%} ({share['low']:.1%}–{share['high']:.1%}, n = {share['n']})"
