"""What a person would lose: answers that stand in their documents, and an honest word where nothing does."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fragua.cli.main import main
from fragua.corpus.document import Document
from fragua.corpus.search import Passage, PassageIndex, passages
from fragua.corpus.sentences import sentences
from fragua.errors import InputError
from fragua.inference.documents import around, judged, open_documents, quote, supported

PASSAGE = "El molino es de 1492. Lo construyó Berta junto al río. Ahora está en ruinas."


@given(st.text(alphabet="Aab1 .?¿!\n»", max_size=120))
def test_sentences_lose_no_letter(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_sentences_end_where_a_person_ends_them() -> None:
    told = "El Sr. Gil vino a las 3.15 con D. Luis. ¿Quién? «Nadie.» Y se fue… Luego, nada."
    assert sentences(told) == [
        "El Sr. Gil vino a las 3.15 con D. Luis.",
        "¿Quién?",
        "«Nadie.»",
        "Y se fue…",
        "Luego, nada.",
    ]
    assert sentences("Título\n\nMr. Fox ran. It's 3 p.m. now.") == [
        "Título",
        "Mr. Fox ran.",
        "It's 3 p.m. now.",
    ]


def test_search_finds_words_without_accents_and_with_other_endings() -> None:
    index = PassageIndex(
        [Passage("La canción del pingüino.", "a"), Passage("Molinos de viento y gigantes.", "b")]
    )
    assert [each.passage.source for each in index.search("¿Qué canciones cantan los PINGUINOS?")] == ["a"]
    assert index.search('molino "viento')[0].passage.source == "b" and index.search("¿?") == []


def test_what_a_passage_covers_tells_whether_it_is_about_the_question() -> None:
    index = PassageIndex(
        [Passage(PASSAGE, "a"), *(Passage(f"El caso {n} es de otro.", "b") for n in range(20))]
    )
    assert (
        index.search("¿De qué año es el molino?")[0].covered
        > 0.4
        > index.search("¿Quién es el otro zar de Rusia?")[0].covered
    )


def test_long_documents_are_cut_into_passages() -> None:
    told = list(passages([Document("Una frase de prueba. " * 200, "a")], most=300))
    assert len(told) > 10 and all(len(each.text) <= 300 and each.source == "a" for each in told)


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("Es de 1492.", True),
        ("Lo construyó Berta.", True),
        ("Lo construyó Marta.", False),
        ("Es de 1493.", False),
        ("", False),
        ("Sí.", False),
    ],
)
def test_only_what_the_passage_says_is_said(reply: str, right: bool) -> None:
    assert supported(reply, PASSAGE, "¿De cuándo es el molino y quién lo construyó?") is right


def test_a_denial_is_believed_and_invention_gives_way_to_the_sentence() -> None:
    asked = "¿Quién construyó el molino del río?"
    assert judged("El texto no lo dice.", PASSAGE, asked) == ("", "none")
    assert judged("Lo construyó Berta.", PASSAGE, asked) == ("Lo construyó Berta.", "model")
    assert judged("Lo construyó Marta.", PASSAGE, asked) == ("Lo construyó Berta junto al río.", "quote")


def test_the_quote_is_the_sentence_that_says_it() -> None:
    assert quote(PASSAGE, "¿Quién construyó el molino?", "Berta.") == "Lo construyó Berta junto al río."


@given(st.integers(1, 200))
def test_a_passage_that_does_not_fit_keeps_the_sentence_that_matters(room: int) -> None:
    text = around(PASSAGE, "¿Quién lo construyó?", lambda part: len(part) <= room)
    assert len(text) <= room or " " not in text
    assert "construyó" in text or room < 17


def test_real_paragraphs_are_found_by_their_questions(data_dir: Path) -> None:
    """Both languages: the oracle is the paragraph that each question was written for."""
    from fragua.evaluation.reading import read_squad

    for lang, least in (("es", 0.88), ("en", 0.88)):
        paragraphs, questions = read_squad(data_dir / "xquad" / f"xquad.{lang}.json")
        index = PassageIndex(Passage(text, str(number)) for number, text in enumerate(paragraphs))
        asked = questions[::8]
        right = sum(index.search(q.text, 1)[0].passage.source == str(q.context) for q in asked)
        assert right >= least * len(asked)


def test_scores_are_those_of_squads_own_evaluation() -> None:
    """The first three from SQuAD's published script, the fourth with MLQA's Spanish articles."""
    from fragua.evaluation.reading import exact_match, f1

    assert exact_match("The Eiffel Tower!", ["Eiffel tower"]) and not exact_match("Eiffel", ["Eiffel tower"])
    assert f1("in the year 1492", ["1492"]) == pytest.approx(0.5)
    assert f1("", ["uno"]) == 0 and f1("dos", ["uno", "dos"]) == 1
    assert exact_match("«los gigantes»", ["gigantes"])


def test_the_command_answers_as_one_object_and_abstains(
    tiny_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text(PASSAGE, encoding="utf-8")
    asked = io.TextIOWrapper(io.BytesIO("¿Quién es el zar de Rusia?\n\n¿Y el molino?\n".encode()), "utf-8")
    monkeypatch.setattr("sys.stdin", asked)
    assert main(["chat", str(tiny_dir), "--docs", str(tmp_path), "--max-tokens", "4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passages"] == 1 and len(told["answers"]) == 2
    assert told["answers"][0]["abstains"] and told["answers"][0]["text"] == "Los documentos no lo dicen."


def test_the_command_grades_both_kinds_of_questions(
    tiny_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model of random weights says nothing that stands in a passage: it is right only where nothing does."""
    paragraphs = [
        {"context": f"La casa {name} es de {year}.", "qas": [
            {"id": name, "question": f"¿De qué año es la casa {name}?", "answers": [{"text": str(year)}]}]}
        for name, year in (("alta", 1901), ("baja", 1850))
    ]  # fmt: skip
    (tmp_path / "q.json").write_text(json.dumps({"data": [{"paragraphs": [each]} for each in paragraphs]}))
    assert (
        main(["evaluate", str(tiny_dir), "--task", "xquad", "--data", str(tmp_path / "q.json"), "--json"])
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["retrieval"]["recall_at_1"] == 1 and told["questions"] == 2
    assert told["unanswerable"]["abstained"]["value"] == 1 and told["answerable"]["exact_match"] == 0


def test_documents_without_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(" ")
    with pytest.raises(InputError, match="the documents hold no text to search"):
        open_documents([tmp_path])
