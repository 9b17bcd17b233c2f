"""What a person would lose: a program that reads another text than the one that was typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers

from fragua.errors import InputError
from fragua.inference.export import run
from fragua.inference.export.chat_turns import read_turns
from fragua.inference.export.two_files import write_two_files
from fragua.inference.export.vocabulary import read_vocabulary
from fragua.tokens.tokenizer import Tokenizer
from fragua.tokens.train import QWEN2_PATTERN, train_tokenizer
from tests.inference.export.conftest import Program
from tests.inference.export.test_two_files import random_model
from tests.tiny_model import tiny_tokenizer

LLAMA3_PATTERN = QWEN2_PATTERN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
CUTTINGS = {"qwen2": QWEN2_PATTERN, "llama3": LLAMA3_PATTERN, "gpt2": None}
HARD = [
    "",
    " ",
    "   doble  espacio   ",
    "It's THEY'LL we've I'M you'd 'ſ 'RE 'lL 's",
    "12345 1.234,56 Ⅻ ½ ٣٤ x²",
    "línea\r\n\r\n  otra\t\ttab \r fin\u00a0\u2003\u3000 \u0085",
    "niño NIN\u0303O 日本語 😀👩‍👩‍👧 ﬁ \u200b\ufeff «¡Hola!» ---!!!\n\n",
    "<|im_end|><|endoftext|> <tool_call>",
    "a▁b ▁▁",
]
ALPHABET = st.one_of(
    st.sampled_from(list(" '\t\r\n  sSſtTlLvVeErR12ñé½日😀!.¿\u0301\u00a0\u3000\u0085\u200b")),
    st.characters(exclude_categories=["Cs"]),
)


def cut_by(pattern: str | None, whole_words: bool = False) -> Tokenizer:
    """A byte-level tokenizer whose texts are cut by another pattern, GPT-2's own where it is None."""
    definition = tiny_tokenizer().definition["model"]
    merges = [tuple(merge) for merge in definition["merges"]]
    backend = tokenizers.Tokenizer(
        models.BPE(vocab=definition["vocab"], merges=merges, ignore_merges=whole_words)
    )
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    steps = [] if pattern is None else [pre_tokenizers.Split(Regex(pattern), behavior="isolated")]
    backend.pre_tokenizer = pre_tokenizers.Sequence([*steps, to_bytes])
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True) for token in tiny_tokenizer().special_ids])
    return Tokenizer(backend, tiny_tokenizer().config, tiny_tokenizer().chat_template)


def written(tokenizer: Tokenizer, out: Path) -> Path:
    write_two_files(random_model(vocab_size=tokenizer.vocab_size, layers=1), tokenizer, out, "int4")
    return out / "parameters.bin"


def in_c(program: Program, path: Path, lines: list[str]) -> list[list[int]]:
    done = program(path, "--encode", text="".join(f"{line}\n" for line in lines).encode())
    return [[int(word) for word in line.split()] for line in done.stdout.decode().splitlines()]


@pytest.fixture(scope="module")
def numpy_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Tokenizer, run.Model]]:
    found = {}
    for name, pattern in CUTTINGS.items():
        tokenizer = cut_by(pattern, whole_words=name == "llama3")
        path = written(tokenizer, tmp_path_factory.mktemp(name))
        found[name] = (tokenizer, run.Model(str(path)))
    return found


@pytest.mark.parametrize("name", CUTTINGS)
def test_hard_lines_and_many_random_ones_in_c(program: Program, tmp_path: Path, name: str) -> None:
    tokenizer = cut_by(CUTTINGS[name], whole_words=name == "llama3")
    path = written(tokenizer, tmp_path)
    lines = [line.replace("\n", "\r") for line in HARD]

    @given(st.lists(st.text(ALPHABET, max_size=40), max_size=40))
    @settings(max_examples=25)
    @example(lines)
    def check(texts: list[str]) -> None:
        texts = [text.replace("\n", " \r") for text in texts]
        assert in_c(program, path, texts) == [tokenizer.encode(text) for text in texts]

    check()


