"""What a person would lose: a terminal that a model's text can command, or a language that mixes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from fragua.cli.closing import as_object, closing
from fragua.cli.language import choose_lang, speaker
from fragua.cli.plan_table import plan_table
from fragua.cli.terminal import Terminal, plain
from fragua.errors import InputError
from fragua.models.config import decoder_config
from fragua.recipes.plan import Plan, make_plan
from fragua.recipes.recipe import load_recipe
from fragua.recipes.speed import fit_speed
from fragua.recipes.words import duration, size
from tests.recipes.fake_life import MACHINE, fake_life

LOCALES = ("LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture
def plan() -> Plan:
    return make_plan(load_recipe("smoke"), fit_speed([(decoder_config(2, 1024, 256), 9000.0)]), MACHINE)


def console() -> Console:
    return Console(file=io.StringIO(), width=100, color_system=None)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("locale", "lang"), [("es_ES.UTF-8", "es"), ("es", "es"), ("en_GB.UTF-8", "en"), ("C", "en"), ("", "en")]
)
def test_the_locale_chooses_the_language_and_the_option_wins(
    monkeypatch: pytest.MonkeyPatch, locale: str, lang: str
) -> None:
    for name in LOCALES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", locale)
    assert choose_lang(None) == lang
    assert choose_lang("es") == "es" and choose_lang("en") == "en"
    monkeypatch.setenv("LC_ALL", "es_MX.UTF-8")
    assert choose_lang(None) == "es"
    with pytest.raises(InputError, match="es or en"):
        choose_lang("fr")


def test_control_characters_never_reach_the_screen() -> None:
    assert plain("a\x1b[2Jb\x07\nc\u202e") == "a�[2Jb� c�"


def test_samples_are_text_and_not_markup() -> None:
    target = console()
    Terminal(speaker("es"), target).sample(
        {"step": 3, "lang": "es", "prompt": "[red]A", "text": "[/] \x1b[31m"}
    )
    assert "[red]A[/] �[31m" in printed(target)


@pytest.mark.parametrize(
    ("lang", "mine", "other"), [("es", "vocabulario", "vocabulary"), ("en", "layers", "capas")]
)
def test_a_plan_says_everything_in_one_language(plan: Plan, lang: str, mine: str, other: str) -> None:
    target = console()
    target.print(plan_table(load_recipe("smoke"), plan, MACHINE, speaker(choose_lang(lang))))
    told = printed(target)
    assert mine in told and other not in told
    assert f"{plan.parameters / 1e6:.2f} M" in told


@pytest.mark.parametrize("lang", ["es", "en"])
def test_the_end_of_a_run_shows_exams_conversation_and_questions(
    tmp_path: Path, plan: Plan, lang: str
) -> None:
    ledger = fake_life(tmp_path, plan)
    target = console()
    closing(tmp_path, ledger, speaker(choose_lang(lang)), target)
    told = printed(target)
    assert "3/4" in told and "444" not in told
    assert ("Preguntas para probar" if lang == "es" else "Questions to try") in told
    assert str(tmp_path / "report" / "index.html") in told.replace("\n", "")
    assert "\x1b" not in told


def test_the_json_of_a_run_names_models_report_and_stages(tmp_path: Path, plan: Plan) -> None:
    told = as_object(tmp_path, fake_life(tmp_path, plan))
    assert told["base"].endswith("base") and told["report"].endswith("index.html")
    assert told["stages"][0]["name"] == "corpus"
    assert told["exams"]["exam"] == {"correct": 3, "items": 4}


def test_durations_and_sizes_as_people_say_them() -> None:
    assert [duration(seconds) for seconds in (0.04, 9.94, 59.4, 185, 7800)] == [
        "0.0 s",
        "9.9 s",
        "59 s",
        "3 min 05 s",
        "2 h 10 min",
    ]
    assert [size(count) for count in (12, 840_000, 12_340_000, 25e9)] == [
        "12 B",
        "840 kB",
        "12.3 MB",
        "25.0 GB",
    ]
