"""What a person would lose: clean measurements, other people's data, and the hours of a build that was stopped."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.corpus import duplicates, staging
from fragua.corpus.build import BuildSettings, build_corpus
from fragua.corpus.contamination import Probe, read_probe
from fragua.corpus.kinds import ALL_KINDS
from fragua.corpus.language import detect_language
from fragua.corpus.masks import ID_LETTERS, MASKS, iban_is_right, id_is_right, luhn_is_right, mask
from fragua.corpus.tail import Tail
from fragua.corpus.words import words

WORDS = [f"palabra{n}" for n in range(400)]


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for split in ("train", "validation")
        for line in (folder / f"{split}.jsonl").read_text("utf-8").splitlines()
    ]


def text_of(rng: random.Random, count: int = 120) -> list[str]:
    return [rng.choice(WORDS) for _ in range(count)]


# ---- masks


@given(st.integers(0, 99_999_999))
def test_a_dni_is_known_by_its_letter(number: int) -> None:
    right = ID_LETTERS[number % 23]
    assert id_is_right(f"{number:08d}{right}") and mask(f"Su DNI es {number:08d}-{right}.", ["id"])[1] == [
        "id"
    ]
    assert not any(id_is_right(f"{number:08d}{letter}") for letter in ID_LETTERS if letter != right)


@given(st.text("0123456789", min_size=12, max_size=18))
def test_one_digit_makes_a_card_right_and_only_one(body: str) -> None:
    right = [last for last in "0123456789" if luhn_is_right(body + last)]
    assert len(right) == 1
    assert mask(f"paga con {body}{right[0]} hoy", ["card"]) == ("paga con [card] hoy", ["card"])


@given(st.text("0123456789", min_size=20, max_size=20), st.integers(1, 96))
def test_an_iban_with_wrong_check_digits_stays(body: str, off: int) -> None:
    check = 98 - int(body + "142800") % 97  # ES is 1428
    good = f"ES{check:02d}{body}"
    spaced = " ".join(good[at : at + 4] for at in range(0, 24, 4))
    assert iban_is_right(good) and mask(f"a {spaced}.", ["iban"])[0] == "a [iban]."
    assert not iban_is_right(f"ES{(check + off) % 97:02d}{body}") or (check + off) % 97 == check % 97


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Escribe a ana.b+c@correo.example.es o llama.", "Escribe a [email] o llama."),
        ("Tel. 612 345 678, 91 234 56 78 y +34 612345678.", "Tel. [phone], [phone] y [phone]."),
        ("Call (555) 123-4567 or +1 555-123-4567.", "Call [phone] or [phone]."),
        ("NIE X1234567L y DNI 12345678Z", "NIE [id] y DNI [id]"),
        ("IBAN GB82 WEST 1234 5698 7654 32", "IBAN [iban]"),
        ("Visa 4111 1111 1111 1111", "Visa [card]"),
    ],
)
def test_personal_data_goes(text: str, masked: str) -> None:
    assert mask(text, ALL_KINDS)[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "En 1492, con 3 naves y 90 hombres, pi es 3.14159265358979.",
        "DNI 12345678A, tarjeta 4111 1111 1111 1112, IBAN ES00 1234 5678 9012 3456 7890",
        "2026-11-21 10:30, p. 612-634, 1.234.567,89 euros, @usuario",
        "ISBN 978-84-376-0494-7",
    ],
)
def test_numbers_of_other_kinds_stay(text: str) -> None:
    assert mask(text, ALL_KINDS) == (text, [])


@given(st.text("0123456789 .-+()@aZXT:/,", max_size=80))
def test_masking_twice_changes_nothing(text: str) -> None:
    once, _ = mask(text, ALL_KINDS)
    assert mask(once, ALL_KINDS)[0] == once and mask(text, []) == (text, [])
    assert list(MASKS) == sorted(MASKS, key=list(MASKS).index) and set(MASKS) == set(ALL_KINDS)


# ---- duplicates


@settings(max_examples=30)
@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 8))
def test_exact_duplicates_are_those_of_a_set(values: list[int], slice_rows: int) -> None:
    """Against the plain way, also when sorted in slices of a few rows."""
    keys = np.frombuffer(b"".join(duplicates.key(str(v)) for v in values), np.uint64).reshape(-1, 2)
    kept, duplicates.SLICE_ROWS = duplicates.SLICE_ROWS, slice_rows
    try:
        found = dict(duplicates.exact_duplicates(keys))
    finally:
        duplicates.SLICE_ROWS = kept
    assert found == {at: values.index(v) for at, v in enumerate(values) if values.index(v) != at}


def jaccard(a: list[str], b: list[str]) -> float:
    shingles = [{tuple(t[at : at + 5]) for at in range(len(t) - 4)} for t in (a, b)]
    return len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])


def test_signatures_estimate_jaccard_and_clusters_keep_their_first() -> None:
    rng = random.Random(3)
    originals = [text_of(rng, 200) for _ in range(30)]
    texts, origin = [], []
    for number, original in enumerate(originals):
        for changes in (0, 1, 3, 40):
            copy = list(original)
            for _ in range(changes):
                copy[rng.randrange(len(copy))] = "otra"
            texts.append(copy)
            origin.append(number)
    signed = np.frombuffer(b"".join(duplicates.signature(" ".join(t)) for t in texts), np.uint32)
    signed = signed.reshape(len(texts), -1)
    errors = [
        abs((signed[at] == signed[0]).mean() - jaccard(texts[at], texts[0])) for at in range(len(texts))
    ]
    assert max(errors) < 0.15, "four standard deviations of 128 permutations"
    found = duplicates.near_duplicates(signed, 0.8, np.zeros(len(texts), bool))
    assert all(origin[a] == origin[b] and b < a for a, b in found.items())
    close = [at for at in range(len(texts)) if at % 4 and jaccard(texts[at], texts[at - at % 4]) > 0.85]
    far = [at for at in range(len(texts)) if at % 4 == 3]
    assert len(close) > 40 and sum(at in found for at in close) > 0.9 * len(close)
    assert not any(at in found for at in far)


def test_near_duplicates_are_dropped_and_counted_with_an_example(tmp_path: Path) -> None:
    text = text_of(random.Random(0))
    again = [*text[:60], "distinta", *text[61:]]
    for name, each in {"a.txt": text, "b.txt": again, "c.txt": text_of(random.Random(1))}.items():
        (tmp_path / name).write_text(" ".join(each))
    card = build_corpus([tmp_path], tmp_path / "out")
    assert card.documents == 2 and card.dropped == {"near duplicate": 1}
    assert card.examples["near duplicate"][0]["source"].endswith("b.txt")
    assert build_corpus([tmp_path / "*.txt"], tmp_path / "all", BuildSettings(near=0)).documents == 3


# ---- decontamination


@settings(max_examples=60)
@given(st.lists(st.sampled_from("abcd"), max_size=40), st.lists(st.sampled_from("abcd"), max_size=20))
def test_contamination_is_found_as_by_looking_everywhere(told: list[str], asked: list[str]) -> None:
    run = min(5, len(asked))
    plain = len(asked) >= 5 and any(
        told[a : a + run] == asked[b : b + run]
        for a in range(len(told) - run + 1)
        for b in range(len(asked) - run + 1)
    )
    assert (Probe([" ".join(asked)], run=5).find(" ".join(told)) is not None) is plain


def test_texts_that_hold_an_exam_are_dropped(tmp_path: Path) -> None:
    question = "¿En qué año llegó la expedición del capitán a la isla más lejana?"
    (tmp_path / "exam.jsonl").write_text(json.dumps({"messages": [{"content": question}]}) + "\n")
    (tmp_path / "a.txt").write_text(
        "Otra cosa. En qué AÑO llegó, la expedición del capitán a la isla más lejana"
    )
    (tmp_path / "b.txt").write_text("El capitán llegó a la isla más lejana en otro año.")
    build = BuildSettings(probes=(tmp_path / "exam.jsonl",))
    card = build_corpus([tmp_path / "?.txt"], tmp_path / "out", build)
    assert card.documents == 1 and card.dropped == {"contaminated": 1}
    assert card.examples["contaminated"][0]["text"] == " ".join(words(question))


def test_real_questions_are_found_in_their_own_paragraphs_and_nowhere_else(data_dir: Path) -> None:
    texts = list(read_probe(data_dir / "xquad" / "xquad.es.json"))
    probe = Probe(texts)
    long = [text for text in texts if len(words(text)) >= 13]
    assert len(long) > 500 and all(probe.find(f"Antes. {text} Después.") for text in long[:200])
    prose = (data_dir / "spanish_prose" / "don_quijote.txt").read_text("utf-8-sig")
    assert probe.find(prose[:200_000]) is None


# ---- language


def test_languages_are_told_apart_on_real_sentences(data_dir: Path) -> None:
    lines = (data_dir / "tatoeba_spa_eng" / "spa.txt").read_text("utf-8").splitlines()[60_000:118_000:290]
    pairs = [line.split("\t")[:2] for line in lines]
    told = [(detect_language(english), detect_language(spanish)) for english, spanish in pairs]
    assert sum(en == "en" for en, _ in told) > 0.9 * len(told)
    assert sum(es == "es" for _, es in told) > 0.75 * len(told), "short sentences; some are Galician as well"
    assert detect_language("12 34") == "und"


def test_only_the_languages_that_were_asked_for_stay(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Había una vez una niña que vivía en una casa muy pequeña.")
    (tmp_path / "b.txt").write_text("Once upon a time there was a girl who lived in a very small house.")
    card = build_corpus([tmp_path], tmp_path / "out", BuildSettings(languages=("es",)))
    assert card.languages == {"es": 1} and card.dropped == {"language": 1}


# ---- stopped and gone on


class Stopped(Exception):
    pass


def test_a_build_that_was_stopped_goes_on_to_the_same_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at many places, in the middle of files too, with rows of a later moment left behind it."""
    rng = random.Random(1)
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a.jsonl", "b.jsonl"):
        rows = (
            [{"text": " ".join(text_of(rng, 30))} for _ in range(40)] + [{"n": 1}] + [{"text": "igual"}] * 2
        )
        (source / name).write_text("\n".join(map(json.dumps, rows)))
    (source / "c.txt").write_text("\n\n".join(" ".join(text_of(rng)) for _ in range(6)))
    build = BuildSettings(skip_broken=True, most_characters=2000)
    whole = build_corpus([source], tmp_path / "whole", build)

    monkeypatch.setattr(staging, "COMMIT_INTERVAL_S", 0.0)
    add, calls = staging.Staging.add, 0

    def stops(self: staging.Staging, row: dict[str, str]) -> None:
        nonlocal calls
        calls += 1
        add(self, row)
        if calls % 17 == 0:
            raise Stopped

    monkeypatch.setattr(staging.Staging, "add", stops)
    stops_seen = 0
    while True:
        try:
            card = build_corpus([source], tmp_path / "parts", build)
            break
        except Stopped:
            stops_seen += 1
            assert stops_seen < 50
    assert stops_seen > 3 and card == whole
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "whole")
    assert not (tmp_path / "parts" / ".build").exists()


