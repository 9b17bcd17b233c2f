"""What a person would lose: a model that other programs read, and other people's models that this one reads."""

from __future__ import annotations

import json
import os
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf
import jinja2
import numpy as np
import pytest
import torch
import transformers

import fragua
from fragua.cli.main import main
from fragua.errors import InputError
from fragua.inference.export.assemble import halves_to_interleaved, interleaved_to_halves
from fragua.inference.export.convert import export_model, import_model
from fragua.inference.export.from_llama2c import MAGIC
from fragua.inference.language_model import LanguageModel
from tests.inference.export.conftest import Program
from tests.inference.export.test_text import CUTTINGS, HARD, cut_by
from tests.inference.export.test_two_files import random_model
from tests.tiny_model import TEXTS

PROMPT = "Once upon a time"


@pytest.fixture(scope="module")
def stories(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model of llama2.c's, imported."""
    out = tmp_path_factory.mktemp("stories") / "model"
    assert main(["import", str(data_dir / "stories260k" / "stories260K.bin"), "--out", str(out)]) == 0
    return out


def documented(data_dir: Path) -> str:
    page = (data_dir / "stories260k" / "stories260K.md").read_text("utf-8")
    return page.split("tok512.bin -t 0.0\n")[1].split("\n```")[0]


def same_weights(one: LanguageModel, other: LanguageModel, tolerance: float = 0) -> None:
    mine, theirs = one.model.state_dict(), other.model.state_dict()
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        assert torch.allclose(tensor, theirs[name], rtol=0, atol=tolerance), name


# ---- llama2.c


def test_the_documented_story_is_told(
    program: Program, data_dir: Path, stories: Path, tmp_path: Path
) -> None:
    want = documented(data_dir)
    assert fragua.load(str(stories)).generate("", max_tokens=256).text == want
    assert main(["export", str(stories), "--to", "two-files", "--out", str(tmp_path), "--json"]) == 0
    assert program(tmp_path / "parameters.bin", "-n", 256, "-t", 0).stdout.decode() == want + "\n"
    begun = program(
        tmp_path / "parameters.bin", "-p", want[: want.index(".") + 1], "-n", 256, "-t", 0
    ).stdout.decode()
    assert begun.startswith(want[:200])


def test_a_prompt_begins_and_goes_on_as_in_transformers(stories: Path) -> None:
    """With the token that begins a text before it, in both."""
    lm, words = fragua.load(str(stories)), transformers.AutoTokenizer.from_pretrained(stories)
    peer = transformers.AutoModelForCausalLM.from_pretrained(stories, dtype=torch.float32).eval()
    ids = words(PROMPT, return_tensors="pt").input_ids
    assert ids[0].tolist() == [lm.tokenizer.start_id, *lm.tokenizer.encode(PROMPT)]
    torch.testing.assert_close(lm.model(ids).logits, peer(ids).logits, atol=1e-4, rtol=1e-4)
    wanted = peer.generate(ids, max_new_tokens=40, do_sample=False)[0, ids.shape[1] :].tolist()
    assert lm.generate(PROMPT, max_tokens=40).tokens == wanted


def test_the_sentencepiece_ids_are_those_of_its_own_algorithm(
    program: Program, data_dir: Path, stories: Path, tmp_path: Path
) -> None:
    """llama2.c merges the pair whose piece has the best score, the first of equals."""
    data = (data_dir / "stories260k" / "tok512.bin").read_bytes()
    ids: dict[bytes, int] = {}
    scores, at = [], 4
    while at < len(data):
        score, length = struct.unpack_from("<fi", data, at)
        ids.setdefault(data[at + 8 : at + 8 + length], len(scores))
        scores.append(score)
        at += 8 + length

    def encode(text: str) -> list[int]:
        found = [ids[b" "]] if text else []
        for character in text:
            known = ids.get(character.encode())
            found += [known] if known is not None else [byte + 3 for byte in character.encode()]
        names = {i: piece for piece, i in ids.items()}
        while True:
            pairs = [
                (-scores[i], place, i)
                for place, pair in enumerate(pairwise(found))
                if (i := ids.get(b"".join(names.get(p, b"\xff") for p in pair))) is not None
            ]
            if not pairs:
                return found
            _, place, i = min(pairs)
            found[place : place + 2] = [i]

    lines = (data_dir / "tinyshakespeare" / "input.txt").read_text("utf-8").split("\n")[:600]
    lines += ["Había una vez…", "  two  blanks", "日本語 12 + 7"]
    want = [encode(line) for line in lines]
    tokenizer = fragua.load(str(stories)).tokenizer
    assert [tokenizer.encode(line) for line in lines] == want
    export_model(stories, "two-files", tmp_path, "int8")
    done = program(tmp_path / "parameters.bin", "--encode", text="".join(f"{x}\n" for x in lines).encode())
    assert [[int(word) for word in line.split()] for line in done.stdout.decode().splitlines()] == want


@pytest.mark.parametrize("version", [1, 2])
def test_its_later_versions(stories: Path, data_dir: Path, tmp_path: Path, version: int) -> None:
    lm = fragua.load(str(stories))
    state, config = lm.model.state_dict(), lm.model.config
    widths = (config.heads * config.head_width, config.kv_heads * config.head_width)
    blocks = [f"transformer.blocks.{i}." for i in range(config.layers)]
    qkv = [state[block + "attention.qkv.weight"].split((widths[0], widths[1], widths[1])) for block in blocks]
    norms = [state[block + "attention_norm.weight"] for block in blocks]
    norms += [state[block + "ffn_norm.weight"] for block in blocks] + [state["transformer.norm.weight"]]
    gate_up = [state[block + "ffn.gate_up.weight"].chunk(2) for block in blocks]
    matrices = [state["transformer.embedding.weight"]]
    for part, heads in ((0, config.heads), (1, config.kv_heads), (2, 0)):
        for parts in qkv:
            weight = parts[part].numpy()
            matrices.append(torch.from_numpy(halves_to_interleaved(weight, heads) if heads else weight))
    matrices += [state[block + "attention.out.weight"] for block in blocks]
    matrices += [gate for gate, _ in gate_up] + [state[block + "ffn.down.weight"] for block in blocks]
    matrices += [up for _, up in gate_up]
    sizes = (config.width, config.ffn_width, config.layers, config.heads, config.kv_heads, config.vocab_size)
    head = struct.pack("<Ii7i?i", MAGIC, version, *sizes, config.context, True, 4 if version == 2 else 0)
    data = head.ljust(256, b"\0") + b"".join(norm.numpy().tobytes() for norm in norms)
    for matrix in matrices:
        if version == 1:
            data += matrix.numpy().tobytes()
            continue
        groups = matrix.numpy().reshape(-1, 4)
        scales = np.abs(groups).max(1, keepdims=True) / 127
        data += np.rint(groups / np.maximum(scales, 1e-12)).astype(np.int8).tobytes() + scales.tobytes()
    (tmp_path / "model.bin").write_bytes(data)
    (tmp_path / "tokenizer.bin").write_bytes((data_dir / "stories260k" / "tok512.bin").read_bytes())
    import_model(tmp_path / "model.bin", tmp_path / "out")
    same_weights(lm, fragua.load(str(tmp_path / "out")), 0 if version == 1 else 0.02)


# ---- Hugging Face


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_transformers_reads_it(tiny_dir: Path, lm: LanguageModel, tmp_path: Path, dtype: str) -> None:
    export_model(tiny_dir, "hf", tmp_path, dtype)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype="auto")
    assert theirs.dtype == getattr(torch, dtype)
    ids = torch.tensor([lm.tokenizer.encode(TEXTS[0])])
    with torch.no_grad():
        difference = (theirs.float()(ids).logits - lm.model(ids).logits).abs().max()
    assert difference < (1e-4 if dtype == "float32" else 0.1)
    words = transformers.AutoTokenizer.from_pretrained(tmp_path)
    messages = [{"role": "user", "content": "¿Qué hay?"}]
    assert words.apply_chat_template(messages, tokenize=False) == lm.tokenizer.render(messages)
    template = (tmp_path / "chat_template.jinja").read_text("utf-8")
    jinja2.Environment(trim_blocks=True, lstrip_blocks=True).parse(template)  # no tag of ours is left
    fragua.load(str(tmp_path))


