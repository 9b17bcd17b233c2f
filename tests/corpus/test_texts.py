"""The texts of a world: the same bytes for the same seed, evenly told facts, right lengths, sound grammar."""

from __future__ import annotations

import difflib
import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fragua.corpus.aldea import write_aldea
from fragua.corpus.aldea.asking import Asker
from fragua.corpus.aldea.entities import LANGS, Entity, Forms
from fragua.corpus.aldea.genres import GENRES
from fragua.corpus.aldea.genres.notebook import PAGES
from fragua.corpus.aldea.grammar import contract, fill, listing, sentence
from fragua.corpus.aldea.holdout import held_out
from fragua.corpus.aldea.numbers import calculate, word
from fragua.corpus.aldea.parsing import skeletons
from fragua.corpus.aldea.slips import bare_letters, slip_key, spoilt
from fragua.corpus.aldea.telling import Decks, Teller
from fragua.corpus.aldea.topics import topics, two_said
from fragua.corpus.aldea.world import build_world
from fragua.files import digest_file, read_jsonl

FILES = ("train.jsonl", "validation.jsonl", "conversations.jsonl", "exam.jsonl", "graph.json", "corpus.json")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("aldea")
    write_aldea(out, seed=5, max_bytes=1_500_000, conversations=300, exam=60)
    return out


def rows(path: Path) -> list[dict[str, str]]:
    return [row for _, row in read_jsonl(path)]


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_aldea(tmp_path / name, seed=seed, max_bytes=150_000, conversations=40, exam=36)
    for file in FILES:
        assert digest_file(tmp_path / "a" / file) == digest_file(tmp_path / "b" / file), file
        assert digest_file(tmp_path / "a" / file) != digest_file(tmp_path / "c" / file), file


def test_a_corpus_has_its_size_languages_genres_and_card(written: Path) -> None:
    train = rows(written / "train.jsonl") + rows(written / "validation.jsonl")
    card = json.loads((written / "corpus.json").read_text())
    size = sum(len(row["text"].encode()) for row in train)
    assert 1_498_000 < size <= 1_500_000 and card["bytes"] == size and card["documents"] == len(train)
    assert set(train[0]) == {"text", "lang", "genre", "source"}
    by_lang = {lang: sum(len(r["text"]) for r in train if r["lang"] == lang) for lang in LANGS}
    assert 0.95 < by_lang["es"] / by_lang["en"] < 1.05
    assert set(card["genres"]) == set(GENRES)


def test_every_fact_is_told_often_enough_to_be_learnt(written: Path) -> None:
    told = json.loads((written / "corpus.json").read_text())["details"]["exposures_per_fact"]
    assert told["least"] >= 3 and told["median"] >= 11, "in 12 MB these are eight times as many"


def test_documents_fit_a_context_of_256_tokens(written: Path) -> None:
    lengths = [len(row["text"].split()) for row in rows(written / "train.jsonl")]
    assert sum(25 <= n <= 200 for n in lengths) / len(lengths) > 0.95
    assert max(lengths) < 260


def test_no_text_has_a_hole_a_missed_contraction_or_a_doubled_mark(written: Path) -> None:
    for row in rows(written / "train.jsonl"):
        text = row["text"]
        assert "{" not in text and "}" not in text, text
        assert not re.search(r"\S {2}|\.\.(?!\.)|[,;:]\.|\?\.| ,", text), text
        if row["lang"] == "es":
            assert not re.search(r"\b(de|a) el [a-zA-Z]", text), text
        if row["lang"] == "en" and row["genre"] not in ("parallel", "functions"):
            assert not re.search(r"\ba [aeio][a-z]+", text.replace("a one", "")), text


def test_no_skeleton_of_sentences_prevails(written: Path) -> None:
    """With names and numbers masked, the commonest sentence of a genre stays rare, beyond what chance allows."""
    world = build_world(5)
    shapes: dict[tuple[str, str], Counter[str]] = {}
    for row in rows(written / "train.jsonl"):
        text = re.sub(r"(?m)^(def |    return |\d+:\d\d ).*$|^[^.?\n]*: \d+:\d\d$", "", row["text"])
        shapes.setdefault((row["genre"], row["lang"]), Counter()).update(skeletons(text, row["lang"], world))
    for genre, shape in shapes.items():
        common, count = shape.most_common(1)[0]
        mean = 0.002 * shape.total()
        assert count <= mean + 4 * mean**0.5 + 2, (genre, common, count, shape.total())


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("genre", GENRES)
def test_each_genre_renders_in_each_language(genre: str, lang: str) -> None:
    world, rng = build_world(2), random.Random(0)
    decks = Decks(world, rng)
    texts = [GENRES[genre][0](Teller(world, rng, lang, decks)) for _ in range(20)]
    assert len({text for text in texts if text}) >= 18


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize(
    "name", ["timetables", *(name for name in PAGES if name not in ("patterns", "dictation"))]
)
def test_what_a_document_repeats_it_has_said(name: str, lang: str) -> None:
    """Copying can be learned only where the last line's numbers and quotations are said before."""
    world, rng = build_world(2), random.Random(0)
    decks = Decks(world, rng)
    for _ in range(40):
        teller = Teller(world, rng, lang, decks)
        text = "\n".join(PAGES[name][0](teller)) if name in PAGES else GENRES[name][0](teller)
        assert text
        last = text.rpartition("\n")[2]
        for said in re.findall(r"\d+:\d+|\d+|«[^»]+»|\"[^\"]+\"", last):
            assert text.count(said.strip('«»"')) > 1, text


