"""What `fragua run` says at the end: stages and times, the two exams, a conversation, what to ask next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fragua.cli.language import Say
from fragua.cli.terminal import plain, summary
from fragua.recipes.ledger import Ledger
from fragua.recipes.report.data import collect
from fragua.recipes.words import duration, family_name, stage_name

BAR = 20


def as_object(out: Path, ledger: Ledger) -> dict[str, Any]:
    """The run in one JSON object: where everything is, and each stage's time and figures."""
    names = ("origin", "exam_base", "exam")
    exams = {name: entry.figures for name, entry in ledger.entries.items() if name in names}
    return {
        "recipe": ledger.head["recipe"],
        "out": str(out),
        "base": str(out / "base"),
        **({"assistant": str(out / "assistant")} if ledger.head["settings"]["corpus"]["aldea"] else {}),
        "report": str(out / "report" / "index.html"),
        "seconds": round(sum(entry.seconds for entry in ledger.entries.values()), 3),
        "exams": exams,
        "stages": [
            entry.model_dump(include={"name", "status", "seconds", "figures"})
            for entry in ledger.entries.values()
        ],
    }


def closing(out: Path, ledger: Ledger, say: Say, console: Console) -> None:
    """Prints the end of a run. Model text is plain text here: no markup, no control characters."""
    values = collect(out)
    console.print()
    console.print(_times(ledger, say))
    if values["families"]:
        console.print(_exams(values["families"], say))
    if values["aldea"]:
        _conversation(values["talk"] or [], say, console)
        _answers(values, say, console)
        _questions(values, say, console)
    console.print()
    console.print(say("Informe:   ", "Report:    "), str(out / "report" / "index.html"), highlight=False)
    if not values["aldea"]:
        console.print(say("Modelo:    ", "Model:     "), str(out / "base"), highlight=False)
        return
    console.print(say("Modelo:    ", "Model:     "), str(out / "assistant"), highlight=False)
    console.print(
        say("Conversar: ", "Chat:      "), f"fragua chat {out / 'assistant'}", style="bold", highlight=False
    )


def _times(ledger: Ledger, say: Say) -> Table:
    table = _table(say("La vida", "The life"), say("etapa", "stage"), say("tiempo", "time"), "")
    for entry in ledger.entries.values():
        table.add_row(stage_name(entry.name, say), duration(entry.seconds), summary(entry, say))
    total = duration(sum(entry.seconds for entry in ledger.entries.values()))
    table.add_row(Text(say("todo", "all"), style="bold"), Text(total, style="bold"), "")
    return table


def _exams(families: list[dict[str, Any]], say: Say) -> Table:
    table = _table(
        say("El examen, antes y después del ajuste", "The exam, before and after fine-tuning"),
        say("familia", "family"),
        say("antes", "before"),
        say("después", "after"),
        "",
    )
    for row in [*families[1:], families[0]]:
        name = family_name(row["name"], say) if row["name"] else say("todo", "all")
        share = row["after"]["value"] if row["after"] else 0.0
        bar = Text("━" * round(BAR * share), style="yellow")
        bar.append("━" * (BAR - len(bar)), style="grey37")
        table.add_row(name, _share(row["before"]), _share(row["after"]), bar)
    return table


def _share(told: dict[str, Any] | None) -> str:
    return f"{told['correct']:>3}/{told['n']} {100 * told['value']:>3.0f} %" if told else "·"


def _conversation(exchanges: list[dict[str, Any]], say: Say, console: Console) -> None:
    _heading(say("Una conversación", "A conversation"), console)
    for exchange in exchanges:
        for message in exchange["messages"]:
            if message["role"] == "tool":
                _line("    = ", message["content"], "dim", console)
                continue
            mark, style = ("› ", "bold") if message["role"] == "user" else ("  ", "yellow")
            for call in message.get("tool_calls") or []:
                function = call["function"]
                arguments = json.dumps(function["arguments"], ensure_ascii=False)
                _line("    ⚒ ", f"{function['name']} {arguments}", "dim", console)
            if message.get("content"):
                _line(mark, message["content"], style, console)


def _answers(values: dict[str, Any], say: Say, console: Console) -> None:
    for rows, title, style in (
        (values["right"], say("Lo que sabe", "What it knows"), "green"),
        (values["wrong"], say("Lo que no sabe", "What it does not know"), "red"),
    ):
        if rows:
            _heading(title, console)
        for answer in rows[:3]:
            _line("  ", f"{_last_line(answer['question'])}", "dim", console)
            _line("  → ", answer["reply"] or "…", style, console)


def _questions(values: dict[str, Any], say: Say, console: Console) -> None:
    _heading(say("Preguntas para probar", "Questions to try"), console)
    for question in values["questions"]:
        _line("  · ", question["text"], "", console)


def _last_line(text: str) -> str:
    """The question itself, where a passage stands before it."""
    return text.strip().splitlines()[-1] if text.strip() else ""


def _heading(text: str, console: Console) -> None:
    console.print(f"\n[bold yellow]{escape(text)}[/]")


def _line(mark: str, text: str, style: str, console: Console) -> None:
    console.print(Text(mark).append(plain(text), style=style), highlight=False)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold yellow", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, header_style="dim")
    return table
