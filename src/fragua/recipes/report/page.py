"""Renders `report/index.html`: one file, style and both languages inside, nothing asked of the network."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fragua.files import atomic_write
from fragua.recipes.report.charts import short
from fragua.recipes.report.data import collect
from fragua.recipes.words import duration, family_name, size, stage_name

FOLDER = Path(__file__).parent
REFRESH_S = 15
CONTROL_NAMES = {
    "constant": ("la mejor respuesta fija", "the best constant answer"),
    "echo": ("repetir la pregunta", "saying the question again"),
    "neighbour": ("copiar la conversación más parecida", "copying the most similar conversation"),
}
ADAPTED_NAMES = {
    "all": ("todo", "all"),
    "abilities": ("capacidades", "abilities"),
    "documents": ("documentos", "documents"),
    "aldea": ("Aldea", "Aldea"),
    "general": ("texto general", "general text"),
}
CHECK_NAMES = {
    "silent": ("no dice nada", "says nothing"),
    "language": (
        "no contesta en la lengua de la pregunta",
        "does not answer in the language of the question",
    ),
    "invented": ("inventa lo que no puede saber", "makes up what it can't know"),
    "wrong": ("no es la respuesta", "is not the answer"),
}


def write_report(out: Path, lang: str, finished: bool) -> dict[str, Any]:
    """Writes `out/report/index.html`, whole or not at all; when finished, the plots as PNG beside it.

    An unfinished page asks the browser to read it again every few seconds. Returns its size in bytes."""
    values = collect(out)
    text = render(values, lang, finished)
    with atomic_write(out / "report" / "index.html") as file:
        file.write(text)
    if finished:
        from fragua.recipes.report.pngs import write_pngs

        write_pngs(values, out / "report", lang)
    return {"bytes": len(text.encode())}


def render(values: dict[str, Any], lang: str, finished: bool) -> str:
    """The page as text. Whatever a model wrote is escaped by the template."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "t": both,
        "stage": lambda name: both(stage_name(name, _spanish), stage_name(name, _english)),
        "adapted_names": {name: both(*names) for name, names in ADAPTED_NAMES.items()},
        "control_names": {name: both(*names) for name, names in CONTROL_NAMES.items()},
        "check_names": {name: both(*names) for name, names in CHECK_NAMES.items()},
        "family": lambda name: both(family_name(name, _spanish), family_name(name, _english)),
    }
    environment.filters |= {
        "duration": duration,
        "size": size,
        "short": short,
        "number": number,
        "percent": lambda share: f"{100 * share:.0f} %",
    }
    return environment.get_template("page.html.jinja").render(
        **values,
        lang=lang,
        finished=finished,
        refresh_s=REFRESH_S,
        style=Markup((FOLDER / "style.css").read_text("utf-8")),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def both(es: object, en: object) -> Markup:
    """A text in both languages, of which the page's switch shows one. Both are escaped."""
    return Markup('<span class="es" lang="es">{}</span><span class="en" lang="en">{}</span>').format(es, en)


def number(value: float) -> str:
    """`8 388 608`: thin spaces read the same in both languages."""
    return f"{value:,.0f}".replace(",", "\u202f")


def _spanish(es: str, en: str) -> str:
    return es


def _english(es: str, en: str) -> str:
    return en
