"""The base of every configuration: validated at once, unknown keys refused with the nearest known one."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from fragua.errors import InputError
from fragua.files import read_text


class Settings(BaseModel):
    """Frozen pydantic model; `parse` turns a validation error into one line that names key and mend."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @classmethod
    def parse(cls, values: dict[str, Any], place: str | Path | None = None) -> Self:
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                near = difflib.get_close_matches(str(first["loc"][-1]), sorted(_keys(cls)), n=1)
                mend = (
                    f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(cls.model_fields))}"
                )
                raise InputError(f"unknown key '{key}'", place, mend) from error
            message = first["msg"].removeprefix("Value error, ")
            raise InputError(f"{key}: {message}" if key else message, place) from error


def _keys(cls: type[BaseModel]) -> set[str]:
    """The names of a model's fields and of its nested models' fields."""
    names = set(cls.model_fields)
    for field in cls.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names |= _keys(field.annotation)
    return names


def read_toml(path: str | Path) -> dict[str, Any]:
    """Raises InputError with the place where the TOML breaks."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML ({error})", path) from error
