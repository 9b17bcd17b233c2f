"""Readers and the builder: real folders, broken files, loops, duplicates, and a split that stays."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fragua.corpus.build import BuildSettings, build_corpus
from fragua.corpus.card import read_card
from fragua.corpus.clean import clean, pieces
from fragua.corpus.document import Reading
from fragua.corpus.formats.text import blocks, without_frame
from fragua.corpus.read import find_files, read_documents, read_file
from fragua.errors import InputError


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert "\r" not in once and "\x00" not in once and "\n\n\n" not in once


def test_cleaning_mends_what_files_bring() -> None:
    assert clean("\ufeffuno\r\ndos\rtres \x07\n\n\n\ncuatro\t") == "uno\ndos\ntres\n\ncuatro"
    assert clean("cafe\u0301") == "café"


@given(st.text(alphabet="ab .\n", max_size=300), st.integers(5, 60))
def test_pieces_are_short_and_lose_no_letter(text: str, most: int) -> None:
    cut = pieces(text, most)
    letters = "".join(cut).replace(" ", "").replace("\n", "")
    assert letters == text.replace(" ", "").replace("\n", "") or len(text) <= most
    assert all(len(piece) <= most for piece in cut)


def test_a_long_text_is_cut_at_paragraphs() -> None:
    text = "\n\n".join(f"Párrafo {n}: {'x' * 40}." for n in range(20))
    cut = pieces(text, 150)
    assert all(piece.startswith("Párrafo") for piece in cut) and len(cut) == 10


EDGE = "OF THE PROJECT GUTENBERG EBOOK Q ***"


def unframed(text: str) -> str:
    return "".join(block for block, _ in without_frame(iter([text]))).strip()


def test_a_gutenberg_frame_comes_off() -> None:
    header = f"x\n*** START {EDGE}\n\nProduced by Q.\nAnd R.\n\n"
    book = f"{header}Texto.\n\nEnd of Project Gutenberg's Q\n\n*** END {EDGE}\nz"
    assert unframed(book) == "Texto." and unframed("sin marco") == "sin marco"
    assert unframed(f"{book}\n{book}") == "Texto.\n\n\n\n\n\nTexto.", "each of two books loses its own"


@given(st.text(alphabet="ab .\n", max_size=400), st.integers(4, 50), st.integers(1, 30))
def test_blocks_are_short_and_lose_nothing(text: str, most: int, step: int) -> None:
    cut = list(blocks((text[at : at + step] for at in range(0, len(text), step)), most))
    assert "".join(cut) == text and all(len(block) <= most for block in cut)


def test_folders_globs_and_files_are_read_once_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.md", "sub/c.jsonl", ".hidden.txt", "sub/.git/d.txt", "image.png"):
        write(tmp_path / name, '{"text": "t"}')
    found = [str(file) for file in find_files([tmp_path, tmp_path / "*.txt", tmp_path / "b.txt"])]
    assert found == [str(tmp_path / name) for name in ("a.md", "b.txt", "sub/c.jsonl")]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    write(tmp_path / "a" / "t.txt", "uno")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert len(list(find_files([tmp_path]))) == 1


def test_standard_input_and_rows_with_another_column_are_read(tmp_path: Path) -> None:
    document = next(read_file("-", stdin=io.BytesIO("\ufeffseñal".encode())))
    assert (document.text, document.source, document.lang) == ("señal", "standard input", "und")
    file = write(tmp_path / "r.jsonl", b'\xef\xbb\xbf{"body": "hola", "lang": "es"}\r\n\r\n{"body": "hi"}\n')
    assert [(d.text, d.lang) for d in read_documents([file], Reading(column="body"))] == [
        ("hola", "es"),
        ("hi", "und"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "x.jsonl",
            b'{"text": "a"}\n{"body": "b"}\n',
            r"x\.jsonl:2: 'text' is missing; columns with text here: body",
        ),
        ("x.jsonl", b'{"text": 3}\n', r"x\.jsonl:1: 'text' is not a string"),
        ("x.jsonl", b'{"text": "a"}\n{broken\n', r"x\.jsonl:2: not JSON"),
        ("x.jsonl", b"[1]\n", r"x\.jsonl:1: a JSON object"),
        ("x.txt", b"abc\xff", r"x\.txt: not UTF-8 at byte 3"),
        ("x.png", b"", r"unknown kind of file '\.png'.*known: \.txt"),
    ],
)
def test_a_bad_source_is_named_with_its_line_and_mend(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    file = write(tmp_path / name, content)
    with pytest.raises(InputError, match=message):
        list(read_documents([file]))


def test_missing_and_empty_sources_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        list(find_files([tmp_path / "none.txt"]))
    with pytest.raises(InputError, match="holds no file"):
        list(find_files([tmp_path]))
    write(tmp_path / "blank.txt", " \n\n ")
    with pytest.raises(InputError, match="the sources hold no text"):
        build_corpus([tmp_path], tmp_path / "out")
    assert not (tmp_path / "out" / "train.jsonl").exists()


def test_a_corpus_is_clean_without_duplicates_and_carded(tmp_path: Path) -> None:
    rows = [{"text": f"Documento {n}. ñ", "lang": "es"} for n in range(300)] + [
        {"text": "Documento 3.  ñ "},
        {"text": " "},
    ]
    rows[-2]["text"] = "Documento 3. ñ\r\n"
    source = write(tmp_path / "s.jsonl", "\n".join(json.dumps(row) for row in rows))
    card = build_corpus([source], tmp_path / "out", BuildSettings(validation_share=0.1))
    train = [json.loads(line) for line in (tmp_path / "out/train.jsonl").read_text().splitlines()]
    held = [json.loads(line) for line in (tmp_path / "out/validation.jsonl").read_text().splitlines()]
    assert (card.documents, card.dropped) == (300, {"duplicate": 1, "empty": 1})
    assert len(train) + len(held) == 300 and 10 < len(held) < 60 and card.validation_documents == len(held)
    assert card.languages == {"es": 300} and card.sources == {str(source): 300}
    assert read_card(tmp_path / "out") == card
    more = write(tmp_path / "m.jsonl", "\n".join(json.dumps({"text": f"Otro {n}."}) for n in range(50)))
    build_corpus([more, source], tmp_path / "two", BuildSettings(validation_share=0.1, lang="es"))
    again = (tmp_path / "two/validation.jsonl").read_text()
    assert all(row["text"] in again for row in held), "a document keeps its side when sources are added"


def test_the_digest_follows_rows_and_split_not_order(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.txt", "uno"), write(tmp_path / "b.txt", "dos")
    one = build_corpus([a, b], tmp_path / "1").digest
    assert build_corpus([b, a], tmp_path / "2").digest == one
    assert build_corpus([a, b], tmp_path / "3", BuildSettings(seed=1)).digest != one
    assert build_corpus([a, b], tmp_path / "4", BuildSettings(lang="es")).digest != one


def test_a_lone_book_is_cut_so_that_validation_is_not_empty(tmp_path: Path) -> None:
    book = write(tmp_path / "book.txt", "\n\n".join(f"Capítulo {n}. {'palabra ' * 200}" for n in range(30)))
    card = build_corpus([book], tmp_path / "out", BuildSettings(validation_share=0.001))
    assert card.documents > 3 and card.validation_documents == 1


def test_a_failed_build_leaves_the_old_corpus(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "a.txt", "uno"), write(tmp_path / "z.jsonl", "{broken")
    build_corpus([good], tmp_path / "out")
    before = (tmp_path / "out/train.jsonl").read_text()
    with pytest.raises(InputError):
        build_corpus([good, bad], tmp_path / "out")
    assert (tmp_path / "out/train.jsonl").read_text() == before


def test_real_spanish_prose_is_built(data_dir: Path, tmp_path: Path) -> None:
    card = build_corpus([data_dir / "spanish_prose"], tmp_path / "out")
    assert card.bytes > 3_000_000 and card.validation_documents > 1 and set(card.languages) == {"es"}
    assert card.changed == {"byte-order mark": 4, "line ends": 3, "gutenberg frame": 1}
