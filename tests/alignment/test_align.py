"""A model learns what was preferred, comes to no harm when it is stopped, and reads the reference once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fragua.alignment import align as module
from fragua.alignment.align import AlignSettings, align, rows_of, split
from fragua.alignment.answers import encode, logprobs, score
from fragua.alignment.reading import read_feedback
from fragua.errors import InputError, RunError
from fragua.files import read_jsonl, write_jsonl
from fragua.inference.language_model import LanguageModel
from tests.alignment.conftest import comparison


def settings(model: Path, data: Path, **changes: Any) -> AlignSettings:
    values = dict(model=model, data=data, batch=8, steps=8, learning_rate=3e-3)
    return AlignSettings.parse(values | changes)


@pytest.mark.parametrize("method", ["dpo", "ipo", "kto", "chosen"])
def test_held_out_comparisons_come_out_as_the_person_judged(
    tiny_dir: Path, feedback: Path, tmp_path: Path, method: str
) -> None:
    figures = align(settings(tiny_dir, feedback, method=method, steps=20), tmp_path / "m")
    assert figures["validation_accuracy"] == 1.0
    first = next(row for _, row in read_jsonl(tmp_path / "m" / "metrics.jsonl"))
    assert figures["margin"] > first["margin"]
    assert LanguageModel.load(tmp_path / "m").chat([{"role": "user", "content": "Hola"}], max_tokens=2).tokens


def test_a_stopped_run_ends_as_an_unbroken_one_bit_for_bit(
    tiny_dir: Path, feedback: Path, tmp_path: Path
) -> None:
    def stop(row: dict[str, Any]) -> None:
        if row["step"] == 5:
            raise RunError("stopped")

    align(settings(tiny_dir, feedback, checkpoint_every_s=0.0), tmp_path / "whole")
    with pytest.raises(RunError):
        align(settings(tiny_dir, feedback, checkpoint_every_s=0.0), tmp_path / "broken", on_step=stop)
    align(settings(tiny_dir, feedback, checkpoint_every_s=0.0), tmp_path / "broken")
    whole, broken = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "broken"))
    assert whole == broken


def test_the_reference_is_read_once_for_the_same_weights_and_answers(
    tiny_dir: Path, feedback: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    monkeypatch.setattr("fragua.alignment.answers.score", lambda *a: read.append(1) or score(*a))
    for out in ("one", "two"):
        align(settings(tiny_dir, feedback, steps=1, reference=tmp_path / "kept"), tmp_path / out)
    assert len(read) == 2  # learned from, and held out
    weights = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("one", "two")]
    assert weights[0] == weights[1]


def test_an_answers_log_probability_is_its_tokens_sum(lm: LanguageModel) -> None:
    prompt = ({"role": "user", "content": "¿Cuánto es 2+2?"},)
    answers = [encode(lm.tokenizer, prompt, text, 96) for text in ("4", "Son cuatro, creo.")]
    assert all(answers)
    with torch.no_grad():
        found = logprobs(lm.decoder, answers)  # type: ignore[arg-type]
    for answer, value in zip(answers, found.tolist(), strict=True):
        assert answer is not None
        logits_TV = lm.decoder(torch.from_numpy(answer.ids)[None]).logits[0].log_softmax(-1)
        slow = sum(logits_TV[at - 1, answer.ids[at]].item() for at in range(answer.start, len(answer.ids)))
        assert value == pytest.approx(slow, abs=1e-4)
        assert lm.tokenizer.decode(answer.ids[answer.start :].tolist(), skip_special=False).endswith(
            "<|im_end|>"
        )


def test_no_prompt_is_both_learned_and_held_out(lm: LanguageModel, tmp_path: Path, feedback: Path) -> None:
    how = settings(tmp_path, feedback)
    rows, dropped = rows_of(read_feedback(feedback) * 2, lm.tokenizer, 96, how)
    train, held_out = split(rows)
    assert dropped == 0 and len(train) + len(held_out) == 120 and len(held_out) == 6
    assert not {str(row.prompt) for row in train} & {str(row.prompt) for row in held_out}


def test_a_prompt_that_fills_the_context_is_dropped_and_told(
    tiny_dir: Path, tmp_path: Path, feedback: Path
) -> None:
    long = comparison(99, "Sí.", "No.", prompt=[{"role": "user", "content": "¿y " * 200}])
    data = tmp_path / "log.jsonl"
    write_jsonl(data, [row for _, row in read_jsonl(feedback)] + [long])
    assert align(settings(tiny_dir, data, steps=1), tmp_path / "m")["dropped"] == 1


def test_every_other_answer_serves_once_and_never_its_own_prompt() -> None:
    others = module._others(7, 0)
    assert sorted(others) == list(range(7)) and all(a != b for a, b in enumerate(others))


def test_data_that_teaches_nothing_is_told(tiny_dir: Path, tmp_path: Path) -> None:
    data = tmp_path / "log.jsonl"
    write_jsonl(data, [comparison(1, "Sí.", "No.", verdict="tie", ranking=[])])
    with pytest.raises(InputError, match="no pairs"):
        align(settings(tiny_dir, data), tmp_path / "m")


def test_a_number_of_another_method_is_refused(tiny_dir: Path, feedback: Path) -> None:
    with pytest.raises(InputError, match="smoothing is for dpo"):
        settings(tiny_dir, feedback, method="kto", smoothing=0.1)
