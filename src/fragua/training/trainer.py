"""The one loop: any objective, exact resume, honest figures."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch
from pydantic import Field

from fragua.errors import RunError
from fragua.models.calls import Model
from fragua.progress import Advance, console, progress_bar
from fragua.settings import Settings
from fragua.training.best import BEST, best_step, keep_best, take_best
from fragua.training.checkpoint import load_checkpoint, restore_tensors, save_checkpoint, tensors_of
from fragua.training.journal import Journal
from fragua.training.machine import DTYPES, Precision, compiler, fastest, matrix_peaks, memory_bytes
from fragua.training.objectives import LossSum, Objective
from fragua.training.optimizers import make_optimizers
from fragua.training.schedule import wsd

OnRow = Callable[[dict[str, Any]], None]
COMPILE_WORTH_S = 90.0
"""Compiling takes about half a minute, so it pays only for a run that is expected to be longer than this."""


class Training(Settings):
    """How to train; what is None is derived and printed."""

    steps: int = Field(gt=0)
    batch_tokens: int = Field(default=8192, gt=0)
    """Tokens a step, over all micro-batches."""
    micro_rows: int | None = Field(default=None, gt=0)
    """At most so many rows at once."""
    learning_rate: float = Field(default=0.005, gt=0)
    optimizer: Literal["muon", "adamw"] = "muon"
    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Muon's."""
    weight_decay: float = Field(default=0.1, ge=0)
    warmup_steps: int = Field(default=20, ge=0)
    decay_share: float = Field(default=0.5, ge=0, le=1)
    clip: float = Field(default=1.0, gt=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    evaluate_every: int = Field(default=100, gt=0)
    evaluate_rows: int = Field(default=64, gt=0)
    keep_best: bool = False
    """The run ends with the weights of its lowest validation loss, not with its last."""
    sample_every: int = Field(default=100, gt=0)
    checkpoint_every_s: float = Field(default=30.0, ge=0)
    patience: int | None = Field(default=None, gt=0)
    """With keep_best: after so many evaluations without a lower loss it stops; None: it goes to the end."""


def means(nats: float, count: int, sums: Mapping[str, float]) -> dict[str, float]:
    """Bits a byte where bytes were counted, and of all else that was summed the mean over predictions."""
    bits = {"bits_per_byte": nats / max(sums["bytes"], 1) / math.log(2)} if "bytes" in sums else {}
    return bits | {name: value / max(count, 1) for name, value in sums.items() if name != "bytes"}


class Trainer:
    """Trains `model` on `objective` under `out`; a run that was killed goes on from its last checkpoint.

    `context`: tokens a row, in the mean where rows differ; None: as many as the model takes. `rates`: shares of the
    learning rate by parameter (AdamW). `sample` makes rows of text for `samples.jsonl`; `on_step` and `on_sample` are
    told every row that is written. `run` raises RunError for a loss that is not finite, a full disk, or an interruption
    (after a checkpoint)."""

    def __init__(
        self,
        model: Model,
        objective: Objective,
        settings: Training,
        out: Path,
        *,
        label: str = "train",
        context: int | None = None,
        rates: Mapping[str, float] | None = None,
        sample: Callable[[], list[dict[str, Any]]] | None = None,
        on_step: OnRow | None = None,
        on_sample: OnRow | None = None,
    ):
        self.model, self.objective, self.settings, self.out, self.label = (
            model,
            objective,
            settings,
            out,
            label,
        )
        self.sample, self.on_step, self.on_sample = sample, on_step, on_sample
        self.rates = rates or {}
        self.device = model.device
        self.context = context or model.config.context
        self.step, self.tokens, self.seconds = 0, 0, 0.0
        self._stop: int | None = None
        self._row: dict[str, Any] = {}

    def run(self) -> dict[str, Any]:
        """Returns the last metrics row, with `stage` figures: tokens, seconds, precision, compiled, micro_rows."""
        self._prepare()
        settings, journal = self.settings, Journal(self.out, self.step)
        flops = self.model.config.flops_per_token(self.context)
        self.step_tokens = self._rows() * self.context
        total = settings.steps * self.step_tokens
        try:
            with self._signals(), progress_bar(self.label, total, "tokens", self.tokens) as advance:
                saved_at = time.monotonic()
                if journal.last_step < self.step:
                    self._tell(journal)  # killed between the checkpoint and its row
                while self.step < settings.steps and not self._stale():
                    self._train_step(advance)
                    self._row["peak_share"] = self._row["tokens_per_s"] * flops / self.peak
                    done = self.step == settings.steps
                    if done or self._stop or time.monotonic() - saved_at >= settings.checkpoint_every_s:
                        self._save()
                        saved_at = time.monotonic()
                    if self._stop:
                        name = signal.Signals(self._stop).name
                        mend = "run the same command again to go on"
                        raise RunError(f"stopped by {name} after step {self.step}", self.out, mend)
                    self._tell(journal)
        finally:
            journal.close()
        self._take_best()
        return self._row | {
            "precision": self.precision,
            "compiled": self.compiled,
            "micro_rows": self.micro_rows,
            "peak_flops": self.peak,
        }

    def _prepare(self) -> None:
        """Chooses precision, compilation and micro-batch, or takes over what the checkpoint was made with."""
        settings = self.settings
        found = load_checkpoint(self.out / "checkpoints")
        peaks = matrix_peaks()
        chosen = found[1]["chosen"] if found else self._choose(peaks)
        self.precision: Precision = chosen["precision"]
        self.compiled, self.micro_rows = chosen["compiled"], chosen["micro_rows"]
        self.peak = peaks[self.precision]
        self.optimizers = make_optimizers(
            self.model,
            settings.optimizer,
            settings.learning_rate,
            settings.weight_decay,
            DTYPES[self.precision],
            self.rates,
            settings.momentum,
        )
        self.model.train()
        self.first = max(1, round(settings.sample_every / 4))
        if found:
            tensors, state = found
            restore_tensors(self.model, self.optimizers, tensors)
            self.objective.restore(state["objective"])
            self.step, self.tokens, self.seconds = state["step"], state["tokens"], state["seconds"]
            self._row = state["row"]
            console.print(
                f"{self.label}: goes on after step {self.step} of {settings.steps}", highlight=False
            )
        if self.compiled:
            self._compile()

    def _choose(self, peaks: dict[Precision, float]) -> dict[str, Any]:
        settings, config = self.settings, self.model.config
        precision = fastest(peaks) if settings.precision == "auto" else settings.precision
        seconds = (
            settings.steps
            * settings.batch_tokens
            * config.flops_per_token(self.context)
            / (0.5 * peaks[precision])
        )
        worth = seconds > COMPILE_WORTH_S and (self.device.type == "cuda" or compiler() is not None)
        rows = self._rows()
        limit = settings.micro_rows or self._rows_in_memory(precision)
        return {
            "precision": precision,
            "compiled": settings.compile == "on" or (settings.compile == "auto" and worth),
            "micro_rows": max(n for n in range(1, rows + 1) if rows % n == 0 and n <= max(1, limit)),
        }

    def _rows(self) -> int:
        """Rows a step; its micro-batches are all of one shape."""
        return max(1, self.settings.batch_tokens // self.context)

    def _rows_in_memory(self, precision: Precision) -> int:
        """Rows whose activations fill a quarter of memory at most; on a CPU 8,192 tokens at most, to stay in cache."""
        config, size = self.model.config, 4 if precision == "float32" else 2
        values = 12 * config.width + 5 * config.ffn_width + 2 * config.heads * self.context
        budget = torch.cuda.mem_get_info()[0] if self.device.type == "cuda" else memory_bytes()
        rows = int(0.25 * budget / (values * config.layers * size * self.context))
        return max(1, rows if self.device.type == "cuda" else min(rows, 8192 // self.context))

    def _compile(self) -> None:
        """Compiles each block for the one shape that training uses; where that fails, says so and goes on without."""
        for block in self.model.blocks():
            block.compile(dynamic=False)
        batches = self.objective.validation(self.micro_rows)
        try:
            with console.status("compiling the blocks (about half a minute the first time)"):
                self._forward(next(batches)).loss.backward()
        except Exception as error:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise
            console.print(f"compilation failed ({type(error).__name__}): training without it", style="yellow")
            self.compiled = False
            for block in self.model.blocks():
                block._compiled_call_impl = None
        self.model.zero_grad()

    def _forward(self, batch: Any) -> LossSum:
        with torch.autocast(self.device.type, DTYPES[self.precision], enabled=self.precision != "float32"):
            return self.objective.loss(self.model, batch)

    def _train_step(self, advance: Advance) -> None:
        settings, started = self.settings, time.perf_counter()
        torch.manual_seed(self.step)  # what dropout drops hangs on the step alone, so that resuming is exact
        batches = [self.objective.batch(self.micro_rows) for _ in range(self._rows() // self.micro_rows)]
        count = sum(self.objective.tokens(batch) for batch in batches)
        loss, sums = 0.0, Counter[str]()
        for batch in batches:
            part = self._forward(batch)
            part.total(count).backward()
            loss += part.loss.item()
            sums.update(part.metrics)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip).item()
        loss /= max(count, 1)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = f"loss {loss}, gradient norm {norm} at step {self.step + 1}"
            raise RunError(what, self.out, "lower the learning rate; the last good checkpoint is kept")
        rate = settings.learning_rate * wsd(
            self.step, settings.steps, settings.warmup_steps, settings.decay_share
        )
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("share", 1.0)
            if count:  # nothing to learn from moves nothing, not even by momentum
                optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        elapsed = time.perf_counter() - started
        self.step, self.tokens, self.seconds = (
            self.step + 1,
            self.tokens + self.step_tokens,
            self.seconds + elapsed,
        )
        advance(self.step_tokens, loss=loss)
        self._row = {
            "step": self.step,
            "steps": settings.steps,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "loss": loss,
            **means(loss * count, count, sums),
            "learning_rate": rate,
            "grad_norm": norm,
            "tokens_per_s": self.step_tokens / elapsed,
        }

    @torch.no_grad()
    def _evaluate(self) -> dict[str, float]:
        """Mean loss and figures over the first held-out rows. Blocks stay in the mode they were compiled in:
        only dropout is switched off."""
        dropouts = [module for module in self.model.modules() if isinstance(module, torch.nn.Dropout)]
        for dropout in dropouts:
            dropout.eval()
        loss, count, sums = 0.0, 0, Counter[str]()
        for number, batch in enumerate(self.objective.validation(self.micro_rows)):
            if number * self.micro_rows >= self.settings.evaluate_rows:
                break
            part = self._forward(batch)
            loss, count = loss + part.loss.item(), count + part.tokens
            sums.update(part.metrics)
        for dropout in dropouts:
            dropout.train()
        figures = {"loss": loss / max(count, 1), **means(loss, count, sums)}
        return {f"validation_{name}": value for name, value in figures.items()}

    def _stale(self) -> bool:
        """Whether the held-out loss has not fallen for as long as is borne."""
        settings = self.settings
        if settings.patience is None or not self.step or self.step % settings.evaluate_every:
            return False
        return self.step - best_step(self.out / BEST) >= settings.patience * settings.evaluate_every

    def _tell(self, journal: Journal) -> None:
        """After the step and its checkpoint: evaluation and samples where they are due, and the row."""
        settings, done = self.settings, self.step == self.settings.steps
        if done or self.step % settings.evaluate_every == 0:
            self._row |= self._evaluate()
            if settings.keep_best:
                keep_best(self.out / BEST, self.model, self._row)
        journal.metrics(self._row)
        if self.on_step:
            self.on_step(self._row)
        if not (done or self.step % settings.sample_every == 0 or self.step == self.first):
            return
        for row in self.sample() if self.sample else []:
            row = {"step": self.step, "seconds": round(self.seconds, 1), **row}
            journal.sample(row)
            if self.on_sample:
                self.on_sample(row)

    def _take_best(self) -> None:
        """Where the best weights are not the last ones."""
        told = take_best(self.out / BEST, self.model) if self.settings.keep_best else {}
        if told.get("best_step", self.step) != self.step:
            self._row |= told
            loss, step = told["validation_loss"], told["best_step"]
            console.print(
                f"{self.label}: the weights of step {step} are kept, of the lowest validation loss ({loss:.3f})",
                highlight=False,
            )

    def _save(self) -> None:
        chosen = {"precision": self.precision, "compiled": self.compiled, "micro_rows": self.micro_rows}
        state = {
            "tokens": self.tokens,
            "seconds": self.seconds,
            "objective": self.objective.state(),
            "chosen": chosen,
            "row": self._row,
        }
        save_checkpoint(self.out / "checkpoints", self.step, tensors_of(self.model, self.optimizers), state)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the run after the step in hand; a second one ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: FrameType | None) -> None:
            if self._stop:
                raise KeyboardInterrupt
            self._stop = number

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            with suppress(ValueError):
                for number, handler in before.items():
                    signal.signal(number, handler)
