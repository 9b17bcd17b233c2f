"""The command `fragua`: mounts the commands, and turns every error into one line and an exit code."""

import errno
import sys

import typer

import fragua
from fragua.cli import align, corpus, tokenizer
from fragua.cli.bench import bench
from fragua.cli.chat import chat
from fragua.cli.evaluate import evaluate
from fragua.cli.export import export
from fragua.cli.finetune import finetune
from fragua.cli.generate import generate
from fragua.cli.import_ import import_
from fragua.cli.plan import plan
from fragua.cli.pretrain import pretrain
from fragua.cli.run import run
from fragua.cli.serve import serve
from fragua.errors import FraguaError

app = typer.Typer(
    name="fragua",
    help="The whole life of a language model: from raw text to an assistant you can talk to.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"fragua {fragua.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Mount point of the options that stand before every command."""


app.command()(run)
app.command()(plan)
app.add_typer(corpus.app, name="corpus")
app.add_typer(tokenizer.app, name="tokenizer")
app.command()(pretrain)
app.command()(finetune)
app.add_typer(align.app, name="align")
app.command()(generate)
app.command()(chat)
app.command()(serve)
app.command()(evaluate)
app.command()(export)
app.command("import")(import_)
app.command()(bench)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0 done, 1 the work failed, 2 the input was bad."""
    try:
        code = app(arguments, prog_name="fragua", standalone_mode=False)
    except FraguaError as error:
        return _tell(str(error), error.exit_code)
    except typer.TyperException as error:  # unknown option, missing argument, value out of range
        context = getattr(error, "ctx", None)
        where = f"; see '{context.command_path} --help'" if context else ""
        message = error.format_message()
        if "\n" in message:  # a group without a command answers with its help
            print(message, file=sys.stderr)
            return 2
        return _tell(f"{message.rstrip('.')}{where}", 2)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except BrokenPipeError:
        sys.stdout = None  # the reader has gone: nothing to flush at exit
        return 1
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _tell("no space left on the device; free some and run the same command again", 1)
        if error.filename is None:
            raise
        return _tell(f"{error.filename}: {error.strerror}", 1)  # gone, not ours, read-only, broken
    if code == 130:  # what typer makes of Ctrl-C
        return _interrupted()
    return code if isinstance(code, int) else 0


def _tell(line: str, code: int) -> int:
    print(f"error: {' '.join(line.split())}", file=sys.stderr)
    return code


def _interrupted() -> int:
    print("\nstopped; run the same command again to go on", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
