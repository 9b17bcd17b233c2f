"""A decoder's forward in C++, compiled where it runs: without a compiler there is none, and torch does the work."""

from fragua.models.native.library import compiler, library
from fragua.models.native.step import NativeDecoder

__all__ = ["NativeDecoder", "compiler", "library"]
