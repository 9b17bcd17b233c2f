"""Recipes: a dish of the valley, what it is made with, where it comes from, and how to cook it."""

from __future__ import annotations

from fragua.corpus.aldea.telling import Teller

FIRST_ES = (
    "Lava bien {i}",
    "Pon {i} en una fuente",
    "Empieza por picar {i}",
    "Calienta {i} a fuego lento",
    "Mezcla {i} con un poco de agua",
    "Deja {i} en remojo una hora",
    "Aplasta {i} con un tenedor",
    "Dora {i} en la sartén",
)
FIRST_EN = (
    "Wash the {i} well",
    "Put the {i} in a bowl",
    "Begin by chopping the {i}",
    "Warm the {i} over a low fire",
    "Mix the {i} with a little water",
    "Leave the {i} to soak for an hour",
    "Crush the {i} with a fork",
    "Brown the {i} in the pan",
)
NEXT_ES = (
    "Añade una pizca de sal",
    "Remueve durante {n} minutos",
    "Echa un vaso de leche",
    "Tapa la olla y espera {n} minutos",
    "Baja el fuego",
    "Prueba y corrige de sal",
    "Incorpora la harina poco a poco",
    "Pon hierbas del monte",
    "No dejes de remover",
    "Agrega {n} cucharadas de aceite",
    "Mételo {n} minutos en el horno",
    "Cuela el caldo",
)
NEXT_EN = (
    "Add a pinch of salt",
    "Stir for {n} minutes",
    "Pour in a glass of milk",
    "Cover the pot and wait {n} minutes",
    "Lower the fire",
    "Taste it and add salt if needed",
    "Fold in the flour little by little",
    "Put in herbs from the hills",
    "Keep stirring",
    "Add {n} spoonfuls of oil",
    "Put it in the oven for {n} minutes",
    "Strain the broth",
)
LAST_ES = (
    "Sirve caliente",
    "Déjalo reposar y sirve frío",
    "Come en buena compañía",
    "Reparte en {n} platos",
    "Adorna con una hoja de menta",
    "Se come con cuchara",
)
LAST_EN = (
    "Serve hot",
    "Let it rest and serve cold",
    "Eat in good company",
    "Share it out on {n} plates",
    "Decorate with a mint leaf",
    "Eat it with a spoon",
)
TITLES_ES = (
    "Receta: {s.n}",
    "Cómo se prepara {s}",
    "{s}, paso a paso",
    "Para hacer {s} en casa",
    "{s} de mi abuela",
)
TITLES_EN = (
    "Recipe: {s}",
    "How to prepare {s}",
    "{s}, step by step",
    "To make {s} at home",
    "My grandmother's {s}",
)


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
    steps = [teller.form(FIRST_ES, FIRST_EN, i=thing)]
    pool = NEXT_ES if teller.lang == "es" else NEXT_EN
    chosen = rng.sample(pool, rng.randint(2, 4))
    steps += [teller.form([step], [step], n=str(rng.randint(2, 30))) for step in chosen]
    steps.append(teller.form(LAST_ES, LAST_EN, n=str(rng.randint(2, 8))))
    if rng.random() < 0.4:
        steps = [f"{at}. {step}" for at, step in enumerate(steps, 1)]
    intro = " ".join(teller.statement(fact, 0.15) for fact in facts)
    title = teller.form(TITLES_ES, TITLES_EN, s=dish).rstrip(".")
    end = teller.statement(rng.choice(fans)) if fans and rng.random() < 0.7 else ""
    joined = ("\n" if steps[0][0] == "1" else " ").join(steps)
    return f"{title}\n{intro}\n{joined}\n{end}".rstrip()
