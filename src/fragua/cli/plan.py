"""`fragua plan`: what a run would make and take, before anything starts."""

import typer

RECIPE = typer.Argument("laptop", help="A builtin recipe (laptop, smoke) or a TOML file.")
MINUTES = typer.Option(None, help="Time for the whole life; sets depth and tokens.")
DEPTH = typer.Option(None, help="Layers of the model; sets width and heads.")
SEED = typer.Option(None, help="Seed of the weights and of the order of the data.")
SET = typer.Option(
    [], "--set", metavar="KEY=VALUE", help="Any setting of the recipe, e.g. pretrain.tokens=4_000_000."
)
LANG = typer.Option(None, help="es or en; by default the locale's.")
JSON = typer.Option(False, "--json", help="One JSON object on standard output.")


def plan(
    recipe: str = RECIPE,
    minutes: float | None = MINUTES,
    depth: int | None = DEPTH,
    seed: int | None = SEED,
    settings: list[str] = SET,
    lang: str | None = LANG,
    as_json: bool = JSON,
) -> None:
    """Print what a recipe will make and take.

    Sizes, time by stage, memory, disk and the loss to expect, before anything starts."""
    import json

    from fragua.cli.language import choose_lang, speaker

    say = speaker(choose_lang(lang))

    from fragua.progress import console
    from fragua.recipes.recipe import load_recipe
    from fragua.recipes.settle import plan_here

    loaded = load_recipe(recipe, settings, minutes=minutes, depth=depth, seed=seed)
    with console.status(say("Midiendo esta máquina…", "Measuring this machine…")):
        made, machine = plan_here(loaded)
    if as_json:
        print(json.dumps({"recipe": loaded.name, "plan": made.model_dump(mode="json"), "machine": machine}))
        return

    from rich.console import Console

    from fragua.cli.plan_table import plan_table

    Console().print(plan_table(loaded, made, machine, say))
