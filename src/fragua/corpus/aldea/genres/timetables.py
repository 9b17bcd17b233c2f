"""Timetables of buses, markets and schools, and questions that only the table answers."""

from __future__ import annotations

from fragua.corpus.aldea.grammar import sentence
from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("timetables")
KINDS = ("bus", "market", "school")


def render(teller: Teller) -> str:
    rng, world = teller.rng, teller.world
    kind = rng.choice(KINDS)
    here, there = rng.sample(world.of_kind("village"), 2)
    hours = sorted(rng.sample(range(24, 84), rng.randint(4, 6)))
    times = [f"{at // 4}:{15 * (at % 4):02d}" for at in hours]
    things = _things(teller, kind, len(times))
    row, who = rng.randrange(len(TEXT[f"rows_{kind}"][0])), rng.choice(teller.decks.strangers)
    lines = [teller.fill(teller.pick(*TEXT[f"titles_{kind}"]), a=here, b=there)]
    for time, thing in zip(times, things, strict=True):
        frames = [[texts[row]] for texts in TEXT[f"rows_{kind}"]]
        line = teller.fill(teller.pick(*frames), t=time, b=thing, n=who)
        lines.append(line if row < 2 else sentence(line))
    if rng.random() < 0.6:
        lines.append(teller.form(*TEXT["notes"], p=str(rng.randint(2, 99)), n=who).replace(" ,", ","))
    for at in rng.sample(range(len(times)), rng.randint(1, 3)):
        about_time = kind == "bus" or rng.random() < 0.5
        question, answer = (f"questions_{kind}", "at") if about_time else ("whats", "what")
        asked = teller.form(*TEXT[question], t=times[at], b=things[at])
        lines.append(f"{asked} {teller.form(*TEXT[answer], t=times[at], b=things[at])}")
    return "\n".join(lines)


def _things(teller: Teller, kind: str, count: int) -> list[str]:
    """So many different destinations, wares or lessons."""
    if kind == "bus":
        return [village.es.full for village in teller.rng.sample(teller.world.of_kind("village"), count)]
    found: list[str] = []
    while len(found) < count:
        thing = teller.pick(*TEXT[f"things_{kind}"])
        found += [thing] if thing not in found else []
    return found
