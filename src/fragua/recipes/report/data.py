"""What the page tells, read from a run's directory at any moment; what is not there yet is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fragua.files import read_json
from fragua.recipes.report.charts import Curve
from fragua.recipes.words import size

STAGE_ORDER = ("corpus", "tokenizer", "pretrain", "exam_base", "finetune", "exam", "talk")
BASE_ORDER = ("corpus", "tokenizer", "pretrain", "held_out")
ADAPTING_ORDER = ("corpus", "origin", *STAGE_ORDER[2:])
FOLDERS = ("corpus", "tokenizer", "base", "assistant")
SAMPLE_STEPS = 7
ANSWERS_SHOWN = 5
QUESTION_LENGTH = 120
MACHINE_FACTS: tuple[tuple[str, tuple[str, str], Callable[[Any], str]], ...] = (
    ("processor", ("procesador", "processor"), str),
    ("cores", ("núcleos", "cores"), str),
    ("memory_bytes", ("memoria", "memory"), size),
    (
        "peak_flops",
        ("matrices", "matrices"),
        lambda peaks: ", ".join(f"{name} {flops / 1e9:,.0f} GFLOP/s" for name, flops in peaks.items()),
    ),
    ("precision", ("más rápida", "faster"), str),
    ("system", ("sistema", "system"), str),
    ("torch", ("torch", "torch"), str),
)


def collect(out: Path) -> dict[str, Any]:
    """Everything the template names, as plain values."""
    run = read_json(out / "run.json")
    plan = read_json(out / "plan.json")
    entries = {entry["name"]: entry for entry in run["stages"]}
    estimates = plan["plan"]["estimates"]["seconds"]
    aldea = run["settings"]["corpus"].get("aldea", True)
    stages = [
        {
            "name": name,
            "status": "waiting",
            "seconds": 0.0,
            "figures": {},
            "expected": estimates.get(name, 0.0),
        }
        | entries.get(name, {})
        for name in _order(run["settings"])
    ]
    base, assistant = (
        read_rows(out / "base" / "metrics.jsonl"),
        read_rows(out / "assistant" / "metrics.jsonl"),
    )
    before, after = _if_there(out / "exam" / "base.json"), _if_there(out / "exam" / "assistant.json")
    return {
        "run": run,
        "folder": str(out),
        "aldea": aldea,
        "held_out": _if_there(out / "exam" / "held_out.json"),
        "plan": plan["plan"],
        "machine_rows": machine_rows(plan["machine"]),
        "stages": stages,
        "seconds": sum(stage["seconds"] for stage in stages),
        "pretrain_curve": _curve(base, "bits_per_byte", "validation_bits_per_byte"),
        "finetune_curve": _curve(assistant, "loss", "validation_loss"),
        "last": base[-1] if base else {},
        "validation": last_value(base, "validation_bits_per_byte"),
        "samples": spread(read_rows(out / "base" / "samples.jsonl")),
        "before": before,
        "after": after,
        "families": families(before, after),
        "right": _answers(after, True),
        "wrong": _answers(after, False),
        "talk": _if_there(out / "talk" / "conversation.json"),
        "strangers": _if_there(out / "talk" / "strangers.json"),
        "questions": questions(after, run["settings"]["talk"]["turns"]) if aldea else [],
        "corpus": _if_there(out / "corpus" / "corpus.json"),
        "adapted": adaptation(_if_there(out / "exam" / "origin.json"), before, after),
        "own": own_documents(_if_there(out / "corpus" / "corpus.json"), before, after),
        "folders": {name: _size(out / name) for name in FOLDERS if (out / name).is_dir()},
        "weights": {name: _size(out / name, "*.safetensors") for name in ("base", "assistant")},
        "settings_json": json.dumps(run["settings"], indent=2, ensure_ascii=False),
        "plan_json": json.dumps(plan["plan"], indent=2, ensure_ascii=False),
    }


def machine_rows(machine: dict[str, Any]) -> list[tuple[tuple[str, str], str]]:
    """The machine's facts, named in Spanish and English; a fact that was not measured has no row."""
    rows: list[tuple[tuple[str, str], str]] = []
    for key, names, tell in MACHINE_FACTS:
        if machine.get(key) is not None:
            rows.append((names, tell(machine[key])))
    return rows


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file that may be half written; of several rows of one step, the last."""
    if not path.is_file():
        return []
    rows: dict[object, dict[str, Any]] = {}
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:  # the last line, half written
            continue
        rows[(row.get("step"), row.get("lang"), row.get("prompt"))] = row
    return sorted(rows.values(), key=lambda row: row.get("step", 0))


def last_value(rows: list[dict[str, Any]], key: str) -> float | None:
    values = [row[key] for row in rows if row.get(key) is not None]
    return values[-1] if values else None


def spread(rows: list[dict[str, Any]], count: int = SAMPLE_STEPS) -> list[dict[str, Any]]:
    """Samples grouped by step, at most `count` steps: the first, the last, and geometrically between."""
    steps = sorted({row["step"] for row in rows})
    if len(steps) > count:
        places = {round((len(steps) - 1) ** (index / (count - 1))) for index in range(1, count)}
        steps = [steps[place] for place in sorted({0, *places})]
    return [{"step": step, "texts": [row for row in rows if row["step"] == step]} for step in steps]


def families(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[dict[str, Any]]:
    """One row for all, then one a family: count, share and interval before and after fine-tuning, None without."""
    exams = {"before": before, "after": after}
    names = sorted({name for exam in exams.values() if exam for name in exam["by_family"]})
    rows = []
    for name in ["", *names] if names else []:
        row: dict[str, Any] = {"name": name}
        for when, exam in exams.items():
            share = None if exam is None else exam["by_family"].get(name) if name else exam["accuracy"]
            row[when] = share and share | {"correct": round(share["value"] * share["n"])}
        rows.append(row)
    return rows


def _order(settings: dict[str, Any]) -> tuple[str, ...]:
    if settings.get("adapt"):
        return ADAPTING_ORDER
    return STAGE_ORDER if settings["corpus"].get("aldea", True) else BASE_ORDER


HEART_AND_PAGE = (("own_cloze", "own_cloze_read"), ("own_recall", "own_read"))
"""The same question from memory, and with the passage before it."""


def adaptation(*exams: dict[str, Any] | None) -> dict[str, list[tuple[str, list[Any]]]] | None:
    """What a model gained and forgot: `shares` and `bits` as (part, values); a value for the model as it was, after
    reading, and after LoRA, None where it is not there yet. None where no model is adapted."""
    if exams[0] is None:
        return None
    parts = {"all": [exam and exam["accuracy"] for exam in exams]}
    for part in exams[0]["by_part"]:
        parts[part] = [exam and exam["by_part"].get(part) for exam in exams]
    bits = {
        part: [exam and exam["bits_per_byte"].get(part) for exam in exams]
        for part in exams[0]["bits_per_byte"]
    }
    return {"shares": list(parts.items()), "bits": list(bits.items())}


def own_documents(
    corpus: dict[str, Any] | None, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> dict[str, Any] | None:
    """What was learned of own documents; None where there are none.

    `rows`: (family by heart, its share, family with the passage, its share); shares are None before the exam."""
    told = (corpus or {}).get("details", {}).get("own")
    if told is None:
        return None
    families = after["by_family"] if after else {}
    return told | {
        "rows": [(a, families.get(a), b, families.get(b)) for a, b in HEART_AND_PAGE],
        "missing": families.get("own_missing"),
        "parts": after["by_part"] if after else {},
        "unseen": (before or {}).get("bits_per_byte", {}),
    }


def _answers(exam: dict[str, Any] | None, correct: bool, most: int = ANSWERS_SHOWN) -> list[dict[str, Any]]:
    """A few answers of one kind, one family after the other so that each is seen."""
    if exam is None:
        return []
    by_family: dict[str, list[dict[str, Any]]] = {}
    for answer in exam["answers"]:
        if answer["correct"] is correct:
            by_family.setdefault(answer["family"], []).append(answer)
    mixed: list[dict[str, Any]] = []
    while by_family and len(mixed) < most:
        for name in list(by_family):
            mixed.append(by_family[name].pop(0))
            if not by_family[name]:
                del by_family[name]
    return mixed[:most]


def questions(exam: dict[str, Any] | None, turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """What a person might ask: short questions that it got right, one that it got wrong, the recipe's own."""
    found = []
    for correct, most in ((True, 3), (False, 1)):
        short = [
            {"lang": answer["lang"], "text": answer["question"]}
            for answer in _answers(exam, correct, 40)
            if len(answer["question"]) <= QUESTION_LENGTH and "\n" not in answer["question"]
        ]
        found += short[:most]
    return found + [turn for turn in turns if turn not in found]


def _curve(rows: list[dict[str, Any]], train: str, validation: str) -> Curve | None:
    learned = [(row["tokens"], row[train]) for row in rows if row.get(train)]
    checked = [(row["tokens"], row[validation]) for row in rows if row.get(validation)]
    return Curve.of(learned, checked) if len(learned) > 1 else None


def _if_there(path: Path) -> Any:
    return read_json(path) if path.is_file() else None


def _size(folder: Path, pattern: str = "*") -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())
