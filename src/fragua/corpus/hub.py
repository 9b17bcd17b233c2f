"""Data sets of the Hugging Face hub as sources: `hf:owner/name` or `hf:owner/name/folder`."""

from __future__ import annotations

from pathlib import Path

from fragua.corpus.formats import FORMATS
from fragua.corpus.opening import suffix
from fragua.errors import InputError

SCHEME = "hf:"


def is_hub(source: str) -> bool:
    return source.startswith(SCHEME)


def fetch(source: str, endpoint: str | None = None) -> list[Path]:
    """The data set's readable files below the folder, downloaded into the hub's own cache once, sorted.

    Raises InputError where the hub can't be reached, has no such data set, or it holds nothing readable."""
    from huggingface_hub import HfApi

    owner, _, rest = source.removeprefix(SCHEME).partition("/")
    name, _, folder = rest.partition("/")
    if not owner or not name:
        raise InputError("names no data set", source, "hf:owner/name, or hf:owner/name/folder")
    api, repo = HfApi(endpoint=endpoint), f"{owner}/{name}"
    try:
        names = sorted(
            path
            for path in api.list_repo_files(repo, repo_type="dataset")
            if suffix(Path(path)) in FORMATS and path.startswith(folder) and path != "README.md"
        )
        if names:
            return [Path(api.hf_hub_download(repo, path, repo_type="dataset")) for path in names]
    except Exception as error:  # whatever it is: the client raises its own, its transport's and the system's
        told = " ".join(str(error).split())[:160] or type(error).__name__
        mend = "check name and connection, or copy the data set to a folder and name that"
        raise InputError(f"the hub gave nothing ({told})", source, mend) from error
    raise InputError("the data set holds no file to read", source, f"known: {', '.join(FORMATS)}")
