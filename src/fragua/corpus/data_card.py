"""The data card, in Spanish and English: what the texts are, where they came from, what was done to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment

from fragua.files import atomic_write

if TYPE_CHECKING:
    from fragua.corpus.card import CorpusCard

MOST_SHOWN = 20

CARD = """---
language: [{{ card.languages | join(", ") }}]
task_categories: [text-generation]
tags: [fragua]
---

# Los datos

{{ number(card.documents) }} documentos, {{ number(card.bytes) }} bytes de texto; {{
number(card.validation_documents) }} documentos están reservados para medir y no se aprenden.

| | |
|---|---|
| lenguas | {{ told(card.languages) }} |
| palabras | {{ told(card.words) }} |
| procedencia | {{ told(card.sources) }} |
| descartado | {{ told(card.dropped) or "nada" }} |
| cambiado | {{ told(card.changed) or "nada" }} |
{% if card.broken %}| no se pudo leer | {{ card.broken | length }} |
{% endif %}| huella | `{{ card.digest }}` |

**Cómo se hizo.** `fragua corpus` lee, limpia (NFC, sin caracteres de control), busca la lengua, quita
duplicados y reparte los documentos por la huella de su texto, o reserva el final de cada fuente
(`tail`). Cada motivo está contado en `corpus.json`, con
ejemplos.

**Límites.** Nadie ha leído estos textos para esta tarjeta. Los derechos sobre ellos son los de sus fuentes.
Los datos personales solo se ocultan si se pide (`--mask`), y un programa no los encuentra todos.

# The data

{{ number(card.documents) }} documents, {{ number(card.bytes) }} bytes of text; {{
number(card.validation_documents) }} documents are kept for measuring and are not learned.

| | |
|---|---|
| languages | {{ told(card.languages) }} |
| words | {{ told(card.words) }} |
| sources | {{ told(card.sources) }} |
| dropped | {{ told(card.dropped) or "nothing" }} |
| changed | {{ told(card.changed) or "nothing" }} |
{% if card.broken %}| could not be read | {{ card.broken | length }} |
{% endif %}| digest | `{{ card.digest }}` |

**How it was made.** `fragua corpus` reads, cleans (NFC, no control characters), finds the language, drops
duplicates and splits the documents by the digest of their text, or holds out the end of each source
(`tail`). Every reason is counted in `corpus.json`,
with examples.

**Limits.** Nobody has read these texts for this card. Rights in them are those of their sources. Personal
data is masked only on request (`--mask`), and a program does not find all of it.
"""


def write_data_card(out: Path, card: CorpusCard) -> None:
    """Writes `README.md` of a corpus directory."""
    text = Environment(keep_trailing_newline=True).from_string(CARD)
    with atomic_write(out / "README.md") as file:
        file.write(text.render(card=card, number=_number, told=_told))


def _number(value: int) -> str:
    return f"{value:,}".replace(",", "\u202f")


def _told(counts: Mapping[str, int]) -> str:
    shown = [f"{_cell(name)} {_number(count)}" for name, count in list(counts.items())[:MOST_SHOWN]]
    return ", ".join(shown + ([f"… ({len(counts)})"] if len(counts) > MOST_SHOWN else []))


def _cell(name: str) -> str:
    """Nothing in a name may break the table; of a path, its end is enough."""
    return " ".join(Path(name).name.replace("|", "\\|").split()) or "-"
