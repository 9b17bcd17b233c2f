"""Feedback becomes what its annotator meant, and what is broken is told with its field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fragua.alignment.examples import Choice, Pair, Rated, Target, Unpaired, pairs, unpaired
from fragua.alignment.feedback.events import examples, parse_event, standing
from fragua.errors import InputError

PROMPT = ({"role": "user", "content": "¿Cuánto es 2+2?"},)
ANSWERS = ("4", "5", "Cuatro.", "No sé.")


def row(kind: str, count: int = 2, **fields: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "kind": kind,
        "at": "2026-01-02T03:04:05+00:00",
        "annotator": "a",
        "seconds": 2.5,
        "prompt": list(PROMPT),
        "candidates": [{"text": text, "model": "ab" * 32} for text in ANSWERS[:count]],
        "order": list(range(count)),
    } | fields


def taught(*rows: dict[str, Any]) -> list[Any]:
    return list(examples(parse_event(each, "log:1") for each in rows))


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_a_ranking_teaches_every_pair_once_whatever_order_was_shown(
    order: list[int], best: list[int]
) -> None:
    event = row("comparison", 4, verdict="ranking", ranking=best, order=order)
    found = [(pair.chosen, pair.rejected) for pair in pairs(taught(event))]
    assert len(set(found)) == 6
    place = {ANSWERS[number]: rank for rank, number in enumerate(best)}
    assert all(place[chosen] < place[rejected] for chosen, rejected in found)


def test_each_kind_teaches_its_forms() -> None:
    best = taught(row("comparison", 3, verdict="best", ranking=[2]))
    assert best == [
        Pair(PROMPT, "Cuatro.", "4", annotator="a"),
        Pair(PROMPT, "Cuatro.", "5", annotator="a"),
        Choice(PROMPT, ANSWERS[:3], 2, "a"),
    ]
    assert taught(row("comparison", verdict="tie")) == [Pair(PROMPT, "4", "5", tie=True, annotator="a")]
    assert pairs(taught(row("comparison", verdict="tie"))) == []
    bad = taught(row("comparison", verdict="bad"))
    assert bad == [Unpaired(PROMPT, text, False, "a") for text in ("4", "5")]
    assert taught(row("rating", rating=2, candidate=1)) == [Rated(PROMPT, "5", 2, 5, "a")]
    assert taught(row("thumbs", good=True)) == [Unpaired(PROMPT, "4", True, "a")]
    assert taught(row("correction", candidate=1, corrected="4")) == [
        Pair(PROMPT, "4", "5", annotator="a"),
        Target(PROMPT, "4", "a"),
    ]
    assert taught(row("critique", text="curt")) == []
    assert taught(row("critique", text="curt", good=False)) == [Unpaired(PROMPT, "4", False, "a")]
    assert taught(row("skip")) == []


def test_pairs_are_also_verdicts_on_single_answers() -> None:
    best = taught(row("comparison", verdict="best", ranking=[0]))
    assert list(unpaired(best)) == [Unpaired(PROMPT, "4", True, "a"), Unpaired(PROMPT, "5", False, "a")]


def test_an_undone_verdict_teaches_nothing_and_only_its_annotator_undoes_it() -> None:
    thumbs = row("thumbs", good=True)
    undo = {"id": "2", "kind": "undo", "at": thumbs["at"], "annotator": "a", "undoes": "1"}
    assert taught(thumbs, undo) == []
    assert len(standing(parse_event(each, "") for each in (thumbs, undo | {"annotator": "b"}))) == 1


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (row("praise"), "unknown kind 'praise'"),
        (row("comparison", verdict="best", ranking=[2]), "candidate 2 of 2"),
        (row("comparison", verdict="ranking", ranking=[0]), "names 2 of 2"),
        (row("comparison", verdict="tie", ranking=[0]), "names 0 of 2"),
        (row("comparison", 1, verdict="tie"), "two candidates"),
        (row("rating", rating=6), "rating 6 of 5"),
        (row("thumbs", good=True, candidate=-1), "candidate -1"),
        (row("correction", corrected="4"), "nothing was changed"),
        (row("critique", text=" "), "says something"),
        (row("skip", order=[0, 0]), "order [0, 0]"),
        (row("skip", seconds=float("nan")), "seconds"),
        (row("skip", prompt=[{"role": "assistant", "content": "?"}]), "the last message is the user's"),
        (row("skip", extra=1), "extra"),
    ],
)
def test_what_is_wrong_in_an_event_is_told_with_its_place(broken: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_event(broken, "log.jsonl:7")
    assert caught.value.place == "log.jsonl:7"
    assert told in str(caught.value)