@pytest.mark.parametrize("lang", LANGS)
def test_dictations_are_put_right_and_none_is_the_exams(lang: str) -> None:
    world, rng = build_world(2), random.Random(0)
    decks = Decks(world, rng)
    for _ in range(60):
        teller = Teller(world, rng, lang, decks)
        lines = [line.partition(": ")[2] for line in "\n".join(PAGES["dictation"][0](teller)).splitlines()]
        told = [fact for fact in teller.facts if not held_out(slip_key(fact, lang))]
        assert len(lines) <= 2 * len(told)
        for wrong, right in zip(lines[::2], lines[1::2], strict=True):
            assert wrong != right and (right[0].isupper() or right[0].isdigit()) and right[-1] == "."
            assert difflib.SequenceMatcher(None, wrong.lower(), right.lower()).ratio() > 0.8


@pytest.mark.parametrize("lang", LANGS)
def test_copied_sentences_stand_in_the_sheet_and_are_the_only_ones_meant(lang: str) -> None:
    world, rng = build_world(2), random.Random(0)
    decks = Decks(world, rng)
    for _ in range(60):
        sheet, *copies = PAGES["copies"][0](Teller(world, rng, lang, decks))
        said = re.split(r"(?<=[.])\s", sheet.partition(": ")[2])
        for asked, _, copy in (line.partition(": ") for line in copies):
            assert copy in said
            about = [name for name in re.findall(r"[A-ZÁÉÍÓÚÑ]\w+", asked[1:]) if name in copy]
            assert not about or sum(" ".join(about) in each for each in said) == 1


def test_no_clipping_is_a_text_of_the_exam() -> None:
    world, rng = build_world(2), random.Random(0)
    decks = Decks(world, rng)
    asker = Asker(world, random.Random(1), "es", for_exam=True, decks=decks)
    asked = {two_said(topic, 0, random.Random(n), asker.for_exam) for topic in topics() for n in range(40)}
    clipped = "\n".join(
        line for _ in range(200) for line in PAGES["clippings"][0](Teller(world, rng, "es", decks))
    )
    assert not [text for text in asked if text in clipped]
    assert {topics()[topic]["name"][0] for topic in topics()} <= set(re.findall(r"\w+", clipped))


def test_slips_leave_names_alone_and_accents_can_go() -> None:
    text = "Vega vive en Peñagama y adora la canción."
    assert bare_letters(text, random.Random(0)) == "Vega vive en Penagama y adora la cancion."
    for seed in range(50):
        found = spoilt(text, "en", random.Random(seed))
        assert "vega" in found.lower() and "peñagama" in found.lower()


def test_templates_agree_in_gender_and_contract() -> None:
    woman = Entity(
        "person:Ada", "person", "f", Forms("Ada Gil", "Ada", "Ada"), Forms("Ada Gil", "Ada", "Ada")
    )
    forms = Forms("veterinario", "veterinario", "veterinario", "veterinaria")
    trade = Entity("trade:vet", "trade", "m", forms, Forms("vet", "vet", "a vet"))
    river = Entity(
        "river:x", "river", "m", Forms("el río X", "río X", "un río X"), Forms("the river X", "X", "X")
    )
    assert fill("{s} está casad{s/o/a}", "es", {"s": woman}) == "Ada Gil está casada"
    assert fill("{s.n} es {o}", "es", {"s": woman, "o": trade}) == "Ada es veterinaria"
    assert fill("baja de {s} a {s}", "es", {"s": river}) == "baja del río X al río X"
    assert contract("Ada y Inés, y hielo y Hilario") == "Ada e Inés, y hielo e Hilario"
    assert contract("la obra de El Cairo, a ella y a él") == "la obra de El Cairo, a ella y a él"
    assert (
        sentence("«hola»") == "«Hola»."
        and sentence("«¡hola!»") == "«¡Hola!»"
        and sentence("el 2 va") == "El 2 va."
        and sentence("3 y 4") == "3 y 4."
    )
    assert listing(["Ana", "Inés"], "es") == "Ana e Inés" and listing(["a", "b", "c"], "en") == "a, b and c"


@given(st.integers(0, 999), st.sampled_from(LANGS))
def test_number_words_differ_for_every_number(number: int, lang: str) -> None:
    assert word(number, lang) != word((number + 1) % 1000, lang)
    assert not any(char.isdigit() or char == "_" for char in word(number, lang))


@given(st.lists(st.integers(1, 99), min_size=2, max_size=4), st.data())
def test_calculate_agrees_with_floats(numbers: list[int], data: st.DataObject) -> None:
    signs = "".join(data.draw(st.sampled_from("+-*")) for _ in numbers[1:])
    terms, value = [float(numbers[0])], 0.0
    for sign, number in zip(signs, numbers[1:], strict=True):
        if sign == "*":
            terms[-1] *= number
        else:
            terms.append(number if sign == "+" else -number)
    value = sum(terms)
    assert float(calculate(numbers, signs)) == value
