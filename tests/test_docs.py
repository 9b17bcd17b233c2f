"""What a person would lose: commands that can be copied from the pages, and links that lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from fragua.cli.main import app

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = {".venv", ".git", "runs", "node_modules", "build", "dist"}
PAGES = [
    page
    for page in sorted(ROOT.rglob("*.md"))
    if not any(part in SKIPPED or part.startswith(".") for part in page.relative_to(ROOT).parts)
]
TWINS = [
    ("README.md", "LEEME.md"),
    ("docs/comparisons.md", "docs/comparisons.es.md"),
    ("docs/own-documents.md", "docs/own-documents.es.md"),
    ("docs/tutorial/01-a-whole-life.md", "docs/tutorial/01-una-vida-entera.md"),
    ("docs/two-files.md", "docs/dos-ficheros.md"),
    ("docs/speed.md", "docs/speed.es.md"),
    ("docs/translation.md", "docs/traduccion.md"),
    ("docs/labelling.md", "docs/labelling.es.md"),
    ("docs/transfer.md", "docs/transfer.es.md"),
    ("docs/learning-from-feedback.md", "docs/learning-from-feedback.es.md"),
]
TAUGHT = [ROOT / name for pair in TWINS for name in pair]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def blocks(page: Path, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(page.read_text("utf-8")) if name == language]


def commands(page: Path) -> list[list[str]]:
    """The lines of the page's shell blocks as words, without their comments."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def parse(arguments: list[str]) -> None:
    """Walks from command to command as typer does; raises where an option, argument or command is unknown."""
    command, context, name = typer.main.get_command(app), None, "fragua"
    while True:
        group = hasattr(command, "resolve_command")
        context = command.make_context(name, list(arguments), parent=context)
        if not group:
            return
        rest = [*getattr(context, "_protected_args", []), *context.args]
        name, command, arguments = command.resolve_command(context, rest)


@pytest.mark.parametrize("page", TAUGHT, ids=lambda page: page.name)
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    shown = [words[1:] for words in commands(page) if words[0] == "fragua"]
    assert len(shown) >= 5
    for arguments in shown:
        parse(arguments)


def test_the_parser_of_this_test_refuses_what_does_not_exist() -> None:
    for wrong in (["run", "--colour"], ["frobnicate"], ["corpus", "make"], ["pretrain"], ["plan", "a", "b"]):
        with pytest.raises(typer.TyperException):
            parse(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_text_begin_with_words_that_exist(page: Path) -> None:
    """Inline code, where arguments may be left out: the command itself and the names of its options."""
    for code in re.findall(r"`fragua ([^`]+)`", FENCE.sub("", page.read_text("utf-8"))):
        words = code.split()
        command = typer.main.get_command(app)
        context = command.make_context("fragua", [words[0]])
        while hasattr(command, "resolve_command") and words and words[0][0].islower():
            _, command, words = command.resolve_command(context, words)
        known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        assert {word.split("=")[0] for word in words if word.startswith("-") and word != "-"} <= known, code


@pytest.mark.parametrize("pair", TWINS, ids=lambda pair: pair[0])
def test_both_languages_show_the_same_commands_and_programs(pair: tuple[str, str]) -> None:
    english, spanish = (ROOT / name for name in pair)
    assert commands(english) == commands(spanish)
    for language in ("json", "python", "text"):
        mine, theirs = blocks(english, language), blocks(spanish, language)
        without_comments = [[re.sub(r"\s*#.*", "", block) for block in side] for side in (mine, theirs)]
        assert without_comments[0] == without_comments[1]
    links = [set(LINK.findall(page.read_text("utf-8"))) for page in (english, spanish)]
    assert {link for link in links[0] if "src/" in link} == {link for link in links[1] if "src/" in link}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"<!--.*?-->", "", FENCE.sub("", page.read_text("utf-8")), flags=re.DOTALL)
    links = LINK.findall(text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for link in links:
        if not re.match(r"[a-z]+:|#", link):
            assert (page.parent / link.split("#")[0]).exists(), link


@pytest.mark.parametrize("page", TAUGHT, ids=lambda page: page.name)
def test_programs_that_are_shown_are_python_and_rows_are_conversations(page: Path, tmp_path: Path) -> None:
    from fragua.corpus.conversations import read_conversations

    for block in blocks(page, "python"):
        compile(block, page.name, "exec")
    for block in blocks(page, "json"):
        if '"messages"' in block:
            (tmp_path / "shown.jsonl").write_text(block, encoding="utf-8")
            assert len(list(read_conversations(tmp_path / "shown.jsonl"))) == 3