@pytest.mark.parametrize("name", CUTTINGS)
def test_any_text_in_numpy(numpy_models: dict[str, tuple[Tokenizer, run.Model]], name: str) -> None:
    tokenizer, model = numpy_models[name]

    @given(st.text(ALPHABET, max_size=60))
    @settings(max_examples=200)
    def check(text: str) -> None:
        assert model.encode(text) == tokenizer.encode(text)

    check()
    for text in HARD:
        assert model.encode(text) == tokenizer.encode(text)


def test_lines_of_real_text(program: Program, data_dir: Path, tmp_path: Path) -> None:
    names = (
        "tatoeba_spa_eng/spa.txt",
        "spanish_prose/don_quijote.txt",
        "tinyshakespeare/input.txt",
        "udhr/spa.txt",
    )
    texts = [(data_dir / name).read_text("utf-8-sig") for name in names]
    tokenizer = train_tokenizer([text[:300_000] for text in texts], 2048)
    path = written(tokenizer, tmp_path)
    lines = [line for text in texts for line in text.split("\n")[:1000]]
    lines += (data_dir / "humaneval" / "HumanEval.jsonl").read_text("utf-8").split("\n")[:100]
    assert len(lines) > 3000
    assert in_c(program, path, lines) == [tokenizer.encode(line) for line in lines]


def test_bytes_that_are_no_text_count_as_replacement_characters(
    program: Program, parameters: dict[str, Path]
) -> None:
    broken = b"ma\xf1ana \xe2\x82 \xf0\x9f\x98 \xed\xa0\x80 fin\xc3"
    done = program(parameters["float32"], "--encode", text=broken)
    want = tiny_tokenizer().encode(broken.decode("utf-8", errors="replace"))
    assert [int(word) for word in done.stdout.split()] == want


def test_what_is_written_is_always_text(program: Program, parameters: dict[str, Path]) -> None:
    """The tiny model draws halves of characters; hot, it draws everything."""
    for seed in range(5):
        drawn = program(parameters["int8"], "-p", "é", "-n", 80, "-t", 5, "-s", seed, "--top-p", 1, "--ids")
        ids = [int(word) for word in drawn.stdout.split()]
        text = program(parameters["int8"], "-p", "é", "-n", 80, "-t", 5, "-s", seed, "--top-p", 1).stdout
        assert text.decode("utf-8") == "é" + tiny_tokenizer().decode(ids) + "\n"


def test_a_tokenizer_it_does_not_know_is_refused() -> None:
    definition = json.loads(json.dumps(tiny_tokenizer().definition))
    lowered = definition | {"normalizer": {"type": "Lowercase"}}
    pieces = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]], "byte_fallback": False}
    unigram = definition | {"model": pieces, "added_tokens": []}
    split = {"type": "Split", "pattern": {"Regex": r"\s+"}, "behavior": "Isolated", "invert": False}
    other = definition | {"pre_tokenizer": split}
    for wrong, told in ((lowered, "normaliser"), (unigram, "Unigram"), (other, "way to cut a text")):
        with pytest.raises(InputError, match=told):
            read_vocabulary(Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(wrong))))


def test_a_tokenizer_without_an_end_goes_on_until_the_context_does(program: Program, tmp_path: Path) -> None:
    tokenizer = cut_by(None)
    tokenizer.stop_ids = ()
    assert program(written(tokenizer, tmp_path), "-p", "una", "-n", 20, "--ids").stdout.count(b" ") == 20
    assert b"the prompt is empty" in program(tmp_path / "parameters.bin", "-p", "").stderr


def test_a_template_that_does_more_than_turns_is_left_out() -> None:
    def turns(template: str | None) -> object:
        return read_turns(Tokenizer(tiny_tokenizer()._backend, {}, template))

    assert turns(None) is None
    assert turns("{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}") is None
    assert turns("{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}") is None
    plain = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
    plain += "{% if add_generation_prompt %}[assistant]{% endif %}"
    assert turns(plain) == ("[user]", "[assistant]", "[user]")
    assert read_turns(tiny_tokenizer()) is not None
