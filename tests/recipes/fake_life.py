"""A run's directory as it stands at some moment, with hostile model text in every place where a model speaks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from fragua.evaluation.exam import shares
from fragua.files import write_json, write_jsonl
from fragua.recipes.ledger import Entry, Ledger
from fragua.recipes.plan import Plan
from fragua.recipes.recipe import load_recipe
from fragua.recipes.report.page import CHECK_NAMES, CONTROL_NAMES, MARK_NAMES

HOSTILE = '</script><script>alert("x")</script><img src="https://example.com/x.png" onerror=alert(1)> {{ 7 * 7 }} [red]'
MACHINE: dict[str, Any] = {
    "processor": "Test <b>processor</b>",
    "cores": 2,
    "memory_bytes": 8e9,
    "peak_flops": {"float32": 1e11, "bfloat16": 2e11},
    "precision": "bfloat16",
}
FIGURES: dict[str, dict[str, Any]] = {
    "corpus": {"documents": 100, "bytes": 1_000_000},
    "tokenizer": {"vocab_size": 1024, "bytes_per_token": 2.5},
    "pretrain": {"validation_loss": 2.0, "validation_bits_per_byte": 1.1},
    "exam_base": {"correct": 1, "items": 4},
    "finetune": {"validation_loss": 0.5},
    "exam": {"correct": 3, "items": 4},
    "align": {"comparisons": 12, "win_rate": {"value": 0.6}, "exam_change_points": -1.0},
    "talk": {"exchanges": 1, "strangers": 3, "good": 1},
}


def fake_life(out: Path, plan: Plan, running: str | None = None) -> Ledger:
    """Everything up to the stage `running`, or the whole life."""
    recipe = load_recipe("smoke")
    write_json(
        out / "plan.json", {"recipe_digest": "", "plan": plan.model_dump(mode="json"), "machine": MACHINE}
    )
    ledger = Ledger(
        out,
        {"fragua": "0", "recipe": "smoke", "settings": recipe.model_dump(mode="json"), "machine": MACHINE},
    )
    done = []
    for name, figures in FIGURES.items():
        if name == running:
            ledger.put(Entry(name=name, status="running", seconds=3.0, inputs="a" * 64))
            break
        ledger.put(
            Entry(name=name, status="done", seconds=5.0, inputs="a" * 64, outputs="b" * 64, figures=figures)
        )
        done.append(name)
    ledger.save()
    if "pretrain" in done or running == "pretrain":
        write_jsonl(out / "base" / "metrics.jsonl", _metrics(40, "bits_per_byte"))
        rows = [
            {"step": step, "seconds": step / 2, "lang": lang, "prompt": "A", "text": HOSTILE}
            for step in (1, 10, 40)
            for lang in ("es", "en")
        ]
        write_jsonl(out / "base" / "samples.jsonl", rows)
    if "finetune" in done:
        write_jsonl(out / "assistant" / "metrics.jsonl", _metrics(20, "loss"))
    for name, file, right in (("exam_base", "base", 1), ("exam", "assistant", 3)):
        if name in done:
            write_json(out / "exam" / f"{file}.json", _exam(right))
    if "align" in done:
        share = {"value": 0.6, "low": 0.4, "high": 0.8, "n": 8}
        marks = dict.fromkeys(MARK_NAMES, 0.5)
        row = {"win_rate": share, "win_rate_like_length": share, "marks": {"new": marks, "old": marks}}
        write_json(out / "align" / "audit.json", {"questions": 8, "by_temperature": dict.fromkeys("10", row)})
        write_json(out / "exam" / "aligned.json", _exam(2))
    if "talk" in done:
        call = {"type": "function", "function": {"name": "calculator", "arguments": {"expression": HOSTILE}}}
        messages = [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": HOSTILE},
            {"role": "assistant", "content": HOSTILE},
        ]
        write_json(out / "talk" / "conversation.json", [{"lang": "es", "messages": messages}])
        strangers = [
            {"lang": lang, "text": HOSTILE, "reply": HOSTILE, "failed": failed, "good": not failed}
            for lang, failed in (("es", []), ("en", list(CHECK_NAMES)), ("other", ["silent"]))
        ]
        write_json(out / "talk" / "strangers.json", strangers)
    return ledger


def _metrics(steps: int, key: str) -> list[dict[str, Any]]:
    return [
        {
            "step": step,
            "steps": steps,
            "tokens": step * 4096,
            "tokens_per_s": 5e3,
            key: 1 + math.exp(-step / 9),
        }
        | ({f"validation_{key}": 1.1} if step % 10 == 0 else {})
        for step in range(1, steps + 1)
    ]


def _exam(right: int) -> dict[str, Any]:
    answers = [
        {
            "family": "facts" if index < 3 else "talk",
            "lang": "es",
            "kind": "ability",
            "part": "abilities",
            "question": f"¿{index}?",
            "expected": HOSTILE,
            "reply": HOSTILE,
            "correct": index < right,
            "why": HOSTILE,
        }
        for index in range(4)
    ]
    controls = {name: shares(answers[:2]) for name in CONTROL_NAMES}
    return shares(answers) | {"answers": answers, "controls": controls}
