"""Stories of three sentences, in a given style, about a given person, place and thing."""

from __future__ import annotations

from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.entities import Entity
from fragua.corpus.aldea.names import common, table
from fragua.corpus.aldea.telling import settled


def task(asker: Asker) -> Task | None:
    rows, rng, lang = table("stories.toml"), asker.rng, asker.lang
    person = asker.decks.entity("person") if rng.random() < 0.5 else rng.choice(asker.strangers)
    village, thing = (
        rng.choice(asker.world.of_kind("village")),
        common("device", *rng.choice(table("names.toml")["devices"])),
    )
    if not asker.mine(f"story {person.id} {village.id}"):
        return None
    style, other = rng.sample(sorted(rows["styles"]), 2)
    row = rows["styles"][style]
    holes: dict[str, Entity | str] = {"p": person, "v": village, "t": thing}

    def told(style: str) -> str:
        each = rows["styles"][style]
        parts = (rows["starts"][lang], each[f"middles_{lang}"], each[f"ends_{lang}"])
        return " ".join(asker.sentence(settled(part, rng), **holes) for part in parts)

    def asked(form: str, style: str) -> str:
        return asker.text(rng.choice(rows[form][lang]), x=rng.choice(rows["styles"][style][lang]), **holes)

    others = [
        mark for name, each in rows["styles"].items() if name != style for mark in each[f"marks_{lang}"]
    ]
    spec = {
        "names": [person.es.bare, village.es.bare, thing.forms(lang).bare],
        "marks": row[f"marks_{lang}"],
        "others": others,
        "seed": asker.world.seed,
    }
    return Task(
        asked("asks", style),
        told(style),
        "story",
        lambda: spec,
        tags=[style],
        further=[] if asker.for_exam else [(asked("again", other), told(other))],
    )
