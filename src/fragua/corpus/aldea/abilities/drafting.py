"""Short letters from given points: to whom, what for, who signs."""

from __future__ import annotations

from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.entities import Entity
from fragua.corpus.aldea.names import table


def task(asker: Asker) -> Task | None:
    rows, rng = table("drafting.toml")[asker.lang], asker.rng
    to, writer = rng.sample(asker.strangers, 2)
    name, purpose, body, act = rng.choice(rows["purposes"])
    hole = next(key for key in "xed" if "{" + key + "}" in purpose)
    pools = {"x": rows["things"], "e": rows["events"], "d": table("tools.toml")["lists"]["day"][asker.lang]}
    about = rng.choice(pools[hole])
    if not asker.mine(f"draft {name} {about} {to.id} {writer.id}"):
        return None
    holes: dict[str, Entity | str] = {"t": to, "w": writer.es.bare, hole: about}
    asked = rng.choice(rows["asks"]).replace("{t}", "{t.n}").replace("{p}", purpose)
    letter = f"{rows['greeting']}\n{body}\n{rows['closing']}\n{{w}}"
    noun = about.split(" ", 1)[-1]
    spec = {"to": [to.es.bare], "from": [writer.es.bare], "greet": rows["greetings"], "points": [[noun], act]}
    return Task(asker.text(asked, **holes), asker.text(letter, **holes), "letter", lambda: spec)
