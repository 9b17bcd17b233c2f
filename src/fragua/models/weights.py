"""Weight files: one of safetensors, shards, or torch's own format, each tensor read once through a memory map."""

from __future__ import annotations

import re
from collections.abc import Collection, KeysView, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fragua.errors import InputError
from fragua.files import read_json
from fragua.models.families.table import Row

LEGACY = {".gamma": ".weight", ".beta": ".bias"}
"""How TensorFlow's checkpoints call a norm's parameters."""


class WeightFiles:
    """The tensors of a model directory by name. Raises InputError for a file that is missing or cannot be read."""

    def __init__(self, directory: Path):
        self.directory = directory
        self._where: dict[str, tuple[Path, str]] = {}
        self._pickled: dict[Path, dict[str, Tensor]] = {}
        for path in weight_files(directory):
            for stored in self._open(path):
                name = stored
                for old, new in LEGACY.items():
                    name = name.removesuffix(old) + new if name.endswith(old) else name
                self._where[name] = path, stored

    @property
    def names(self) -> KeysView[str]:
        return self._where.keys()

    def _open(self, path: Path) -> list[str]:
        """The names in a file."""
        try:
            if path.suffix == ".bin":
                self._pickled[path] = torch.load(path, weights_only=True, mmap=True, map_location="cpu")
                return list(self._pickled[path])
            with safe_open(path, framework="pt") as file:
                return list(file.keys())
        except (SafetensorError, OSError, RuntimeError, UnpicklingError, EOFError, ValueError) as error:
            what = str(error).splitlines()[0]
            mend = "the file is truncated, or not what its name says"
            raise InputError(f"cannot be read ({what})", path, mend) from error

    def tensor(self, name: str) -> Tensor:
        """Mapped, not copied; the map goes when the tensor does."""
        path, stored = self._where[name]
        if path in self._pickled:
            return self._pickled[path][stored]
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(stored)

    def rename(self, wanted: Collection[str], prefixes: Sequence[str]) -> None:
        """Calls tensors as they are wanted that only lack a prefix, or have one too many."""
        renamed: dict[str, Any] = {}
        for name, where in self._where.items():
            others = [prefix + name for prefix in prefixes] + [name.removeprefix(p) for p in prefixes]
            renamed[next((each for each in (name, *others) if each in wanted), name)] = where
        self._where = renamed

    def state(
        self,
        table: list[Row],
        shapes: dict[str, torch.Size],
        prefixes: Sequence[str],
        ignored: Sequence[str],
    ) -> dict[str, Tensor]:
        """Our state, float32. Raises InputError for a tensor that is missing, left over or of a wrong shape."""
        theirs = {name for row in table for name in row.theirs}
        self.rename(theirs, prefixes)
        for name in sorted(theirs - self.names):
            raise InputError(f"tensor '{name}' is missing", self.directory)
        for name in sorted(self.names - theirs):
            if not any(re.fullmatch(pattern, name) for pattern in ignored):
                raise InputError(f"tensor '{name}' is left over", self.directory)
        return {row.ours: self._ours(row, shapes[row.ours]) for row in table}

    def _ours(self, row: Row, shape: torch.Size) -> Tensor:
        sizes = row.sizes or [shape[0]]
        whole = torch.empty(shape) if len(sizes) > 1 else None
        start = 0
        for name, size in zip(row.theirs, sizes, strict=True):
            part, wanted = self.tensor(name), row.shape or their_shape(row, shape, size)
            if part.shape != wanted:
                found = f"has shape {list(part.shape)}, the config wants {list(wanted)}"
                raise InputError(f"tensor '{name}' {found}", self.directory)
            part = our_layout(row, part, shape, size)
            if whole is None:
                return part.float() if part.is_contiguous() else part.float().contiguous()
            whole[start : start + size] = part
            start += size
        assert whole is not None, "a row has at least one part"
        return whole


def their_shape(row: Row, shape: torch.Size, size: int) -> tuple[int, ...]:
    return (*shape[1:], size) if row.transposed else (size, *shape[1:])


def our_layout(row: Row, part: Tensor, shape: torch.Size, size: int) -> Tensor:
    """A tensor of theirs as `size` rows of ours."""
    if row.transposed:
        part = part.reshape(part.shape[0], -1).T
    return part.reshape(size, *shape[1:])


def their_layout(row: Row, tensor: Tensor) -> list[Tensor]:
    """The inverse: a tensor of ours as theirs, each contiguous and on its own."""
    parts = tensor.split(row.sizes) if row.sizes else [tensor]
    turned = [part.T if row.transposed else part for part in parts]
    shaped = [part if row.shape is None else part.reshape(row.shape) for part in turned]
    return [part.clone(memory_format=torch.contiguous_format) for part in shaped]


def weight_files(directory: Path) -> list[Path]:
    """`model.safetensors`, `pytorch_model.bin`, or the shards that an index beside them names."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        index = directory / f"{name}.index.json"
        if (directory / name).is_file():
            return [directory / name]
        if not index.is_file():
            continue
        names = read_json(index)
        if not isinstance(names, dict) or not isinstance(names.get("weight_map"), dict):
            raise InputError("no weight_map", index, "is it the index of a model's shards?")
        files = [directory / Path(shard).name for shard in sorted(set(names["weight_map"].values()))]
        for file in files:
            if not file.is_file():
                raise InputError("a shard that the index names is missing", file)
        return files
    raise InputError("no model.safetensors", directory, "is the run unfinished? the same command goes on")
