"""What a person would lose: a help that takes seconds, a traceback instead of a line, a wrong exit code in a script."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable

import pytest

import fragua
from fragua.cli import main as main_module
from fragua.cli.main import main
from fragua.errors import InputError, RunError

Fails = Callable[[BaseException], None]


@pytest.fixture
def app_raises(monkeypatch: pytest.MonkeyPatch) -> Fails:
    def arm(error: BaseException) -> None:
        def app(*args: object, **options: object) -> None:
            raise error

        monkeypatch.setattr(main_module, "app", app)

    return arm


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InputError("no such file", "a.toml", "look again"), 2, "error: a.toml: no such file; look again"),
        (RunError("the loss is NaN\nat step 3", "out"), 1, "error: out: the loss is NaN at step 3"),
        (KeyboardInterrupt(), 1, "stopped; run the same command again to go on"),
        (OSError(errno.ENOSPC, "No space left"), 1, "error: no space left on the device; free some"),
        (FileNotFoundError(errno.ENOENT, "No such file", "run/a.json"), 1, "error: run/a.json: No such file"),
    ],
)
def test_every_error_is_one_line_and_its_exit_code(
    app_raises: Fails, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, told: str
) -> None:
    app_raises(error)
    assert main([]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert told in printed.err
    assert len(printed.err.strip().splitlines()) == 1


def test_an_error_of_ours_is_never_hidden(app_raises: Fails) -> None:
    app_raises(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main([])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "--nonsense"], "No such option: --nonsense"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["run", "--minutes", "soon"], "Invalid value for '--minutes'"),
        (["run", "nowhere.toml"], "no such recipe; built in: adapt, laptop, own, quijote"),
        (["plan", "laptop", "--set", "pretrain.dept=3"], "did you mean 'depth'?"),
        (["run", "laptop", "--minutes", "-1"], "minutes"),
        (["plan", "laptop", "--set", 'finetune.texts_genres=["opera"]'], "no texts of the genre 'opera'"),
        (["run", "laptop", "--lang", "fr"], "es or en"),
    ],
)
def test_bad_input_exits_2_with_one_line_that_names_it(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert told in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert printed.out == ""


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fragua {fragua.__version__}\n"
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    commands = ("run", "plan", "corpus", "tokenizer", "pretrain", "finetune", "generate", "chat", "evaluate")
    commands += ("export", "import")
    for command in commands:
        assert f"\n  {command} " in told
        assert main([command, "--help"]) == 0


def test_no_command_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err


def test_help_is_there_at_once() -> None:
    """On a core of its own: what counts is the work, not how long others kept it waiting."""
    resource = pytest.importorskip("resource", reason="there is no account of a process's work")

    def work() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def seconds() -> float:
        before = work()
        subprocess.run([sys.executable, "-m", "fragua.cli.main", "--help"], check=True, capture_output=True)
        return work() - before

    assert any(seconds() < 0.3 for _ in range(10))


def test_neither_import_nor_help_loads_what_is_heavy() -> None:
    code = (
        "import sys, fragua\nfrom fragua.cli.main import main\nmain(['--help'])\nmain(['run', '--help'])\n"
        "heavy = {'torch', 'numpy', 'tokenizers', 'matplotlib', 'jinja2', 'rich.console'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
