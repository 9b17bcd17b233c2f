"""`fragua serve`: OpenAI's interface and the pages, on one port."""

import json as json_module
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fragua.errors import InputError


def serve(
    models: Annotated[
        list[str] | None, typer.Argument(help="Model directories; NAME=DIRECTORY to call one otherwise.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any free one.")] = 8000,
    api_key_file: Annotated[
        Path | None, typer.Option(help="Only who has a key of this file is let in.")
    ] = None,
    new_api_key: Annotated[
        bool, typer.Option("--new-api-key", help="Add a key to that file, print it, and leave.")
    ] = False,
    max_concurrent: Annotated[int, typer.Option(help="Answers written side by side, a model.")] = 16,
    max_waiting: Annotated[int, typer.Option(help="More in the queue are refused with 429.")] = 256,
    cache_mib: Annotated[int | None, typer.Option(help="Memory for keys and values, a model.")] = None,
    weights: Annotated[
        str, typer.Option(help="Compute with float32, bfloat16, int8 or int4 weights.")
    ] = "float32",
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="The same answer alone and in any company; slower.")
    ] = False,
    cors_origin: Annotated[
        list[str] | None, typer.Option(help="Web pages of this origin may ask; may be repeated.")
    ] = None,
    max_body_mib: Annotated[int, typer.Option(help="Larger requests are refused.")] = 8,
    drain_s: Annotated[int, typer.Option(help="After SIGTERM, answers may go on for so many seconds.")] = 30,
    log_contents: Annotated[
        bool, typer.Option("--log-contents", help="Note what was asked and answered.")
    ] = False,
    chats: Annotated[
        Path | None, typer.Option(help="File of the chat page's conversations; default: in your data folder.")
    ] = None,
    feedback: Annotated[
        Path | None, typer.Option(help="Log (JSONL) of thumbs and corrections; the page then asks for them.")
    ] = None,
    pages: Annotated[bool, typer.Option(help="The chat page beside the interface.")] = True,
    threads: Annotated[int | None, typer.Option(help="Processor threads.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Once it answers, one JSON object on standard output.")
    ] = False,
) -> None:
    """Serve models to OpenAI's clients and to a browser."""
    if new_api_key:
        _new_key(api_key_file, json)
        return
    if not models:
        raise InputError("no model named", "MODEL", "fragua serve DIRECTORY")
    from fragua.server.hosted import EngineSettings, load_models
    from fragua.server.keys import Keys
    from fragua.server.serve import ServerSettings, serve

    engine = EngineSettings.parse(
        {
            "max_concurrent": max_concurrent,
            "max_waiting": max_waiting,
            "cache_mib": cache_mib,
            "deterministic": deterministic,
            "weights": weights,
        },
        "serve",
    )
    settings = ServerSettings.parse(
        {
            "host": host,
            "port": port,
            "origins": tuple(cors_origin or ()),
            "max_body_mib": max_body_mib,
            "drain_s": drain_s,
            "log_contents": log_contents,
            "chats": (chats or _data_folder() / "chats.sqlite") if pages else None,
            "feedback": feedback,
        },
        "serve",
    )
    keys = Keys([]) if api_key_file is None else Keys.read(api_key_file)
    hosting = load_models(models, engine, threads)

    def opened(url: str) -> None:
        print(
            f"{', '.join(hosting.models)}: {url}{' and ' + url + '/v1' if pages else '/v1'}", file=sys.stderr
        )
        if json:
            print(json_module.dumps({"url": url, "models": list(hosting.models)}), flush=True)

    serve(hosting, keys, settings, opened)


def _data_folder() -> Path:
    """Where programs keep what is the user's own (XDG Base Directory)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "fragua"


def _new_key(path: Path | None, as_json: bool) -> None:
    from fragua.server.keys import add_key

    if path is None:
        raise InputError("no file to add it to", "--new-api-key", "--api-key-file FILE")
    key = add_key(path)
    print(json_module.dumps({"api_key": key}) if as_json else key)
