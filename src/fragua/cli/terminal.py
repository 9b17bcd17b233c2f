"""What a run shows while it lives: the plan, each stage as it begins and ends, what the model writes."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from fragua.cli.language import Say
from fragua.cli.plan_table import plan_table
from fragua.cli.screen import clean
from fragua.recipes.ledger import Entry, Ledger
from fragua.recipes.plan import Plan
from fragua.recipes.recipe import Recipe
from fragua.recipes.stage import Stage
from fragua.recipes.words import duration, size, stage_name

FLAGS = {"es": "español", "en": "English"}


class Terminal:
    """A watcher that prints; it never takes part in the run."""

    def __init__(self, say: Say, console: Console):
        self.say, self.console = say, console

    def planned(self, plan: Plan, machine: dict[str, Any], ledger: Ledger) -> None:
        recipe = Recipe.parse(ledger.head["settings"])
        self.console.print(
            Panel(plan_table(recipe, plan, machine, self.say), border_style="yellow", expand=False)
        )
        page = ledger.out / "report" / "index.html"
        self._line(self.say(f"El informe crece en {page}", f"The report grows in {page}"), "dim")

    def began(self, stage: Stage, resumed: bool) -> None:
        note = self.say(" · sigue donde quedó", " · goes on where it stopped") if resumed else ""
        self._line(f"▸ {stage_name(stage.name, self.say)}{note}", "bold")

    def skipped(self, stage: Stage, entry: Entry) -> None:
        self._line(
            f"✓ {stage_name(stage.name, self.say)} · {self.say('ya estaba hecho', 'already done')}", "dim"
        )

    def ended(self, stage: Stage, entry: Entry) -> None:
        told = " · ".join(part for part in (duration(entry.seconds), summary(entry, self.say)) if part)
        self._line(f"✓ {stage_name(stage.name, self.say)} · {told}", "green")

    def step(self, row: dict[str, Any]) -> None:
        """The trainer draws its own progress bar."""

    def sample(self, row: dict[str, Any]) -> None:
        text = Text()
        text.append(f"  {row['step']:>6} · {FLAGS.get(row['lang'], row['lang'])}  ", style="dim")
        text.append(plain(row["prompt"]), style="yellow")
        answers = row.get("kind") == "answer"
        text.append(" → " if answers else " " if row["text"][:1].isspace() else "")
        text.append(plain(row["text"]))
        self.console.print(text, highlight=False)

    def _line(self, text: str, style: str) -> None:
        self.console.print(Text(text, style=style), highlight=False)


def summary(entry: Entry, say: Say) -> str:
    """A stage's result in a few words, of its figures."""
    figures = entry.figures
    if entry.name == "corpus":
        return say(
            f"{figures['documents']:,} documentos, {size(figures['bytes'])}",
            f"{figures['documents']:,} documents, {size(figures['bytes'])}",
        )
    if entry.name == "tokenizer":
        return f"{figures['vocab_size']:,} tokens, {figures['bytes_per_token']} bytes/token"
    if entry.name in ("pretrain", "finetune"):
        named = (("validation_loss", say("pérdida", "loss")), ("validation_bits_per_byte", "bits/byte"))
        return ", ".join(f"{word} {figures[key]:.3f}" for key, word in named if figures.get(key) is not None)
    if entry.name == "align":
        wins = f"{figures['win_rate']['value']:.0%}"
        return say(
            f"gusta más en el {wins} de las preguntas, examen {figures['exam_change_points']:+.1f} puntos",
            f"liked better in {wins} of the questions, exam {figures['exam_change_points']:+.1f} points",
        )
    if entry.name == "held_out":
        return f"{size(figures['bytes'])}, {figures['bits_per_byte']:.3f} bits/byte"
    if entry.name in ("origin", "exam_base", "exam"):
        parts = {name: f"{share['value']:.0%}" for name, share in figures.get("by_part", {}).items()}
        told = say(
            f"{figures['correct']} de {figures['items']} bien",
            f"{figures['correct']} of {figures['items']} right",
        )
        if not parts:
            return told
        return told + say(
            f": capacidades {parts['abilities']}, documentos {parts['documents']}",
            f": abilities {parts['abilities']}, documents {parts['documents']}",
        )
    if entry.name == "talk":
        return say(
            f"{figures['good']} de {figures['strangers']} primeros mensajes de desconocidos, bien",
            f"{figures['good']} of {figures['strangers']} first messages of strangers, well",
        )
    return ""


def plain(text: str) -> str:
    """Model text for a terminal: on one line, and no control character reaches the screen."""
    return clean(" ".join(text.split()))
