"""The engine: many requests over one model, in one queue (docs/engine.md)."""

from fragua.inference.engine.asking import Constraint, Sampling
from fragua.inference.engine.engine import Busy, Engine
from fragua.inference.engine.runner import Part, Runner, Step, TorchRunner
from fragua.inference.engine.store import Store
from fragua.inference.engine.ticket import Chunk, Result, Ticket, TokenLogprob

__all__ = [
    "Busy",
    "Chunk",
    "Constraint",
    "Engine",
    "Part",
    "Result",
    "Runner",
    "Sampling",
    "Step",
    "Store",
    "Ticket",
    "TokenLogprob",
    "TorchRunner",
]