# ---- GGUF


def test_llama_and_back_is_exact(stories: Path, tmp_path: Path) -> None:
    export_model(stories, "gguf", tmp_path / "stories.gguf")
    import_model(tmp_path / "stories.gguf", tmp_path / "back")
    lm, back = fragua.load(str(stories)), fragua.load(str(tmp_path / "back"))
    same_weights(lm, back)
    assert back.model.config == lm.model.config
    assert back.generate("", max_tokens=100) == lm.generate("", max_tokens=100)
    assert back.generate(PROMPT, max_tokens=50) == lm.generate(PROMPT, max_tokens=50)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 1e-3), ("q8_0", 5e-3), ("q4_0", 0.1)])
def test_other_precisions_are_close(
    lm: LanguageModel, tiny_dir: Path, tmp_path: Path, dtype: str, tolerance: float
) -> None:
    export_model(tiny_dir, "gguf", tmp_path, dtype)
    import_model(tmp_path / "model.gguf", tmp_path / "back")
    back = fragua.load(str(tmp_path / "back"))
    same_weights(lm, back, tolerance)
    assert back.tokenizer.stop_ids == lm.tokenizer.stop_ids
    messages = [{"role": "user", "content": "¿Qué hay?"}]
    assert back.chat_ids(messages) == lm.chat_ids(messages)


