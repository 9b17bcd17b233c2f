"""The models that are served, each with its engine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fragua.errors import InputError
from fragua.files import read_json
from fragua.inference.engine import Engine
from fragua.inference.language_model import LanguageModel
from fragua.settings import Settings


class EngineSettings(Settings):
    """How each model's engine is set up."""

    max_concurrent: int = Field(default=16, ge=1, description="answers written side by side")
    max_waiting: int = Field(default=256, ge=1, description="more in the queue are refused with 429")
    cache_mib: int | None = Field(default=None, ge=1, description="for keys and values")
    deterministic: bool = False
    weights: str = "float32"


@dataclass
class Hosted:
    """One model. `name` is what clients call it."""

    name: str
    lm: LanguageModel
    engine: Engine
    started: int = field(default_factory=lambda: int(time.time()))

    @cached_property
    def lineage(self) -> dict[str, Any]:
        """What `fragua.json` says of how it was made; empty where there is none."""
        path = (self.lm.directory or Path()) / "fragua.json"
        found = read_json(path) if self.lm.directory is not None and path.is_file() else {}
        return found if isinstance(found, dict) else {}

    def listed(self) -> dict[str, Any]:
        return {
            "id": self.name,
            "object": "model",
            "created": self.started,
            "owned_by": "fragua",
            "max_model_len": self.lm.context,
        }


class Hosting:
    """All of them, by name."""

    def __init__(self, models: Iterable[Hosted]):
        self.models = {model.name: model for model in models}
        self.state: Literal["starting", "ready", "draining"] = "starting"

    def find(self, name: str | None) -> Hosted | None:
        """Without a name, the first."""
        return next(iter(self.models.values())) if name is None else self.models.get(name)

    def start(self) -> None:
        for model in self.models.values():
            model.engine.start()
        self.state = "ready"

    def close(self) -> None:
        """Gives up what is still being answered."""
        self.state = "draining"
        for model in self.models.values():
            model.engine.close(drain=False)


def load_models(given: Sequence[str], settings: EngineSettings, threads: int | None = None) -> Hosting:
    """`given`: directories, each after `NAME=` where it is not to be called as its folder is.

    Raises InputError where two have the same name or a directory is none of a model that continues texts."""
    places: dict[str, Path] = {}
    for text in given:
        name, _, rest = text.rpartition("=")
        folder = Path(text if Path(text).is_dir() else rest)
        if folder == Path(text) or not name:
            name = folder.resolve().name
        if name in places:
            raise InputError(f"two models are called {name}", text, "write NAME=FOLDER")
        places[name] = folder
    mib = settings.cache_mib
    hosted = []
    for name, folder in places.items():
        lm = LanguageModel.load(folder, threads=threads, weights=settings.weights)
        engine = Engine(
            lm,
            cache_bytes=None if mib is None else mib << 20,
            max_running=settings.max_concurrent,
            max_waiting=settings.max_waiting,
            deterministic=settings.deterministic,
        )
        hosted.append(Hosted(name, lm, engine))
    return Hosting(hosted)
