"""The commands generate, chat and evaluate, as a person meets them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fragua.cli.chat_session import ChatSession
from fragua.cli.evaluate import evaluate
from fragua.cli.generate import generate
from fragua.cli.language import speaker
from fragua.errors import InputError
from fragua.files import read_jsonl
from fragua.inference.completion import Options
from fragua.inference.language_model import LanguageModel
from tests.inference.test_chat import GREETING, PRODUCT, says, user
from tests.memorised import memorised
from tests.signals import hears_ctrl_c


def session(lm: LanguageModel, lang: str = "es", terminal: bool = False, **options: Any) -> ChatSession:
    console = Console(
        file=io.StringIO(),
        force_terminal=terminal,
        color_system=None,
        width=200,
        markup=False,
        highlight=False,
    )
    return ChatSession(lm, Options.parse(options), speaker("es" if lang == "es" else "en"), console)


def shown(chat: ChatSession) -> str:
    file = chat.console.file
    assert isinstance(file, io.StringIO)
    text = file.getvalue()
    file.seek(0)
    file.truncate()
    return text


# ---- chat


def test_a_call_is_seen_with_its_result() -> None:
    chat = session(memorised([PRODUCT]))
    assert chat.take("¿Cuánto es 12*37?\n")
    assert shown(chat) == "  ⚙ calculator(12*37) = 444\nSon 444.\n"
    assert chat.messages == PRODUCT


def test_a_terminal_shows_the_speed() -> None:
    chat = session(memorised([GREETING]), terminal=True)
    chat.take("Hola")
    assert re.search(r"¡Hola! ñ😀\n *\d+ tokens · [\d,]+/s\n", shown(chat))


@pytest.mark.parametrize(
    ("lang", "words"), [("es", ("/ayuda", "estas", "empieza")), ("en", ("/help", "saves", "begins"))]
)
def test_commands_speak_the_chosen_language(lang: str, words: tuple[str, ...]) -> None:
    chat = session(memorised([]), lang)
    assert chat.take("/help") and chat.take("/AYUDA") and chat.take("")
    text = shown(chat)
    assert all(text.count(word) == 2 for word in words)
    chat.take("/what")
    assert ("mira /ayuda" if lang == "es" else "see /help") in shown(chat)
    assert not chat.take("/salir") and not chat.take("/quit")


def test_what_is_saved_can_be_trained_on(tmp_path: Path) -> None:
    from fragua.corpus.conversations import read_conversations

    chat = session(memorised([PRODUCT]))
    chat.take("¿Cuánto es 12*37?")
    chat.take(f"/guardar {tmp_path / 'talk.jsonl'}")
    assert [row for _, row in read_jsonl(tmp_path / "talk.jsonl")] == [{"messages": PRODUCT}]
    assert [conversation.messages for conversation in read_conversations(tmp_path / "talk.jsonl")]
    shown(chat)
    chat.take("/save")
    chat.take(f"/save {tmp_path}")
    assert "/guardar FICHERO" in (text := shown(chat)) and "No se pudo guardar" in text


def test_a_reset_forgets() -> None:
    chat = session(memorised([GREETING]))
    chat.take("Hola")
    chat.take("/reiniciar")
    assert chat.messages == []
    chat.take("Hola")
    assert chat.messages == GREETING


def test_old_turns_are_dropped_with_a_note_and_the_chat_goes_on() -> None:
    """Every answer is known only to a model that is given no turn before the newest four or so."""
    lm = memorised([], context=100)
    chat = session(lm, max_tokens=10)
    for number in range(12):
        chat.take(f"pregunta número {number}")
    text = shown(chat)
    assert "el modelo olvida la primera pregunta" in text and re.search(r"olvida las \d+ primeras", text)
    assert len(chat.messages) == 24, "what is saved is the whole conversation"
    chat.take("larga " * 200)
    assert "do not fit" in shown(chat) and len(chat.messages) == 24
    chat.take("otra")
    assert len(chat.messages) == 26


def test_ctrl_c_stops_the_answer_and_keeps_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = memorised([[*GREETING, user("Sigue"), says("Vale")]])
    chat = session(lm)
    stream_chat = lm.stream_chat

    def interrupted(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield next(iter(stream_chat(*args, **kwargs)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lm, "stream_chat", interrupted)
        assert chat.take("Hola")
    text = shown(chat)
    assert "(detenida)" in text and chat.messages[-1]["role"] == "assistant"
    assert chat.messages[-1]["content"] == text.split("\n")[0] != ""
    chat.take("Sigue")
    assert len(chat.messages) == 4


def test_a_model_cannot_move_the_cursor() -> None:
    chat = session(memorised([[user("x"), says("a\x1b[2J b\nc")]]), terminal=True)
    chat.take("x")
    assert "a\ufffd[2J b\nc" in shown(chat)


def test_a_real_terminal(tiny_dir: Path) -> None:
    """Through a pseudo-terminal: welcome, an answer, Ctrl-C at the prompt, Ctrl-D."""
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    code = "import sys, pathlib, fragua.cli.chat as c; c.chat(pathlib.Path(sys.argv[1]), lang='es', max_tokens=5)"
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}

    def prepare() -> None:
        hears_ctrl_c()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tiny_dir)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
        start_new_session=True, preexec_fn=prepare,
    )  # fmt: skip
    os.close(theirs)
    seen = b""

    def until(text: str, again: bytes = b"") -> None:
        """Reads up to `text`; types `again` every other second, for a key may come before the prompt is ready."""
        nonlocal seen
        end = time.monotonic() + 60
        while text.encode() not in seen:
            assert time.monotonic() < end, seen.decode(errors="replace")
            if select.select([ours], [], [], 2)[0]:
                seen += os.read(ours, 4096)
            elif again:
                os.write(ours, again)
        seen = seen.split(text.encode(), 1)[1]

    until("Fragua")
    until("› ")
    os.write(ours, b"hola\n")
    until("5 tokens")
    until("› ")
    os.write(ours, b"\x03")
    until("para salir", again=b"\x03")
    until("› ")
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        os.write(ours, b"\x04")
        if select.select([ours], [], [], 1)[0]:
            with contextlib.suppress(OSError):  # the terminal is gone with its process
                os.read(ours, 4096)
    process.kill()
    assert process.wait() == 0
    os.close(ours)


# ---- generate and evaluate


def test_generate_streams_what_generate_gives(tiny_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(tiny_dir, "Había", max_tokens=12, seed=3, json=True, logprobs=True)
    row = json.loads(capsys.readouterr().out)
    assert set(row) == {"text", "tokens", "finish_reason", "logprobs"}
    generate(tiny_dir, "Había", max_tokens=12, seed=3)
    assert capsys.readouterr().out == row["text"] + "\n"


def test_a_prompt_may_come_from_a_pipe(
    tiny_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(tiny_dir, "Había", max_tokens=5, temperature=0, json=True)
    typed = capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("Había\n".encode())))
    generate(tiny_dir, "-", max_tokens=5, temperature=0, json=True)
    assert capsys.readouterr().out == typed
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"ab\xff")))
    with pytest.raises(InputError, match="standard input: not UTF-8 at byte 2"):
        generate(tiny_dir, "-")


def test_perplexity_has_its_names(tiny_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.txt").write_text("Había una vez", encoding="utf-8")
    evaluate(tiny_dir, "perplexity", data=tmp_path / "x.txt", json=True)
    row = json.loads(capsys.readouterr().out)
    assert {"loss", "perplexity", "bits_per_byte", "tokens", "bytes"} <= set(row)
    evaluate(tiny_dir, "perplexity", data=tmp_path / "x.txt")
    assert "bits per byte" in capsys.readouterr().out


def test_an_exam_of_a_world_is_a_table(tiny_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(tiny_dir, "exam", world=3, items=18)
    assert "arithmetic" in capsys.readouterr().out
    evaluate(tiny_dir, "exam", world=3, items=18, few_shot=True, json=True)
    row = json.loads(capsys.readouterr().out)
    assert row["accuracy"]["n"] == len(row["answers"]) == 18


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"task": "exams"}, "--task"),
        ({"task": "perplexity"}, "--data"),
        ({"task": "exam"}, "--data or --world"),
        ({"task": "exam", "world": 1, "items": 0}, "--items"),
    ],
)
def test_a_wrong_option_is_named(tiny_dir: Path, options: dict[str, Any], place: str) -> None:
    with pytest.raises(InputError, match=place):
        evaluate(tiny_dir, **options)
