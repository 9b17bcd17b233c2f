"""What a person would lose: a plan that does not fit its minutes, or a dial that turns the wrong way."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.files import write_json
from fragua.models.config import decoder_config
from fragua.recipes.ledger import Entry, Ledger
from fragua.recipes.plan import Plan, make_plan
from fragua.recipes.recipe import load_recipe
from fragua.recipes.scaling import ALDEA, bits_per_byte
from fragua.recipes.settle import settle_conversations
from fragua.recipes.speed import Speed, fit_speed
from fragua.recipes.stage import Life
from fragua.recipes.stages import stages_of
from fragua.tokens.train import CHARACTERS

from .conftest import Quiet

MACHINE = {"memory_bytes": 16e9, "precision": "bfloat16"}


def speed_of(tokens_per_s: float, depth: int = 6) -> Speed:
    return fit_speed([(decoder_config(depth, 4096, 256), tokens_per_s)])


def plan_for(minutes: float, tokens_per_s: float = 4000, **options: object) -> Plan:
    settings_ = [f"{key}={value}" for key, value in options.items()]
    return make_plan(load_recipe("laptop", settings_, minutes=minutes), speed_of(tokens_per_s), MACHINE)


@settings(max_examples=40)
@given(st.floats(3, 5000), st.floats(200, 1e6))
def test_the_whole_life_fits_the_minutes(minutes: float, tokens_per_s: float) -> None:
    estimates = plan_for(minutes, tokens_per_s).estimates
    smallest = plan_for(minutes, tokens_per_s, **{"pretrain.depth": 2}).estimates
    assert estimates.total_seconds <= max(60 * minutes, smallest.total_seconds) * 1.001


def test_more_minutes_never_promise_a_worse_model() -> None:
    plans = [plan_for(minutes) for minutes in (2, 5, 10, 15, 30, 60, 240, 1440)]
    for less, more in itertools.pairwise(plans):
        assert more.estimates.loss <= less.estimates.loss
        assert more.parameters >= less.parameters
        assert more.parameters * more.tokens > less.parameters * less.tokens
        assert more.estimates.total_seconds > less.estimates.total_seconds


def test_a_faster_machine_gets_a_better_model_in_the_same_time() -> None:
    losses = [plan_for(15, rate).estimates.loss for rate in (500, 2000, 8000, 100_000)]
    assert losses == sorted(losses, reverse=True)


def test_tokens_a_parameter_stay_sensible_from_minutes_to_a_day() -> None:
    for minutes in (5, 15, 60, 1440):
        estimates = plan_for(minutes).estimates
        assert 1 <= estimates.tokens_per_parameter <= 40
        assert estimates.epochs <= 8


def test_three_layers_are_made_unless_they_would_starve() -> None:
    depths = set()
    for rate in (200, 500, 1000, 2000, 4000, 8000):
        depth = plan_for(15, rate).depth
        three = plan_for(15, rate, **{"pretrain.depth": 3}).estimates
        fits = three.tokens_per_parameter >= 1.4 and three.total_seconds <= 15 * 60
        assert (depth >= 3) == fits, rate
        depths.add(depth)
    assert depths >= {2, 3}


def test_what_is_given_by_hand_is_taken_as_it_is() -> None:
    plan = plan_for(
        5,
        **{
            "pretrain.depth": 3,
            "pretrain.width": 160,
            "pretrain.heads": 5,
            "pretrain.tokens": 409_600,
            "pretrain.batch_tokens": 4096,
            "pretrain.precision": "float32",
            "tokenizer.vocab_size": 2048,
            "corpus.megabytes": 3,
            "corpus.conversations": 77,
            "finetune.epochs": 5,
        },
    )
    assert (plan.depth, plan.width, plan.heads, plan.vocab_size) == (3, 160, 5, 2048)
    assert (plan.steps, plan.batch_tokens, plan.tokens) == (100, 4096, 409_600)
    assert (plan.corpus_bytes, plan.conversations, plan.finetune_epochs) == (3_000_000, 77, 5)
    assert plan.precision == "float32"
    assert plan.parameters == decoder_config(3, 2048, 256, width=160, heads=5).parameters()


def test_memory_bounds_the_depth() -> None:
    recipe = load_recipe("laptop", minutes=600)
    small = make_plan(recipe, speed_of(50_000), {"memory_bytes": 2e9})
    large = make_plan(recipe, speed_of(50_000), {"memory_bytes": 64e9})
    assert small.estimates.memory_bytes <= 0.8 * 2e9
    assert small.depth < large.depth


def test_the_plan_survives_its_own_json() -> None:
    plan = plan_for(15)
    assert Plan.parse(plan.model_dump(mode="json")) == plan


def test_speed_meets_both_measured_depths() -> None:
    small, large = decoder_config(2, 4096, 256), decoder_config(6, 4096, 256)
    true = Speed(2e-12, 4e-8)
    fitted = fit_speed([(large, true.tokens_per_s(large)), (small, true.tokens_per_s(small))])
    for depth in (2, 4, 6, 12):
        stack = decoder_config(depth, 4096, 256)
        assert fitted.tokens_per_s(stack) == pytest.approx(true.tokens_per_s(stack))


def test_speed_stays_positive_where_the_fit_would_not_be() -> None:
    small, large = decoder_config(2, 4096, 256), decoder_config(6, 4096, 256)
    fitted = fit_speed([(small, 1e5), (large, 10)])
    assert fitted.tokens_per_s(large) == pytest.approx(10)
    assert fitted.tokens_per_s(small) > 0


def test_repeated_text_is_worth_less_than_new_text_and_never_nothing() -> None:
    worth = [ALDEA.tokens_worth(1e6 * times, 1e6) for times in (0.5, 1, 2, 4, 40)]
    assert worth == sorted(worth)
    assert worth[:2] == [0.5e6, 1e6]
    assert worth[3] > 0.85 * 4e6
    assert worth[4] < 0.5 * 40e6


def test_bits_per_byte_of_one_nat_a_token() -> None:
    assert bits_per_byte(0.6931471805599453, 1.0) == pytest.approx(1.0)
    assert bits_per_byte(0.6931471805599453, 4.0) == pytest.approx(0.25)


def test_a_life_without_aldea_has_no_conversations_and_promises_nothing() -> None:
    recipe = load_recipe("quijote", minutes=40)
    plan = make_plan(recipe, speed_of(4000, depth=5), MACHINE, source_bytes=3_000_000)
    assert (plan.corpus_bytes, plan.conversations) == (3_000_000, 0)
    assert plan.estimates.loss is None and plan.estimates.bits_per_byte is None
    assert list(plan.estimates.seconds) == ["corpus", "tokenizer", "pretrain", "held_out", "report"]
    assert 0.8 * 2400 <= plan.estimates.total_seconds <= 2400
    stages = [stage.name for stage in stages_of(recipe)]
    assert stages == list(plan.estimates.seconds)


def test_characters_are_planned_as_a_token_each() -> None:
    plan = make_plan(
        load_recipe("shakespeare_char"), speed_of(4000, depth=4), MACHINE, source_bytes=1_000_000
    )
    assert plan.vocab_size == CHARACTERS
    assert plan.estimates.bytes_per_token == 1


def lived(out: Path, faster: float, minutes: float = 15) -> Life:
    """A life whose base has been made, `faster` than its plan expected."""
    plan = plan_for(minutes)
    ledger = Ledger(out, {"machine": MACHINE})
    for name in ("corpus", "tokenizer", "pretrain", "exam_base"):
        figures = {"tokens": plan.tokens, "seconds": plan.tokens / (faster * plan.estimates.tokens_per_s)}
        took = plan.estimates.seconds[name] / faster
        ledger.put(Entry(name=name, status="done", seconds=took, inputs="a" * 64, figures=figures))
    write_json(out / "plan.json", {"plan": plan.model_dump(mode="json"), "machine": MACHINE})
    return Life(out, load_recipe("laptop", minutes=minutes), plan, ledger, Quiet())


def test_conversations_fill_the_minutes_that_are_left(tmp_path: Path) -> None:
    expected = plan_for(15).finetune_conversations
    settled = {}
    for faster in (0.2, 0.9, 1.0, 1.1, 3.0):
        life = lived(tmp_path / str(faster), faster)
        assert not life.plan.settled and life.plan.finetune_conversations == expected
        settled[faster] = settle_conversations(life).plan.finetune_conversations
    assert list(settled.values()) == sorted(settled.values())
    assert settled[1.0] == pytest.approx(expected, rel=0.02)
    assert 0.6 * expected < settled[0.9] < 0.95 * expected
    assert (settled[0.2], settled[3.0]) == (int(0.6 * expected), life.plan.conversations)


def test_conversations_are_settled_once(tmp_path: Path) -> None:
    life = settle_conversations(lived(tmp_path, 1.1))
    assert Plan.parse(json.loads((tmp_path / "plan.json").read_text())["plan"]) == life.plan
    life.ledger.put(life.ledger.entries["pretrain"].model_copy(update={"seconds": 1e4}))
    assert settle_conversations(life).plan == life.plan


@pytest.mark.parametrize("given", [{"corpus.conversations": 500}, {"finetune.epochs": 2}])
def test_conversations_given_by_hand_are_all_learned(given: dict[str, object]) -> None:
    plan = plan_for(15, **given)
    assert plan.settled and plan.finetune_conversations is None
