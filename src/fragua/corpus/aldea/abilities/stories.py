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
    style = rng.choice(sorted(rows["styles"]))
    row = rows["styles"][style]
    holes: dict[str, Entity | str] = {"p": person, "v": village, "t": thing}
    request = asker.text(rng.choice(rows["asks"][lang]), x=rng.choice(row[lang]), **holes)
    parts = (row[f"starts_{lang}"], row[f"middles_{lang}"], row[f"ends_{lang}"])
    others = [
        mark for name, each in rows["styles"].items() if name != style for mark in each[f"marks_{lang}"]
    ]
    spec = {
        "names": [person.es.bare, village.es.bare, thing.forms(lang).bare],
        "marks": row[f"marks_{lang}"],
        "others": others,
        "seed": asker.world.seed,
    }
    story = " ".join(asker.sentence(settled(part, rng), **holes) for part in parts)
    return Task(request, story, "story", lambda: spec, tags=[style])