@pytest.mark.parametrize(("name", "pre"), [("qwen2", "qwen2"), ("llama3", "llama-bpe"), ("gpt2", "gpt-2")])
def test_the_cutting_has_llama_cpps_name_and_comes_back(tmp_path: Path, name: str, pre: str) -> None:
    tokenizer = cut_by(CUTTINGS[name], whole_words=name == "llama3")
    model = random_model(
        family="llama", qk_norm=False, attention_bias=True, output_bias=True, tied=False, vocab_size=460
    )
    LanguageModel(model, tokenizer).save(tmp_path / "model")
    export_model(tmp_path / "model", "gguf", tmp_path)
    fields = gguf.GGUFReader(tmp_path / "model.gguf").fields
    assert fields["tokenizer.ggml.pre"].contents() == pre
    import_model(tmp_path / "model.gguf", tmp_path / "back")
    back = fragua.load(str(tmp_path / "back"))
    same_weights(LanguageModel(model, tokenizer), back)
    assert [back.tokenizer.encode(text) for text in HARD] == [tokenizer.encode(text) for text in HARD]


def test_gpt2_has_its_tensors_the_right_way_round(tmp_path: Path) -> None:
    config = transformers.GPT2Config(vocab_size=448, n_positions=64, n_embd=32, n_layer=2, n_head=4)
    theirs = transformers.GPT2LMHeadModel(config)
    theirs.save_pretrained(tmp_path / "gpt2")
    cut_by(None).save(tmp_path / "gpt2")
    export_model(tmp_path / "gpt2", "gguf", tmp_path)
    reader = gguf.GGUFReader(tmp_path / "model.gguf")
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    state = theirs.transformer.state_dict()
    assert np.array_equal(tensors["token_embd.weight"], state["wte.weight"].numpy())
    assert np.array_equal(tensors["position_embd.weight"], state["wpe.weight"].numpy())
    assert np.array_equal(tensors["blk.1.attn_qkv.weight"], state["h.1.attn.c_attn.weight"].T.numpy())
    assert np.array_equal(tensors["blk.0.ffn_up.bias"], state["h.0.mlp.c_fc.bias"].numpy())
    assert len(tensors) == 4 + 12 * config.n_layer
    assert reader.fields["general.architecture"].contents() == "gpt2"


