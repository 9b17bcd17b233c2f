"""What a person would lose: lessons that say what their documents say, and an exam that measures it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.corpus.aldea.asking import assistant
from fragua.corpus.aldea.exam import grade, read_exam
from fragua.corpus.aldea.world import build_world
from fragua.corpus.build import BuildSettings
from fragua.corpus.conversations import read_conversations
from fragua.corpus.own.lessons import LESSONS
from fragua.corpus.own.library import Library, is_held, title_of
from fragua.corpus.own.pairs import align, pairs
from fragua.corpus.own.write import DOCUMENTS, own_exam, write_own
from fragua.errors import InputError
from fragua.evaluation.controls import controls

SUBJECTS = (
    "El molino",
    "La torre",
    "El puente",
    "La fábrica",
    "El huerto",
    "La fuente",
    "El teatro",
    "La muralla",
)
PLACES = ("Segovia", "Lugo", "Cuenca", "Teruel", "Huesca", "Zamora", "Soria", "Jaca", "Ronda", "Mérida")


def prose(seed: int, count: int = 60) -> str:
    """Paragraphs about buildings: names, years and things that can be asked for."""
    rng = random.Random(seed)
    told = [
        f"{rng.choice(SUBJECTS)} de {rng.choice(PLACES)} se construyó en {rng.randint(1200, 1950)} con piedra de la "
        f"cantera número {rng.randint(1, 999)}."
        for _ in range(count)
    ]
    return "\n\n".join(" ".join(told[at : at + 5]) for at in range(0, count, 5))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    for name, seed in (("obras_del_norte.txt", 1), ("obras-del-sur.md", 2)):
        (folder / "docs" / name).parent.mkdir(exist_ok=True)
        (folder / "docs" / name).write_text(prose(seed, 300), encoding="utf-8")
    build = BuildSettings(validation_share=0.1, most_characters=2000)
    write_own([str(folder / "docs")], folder / "out", build, max_bytes=300_000, conversations=600, exam=200)
    return folder / "out"


def taught(own: Path) -> list[Any]:
    rows = read_conversations(own / "conversations.jsonl")
    return [row for row in rows if row.ability in LESSONS]


def test_every_answer_comes_from_the_documents(own: Path) -> None:
    """Quoted sentences stand there word for word, what is said to be missing is not in the passage, and Aldea's
    names are in no answer."""
    text = " ".join(
        " ".join(json.loads(line)["text"].split())
        for line in (own / DOCUMENTS / "train.jsonl").read_text("utf-8").splitlines()
    )
    names = {entity.es.bare for entity in build_world(0).entities if entity.kind == "person"}
    seen = set()
    for row in taught(own):
        question, answer = (str(message["content"]) for message in row.messages)
        seen.add(row.ability)
        assert not any(name in answer for name in names)
        if row.ability == "own_read":
            sentence = answer.removeprefix("El texto dice: «").removesuffix("»")
            assert sentence in text and sentence in question
        if row.ability in ("own_recall", "own_summary"):
            assert answer in text
        if row.ability == "own_missing":
            term = answer.removeprefix("El texto no dice nada de ").removesuffix(".")
            assert question.count(term) == 1, "only the question names it"
        if row.ability == "own_cloze":
            gap = question.split(": ", 1)[-1] if ": " in question else question.split("? ", 1)[-1]
            assert gap.replace("____", answer) in text
    assert seen == set(LESSONS) - {"own_translation"}, "there is one language only"


def test_the_exam_asks_about_sentences_that_no_conversation_asks_about(own: Path) -> None:
    items = [item for item in read_exam(str(own / "exam.jsonl")) if item.family in LESSONS]
    assert len(items) > 60
    asked = {str(row.messages[0]["content"]) for row in taught(own)}
    assert not asked & {item.question for item in items}
    for item in items:
        if item.family in ("own_read", "own_recall", "own_summary"):
            assert is_held(item.spec["references"][0])


def test_good_answers_pass_and_answers_that_know_nothing_do_not(own: Path) -> None:
    items = [item for item in read_exam(str(own / "exam.jsonl")) if item.family in LESSONS]
    assert all(grade(item, item.gold) for item in items)
    assert not any(grade(item, [assistant("")]) for item in items)
    told = controls(items, read_conversations(own / "conversations.jsonl"))
    assert told["constant"]["by_part"]["documents"]["value"] < 0.35, "two titles: half of one lesson is luck"
    assert told["echo"]["accuracy"]["value"] < 0.1
    assert set(told["echo"]["by_kind"]) == {"ability", "knowledge"}


def test_both_parts_are_there_in_their_shares(own: Path) -> None:
    card = json.loads((own / "corpus.json").read_text("utf-8"))
    told = card["details"]["own"]
    assert 1 < told["repeats"] <= 8 and 0.3 < told["repeats"] * told["bytes"] / 300_000 < 0.6
    train = [json.loads(line) for line in (own / "train.jsonl").read_text("utf-8").splitlines()]
    held = {
        json.loads(line)["text"]
        for line in (own / DOCUMENTS / "validation.jsonl").read_text("utf-8").splitlines()
    }
    assert held and not held & {row["text"] for row in train}, "what is kept for measuring is not learned"
    rows = list(read_conversations(own / "conversations.jsonl"))
    assert len(rows) == 600 and len(taught(own)) == 300
    assert (own / "README.md").read_text("utf-8").count("# ") == 2


def test_the_same_documents_give_the_same_lessons(own: Path, tmp_path: Path) -> None:
    build = BuildSettings(validation_share=0.1, most_characters=2000)
    write_own([str(own.parent / "docs")], tmp_path, build, max_bytes=300_000, conversations=600, exam=200)
    for name in ("train.jsonl", "conversations.jsonl", "exam.jsonl"):
        assert (tmp_path / name).read_bytes() == (own / name).read_bytes()


def test_documents_without_sentences_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("uno dos tres")
    with pytest.raises(InputError, match="no sentences in Spanish or English"):
        write_own([str(tmp_path / "a.txt")], tmp_path / "out", BuildSettings())


@settings(max_examples=40)
@given(st.lists(st.integers(20, 180), min_size=3, max_size=25), st.sets(st.integers(0, 24), max_size=3))
def test_alignment_finds_pairs_around_sentences_that_one_side_lacks(sizes: list[int], lost: set[int]) -> None:
    """Lengths alone decide, so what is paired must be of like length, in order, and each once."""
    es = [f"{at:03d}" + "a" * size for at, size in enumerate(sizes)]
    en = [f"{at:03d}" + "b" * size for at, size in enumerate(sizes) if at not in lost]
    found = align(es, en)
    numbers = [(int(a[:3]), int(b[:3])) for a, b in found]
    assert all(a == b for a, b in numbers), "numbers in a sentence tell pairs apart"
    assert numbers == sorted(set(numbers))
    assert len(found) >= len(en) - 4 * len(lost)


def test_real_translations_are_paired(data_dir: Path, tmp_path: Path) -> None:
    rows = [
        {
            "text": (data_dir / "udhr" / f"{name}.txt").read_text("utf-8"),
            "lang": lang,
            "source": f"udhr/{name}.txt",
        }
        for name, lang in (("spa", "es"), ("eng", "en"))
    ]
    found = pairs(Library(rows).texts)
    numbered = [(a, b) for a, b in found if a.startswith("Artículo")]
    assert len(found) > 60 and len(numbered) > 20
    assert all(a.split()[1] == b.split()[1] for a, b in numbered)
    assert (
        "Toda persona tiene derecho a una nacionalidad.",
        "Everyone has the right to a nationality.",
    ) in found


def test_a_title_is_the_files_name() -> None:
    assert title_of("docs/obras_del-norte.es.txt.gz") == "obras del norte"


def test_an_exam_of_few_sentences_is_short_and_whole() -> None:
    library = Library([{"text": prose(5, 40), "lang": "es", "source": "a.txt"}])
    items = own_exam(library, [], random.Random(0), 500)
    assert 10 < len(items) < 500 and len({item.thread for item in items}) == len(items)
