"""What a person would lose: knowing at once which file, row or option is wrong, and how to mend it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fragua.cli.main import main
from fragua.files import write_jsonl
from fragua.tokens.train import train_tokenizer

TURNS = [{"role": "user", "content": "Hola"}, {"role": "assistant", "content": "Buenos días."}]
Tells = Callable[..., str]


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory: pytest.TempPathFactory, tiny_dir: Path) -> Path:
    """What people give by mistake, and a good `model`, `corpus` and `tokenizer`."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "empty.txt").touch()
    (folder / "empty.jsonl").touch()
    (folder / "latin1.txt").write_bytes("Mañana".encode("latin-1"))
    (folder / "mixed.txt").write_bytes("Mañana".encode("latin-1") + "Mañana".encode())
    (folder / "text.txt").write_text("Había una vez una niña.", encoding="utf-8")
    (folder / "broken.jsonl").write_text('{"text": "uno"}\n{"text": \n', encoding="utf-8")
    (folder / "other.jsonl").write_text('{"body": "uno", "n": 3}\n', encoding="utf-8")
    (folder / "key.toml").write_text("[pretrain]\ndept = 3\n", encoding="utf-8")
    (folder / "syntax.toml").write_text("minutes = = 3\n", encoding="utf-8")
    write_jsonl(folder / "asked.jsonl", [{"messages": TURNS}, {"messages": TURNS[:1]}])
    write_jsonl(folder / "one.jsonl", [{"messages": TURNS}])
    write_jsonl(folder / "pairs.jsonl", [{"source": "uno", "target": "one"}] * 2)
    write_jsonl(folder / "long.jsonl", [{"source": "uno " * 200, "target": "one"}] * 2)
    write_jsonl(folder / "same.jsonl", [{"text": "uno", "label": "x"}] * 4)
    write_jsonl(folder / "labels.jsonl", [{"text": "uno", "label": label} for label in "xyxy"])
    write_jsonl(folder / "role.jsonl", [{"messages": [{"role": "wizard", "content": "?"}, *TURNS]}])
    for split in ("train", "validation"):
        write_jsonl(folder / "corpus" / f"{split}.jsonl", [{"text": "el hierro canta"}] * 20)
    train_tokenizer(["el hierro canta"] * 20, 300).save(folder / "tokenizer")
    shutil.copytree(tiny_dir, folder / "model")
    shutil.copytree(tiny_dir, folder / "cut")
    weights = folder / "cut" / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    shutil.copytree(tiny_dir, folder / "foreign")
    config = json.loads((tiny_dir / "config.json").read_text("utf-8"))
    (folder / "foreign" / "config.json").write_text(json.dumps(config | {"model_type": "mamba"}), "utf-8")
    shutil.copytree(tiny_dir, folder / "unfinished")
    (folder / "unfinished" / "model.safetensors").unlink()
    return folder