def test_a_file_that_has_changed_since_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(f"El texto de {name}.")
    (tmp_path / "z.jsonl").write_text("{broken")
    monkeypatch.setattr(staging, "COMMIT_INTERVAL_S", 0.0)
    with pytest.raises(Exception, match="not JSON"):
        build_corpus([tmp_path], tmp_path / "out")
    (tmp_path / "a.txt").write_text("Otra cosa que antes.")
    (tmp_path / "z.jsonl").write_text('{"text": "bien"}')
    build_corpus([tmp_path / "?.*"], tmp_path / "out")
    assert {row["text"] for row in rows_of(tmp_path / "out")} == {
        "Otra cosa que antes.",
        "El texto de b.txt.",
        "bien",
    }


TEXTS = st.lists(st.tuples(st.sampled_from("ab"), st.text("xyz\n", min_size=1, max_size=30)), min_size=1)


@given(TEXTS, st.floats(0.01, 0.99))
def test_the_tail_of_each_source_is_held_out_to_the_character(
    rows: list[tuple[str, str]], share: float
) -> None:
    whole = {source: "".join(text for name, text in rows if name == source) for source in "ab"}
    tail = Tail({source: len(text) for source, text in whole.items()}, share)
    parts = [part for source, text in rows for part in tail.parts({"source": source, "text": text})]
    for source, text in whole.items():
        border = int(len(text) * (1 - share))
        for held_out, wanted in ((False, text[:border]), (True, text[border:])):
            found = [row["text"] for row, held in parts if row["source"] == source and held == held_out]
            assert "".join(found) == wanted


def test_a_corpus_with_a_tail_learns_the_beginning_of_each_file(tmp_path: Path) -> None:
    texts = {name: "\n\n".join(f"{name} {n} habla." for n in range(400)) for name in ("uno", "dos")}
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    card = build_corpus([tmp_path], tmp_path / "out", BuildSettings(tail=0.1, near=0, most_characters=10_000))
    assert card.validation_documents == 2
    split = {
        name: [json.loads(line) for line in (tmp_path / "out" / f"{name}.jsonl").read_text().splitlines()]
        for name in ("train", "validation")
    }
    for name, text in texts.items():
        border = int(len(text) * 0.9)
        for rows, wanted in ((split["train"], text[:border]), (split["validation"], text[border:])):
            assert [row["text"] for row in rows if row["source"].endswith(f"{name}.txt")] == [wanted]
