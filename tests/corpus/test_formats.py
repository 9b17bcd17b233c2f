"""What a person would lose: the text in the files they have, and to know which file is bad and why."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import docx
import pyarrow
import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib import rc_context
from matplotlib.figure import Figure
from pyarrow import parquet

from fragua.corpus import opening
from fragua.corpus.build import BuildSettings, build_corpus
from fragua.corpus.document import Reading
from fragua.corpus.hub import fetch, fetch_model
from fragua.corpus.read import find_files, read_documents
from fragua.errors import InputError
from fragua.recipes.recipe import load_recipe
from fragua.training.directory import parent

SPANISH = "Mañana el pingüino comió «piñones» en el jardín; ¿quién lo vio?"
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r"), max_size=60)


def texts(path: Path, **reading: object) -> list[str]:
    return [document.text for document in read_documents([path], Reading(**reading))]  # type: ignore[arg-type]


def write_pdf(path: Path, lines: list[str]) -> Path:
    with rc_context({"pdf.fonttype": 42}):
        figure = Figure()
        for at, line in enumerate(lines):
            figure.text(0.05, 0.9 - 0.1 * at, line)
        figure.savefig(path, format="pdf")
    return path


def write_docx(path: Path) -> Path:
    document = docx.Document()
    document.add_heading("Título")
    document.add_paragraph(SPANISH)
    table = document.add_table(2, 2)
    for at, cell in enumerate(cell for row in table.rows for cell in row.cells):
        cell.text = f"c{at}"
    document.add_paragraph("Fin.")
    document.save(str(path))
    return path


def test_word_files_give_paragraphs_and_tables_in_order(tmp_path: Path) -> None:
    assert texts(write_docx(tmp_path / "a.docx")) == [f"Título\n\n{SPANISH}\n\nc0 | c1\nc2 | c3\n\nFin."]


def test_pdf_files_give_their_lines_and_whole_words(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", ["La niña cantó una can-", "ción en 1492."])
    assert texts(path) == ["La niña cantó una canción en 1492."]


def test_pages_give_their_text_and_not_their_menus(tmp_path: Path) -> None:
    body = "".join(f"<p>{SPANISH} Y siguió allí {n} horas, sin decir nada a nadie.</p>" for n in range(2, 5))
    page = f"<html><body><nav><a href='/'>Inicio</a></nav><article>{body}</article><script>x()</script></body></html>"
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    (found,) = texts(tmp_path / "a.html")
    assert found.count(SPANISH) == 3 and "x()" not in found and "Inicio" not in found


def test_a_page_of_a_few_words_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "a.htm").write_text("<html><body><p>Hola, niña.</p></body></html>", encoding="utf-8")
    assert texts(tmp_path / "a.htm") == ["Hola, niña."]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(TEXT, min_size=1, max_size=5), delimiter=st.sampled_from(",;\t|"))
def test_tables_give_back_every_cell(tmp_path: Path, rows: list[str], delimiter: str) -> None:
    """What Python's csv and pyarrow wrote comes back, whatever is in the cells."""
    import csv

    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([["n", "body"], *([at, row] for at, row in enumerate(rows))])
    parquet.write_table(pyarrow.table({"body": rows, "lang": ["es"] * len(rows)}), tmp_path / "a.parquet")
    assert texts(tmp_path / "a.csv", column="body") == rows
    assert texts(tmp_path / "a.parquet", column="body") == rows


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "cp850", "mac_roman"]
)
def test_old_encodings_are_read_and_told(tmp_path: Path, encoding: str) -> None:
    text = SPANISH if encoding != "cp850" else SPANISH.replace("’", "'")
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    (document,) = read_documents([tmp_path / "a.txt"])
    assert document.text == text
    assert any(change.startswith("encoding") for change in document.changes) is (
        not encoding.startswith("utf-8")
    )


def test_an_encoding_that_is_named_is_believed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Привет".encode("koi8-r"))
    assert texts(tmp_path / "a.txt", encoding="koi8-r") == ["Привет"]