@pytest.fixture
def folder(mistakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own with all of them."""
    shutil.copytree(mistakes, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tells(folder: Path, capsys: pytest.CaptureFixture[str]) -> Tells:
    """Runs a command that must end with exit code 2, nothing on standard output, and one line of error."""

    def run(*arguments: str) -> str:
        assert main(list(arguments)) == 2, arguments
        printed = capsys.readouterr()
        assert printed.out == ""
        lines = [line for line in printed.err.splitlines() if line.strip()]
        assert len(lines) == 1 and lines[0].startswith("error: "), printed.err
        return lines[0]

    return run


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("corpus build nowhere --out c", "nowhere: no such file or folder"),
        ("corpus build broken.jsonl --out c", "broken.jsonl:2: not JSON"),
        (
            "corpus build other.jsonl --out c",
            "other.jsonl:1: 'text' is missing; columns with text here: body",
        ),
        (
            "corpus build mixed.txt --out c",
            "mixed.txt: not UTF-8 at byte 2, and no other encoding is certain",
        ),
        ("corpus build latin1.txt --out c --encoding utf-8", "latin1.txt: not UTF-8 at byte 2; name its"),
        ("corpus build latin1.txt --out c --encoding utf-9", "--encoding: unknown encoding 'utf-9'"),
        ("corpus build text.txt --out c --mask face", "mask.0: Input should be 'email', 'phone'"),
        ("corpus build text.txt --out c --probe nowhere.jsonl", "nowhere.jsonl: no such file"),
        ("corpus build text.txt --out c --probe key.toml", "key.toml: unknown kind of file '.toml'"),
        ("corpus build hf:owner --out c", "hf:owner: names no data set; hf:owner/name"),
        ("corpus build key.toml --out c", "key.toml: unknown kind of file '.toml'; known: .txt"),
        ("corpus build empty.txt --out c", "the sources hold no text"),
        ("corpus build text.txt --out text.txt", "text.txt: is a file, a folder is needed"),
        (
            "corpus build text.txt --out c --validation-share 2",
            "validation_share: Input should be less than 1",
        ),
        ("corpus build text.txt", "Missing option '--out'; see 'fragua corpus build --help'"),
        ("corpus aldea", "--out: no place to write the world"),
        ("corpus aldea --megabytes 0", "Invalid value for '--megabytes'"),
        ("corpus stats model", "model: not a corpus"),
        ("tokenizer train nowhere --out t", "nowhere: no such file; name a corpus folder"),
        ("tokenizer train empty.jsonl --out t", "empty.jsonl: holds no text"),
        ("tokenizer train broken.jsonl --out t", "broken.jsonl:2: not JSON"),
        (
            "tokenizer train corpus --vocab-size 10 --out t",
            "a vocabulary of 10 is too small; 262 is the least",
        ),
        ("tokenizer train corpus --out empty.txt", "empty.txt: is a file, a folder is needed"),
        (
            "tokenizer train corpus --family elmo --out t",
            "--family: unknown family 'elmo'; known: gpt2, llama, qwen3, bert, roberta, t5, xlnet",
        ),
    ],
)
def test_texts(tells: Tells, command: str, told: str) -> None:
    assert told in tells(*command.split())


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("pretrain nowhere --tokenizer tokenizer --out m", "nowhere: no train.jsonl; make a corpus with"),
        ("pretrain corpus --tokenizer corpus --out m", "corpus: no tokenizer.json here; name a tokenizer's"),
        ("pretrain corpus --out m", "give --tokenizer or --model"),
        ("pretrain corpus --tokenizer tokenizer --out m --depth 0", "depth"),
        ("pretrain corpus --tokenizer tokenizer --out m --optimizer sgd", "'muon' or 'adamw'"),
        ("pretrain corpus --tokenizer tokenizer --out model", "model: is in use by something else"),
        ("pretrain corpus --tokenizer tokenizer --out text.txt", "text.txt: is in use by something else"),
        ("finetune model --data nowhere --out a", "nowhere: no such file"),
        ("finetune model --data asked.jsonl --out a", "asked.jsonl:2: no assistant's turn"),
        ("finetune model --data role.jsonl --out a", "role.jsonl:1: unknown role 'wizard'; known: system"),
        ("finetune model --data broken.jsonl --out a", "broken.jsonl:1: no known form of conversation"),
        ("finetune model --data one.jsonl --out a", "two at least are needed"),
        ("finetune model --data empty.jsonl --out a", "two at least are needed"),
        ("finetune unfinished --data one.jsonl --out a", "unfinished: no model.safetensors"),
        ("finetune corpus --data one.jsonl --out a", "corpus: no tokenizer.json here"),
        (
            "finetune model --data one.jsonl --out a --task poetry",
            "--task: 'poetry' is not a task; known: chat",
        ),
        (
            "finetune model --data one.jsonl --out a --dev one.jsonl",
            "--dev: is not for --task chat; leave it out",
        ),
        ("finetune model --task seq2seq --data nowhere --out a", "nowhere: no such file"),
        (
            "finetune model --task seq2seq --data one.jsonl --out a",
            'one.jsonl:1: the row has no "source"; a row',
        ),
        (
            "finetune model --task seq2seq --data pairs.jsonl --out a --compile on",
            "compile: groups of pairs have",
        ),
        (
            "finetune model --task seq2seq --data pairs.jsonl --out a --lora-rank 4",
            "pairs are learned with all",
        ),
        ("finetune model --task seq2seq --data empty.jsonl --out a", "0 pairs; two at least are needed"),
        (
            "finetune model --task seq2seq --data long.jsonl --out a",
            "no pair of 1 fits 96 tokens; shorter texts",
        ),
        (
            "finetune model --task seq2seq --data pairs.jsonl --out a --label-smoothing 2",
            "label_smoothing: Input should be less than 1",
        ),
        ("pretrain corpus --pairs --tokenizer tokenizer --out a", 'train.jsonl:1: the row has no "source"'),
        ("align model --data nowhere --out a", "nowhere: no such file"),
        ("align model --data one.jsonl --out a", "one.jsonl:1: no known form of feedback (it has messages)"),
        (
            "align model --data broken.jsonl --out a",
            "broken.jsonl:1: no known form of feedback (it has text)",
        ),
        ("align model --data empty.jsonl --out a", "no pairs of answers to two prompts"),
        ("align model --data empty.jsonl --out a --method best", "method: Input should be 'dpo', 'ipo'"),
        ("align model --data empty.jsonl --out a --method kto --smoothing 0.1", "smoothing is for dpo"),
        ("align model --out a", "data: Field required"),
        ("align model --out a --method ppo", "reward: Field required"),
        ("align model --out a --method ppo --reward gold", "prompts or world: exactly one of the two"),
        ("align model --out a --method ppo --reward gold --data one.jsonl --world 0", "unknown key 'data'"),
        (
            "align model --out a --method ppo --reward beauty --world 0",
            "unknown reward 'beauty'; known: model",
        ),
        ("align model --out a --method ppo --reward gold*x --world 0", "--reward: 'gold*x' is not NAME"),
        (
            "align model --out a --method ppo --reward model=no --prompts text.txt",
            "no: no reward model; make one",
        ),
        ("align model --out a --method ppo --reward gold --prompts nowhere", "nowhere: no such file"),
        ("align model --out a --method ppo --reward gold --prompts empty.txt", "empty.txt: holds no prompt"),
        (
            "align model --out a --method ppo --reward gold --prompts text.txt",
            "two prompts or more are needed",
        ),
        ("align model --out a --method grpo --reward gold --world 0 --ability magic", "no ability 'magic'"),
        (
            "align model --out a --method grpo --reward gold --world 0 --rollouts 9",
            "are not whole steps of 32",
        ),
        ("align model --out a --method grpo --reward gold --world 0 --group 1", "2 or more are needed"),
        ("align model --out a --method rejection --reward gold --prompts nowhere", "nowhere: no such file"),
        ("align loop model --out a --world 0 --labeller nobody", "--labeller: no labeller 'nobody'"),
        ("align loop model --out a", "exactly one of the two is needed"),
        ("align unfinished --data empty.jsonl --out a", "unfinished: no model.safetensors"),
        ("align reward model --data empty.jsonl --out a", "nothing to learn from as pairs"),
        ("align gold nowhere --out log.jsonl", "nowhere: no such directory"),
        ("align gold model --out log.jsonl --count 0", "--count: 0 comparisons teach nothing"),
        ("align audit model --before model --items 0", "--items: 0 questions show nothing"),
        ("pretrain corpus --tokenizer tokenizer --out m --family elmo", "family: Input should be 'qwen3'"),
        (
            "pretrain corpus --tokenizer tokenizer --out m --family bert",
            "tokenizer: the tokenizer has no cls_token, which bert needs; train one with: fragua tokenizer",
        ),
        (
            "pretrain corpus --tokenizer tokenizer --out m --family t5",
            "tokenizer: the tokenizer has no <extra_id_0>, which t5 needs",
        ),
        ("finetune model --data broken.jsonl --task classify --out a", "broken.jsonl:1: no column 'label'"),
        ("finetune model --data nowhere.jsonl --task tag --out a", "nowhere.jsonl: no such file"),
        ("finetune model --data empty.jsonl --task tag --out a", "empty.jsonl: holds no row"),
        ("finetune model --data same.jsonl --task classify --out a", "every row has the label 'x'; two at"),
        ("finetune model --data labels.jsonl --task regress --out a", "labels.jsonl:1: the value is 'x'"),
        ("finetune model --data labels.jsonl --task pair --out a", "labels.jsonl:1: no column 'pair'"),
        ("finetune model --data labels.jsonl --task classify --frozen int8 --out a", "--frozen: is not for"),
        (
            "finetune model --data labels.jsonl --task classify --method some --out a",
            "'some' is not a method",
        ),
        (
            "finetune model --data labels.jsonl --task classify --method last-9 --out a",
            "blocks leave none frozen; take fewer",
        ),
        (
            "finetune model --data labels.jsonl --task classify --columns body=text --out a",
            "--columns: unknown column 'body'; known: text, pair",
        ),
        (
            "finetune model --data labels.jsonl --dev same.jsonl --task classify --out model",
            "in use by someth",
        ),
    ],
)
def test_learning(tells: Tells, command: str, told: str) -> None:
    assert told in tells(*command.split())


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("generate nowhere -p Hola", "nowhere: no such directory; a model directory is needed"),
        ("generate tokenizer -p Hola", "tokenizer: no config.json"),
        ("generate cut -p Hola", "cut/model.safetensors: cannot be read"),
        ("generate foreign -p Hola", "foreign/config.json: unknown model_type 'mamba'"),
        ("generate unfinished -p Hola", "unfinished: no model.safetensors; is the run unfinished?"),
        ("generate model", "Missing option '--prompt'"),
        ("generate model -p Hola --temperature -1", "temperature"),
        ("generate model -p Hola --top-p 2", "top_p"),
        ("generate model -p Hola --max-tokens 0", "max_tokens"),
        ("generate model -p Hola --overflow wrap", "'error' or 'slide'"),
        (
            "generate model -p Hola --weights int3",
            "weights: 'int3' is not a kind of weights; float32, bfloat16",
        ),
        ("generate model -p Hola --colour", "No such option: --colour"),
        ("chat nowhere", "nowhere: no such directory"),
        ("chat model --docs nowhere", "nowhere: no such file or folder"),
        ("chat model --json", "--json: one JSON object needs documents"),
        ("evaluate model --task xquad", "--data: questions are needed"),
        ("evaluate model --task xquad --data model/config.json", "config.json: not in SQuAD's form"),
        ("chat cut", "cut/model.safetensors: cannot be read"),
        ("chat model --lang fr", "--lang: 'fr' is not a language it speaks; es or en"),
        ("evaluate model", "Missing option '--task'"),
        ("evaluate model --task beauty", "--task: 'beauty' is not a task; perplexity or exam or xquad"),
        ("evaluate model --task perplexity", "--data: a text is needed"),
        ("evaluate model --task perplexity --data nowhere", "nowhere: no such file"),
        ("evaluate model --task perplexity --data broken.jsonl", "broken.jsonl:2: not JSON"),
        ("evaluate model --task perplexity --data other.jsonl", 'other.jsonl:1: no "text" in this row'),
        ("evaluate model --task exam", "--data or --world: one of the two is needed"),
        ("evaluate model --task exam --data one.jsonl", "one.jsonl:1: not a question of an exam: without id"),
        ("evaluate model --task exam --data empty.jsonl", "empty.jsonl: holds no question"),
        ("export nowhere --to hf --out o", "nowhere: no such directory; a model directory is needed"),
        ("export nowhere --to gguf --out o", "nowhere: no such directory; a model directory is needed"),
        ("export model --to onnx --out o", "--to: 'onnx' is not a form it writes; two-files, hf, gguf"),
        ("export model --to two-files --dtype q8_0 --out o", "--dtype: 'q8_0' is not for two-files; float32"),
        ("export model --to two-files --out text.txt", "text.txt: is a file, a folder is needed"),
        (
            "export model --to hf --dtype float16 --out model",
            "model: is the model itself; choose another --out",
        ),
        ("export cut --to gguf --out o", "cut/model.safetensors: cannot be read"),
        ("export foreign --to two-files --out o", "foreign/config.json: unknown model_type 'mamba'"),
        ("import nowhere --out o", "nowhere: no such file"),
        ("import text.txt --out o", "text.txt: is too short for a model"),
        ("import text.txt --out model", "model: is in use by something else"),
        (
            "bench nothing",
            "no benchmark 'nothing'; known: adapt, alignment, architectures",
        ),
        ("bench random_peers", "no benchmark 'random_peers'; known: adapt, alignment, architectures"),
    ],
)
def test_talking_and_measuring(tells: Tells, command: str, told: str) -> None:
    assert told.replace("/", os.sep) in tells(*command.split())


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("run nowhere.toml", "nowhere.toml: no such recipe; built in: adapt, laptop, own, quijote"),
        ("run own", "own: no documents are named (corpus.sources); for example fragua run own --set"),
        ('run own --set corpus.mask=["face"]', "corpus.mask.0: Input should be"),
        ("run key.toml", "key.toml: unknown key 'pretrain.dept'; did you mean 'depth'?"),
        ("run syntax.toml", "syntax.toml: not TOML"),
        ("plan smoke --set pretrain.depth", "'pretrain.depth' is not key=value"),
        ("plan smoke --set pretrain.depth=deep", "pretrain.depth: "),
        ("plan smoke --depth 0", "pretrain.depth"),
    ],
)
def test_recipes(tells: Tells, command: str, told: str) -> None:
    assert told in tells(*command.split())


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("align collect model --prompts nowhere", "nowhere: no such file"),
        ("align collect model --prompts empty.txt", "empty.txt: holds no prompt; write one a line"),
        ("align collect model --prompts latin1.txt", "latin1.txt: not UTF-8 at byte 2"),
        ("align collect model --prompts broken.jsonl", "broken.jsonl:1: no known form of conversation"),
        ("align collect nowhere --prompts text.txt", "nowhere: no such directory"),
        ("align collect model --prompts text.txt --ask beauty", "ask: Input should be 'best'"),
        (
            "align collect model --prompts text.txt --candidates 1",
            "--candidates: one answer can't be compared",
        ),
        (
            "align collect model --prompts text.txt --temperature 0",
            "temperature: Input should be greater than 0",
        ),
        ("align collect model --prompts text.txt --overlap 2", "overlap: Input should be less than or equal"),
        ("align collect model --prompts text.txt --guidelines nowhere", "nowhere: no such file"),
        ("align collect model --prompts text.txt --lang fr", "--lang: 'fr' is not a language it speaks"),
        ("align collect model --prompts text.txt --out text.txt", "text.txt: is a file, a folder is needed"),
        ("align agreement nowhere", "nowhere: no such file; an event log is needed"),
        ("align agreement broken.jsonl", "broken.jsonl:1: unknown kind None"),
        ("align convert nowhere --to trl --out o", "nowhere: no such file; a log of feedback"),
        (
            "align convert other.jsonl --to trl --out o",
            "other.jsonl:1: no known form of feedback (it has body, n)",
        ),
        ("align convert empty.jsonl --to csv --out o", "--to: 'csv' is not a form it writes; events, trl"),
    ],
)
def test_asking_people(tells: Tells, command: str, told: str) -> None:
    assert told in tells(*command.split())


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("serve", "MODEL: no model named; fragua serve DIRECTORY"),
        ("serve nowhere", "nowhere: no such directory"),
        ("serve model m=model x=model m=foreign", "two models are called m"),
        ("serve cut", "model.safetensors"),
        ("serve model --port 99999", "port"),
        ("serve model --max-concurrent 0", "max_concurrent"),
        ("serve model --weights int2", "'int2' is not a kind of weights"),
        ("serve model --api-key-file nowhere.txt", "nowhere.txt: no such file"),
        ("serve model --api-key-file empty.txt", "empty.txt: no key in it; write one with --new-api-key"),
        ("serve --new-api-key", "--new-api-key: no file to add it to"),
        ("serve model --host 203.0.113.1 --no-pages", "203.0.113.1:8000: can't listen there"),
        ("serve model --port 0 --chats text.txt", "text.txt: can't hold conversations"),
    ],
)
def test_serving(tells: Tells, command: str, told: str) -> None:
    assert told in tells(*command.split())


def test_a_prompt_that_is_too_long_says_by_how_much_and_what_to_do(tells: Tells) -> None:
    told = tells("generate", "model", "-p", "hierro " * 200)
    assert "do not fit: the context holds 96" in told and "slide" in told


def test_half_a_character_on_the_command_line_is_told_with_its_place(tells: Tells) -> None:
    assert "lone surrogate U+DCFF at character 4" in tells("generate", "model", "-p", "Hola\udcff")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tells: Tells, folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o555)
    assert "closed" in tells("corpus", "build", "text.txt", "--out", "closed/c")
