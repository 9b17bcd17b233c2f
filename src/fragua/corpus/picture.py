"""The picture of a corpus: languages, lengths, what became of the documents, tokens per word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fragua.corpus.card import CorpusCard
from fragua.files import atomic_write
from fragua.language import Say

INK, PAPER, COLOURS = "#241c15", "#fbf8f3", ("#c2410c", "#64748b", "#b45309", "#0f766e", "#7c3aed", "#94a3b8")
MOST_BARS = 8


def draw(card: CorpusCard, tokens_per_word: Mapping[str, float], path: Path, say: Say) -> None:
    """Writes a PNG of four panels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), dpi=150, facecolor=PAPER, layout="constrained")
    panels = figure.subplots(2, 2)
    shares = sorted(card.languages.items(), key=lambda item: -item[1])
    langs = {lang: COLOURS[min(at, len(COLOURS) - 1)] for at, (lang, _) in enumerate(shares)}
    _bars(panels[0, 0], say("documentos por lengua", "documents by language"), shares, langs)
    _lengths(panels[0, 1], card, langs, say)
    became = {say("quedan", "kept"): card.documents, **card.dropped, **card.changed}
    colours = dict.fromkeys(card.dropped, COLOURS[0]) | dict.fromkeys(card.changed, COLOURS[1])
    title = say("qué fue de los documentos", "what became of the documents")
    _bars(panels[1, 0], title, list(became.items()), colours)
    fits = sorted(tokens_per_word.items(), key=lambda item: -item[1])
    _bars(panels[1, 1], say("tokens por palabra", "tokens per word"), fits, langs)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png")


def _bars(axes: Any, title: str, rows: Sequence[tuple[str, float]], colours: Mapping[str, str]) -> None:
    rows = rows[:MOST_BARS][::-1]
    axes.barh(
        [name for name, _ in rows],
        [value for _, value in rows],
        color=[colours.get(name, "#166534") for name, _ in rows],
    )
    for at, (_, value) in enumerate(rows):
        label = f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
        axes.text(value, at, f" {label}", va="center", color=INK, fontsize=8)
    axes.margins(x=0.18)
    _plain(axes, title)


def _lengths(axes: Any, card: CorpusCard, langs: Mapping[str, str], say: Say) -> None:
    """Documents by length, a bar for each doubling; languages stand upon each other."""
    steps = sorted({step for counts in card.lengths.values() for step in counts})
    bottom = dict.fromkeys(steps, 0)
    for lang in langs:
        counts = card.lengths.get(lang, {})
        heights = [counts.get(step, 0) for step in steps]
        axes.bar(
            [_size(step) for step in steps],
            heights,
            bottom=list(bottom.values()),
            color=langs[lang],
            label=lang,
        )
        bottom = {step: bottom[step] + height for step, height in zip(steps, heights, strict=True)}
    axes.tick_params(axis="x", labelrotation=45, labelsize=8)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    _plain(axes, say("documentos por tamaño en bytes, desde", "documents by size in bytes, from"))


def _size(step: int) -> str:
    return f"{step >> 10}k" if step >= 1024 else str(step)


def _plain(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_facecolor(PAPER)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
