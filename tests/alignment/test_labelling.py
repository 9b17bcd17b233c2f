"""Who is asked what: nothing twice, the overlap by all, and everything found again when it is opened anew."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from fragua.alignment.examples import Pair, Target
from fragua.alignment.feedback.choices import choices, ranking
from fragua.alignment.feedback.events import Candidate, examples, standing
from fragua.alignment.feedback.labelling import Labelling, LabellingSettings
from fragua.alignment.feedback.log import EventLog
from fragua.alignment.feedback.tasks import Task
from fragua.cli.labelling_session import LabellingSession
from fragua.errors import InputError
from fragua.language import speaker

SAY = speaker("en")


def tasks(count: int, answers: int = 2) -> list[Task]:
    return [
        Task(
            prompt=({"role": "user", "content": f"question {number}"},),
            candidates=tuple(Candidate(text=f"{number}-{answer}") for answer in range(answers)),
        )
        for number in range(count)
    ]


def clock() -> Callable[[], datetime]:
    ticks = iter(range(10_000))
    return lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(ticks))


def open_log(path: Path, count: int = 4, answers: int = 2, **values: Any) -> Labelling:
    return Labelling(tasks(count, answers), EventLog(path), LabellingSettings.parse(values), clock())


SKIP = {"kind": "skip"}
TIE = {"kind": "comparison", "verdict": "tie"}


@settings(max_examples=25)
@given(
    st.integers(1, 12),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=40),
)
def test_all_get_the_overlap_and_no_other_task_is_judged_twice(
    count: int, overlap: float, turns: list[str]
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        labelling = open_log(path, count, overlap=overlap)
        for annotator in turns + [name for name in "abc" for _ in range(count)]:
            shown = labelling.next(annotator)
            if shown is None:
                assert labelling.progress(annotator).left == 0
            else:
                labelling.judge(shown, 1.0, TIE)
            labelling._held.clear()  # each has left the page
        judged: dict[str, set[str]] = {}
        for event in standing(EventLog(path).events):
            who = judged.setdefault(event.prompt[0]["content"], set())
            assert event.annotator not in who
            who.add(event.annotator)
        assert len(judged) == count
        assert sum(who == {"a", "b", "c"} for who in judged.values()) == round(overlap * count)
        assert sum(len(who) == 1 for who in judged.values()) == count - round(overlap * count)


def test_two_at_the_same_time_see_different_tasks_and_a_skip_leaves_it_to_others(tmp_path: Path) -> None:
    labelling = open_log(tmp_path / "e.jsonl", overlap=0)
    first, second = labelling.next("a"), labelling.next("b")
    assert first and second and first.task != second.task
    assert labelling.next("a") == first, "looking again changes nothing"
    labelling.judge(first, 1.0, SKIP)
    labelling.judge(second, 1.0, TIE)
    again = labelling.next("b")
    assert again and again.task == first.task
    assert labelling.progress("a") == (1, 2) and labelling.progress("b") == (1, 3)


def test_undo_takes_back_what_was_written_beside_the_verdict_too(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    labelling = open_log(path)
    assert labelling.undo("a") is None
    shown = labelling.next("a")
    assert shown is not None
    labelling.judge(shown, 2.0, TIE, {0: "better", 1: shown.task.candidates[1].text}, {1: "  ", 0: "why"})
    assert [event.kind for event in EventLog(path).events] == ["comparison", "correction", "critique"]
    taught = list(examples(EventLog(path).events))
    prompt = shown.task.prompt
    assert Pair(prompt, "better", "0-0", annotator="a") in taught and Target(prompt, "better", "a") in taught
    with pytest.raises(InputError, match="was judged already; undo"):
        labelling.judge(shown, 1.0, TIE)
    other = open_log(path)
    assert other.undo("b") is None
    assert other.undo("a") == shown, "the same task, in the same order, also when opened anew"
    assert list(examples(EventLog(path).events)) == []
    assert len(path.read_text().splitlines()) == 6, "only ever appended to"


def test_the_order_is_random_and_the_judgement_is_of_what_was_shown(tmp_path: Path) -> None:
    labelling = open_log(tmp_path / "e.jsonl", count=60)
    orders = []
    while shown := labelling.next("a"):
        orders.append(shown.order)
        first = choices(labelling.settings, shown, SAY)[0]
        labelling.judge(shown, 1.0, first.judgement)
        event = standing(labelling.log.events)[-1]
        assert event.kind == "comparison" and event.order == shown.order
        assert event.candidates[event.ranking[0]].text == shown.texts[0]
    assert 15 <= orders.count((0, 1)) <= 45


@given(st.permutations(range(4)))
def test_a_ranking_needs_all_but_one(picked: list[int]) -> None:
    from fragua.alignment.feedback.labelling import Shown

    shown = Shown(tasks(1, 4)[0], "a", (2, 0, 3, 1))
    assert ranking(shown, picked[:2]) is None
    found = ranking(shown, picked[:3])
    assert found is not None and found["ranking"] == tuple(shown.order[position] for position in picked)


def test_marks_are_asked_of_each_answer_alone(tmp_path: Path) -> None:
    labelling = open_log(tmp_path / "e.jsonl", count=2, ask="rating", levels=7)
    shown = labelling.next("a")
    assert shown and len(labelling.tasks) == 4 and len(shown.order) == 1
    mark = choices(labelling.settings, shown, SAY)[6]
    labelling.judge(shown, 1.0, mark.judgement)
    event = labelling.log.events[0]
    assert event.kind == "rating" and (event.rating, event.levels) == (7, 7)
    thumbs = open_log(tmp_path / "t.jsonl", count=1, ask="thumbs")
    seen = thumbs.next("a")
    assert seen is not None
    thumbs.judge(seen, 1.0, choices(thumbs.settings, seen, SAY)[1].judgement)
    down = thumbs.log.events[0]
    assert down.kind == "thumbs" and not down.good


def test_a_summary_tells_who_did_what_and_how_far_they_agree(tmp_path: Path) -> None:
    labelling = open_log(tmp_path / "e.jsonl", count=6, overlap=1)
    for annotator in "ab":
        for number in range(6):
            shown = labelling.next(annotator)
            assert shown is not None
            best = {"kind": "comparison", "verdict": "best", "ranking": (number % 2,)}
            labelling.judge(shown, 1.0, best)
    told = labelling.summary()
    assert told["tasks"] == told["judged"] == 6 and told["annotators"] == {"a": 6, "b": 6}
    assert told["agreement"]["comparison"]["alpha"] == 1.0


# ---- in the terminal


def sit(path: Path, *lines: str, lang: str = "en", **values: Any) -> tuple[LabellingSession, str]:
    console = Console(file=io.StringIO(), width=150, markup=False, highlight=False)
    labelling = open_log(path, count=3, **values)
    ticks = iter(range(1000))
    session = LabellingSession(
        labelling, "eva", speaker("es" if lang == "es" else "en"), console, lambda: float(next(ticks))
    )
    session.welcome("Be fair.")
    assert all(session.take(line) for line in lines[:-1])
    session.take(lines[-1])
    assert isinstance(console.file, io.StringIO)
    return session, console.file.getvalue()


def test_a_sitting_in_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    session, text = sit(path, "e2 As it\\nshould be", "c1 Too short", "1", "u", "0", "nonsense", "x", "s")
    assert "Be fair." in text and "0 done, 3 left" in text and "Nothing is left: 3 judged." in text
    assert "1 A is better" in text and session.shown is None
    events = standing(EventLog(path).events)
    assert [event.kind for event in events] == ["comparison", "comparison", "skip"]
    assert [event.verdict for event in events if event.kind == "comparison"] == ["tie", "bad"]
    first = EventLog(path).events[:3]
    assert [event.kind for event in first] == ["comparison", "correction", "critique"]
    best, corrected, critique = first
    assert best.kind == "comparison" and corrected.kind == "correction" and critique.kind == "critique"
    assert best.ranking == best.order[:1] and best.seconds == 1.0
    assert corrected.candidate == best.order[1] and corrected.corrected == "As it\nshould be"
    assert critique.candidate == best.order[0] and critique.text == "Too short"


def test_the_terminal_speaks_spanish_and_ranks(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    _, text = sit(path, "31", "11", "9", "q", lang="es", ask="ranking", answers=3)
    assert "Ordénalas" in text and "quedan 3" in text and "q termina" in text
    (event,) = standing(EventLog(path).events)
    assert event.kind == "comparison" and event.verdict == "ranking"
    assert event.ranking == (event.order[2], event.order[0], event.order[1])
