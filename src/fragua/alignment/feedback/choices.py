"""The verdicts that can be given by one key, the same keys in the terminal and on the page."""

from __future__ import annotations

from typing import Any, NamedTuple

from fragua.alignment.feedback.labelling import LabellingSettings, Shown
from fragua.language import Say

LETTERS = "ABCDEFGHI"
TIE, BAD, SKIP, UNDO, EDIT, CRITIQUE = "0", "x", "s", "u", "e", "c"


class Choice(NamedTuple):
    """`judgement` is what `Labelling.judge` takes; `position`: of the answer shown that it stands under."""

    key: str
    label: str
    judgement: dict[str, Any]
    position: int | None = None


def choices(settings: LabellingSettings, shown: Shown, say: Say) -> list[Choice]:
    """All but a ranking, which is made of several keys (`ranking`)."""
    several = len(shown.order) > 2
    found = []
    if settings.ask == "best":
        for position, number in enumerate(shown.order):
            letter = LETTERS[position]
            label = (
                say(f"{letter} es la mejor", f"{letter} is best")
                if several
                else say(f"{letter} es mejor", f"{letter} is better")
            )
            judged: dict[str, Any] = {"kind": "comparison", "verdict": "best", "ranking": (number,)}
            found.append(Choice(str(position + 1), label, judged, position))
    if settings.ask in ("best", "ranking"):
        tie = say("Empate", "Tie")
        bad = say("Todas malas", "All bad") if several else say("Ambas malas", "Both bad")
        found.append(Choice(TIE, tie, {"kind": "comparison", "verdict": "tie"}))
        found.append(Choice(BAD, bad, {"kind": "comparison", "verdict": "bad"}))
    if settings.ask == "rating":
        ends = {1: say("muy mala", "very bad"), settings.levels: say("muy buena", "very good")}
        for mark in range(1, settings.levels + 1):
            label = f"{mark} · {ends[mark]}" if mark in ends else str(mark)
            judged = {"kind": "rating", "rating": mark, "levels": settings.levels}
            found.append(Choice(str(mark), label, judged, 0))
    if settings.ask == "thumbs":
        found.append(Choice("1", say("👍 Buena", "👍 Good"), {"kind": "thumbs", "good": True}, 0))
        found.append(Choice(TIE, say("👎 Mala", "👎 Bad"), {"kind": "thumbs", "good": False}, 0))
    found.append(Choice(SKIP, say("Saltar", "Skip"), {"kind": "skip"}))
    return found


def ranking(shown: Shown, positions: list[int]) -> dict[str, Any] | None:
    """The judgement of positions in the order they were picked, the best first; None until only one is left out."""
    rest = [position for position in range(len(shown.order)) if position not in positions]
    if len(rest) > 1:
        return None
    best_first = tuple(shown.order[position] for position in [*positions, *rest])
    return {"kind": "comparison", "verdict": "ranking", "ranking": best_first}


def question(settings: LabellingSettings, shown: Shown, say: Say) -> str:
    if settings.ask == "ranking":
        return say("Ordénalas: primero la mejor.", "Put them in order, the best first.")
    if settings.ask == "rating":
        return say("¿Qué nota le pones?", "Which mark do you give it?")
    if settings.ask == "thumbs":
        return say("¿Es una buena respuesta?", "Is it a good answer?")
    if len(shown.order) > 2:
        return say("¿Cuál es la mejor respuesta?", "Which answer is best?")
    return say("¿Qué respuesta es mejor?", "Which answer is better?")


def default_guidelines(say: Say) -> str:
    return say(
        "Prefiere la respuesta que te sería más útil si la pregunta fuera tuya: correcta, clara, cortés y tan larga "
        "como haga falta. Si ninguna te parece mejor, di empate; si no aceptarías ninguna, ambas malas. Si no puedes "
        "juzgar, salta. Corrige una respuesta cuando sepas cómo debería ser.",
        "Prefer the answer that would help you most if the question were yours: right, clear, polite, and as long as "
        "need be. If neither seems better, say tie; if you would accept neither, both bad. If you can't judge, skip. "
        "Correct an answer when you know how it should be.",
    )
