"""Recipes: a dish of the valley, what it is made with, where it comes from, and how to cook it."""

from __future__ import annotations

from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("recipes")


def render(teller: Teller) -> str:
    rng, world = teller.rng, teller.world
    dish = teller.decks.entity("dish")
    facts = list(world.said_of(dish))
    rng.shuffle(facts)
    fans = [fact for fact in world.about(dish) if fact.relation == "likes"]
    item = world.find(dish, "ingredient")
    assert item is not None
    article = (
        ("los" if item.gender == "m" else "las")
        if item.es.bare.endswith("s")
        else ("el" if item.gender == "m" else "la")
    )
    thing = f"{article} {item.es.bare}" if teller.lang == "es" else item.en.bare
    steps = [teller.form(*TEXT["first"], i=thing)]
    pool = TEXT["next"][teller.lang == "en"]
    chosen = rng.sample(pool, rng.randint(2, 4))
    steps += [teller.form([step], [step], n=str(rng.randint(2, 12))) for step in chosen]
    steps.append(teller.form(*TEXT["last"], n=str(rng.randint(2, 8))))
    if rng.random() < 0.4:
        steps = [f"{at}. {step}" for at, step in enumerate(steps, 1)]
    intro = " ".join(teller.statement(fact) for fact in facts)
    title = teller.form(*TEXT["titles"], s=dish).rstrip(".")
    end = teller.statement(rng.choice(fans)) if fans and rng.random() < 0.7 else ""
    joined = ("\n" if steps[0][0] == "1" else " ").join(steps)
    return f"{title}\n{intro}\n{joined}\n{end}".rstrip()
