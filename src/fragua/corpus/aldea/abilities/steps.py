"""Tasks in steps: numbered directions done one after the other, or a recipe's steps put in order."""

from __future__ import annotations

from collections.abc import Callable

from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.wordbook import nouns

Step = tuple[str, Callable[[str], str]]
NOT_TO_CHOP = ("milk", "honey", "bread", "oats", "eggs")


def _word_steps(asker: Asker) -> list[Step]:
    """A word and two or three things to do with it, each with what it makes of the word."""
    rows, rng = table("steps.toml")[asker.lang], asker.rng
    word, other = rng.sample(nouns(asker.lang), 2)

    def said(name: str) -> str:
        return str(rng.choice(rows[name])).replace("{w}", word).replace("{o}", other)

    acts: dict[str, Callable[[str], str]] = {
        "upper": str.upper,
        "twice": lambda text: f"{text} {text}",
        "shout": lambda text: f"{text}!",
        "after": lambda text: f"{text} {other}",
        "before": lambda text: f"{other} {text}",
        "brackets": lambda text: f"({text})",
        "star": lambda text: f"{text}*",
    }
    chosen = rng.sample(sorted(acts), rng.choice((2, 2, 2, 3)))
    chosen = [name for at, name in enumerate(chosen) if name != "before" or "after" not in chosen[:at]]
    return [(said("word"), lambda _: word), *((said(name), acts[name]) for name in chosen)]


def _number_steps(asker: Asker) -> list[Step]:
    """A small number and two things to do with it."""
    rows, rng = table("steps.toml")[asker.lang], asker.rng
    start, more = rng.randint(2, 20), rng.randint(1, 9)
    acts: dict[str, Callable[[str], str]] = {
        "add": lambda text: str(int(text) + more),
        "double": lambda text: str(2 * int(text)),
        "less": lambda text: str(int(text) - 1),
        "ten": lambda text: str(int(text) + 10),
    }

    def said(name: str) -> str:
        return str(rng.choice(rows[name])).replace("{n}", str(start)).replace("{m}", str(more))

    return [
        (said("number"), lambda _: str(start)),
        *((said(name), acts[name]) for name in rng.sample(sorted(acts), 2)),
    ]


def _directions(asker: Asker) -> tuple[str, str] | None:
    steps = _word_steps(asker) if asker.rng.random() < 0.7 else _number_steps(asker)
    rows = table("steps.toml")[asker.lang]
    asked = [said for said, _ in steps]
    if not asker.mine("steps " + " ".join(asked)):
        return None
    found, value = [], ""
    for at, (_, act) in enumerate(steps, 1):
        value = act(value)
        found.append(f"{at}. {value}")
    shown = (
        "\n".join(f"{at}. {said}" for at, said in enumerate(asked, 1))
        if asker.rng.random() < 0.7
        else " ".join(asked)
    )
    return asker.rng.choice(rows["heads"]) + shown, "\n".join([*found, f"{rows['result']}: {value}"])


def _order(asker: Asker) -> tuple[str, str] | None:
    """Steps of a recipe, told out of order with the words that say when."""
    rows, rng = table("steps.toml")[asker.lang], asker.rng
    items = asker.world.of_kind("ingredient")
    item = rng.choice([each for each in items if each.en.bare not in NOT_TO_CHOP])
    plural = item.es.bare.endswith("s")
    article = ("los" if plural else "el") if item.gender == "m" else ("las" if plural else "la")
    thing = f"{article} {item.es.bare}" if asker.lang == "es" else f"the {item.en.bare}"
    first = rng.choice(rows["first"]).replace("{i}", thing)
    steps = [first, rng.choice(rows["middle"]), rng.choice(rows["last"])]
    if not asker.mine("order " + " ".join(steps)):
        return None
    told = [
        f"{rng.choice(rows[when])} {step}" for when, step in zip(("begin", "then", "end"), steps, strict=True)
    ]
    shuffled = rng.sample(told, 3)
    listed = "\n".join(f"{at}. {step[0].upper()}{step[1:]}." for at, step in enumerate(steps, 1))
    return rng.choice(rows["order"]).replace("{x}", "; ".join(shuffled)), listed


def task(asker: Asker) -> Task | None:
    made = _order(asker) if asker.rng.random() < 0.3 else _directions(asker)
    if made is None:
        return None
    request, answer = made
    return Task(request, answer, "exact", lambda: {"accept": [answer], "strict": True})