def test_rotary_pairs_there_and_back() -> None:
    w = np.arange(24.0).reshape(12, 2)
    assert np.array_equal(interleaved_to_halves(halves_to_interleaved(w, 3), 3), w)
    assert np.array_equal(halves_to_interleaved(w, 3)[:4, 0], [0, 4, 2, 6])


# ---- what is wrong


def broken(data: bytes, at: int, form: str, value: Any) -> bytes:
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


def test_files_of_llama2c_that_are_cut_or_foreign(data_dir: Path, tmp_path: Path) -> None:
    whole = (data_dir / "stories260k" / "stories260K.bin").read_bytes()
    words = (data_dir / "stories260k" / "tok512.bin").read_bytes()
    file = tmp_path / "model.bin"

    def refused(model: bytes, tokenizer: bytes | None, told: str) -> None:
        file.write_bytes(model)
        (tmp_path / "tok512.bin").unlink(missing_ok=True)
        if tokenizer is not None:
            (tmp_path / "tok512.bin").write_bytes(tokenizer)
        with pytest.raises(InputError, match=told):
            import_model(file, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    refused(whole[:100], words, "too short")
    refused(whole[:-4], words, "cut off")
    refused(whole + b"\0\0\0\0", words, "4 bytes are left over")
    refused(broken(whole, 12, "<i", 0), words, "sizes make no sense")
    refused(broken(broken(whole, 0, "<I", MAGIC), 4, "<i", 7), words, "version 7")
    refused(whole, None, "neither tok512.bin nor tokenizer.bin is here")
    refused(whole, words[:-1], "token 511 is broken")
    refused(whole, words[:-10], "ends after 511 of 512 tokens")


def test_gguf_files_that_are_cut_or_foreign(tiny_dir: Path, tmp_path: Path) -> None:
    export_model(tiny_dir, "gguf", tmp_path)
    whole = (tmp_path / "model.gguf").read_bytes()
    for length in (10, 500, len(whole) // 2, len(whole) - 40):
        (tmp_path / "cut.gguf").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.gguf: cannot be read"):
            import_model(tmp_path / "cut.gguf", tmp_path / "out")
    (tmp_path / "other.gguf").write_bytes(whole.replace(b"qwen3", b"mamba"))
    with pytest.raises(InputError, match="architecture 'mamba' is not supported"):
        import_model(tmp_path / "other.gguf", tmp_path / "out")
    (tmp_path / "words.gguf").write_bytes(
        whole.replace(b"\x05\0\0\0\0\0\0\0qwen2", b"\x05\0\0\0\0\0\0\0qwen9")
    )
    with pytest.raises(InputError, match="cut as 'qwen9'"):
        import_model(tmp_path / "words.gguf", tmp_path / "out")


@pytest.mark.parametrize("form", ["two-files", "hf", "gguf"])
def test_weights_that_are_not_numbers_are_refused(tmp_path: Path, form: str) -> None:
    model = random_model(vocab_size=448)
    with torch.no_grad():
        model.transformer.blocks[1].ffn.down.weight[3, 5] = float("nan")
    LanguageModel(model, cut_by(None)).save(tmp_path / "model")
    with pytest.raises(InputError, match=r"'model.layers.1.mlp.down_proj.weight' holds values that are not"):
        export_model(tmp_path / "model", form, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_the_old_file(
    tiny_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_model(tiny_dir, "two-files", tmp_path)
    before = (tmp_path / "parameters.bin").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(fragua.errors.RunError, match="no space left"):
        export_model(tiny_dir, "two-files", tmp_path, "int8")
    assert (tmp_path / "parameters.bin").read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["parameters.bin", "run.c", "run.py"]


def test_the_commands_speak_json(tiny_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["export", str(tiny_dir), "--to", "gguf", "--out", str(tmp_path / "tiny.gguf"), "--json"]
    assert main([*arguments, "--dtype", "q8_0"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["dtype"] == "q8_0" and told["bytes"] == (tmp_path / "tiny.gguf").stat().st_size
    assert main(["import", str(tmp_path / "tiny.gguf"), "--out", str(tmp_path / "in"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["family"] == "qwen3" and told["parameters"] == 201_280
