"""The page's plots as PNG files, for a README or a slide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fragua.recipes.report.charts import log_ticks, short, smoothed
from fragua.recipes.report.data import read_rows
from fragua.recipes.words import family_name

INK, PAPER, GLOW, STEEL = "#241c15", "#fbf8f3", "#c2410c", "#64748b"


def write_pngs(values: dict[str, Any], folder: Path, lang: str) -> None:
    """`learning.png` and, where there are exams, `exam.png`."""
    from matplotlib.figure import Figure

    def say(es: str, en: str) -> str:
        return es if lang == "es" else en

    rows = read_rows(folder.parent / "base" / "metrics.jsonl")
    figure = Figure(figsize=(8, 4), dpi=150, facecolor=PAPER, layout="constrained")
    axes = figure.add_subplot(facecolor=PAPER)
    learned = [(row["tokens"], row["bits_per_byte"]) for row in rows if row.get("bits_per_byte")]
    checked = [
        (row["tokens"], row["validation_bits_per_byte"])
        for row in rows
        if row.get("validation_bits_per_byte")
    ]
    if learned:
        line = zip(*smoothed(learned, max(1, len(learned) // 50)), strict=True)
        axes.plot(*line, color=STEEL, linewidth=1.2, label=say("texto de entrenamiento", "training text"))
    if checked:
        line = zip(*checked, strict=True)
        axes.plot(
            *line, color=GLOW, linewidth=2, marker="o", markersize=3, label=say("texto nuevo", "unseen text")
        )
    if learned:
        axes.set_yscale("log")
        axes.minorticks_off()
        ticks = log_ticks(*axes.get_ylim())
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.xaxis.set_major_formatter(lambda tokens, _: short(tokens))
        axes.legend(frameon=False, labelcolor=INK)
    axes.set_xlabel("tokens", color=INK)
    axes.set_ylabel(say("bits por byte", "bits per byte"), color=INK)
    _plain(axes)
    figure.savefig(folder / "learning.png")

    if values["families"]:
        _exam(values["families"], folder / "exam.png", say)


def _exam(families: list[dict[str, Any]], path: Path, say: Any) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.6 + 0.5 * len(families)), dpi=150, facecolor=PAPER, layout="constrained")
    axes = figure.add_subplot(facecolor=PAPER)
    names = {"before": say("antes", "before"), "after": say("después del ajuste", "after fine-tuning")}
    for index, row in enumerate(reversed(families)):
        for when, color, shift in (("before", STEEL, 0.19), ("after", GLOW, -0.19)):
            if row[when]:
                told = row[when]
                value = told["value"]
                reach = [
                    [max(0.0, value - told["low"])],
                    [max(0.0, told["high"] - value)],
                ]  # but for rounding
                label = names[when] if index == 0 else None
                axes.barh(index + shift, value, height=0.34, color=color, label=label)
                axes.errorbar(value, index + shift, xerr=reach, color=INK, linewidth=1, capsize=2)
    rows = [
        family_name(row["name"], say) if row["name"] else say("todo", "all") for row in reversed(families)
    ]
    axes.set_yticks(range(len(rows)), rows)
    axes.legend(frameon=False, labelcolor=INK, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    _plain(axes)
    figure.savefig(path)


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
    axes.grid(alpha=0.15)
