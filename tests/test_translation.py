"""What a person would lose: a BLEU that is of sentences the model was taught, or of another question."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import translation
from benchmarks.translation import Sentences, components, questions, split
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.corpus.aldea.graders.text import normal
from fragua.files import read_json

TEXTS = st.sampled_from(
    [
        "Hi.",
        "hi!",
        "Hola.",
        "¡Hola!",
        "Buenas",
        "Sí.",
        "Si",
        "No",
        "no.",
        "Yes.",
        "…",
        "¿?",
        "Ana ríe.",
        "ana rie",
    ]
)
PAIRS = st.lists(st.builds(Sentences, TEXTS, TEXTS), min_size=1, max_size=25, unique=True)


@settings(max_examples=200)
@given(PAIRS, st.integers(1, 4), st.integers(0, 4), st.integers(0, 9))
def test_no_sentence_nor_its_normal_form_is_in_two_parts(
    pairs: list[Sentences], test: int, development: int, seed: int
) -> None:
    parts = split(pairs, test, development, seed)
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    for lang in Sentences._fields:
        forms = [{normal(getattr(pair, lang)) or getattr(pair, lang) for pair in part} for part in parts]
        assert not (forms[0] & forms[1] or forms[0] & forms[2] or forms[1] & forms[2])


@settings(max_examples=100)
@given(PAIRS)
def test_components_are_those_of_a_walk_from_sentence_to_sentence(pairs: list[Sentences]) -> None:
    found = components(pairs).tolist()

    def near(one: Sentences, other: Sentences) -> bool:
        forms = ((normal(a) or a, normal(b) or b) for a, b in zip(one, other, strict=True))
        return any(a == b for a, b in forms)

    walked = list(range(len(pairs)))
    for _ in pairs:
        walked = [
            min(w for w, other in zip(walked, pairs, strict=True) if near(pair, other)) for pair in pairs
        ]
    same = [[a == b for b in found] for a in found]
    assert same == [[a == b for b in walked] for a in walked]


def test_a_question_has_all_the_translations_of_its_sentence() -> None:
    pairs = [Sentences("Hi.", "Hola."), Sentences("Hello.", "Hola."), Sentences("Hi.", "Buenas.")]
    assert questions(pairs, "es", 9) == {"Hi.": ["Hola.", "Buenas."], "Hello.": ["Hola."]}
    assert questions(pairs, "en", 1) == {"Hola.": ["Hi.", "Hello."]}


def test_a_small_run_is_whole_and_goes_on_from_what_is_there(tmp_path: Path) -> None:
    pytest.importorskip("sacrebleu")
    words = {"one": "uno", "two": "dos", "three": "tres", "four": "cuatro", "red": "rojo", "blue": "azul"}
    pairs = [
        Sentences(" ".join(chosen), " ".join(words[word] for word in chosen))
        for chosen in ((a, b, c) for a in words for b in words for c in words)
    ]
    given = dict(
        minutes=0.02,
        run=tmp_path / "run",
        sentences=10,
        development=10,
        vocabulary=448,
        widths=(32,),
        pairs=pairs,
        picture=tmp_path / "translation.png",
    )
    found = translation.main(**given)  # type: ignore[arg-type]
    assert found["pairs"] == {"train": 196, "development": 10, "test": 10}
    for row in found["table"].values():
        assert row["curve"] and row["plan"]["tried"]["32"]["epochs"] > 0
        for into in ("es", "en"):
            figures = row["beams"][into]
            assert 0 <= figures["bleu"] <= 100 and len(figures["samples"]) == 10
            assert "version:2" in figures["signatures"][0] and figures["references"] == 10
    assert (tmp_path / "translation.png").stat().st_size > 5000
    (tmp_path / "run" / "decoder.figures.json").unlink()
    kept = read_json(tmp_path / "run" / "encoder-decoder.figures.json")
    again = translation.main(**given)  # type: ignore[arg-type]
    assert again["table"]["encoder-decoder"]["beams"] == kept["beams"]
    assert (
        again["table"]["decoder"]["beams"]["es"]["bleu"] == found["table"]["decoder"]["beams"]["es"]["bleu"]
    )