@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_packed_files_are_read_and_a_truncated_one_is_told(tmp_path: Path, packing: str) -> None:
    raw = (SPANISH + "\n").encode() * 3000
    packed = gzip.compress(raw) if packing == "gz" else pyarrow.compress(raw, codec="zstd", asbytes=True)
    path = tmp_path / f"a.txt.{packing}"
    path.write_bytes(packed)
    assert "".join(texts(path)) == raw.decode()
    path.write_bytes(packed[:-9])
    with pytest.raises(InputError, match=rf"a\.txt\.{packing}: broken .*copy or pack it again"):
        texts(path)


def encrypted(path: Path) -> None:
    writer = pypdf.PdfWriter(clone_from=write_pdf(path, ["secreto"]))
    writer.encrypt("clave", algorithm="AES-256")
    writer.write(path)


def pictures(path: Path) -> None:
    Figure().savefig(path, format="pdf")


BAD: dict[str, tuple[str | bytes | Callable[[Path], object], str]] = {
    "locked.pdf": (encrypted, "encrypted, it opens with a password only; take it off"),
    "scan.pdf": (pictures, "its pages are pictures: there is no text in them; recognise its text first"),
    "cut.pdf": (b"%PDF-1.7\n1 0 obj\n<<", "no PDF file that can be read"),
    "empty.docx": (b"", "an empty file, no DOCX; save it again"),
    "no.docx": (b"PK but not", "no DOCX file (it is not a ZIP archive)"),
    "binary.txt": (bytes(range(256)) * 4, "not UTF-8 at byte 128, and no other encoding is certain"),
    "short.csv": ("text,n\nuno,1\ndos\n", "1 cells, the first line names 2; mend the row"),
    "head.csv": ("a;b\n1;2\n", "no column 'text'; columns: a, b; see --column"),
    "no.parquet": (b"PAR1 but not", "no Parquet file that can be read"),
    "deep.jsonl": ('{"text":' + "[" * 100_000, "not JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_clear_line_or_passed_over(tmp_path: Path, name: str) -> None:
    """Never a lost corpus: with skip_broken the good files are built, and the bad one is in the card."""
    content, message = BAD[name]
    path = tmp_path / "in" / name
    path.parent.mkdir()
    if callable(content):
        content(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "in" / "z.txt").write_text(SPANISH)
    with pytest.raises(InputError) as raised:
        build_corpus([tmp_path / "in"], tmp_path / "out")
    assert message in str(raised.value) and str(path) in str(raised.value) and "\n" not in str(raised.value)
    assert "--skip-broken" in str(raised.value)
    card = build_corpus([tmp_path / "in"], tmp_path / "out", BuildSettings(skip_broken=True))
    assert card.documents >= 1 and card.dropped["broken"] == 1 and message in card.broken[0]


def test_a_line_without_end_is_cut_in_text_and_refused_in_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text's is read in blocks (here 3 MB); a table's row must fit (here the limits are small)."""
    (tmp_path / "a.txt").write_text("palabra " * 400_000)
    assert sum(map(len, texts(tmp_path / "a.txt"))) == 3_200_000
    monkeypatch.setattr("fragua.files.MOST_LINE_BYTES", 1000)
    monkeypatch.setattr(opening, "MOST_LINE_CHARACTERS", 1000)
    monkeypatch.setattr(opening, "SAMPLE_BYTES", 1000)
    for name, text in {"a.jsonl": '{{"text": "{}"}}\n', "a.csv": "text\n{}\n"}.items():
        (tmp_path / name).write_text(text.format("x" * 5000))
        with pytest.raises(InputError, match="a line of more than 0 MiB; cut it into several"):
            texts(tmp_path / name)


@pytest.mark.parametrize("ending", ["\n", ""])
@pytest.mark.parametrize("size", [985, 986, 987, 3000])
def test_a_row_that_is_too_long_is_one_broken_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, ending: str
) -> None:
    """A line of 1,000 bytes, its end included, still fits."""
    monkeypatch.setattr("fragua.files.MOST_LINE_BYTES", 1000)
    long = json.dumps({"text": "x" * size})
    (tmp_path / "a.jsonl").write_text(f'{{"text": "uno"}}\n{long}\n{{"text": "dos"}}\n{long}y{ending}')
    card = build_corpus([tmp_path / "a.jsonl"], tmp_path / "out", BuildSettings(skip_broken=True, near=0))
    fits = len(long) < 1000
    assert card.documents == 2 + fits and card.dropped["broken"] == 2 - fits
    assert [":2: " in card.broken[0], ":4: " in card.broken[-1]] == [not fits, True]


def test_a_bad_row_is_passed_over_and_the_rest_kept(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "uno"}\n{broken\n{"n": 1}\n{"text": "dos"}\n')
    card = build_corpus([tmp_path / "a.jsonl"], tmp_path / "out", BuildSettings(skip_broken=True))
    assert card.documents == 2 and [line.split(": ")[0][-1] for line in card.broken] == ["2", "3"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_to_nowhere_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("uno")
    (tmp_path / "b.txt").symlink_to(tmp_path / "b.txt")
    (tmp_path / "c.txt").symlink_to(tmp_path / "gone.txt")
    assert [Path(file).name for file in find_files([tmp_path])] == ["a.txt"]
    with pytest.raises(InputError, match="no such file"):
        list(find_files([tmp_path / "b.txt"]))


class Hub(BaseHTTPRequestHandler):
    """What the hub's own client asks of the hub, for one repository of the server's files."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        files: dict[str, bytes] = self.server.files  # type: ignore[attr-defined]
        name = self.path.partition("/resolve/main/")[2]
        told = {"id": "o/n", "siblings": [{"rfilename": each} for each in files]}
        body = json.dumps(told).encode() if self.path.startswith("/api/") else files[name]
        self.send_response(404 if "/o/n" not in self.path else 200)
        etag = f'"{hashlib.sha256(name.encode()).hexdigest()}"'
        for key, value in (("X-Repo-Commit", "a" * 40), ("ETag", etag), ("Content-Length", str(len(body)))):
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hub(files: dict[str, bytes]) -> Iterator[str]:
    """Its address."""
    server = HTTPServer(("127.0.0.1", 0), Hub)
    server.files = files  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_data_set_of_the_hub_is_read_where_it_is_reachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with hub({"data/a.jsonl": b'{"text": "hola"}\n', "b.png": b"", "README.md": b""}) as endpoint:
        (file,) = fetch("hf:o/n", endpoint)
        assert texts(file) == ["hola"]
        with pytest.raises(InputError, match=r"hf:o/n/other: the data set holds no file to read"):
            fetch("hf:o/n/other", endpoint)
    with pytest.raises(InputError, match=r"hf:o/n: the hub gave nothing .*copy the data set to a folder"):
        fetch("hf:o/n", "http://127.0.0.1:9")


def test_a_model_of_the_hub_is_adapted_where_it_is_reachable(
    tiny_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    files = {path.name: path.read_bytes() for path in tiny_dir.iterdir()}
    with hub({**files, "pytorch_model.bin": b"pickled", "onnx/config.json": b"{}"}) as endpoint:
        there = partial(fetch_model, endpoint=endpoint)
        monkeypatch.setattr("fragua.recipes.recipe.fetch_model", there)
        adapt = load_recipe("adapt", ["adapt.model=hf:o/n"]).adapt
    assert adapt and adapt.model and not list(tmp_path.rglob("pytorch_model.bin"))
    assert parent(adapt.model) == parent(tiny_dir) | {"name": "o/n"}
    with (
        hub({"config.json": b"{}"}) as endpoint,
        pytest.raises(InputError, match=r"no config\.json with safet"),
    ):
        fetch_model("hf:o/n", endpoint)
    with pytest.raises(InputError, match=r"hf:o/n: the hub gave nothing .*copy the model to a folder"):
        fetch_model("hf:o/n", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"hf:o: names no model; hf:owner/name"):
        fetch_model("hf:o")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("uno")
    (tmp_path / "a.txt").chmod(0)
    with pytest.raises(InputError, match=r"a\.txt: may not be read"):
        texts(tmp_path / "a.txt")
