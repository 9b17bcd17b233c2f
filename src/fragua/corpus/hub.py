"""Data sets and models of the Hugging Face hub: `hf:owner/name`, and of a data set also `hf:owner/name/folder`."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from fragua.corpus.formats import FORMATS
from fragua.corpus.opening import suffix
from fragua.errors import InputError

SCHEME = "hf:"
TIMEOUT_S = 10
"""Of the first question. It is asked once: without a connection nobody should wait for its repetitions."""
MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")


def is_hub(source: str) -> bool:
    return source.startswith(SCHEME)


def fetch(source: str, endpoint: str | None = None) -> list[Path]:
    """The data set's readable files below the folder, downloaded into the hub's own cache once, sorted.

    Raises InputError where the hub can't be reached, has no such data set, or it holds nothing readable."""
    folder = "/".join(source.split("/")[2:])

    def readable(path: str) -> bool:
        return suffix(Path(path)) in FORMATS and path.startswith(folder) and path != "README.md"

    found = _downloaded(source, "dataset", "data set", readable, endpoint)
    if not found:
        raise InputError("the data set holds no file to read", source, f"known: {', '.join(FORMATS)}")
    return found


def fetch_model(source: str, endpoint: str | None = None) -> Path:
    """The directory of a model's files, as `fetch` has them. Raises InputError where there is none in safetensors."""

    def wanted(path: str) -> bool:
        return "/" not in path and any(fnmatch(path, pattern) for pattern in MODEL_FILES)

    found = {path.name: path for path in _downloaded(source, "model", "model", wanted, endpoint)}
    if "config.json" not in found or not any(name.endswith(".safetensors") for name in found):
        raise InputError("the model has no config.json with safetensors", source, "name another")
    return found["config.json"].parent


def _downloaded(
    source: str, kind: str, what: str, wanted: Callable[[str], bool], endpoint: str | None
) -> list[Path]:
    from huggingface_hub import HfApi

    owner, name, *_ = [*source.removeprefix(SCHEME).split("/"), "", ""]
    if not owner or not name:
        raise InputError(f"names no {what}", source, "hf:owner/name")
    api, repo = HfApi(endpoint=endpoint), f"{owner}/{name}"
    try:
        ask = api.model_info if kind == "model" else api.dataset_info
        files = ask(repo, timeout=TIMEOUT_S).siblings or ()
        names = sorted(filter(wanted, (file.rfilename for file in files)))
        return [Path(api.hf_hub_download(repo, path, repo_type=kind)) for path in names]
    except Exception as error:  # whatever it is: the client raises its own, its transport's and the system's
        told = " ".join(str(error).split())[:160] or type(error).__name__
        mend = f"check name and connection, or copy the {what} to a folder and name that"
        raise InputError(f"the hub gave nothing ({told})", source, mend) from error
