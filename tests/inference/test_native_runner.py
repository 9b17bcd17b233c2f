"""The engine on native code: the same tokens as `lm.generate`, and the same bits in any company."""

from __future__ import annotations

from pathlib import Path

import pytest

import fragua
from fragua.inference.engine import Engine, NativeRunner, Sampling, Store, TorchRunner
from fragua.inference.engine.native_runner import fastest_runner
from fragua.inference.language_model import LanguageModel
from fragua.models.native.library import compiler
from tests.tiny_model import write_tiny

needs_compiler = pytest.mark.skipif(compiler() is None, reason="native code needs a C++ compiler")
TEXTS = ["Había una vez una niña que vivía en Aldea", "Once upon a time", "El panadero", "¿Cuánto es 3 + 4?"]
pytestmark = needs_compiler


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("native") / "m")


def test_the_engine_takes_native_code_and_writes_what_generate_writes(directory: Path) -> None:
    lm = fragua.load(str(directory))
    store = Store(lm.decoder.config, 2, lm.decoder.dtype, lm.decoder.device)
    assert isinstance(fastest_runner(lm.decoder, store), NativeRunner)
    engine = Engine(lm)
    prompts = [lm.tokenizer.encode(text) for text in TEXTS]
    found = engine.generate(prompts, Sampling(temperature=0.0, max_tokens=20))
    wanted = [lm.generate(text, max_tokens=20) for text in TEXTS]
    assert [result.token_ids for result in found] == [completion.tokens for completion in wanted]


@pytest.mark.parametrize("weights", ["float32", "int8", "int4"])
def test_an_answer_does_not_depend_on_its_company(directory: Path, weights: str) -> None:
    lm = fragua.load(str(directory), weights=weights)
    prompts = [lm.tokenizer.encode(text) for text in TEXTS]
    sampling = Sampling(temperature=1.5, max_tokens=12, seed=5, logprobs=0)

    def answers(engine: Engine) -> list[tuple[list[int], list[float]]]:
        results = engine.generate(prompts, sampling)
        return [(r.token_ids, [each.logprob for each in r.logprobs or []]) for r in results]

    together = answers(Engine(lm))
    assert answers(Engine(lm, max_running=1, prefix_cache=False, step_tokens=7)) == together


def test_native_and_torch_agree_on_log_probabilities(directory: Path) -> None:
    lm: LanguageModel = fragua.load(str(directory))
    ids, sampling = lm.tokenizer.encode(TEXTS[0]), Sampling(max_tokens=0, prompt_logprobs=0)
    scores = [
        [each.logprob for each in (Engine(lm, **how).generate([ids], sampling)[0].prompt_logprobs or [])[1:]]
        for how in ({}, {"runner": TorchRunner})
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    assert scores[0] == pytest.approx(lm.score(TEXTS[0]).logprobs[1:], abs=1e-4)
