"""What a person would lose: a typo in a recipe that changes nothing, silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from fragua.errors import InputError
from fragua.recipes.recipe import Recipe, builtin_names, load_recipe


def test_every_builtin_recipe_is_valid_and_bears_its_name(tiny_dir: Path) -> None:
    assert {"laptop", "own", "smoke"} <= set(builtin_names())
    wanted = {"adapt": [f'adapt.model="{tiny_dir}"'], "own": ['corpus.sources=["docs/"]']}
    for name in builtin_names():
        assert load_recipe(name, wanted.get(name, [])).name == name


def test_a_recipe_for_documents_asks_for_them() -> None:
    with pytest.raises(InputError, match=r"own: no documents are named .*corpus\.sources="):
        load_recipe("own")


def test_overrides_take_toml_values_and_bare_words() -> None:
    recipe = load_recipe(
        "laptop",
        [
            "pretrain.tokens=4_000_000",
            "pretrain.precision=bfloat16",
            'pretrain.compile="off"',
            "corpus.megabytes=2.5",
        ],
        minutes=3,
        depth=4,
        seed=9,
    )
    assert (recipe.pretrain.tokens, recipe.pretrain.precision, recipe.pretrain.compile) == (
        4_000_000,
        "bfloat16",
        "off",
    )
    assert (recipe.corpus.megabytes, recipe.minutes, recipe.pretrain.depth, recipe.seed) == (2.5, 3, 4, 9)


def test_an_option_wins_over_set() -> None:
    assert load_recipe("laptop", ["pretrain.depth=9"], depth=2).pretrain.depth == 2


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("pretrain.dept=3", "did you mean 'depth'?"),
        ("pretrein.depth=3", "did you mean 'pretrain'?"),
        ("depth", "is not key=value"),
        ("=3", "is not key=value"),
        ("minutes.x=3", "'minutes' has no keys of its own"),
        ('exam.items="many', "is not a TOML value"),
        ("exam.items=many", "exam.items"),
        ("pretrain.depth=0", "pretrain.depth"),
        ("talk.turns=[{lang='fr', text='Salut'}]", "talk.turns.0.lang"),
    ],
)
def test_a_wrong_override_names_the_key_and_the_mend(setting: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe("laptop", [setting])
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_of_ones_own_is_read_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("minutes = 2\n[pretrain]\ndepth = 3\n")
    assert load_recipe(str(path)).name == "mine"
    path.write_text("minutes = 2\n[pretrain]\nwidht = 64\n")
    with pytest.raises(InputError, match=r"mine\.toml.*pretrain\.widht.*did you mean 'width'"):
        load_recipe(str(path))
    path.write_text("minutes = \n")
    with pytest.raises(InputError, match="not TOML"):
        load_recipe(str(path))


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"nope: no such recipe; built in: adapt, laptop, .*, smoke"):
        load_recipe("nope")


def test_a_recipe_survives_its_own_json() -> None:
    recipe = load_recipe("smoke")
    assert Recipe.parse(recipe.model_dump(mode="json")) == recipe


def test_a_life_without_aldea_wants_sources() -> None:
    with pytest.raises(InputError, match=r"quijote: no documents are named \(corpus.sources\)"):
        load_recipe("quijote", ["corpus.sources=[]"])
