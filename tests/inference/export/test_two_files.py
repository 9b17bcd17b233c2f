"""What a person would lose: two files that say something else than the model they were made of."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import fragua
from fragua.errors import InputError
from fragua.inference.export import run
from fragua.inference.export.convert import export_model
from fragua.inference.export.quantize import in_groups, quantize
from fragua.inference.export.two_files import write_two_files
from fragua.inference.language_model import LanguageModel
from fragua.models import Decoder
from fragua.models.config import Stack
from tests.inference.export.conftest import SOURCE, Program
from tests.tiny_model import tiny_tokenizer

PROMPT = "Había una vez"
SHAPES: dict[str, dict[str, Any]] = {
    "untied": {"tied": False},
    "llama": {"family": "llama", "qk_norm": False, "rope_theta": 500_000.0, "norm_eps": 1e-5},
    "qwen2": {"family": "qwen2", "qk_norm": False, "attention_bias": True},
    "biases": {"family": "llama", "qk_norm": False, "attention_bias": True, "output_bias": True},
    "odd sizes": {"width": 72, "heads": 6, "kv_heads": 3, "head_width": 10, "ffn_width": 100},
    "rows to spare": {"vocab_size": 500},
}


def random_model(**changes: Any) -> Decoder:
    shape: dict[str, Any] = dict(
        vocab_size=448, context=256, layers=2, width=64, heads=4, kv_heads=2, head_width=16, ffn_width=128
    )
    model = Decoder(Stack.parse(shape | changes))
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.15 + (parameter.ndim == 1))
    return model.eval()


def greedy(program: Program, path: Path, prompt: str, tokens: int) -> list[int]:
    done = program(path, "-p", prompt, "-n", tokens, "-t", 0, "--ids")
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def reference(path: Path, ids: list[int], tokens: int) -> list[int]:
    options = argparse.Namespace(tokens=tokens, temperature=0)
    return list(run.speak(run.Model(str(path)), ids, options, run.STOP))


def test_float32_says_what_the_model_says(program: Program, long_dir: Path, tmp_path: Path) -> None:
    export_model(long_dir, "two-files", tmp_path)
    lm = fragua.load(str(long_dir))
    want = lm.generate(PROMPT, max_tokens=200).tokens
    assert len(want) == 200
    assert greedy(program, tmp_path / "parameters.bin", PROMPT, 200) == want
    assert reference(tmp_path / "parameters.bin", lm.tokenizer.encode(PROMPT), 200) == want


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_whole_numbers_are_those_of_the_numpy_program(
    program: Program, long_dir: Path, tmp_path: Path, dtype: str
) -> None:
    export_model(long_dir, "two-files", tmp_path, dtype)
    want = reference(tmp_path / "parameters.bin", tiny_tokenizer().encode(PROMPT), 200)
    assert len(want) > 50
    assert greedy(program, tmp_path / "parameters.bin", PROMPT, 200) == want


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_the_model_may_have(program: Program, tmp_path: Path, name: str) -> None:
    lm = LanguageModel(random_model(**SHAPES[name]), tiny_tokenizer())
    write_two_files(lm.model, lm.tokenizer, tmp_path, "float32")
    prompt = "Once upon a time there was a baker who knew every secret of the village, and 37 more."
    assert len(lm.tokenizer.encode(prompt)) > 32  # more than one batch
    assert (
        greedy(program, tmp_path / "parameters.bin", prompt, 40) == lm.generate(prompt, max_tokens=40).tokens
    )


@pytest.mark.parametrize("options", [{}, {"top_k": 5}, {"top_p": 0.5}, {"min_p": 0.1}, {"temperature": 1.7}])
def test_the_same_seed_draws_the_same_text_in_all_three(
    program: Program, parameters: dict[str, Path], lm: LanguageModel, options: dict[str, Any]
) -> None:
    chosen = {"temperature": 0.8, "top_p": 0.95, "seed": 7} | options
    want = PROMPT + lm.generate(PROMPT, max_tokens=60, **chosen).text + "\n"
    flags = {"temperature": "-t", "top_k": "-k", "top_p": "--top-p", "min_p": "--min-p", "seed": "-s"}
    words = [str(word) for name, value in chosen.items() for word in (flags[name], value)]
    arguments = [str(parameters["float32"]), "-p", PROMPT, "-n", "60", *words]
    assert program(*arguments).stdout.decode() == want
    script = [sys.executable, str(SOURCE.with_name("run.py")), *arguments]
    assert subprocess.run(script, capture_output=True, check=True).stdout.decode() == want


def test_a_conversation_of_several_turns(program: Program, long_dir: Path, tmp_path: Path) -> None:
    """Greedy, against the model read token by token as the turns are written."""
    export_model(long_dir, "two-files", tmp_path)
    lm = fragua.load(str(long_dir))
    questions = ["Hola, ¿qué tal?", "\tWhat is 3 + 4?  ", "¿Y <|im_end|> tú?"]
    ids: list[int] = []
    answers: list[str] = []
    for question in questions:
        if answers:
            ids += [lm.tokenizer.special_ids["<|im_end|>"], *lm.tokenizer.encode("\n")]
        messages = [{"role": "user", "content": question.strip()}]
        ids += lm.tokenizer.encode_chat(messages, add_generation_prompt=True).ids
        drawn = []
        with torch.inference_mode():
            for _ in range(20):
                token = int(lm.model(torch.tensor([ids])).logits[0, -1].argmax())
                if token in (*lm.tokenizer.stop_ids, lm.tokenizer.special_ids["<|im_start|>"]):
                    break
                drawn.append(token)
                ids.append(token)
        answers.append(lm.tokenizer.decode(drawn, skip_special=False))
    text = "".join(f"{question}\n" for question in questions).encode()
    done = program(tmp_path / "parameters.bin", "--chat", "-n", 20, "-t", 0, text=text)
    assert done.stdout.decode() == "".join(f"{answer}\n" for answer in answers)
    script = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "parameters.bin")]
    script += ["--chat", "-n", "20", "-t", "0"]
    assert subprocess.run(script, input=text, capture_output=True, check=True).stdout == done.stdout


def test_a_full_context_begins_anew_and_a_question_too_long_is_told(
    program: Program, parameters: dict[str, Path]
) -> None:
    text = ("Hola\n" * 8 + "panadero " * 200 + "\nHola\n").encode()
    done = program(parameters["float32"], "--chat", "-n", 20, "-t", 0, text=text)
    assert done.returncode == 0
    assert b"the conversation begins anew" in done.stderr
    assert b"tokens do not fit: the context holds 96" in done.stderr


def test_the_text_ends_where_the_context_does(
    program: Program, parameters: dict[str, Path], lm: LanguageModel
) -> None:
    assert greedy(program, parameters["float32"], PROMPT, 500) == lm.generate(PROMPT, max_tokens=500).tokens


@given(arrays(np.float32, (3, 70), elements=st.floats(-100, 100, width=32)))
@settings(max_examples=60)
def test_int8_weights_are_within_half_a_step(w_RC: np.ndarray) -> None:
    back = run.Matrix(*quantize(w_RC, run.INT8)).rows([0, 1, 2])
    groups = in_groups(w_RC)
    step = np.abs(groups).max(-1, keepdims=True) / 127
    assert np.all(np.abs(back.reshape(groups.shape) - groups) <= 0.501 * step + 1e-6)


@given(arrays(np.float32, (3, 70), elements=st.floats(-100, 100, width=32)))
@settings(max_examples=60)
def test_int4_weights_are_no_worse_than_plain_rounding(w_RC: np.ndarray) -> None:
    back = run.Matrix(*quantize(w_RC, run.INT4)).rows([0, 1, 2])
    groups = in_groups(w_RC)
    step = np.abs(groups).max(-1, keepdims=True) / 8
    plain = np.rint(groups / np.maximum(step, 1e-30)).clip(-7, 7) * step
    assert (
        np.square(back.reshape(groups.shape) - groups).sum() <= 1.1 * np.square(plain - groups).sum() + 1e-6
    )


def test_a_model_with_fewer_rows_than_tokens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="448 tokens, but the model has 300 rows"):
        write_two_files(random_model(vocab_size=300), tiny_tokenizer(), tmp_path, "int8")


def test_the_programs_are_as_short_as_they_say() -> None:
    assert len(SOURCE.read_text("utf-8").splitlines()) <= 700
    assert len(SOURCE.with_name("run.py").read_text("utf-8").splitlines()) < 300
