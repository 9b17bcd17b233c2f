"""Short stories with a plot: someone wants or loses something, is helped by someone, and it ends well."""

from __future__ import annotations

from fragua.corpus.aldea.telling import Teller

STARTS_ES = (
    "Una mañana de niebla, {h.n} salió de casa sin desayunar",
    "Hace muchos años, {h.n} oyó un ruido en el tejado",
    "Era de noche en {v} cuando {h.n} encendió el farol",
    "Todo empezó el día en que {h.n} encontró la puerta abierta",
    "Cuando llegó el otoño a {v}, {h.n} tuvo una idea",
    "Nadie en {v} esperaba lo que le pasó a {h.n}",
    "Aquel verano, {h.n} decidió cruzar el valle",
    "Un lunes cualquiera, {h.n} se despertó con prisa",
)
STARTS_EN = (
    "One foggy morning, {h.n} left home without breakfast",
    "Many years ago, {h.n} heard a noise on the roof",
    "It was night in {v} when {h.n} lit the lantern",
    "It all began the day {h.n} found the door open",
    "When autumn came to {v}, {h.n} had an idea",
    "Nobody in {v} expected what happened to {h.n}",
    "That summer, {h.n} decided to cross the valley",
    "On a Monday like any other, {h.n} woke up in a hurry",
)
PROBLEMS_ES = (
    ("Había perdido la llave del taller y no podía abrir", "la llave"),
    ("El viento se había llevado su sombrero nuevo", "el sombrero"),
    ("Alguien se había llevado la campana pequeña de la escuela", "la campana"),
    ("El puente estaba roto y la carta no podía llegar", "la carta"),
    ("Su barca se había soltado y bajaba por el río", "la barca"),
    ("Faltaba una semilla para el jardín del pueblo", "la semilla"),
    ("El reloj de la plaza se había parado y nadie sabía la hora", "la aguja del reloj"),
    ("Un saco de harina había desaparecido antes de la fiesta", "el saco"),
)
PROBLEMS_EN = (
    ("The key of the workshop was lost and the door would not open", "the key"),
    ("The wind had carried off a new hat", "the hat"),
    ("Somebody had taken the little school bell", "the bell"),
    ("The bridge was broken and the letter could not arrive", "the letter"),
    ("The boat had come loose and was drifting down the river", "the boat"),
    ("A seed was missing for the village garden", "the seed"),
    ("The clock in the square had stopped and nobody knew the time", "the clock hand"),
    ("A sack of flour had vanished before the feast", "the sack"),
)
TRIES_ES = (
    "Buscó debajo de la mesa, en el pozo y hasta en el horno, sin suerte",
    "Preguntó puerta por puerta, pero todos negaban con la cabeza",
    "Esperó una hora, y luego otra, y no vino nadie",
    "Subió al monte para ver mejor, y solo vio nubes",
    "Dibujó un mapa con todos los sitios posibles",
    "Quiso llorar, pero se echó a reír",
    "Siguió unas huellas hasta el molino y allí se acababan",
)
TRIES_EN = (
    "There was no luck under the table, in the well or even in the oven",
    "Door after door, everyone shook their heads",
    "An hour passed, and then another, and nobody came",
    "From the hill one could see better, but there were only clouds",
    "A map was drawn with every possible place",
    "It was time to cry, but laughter came instead",
    "Some footprints led to the mill and ended there",
)
HELPS_ES = (
    "Entonces llamó a {x}",
    "Por suerte, {x} pasaba por allí",
    "Fue {x} quien ofreció su ayuda",
    "En el camino apareció {x}",
    "Al final pidió consejo a {x}",
    "Solo {x} supo qué hacer",
)
HELPS_EN = (
    "Then it was time to call {x}",
    "Luckily, {x} was passing by",
    "It was {x} who offered to help",
    "On the road appeared {x}",
    "In the end, {x} was asked for advice",
    "Only {x} knew what to do",
)
SAYS_ES = (
    "—No te preocupes —dijo {x.n}—. Dos ven más que uno.",
    "—Yo he visto algo —dijo {x.n}—. Ven conmigo.",
    "—Las cosas no se pierden —dijo {x.n}—: se esconden.",
    "—Mira donde nadie mira —dijo {x.n}.",
    "—Primero come algo —dijo {x.n}—, y luego pensamos.",
)
SAYS_EN = (
    '"Do not worry," said {x.n}. "Two see more than one."',
    '"I saw something," said {x.n}. "Come with me."',
    '"Things do not get lost," said {x.n}. "They hide."',
    '"Look where nobody looks," said {x.n}.',
    '"Eat something first," said {x.n}, "and then we will think."',
)
FINDS_ES = (
    "Y allí, junto al río, estaba {t}",
    "Detrás de una puerta vieja apareció {t}",
    "Al amanecer encontraron {t} entre las hojas",
    "Un niño se acercó y les dio {t}",
    "Debajo de la escalera, cubierta de polvo, brillaba una luz: era el sitio donde estaba {t}",
    "No hizo falta más: en un rincón del taller estaba {t}",
)
FINDS_EN = (
    "And there, beside the river, was {t}",
    "Behind an old door they found {t}",
    "At dawn they found {t} among the leaves",
    "A child came up and gave them {t}",
    "Under the stairs a light was shining, and there was {t}",
    "Nothing more was needed: in a corner of the workshop was {t}",
)
ENDS_ES = (
    "Para celebrarlo, cenaron {d}",
    "Esa noche comieron {d} y cantaron",
    "Desde entonces, {h.n} y {x.n} comparten {d} cada domingo",
    "Todavía hoy lo cuentan en {v}",
    "Y {h.n} aprendió a pedir ayuda antes",
    "Y {v} durmió en paz",
    "{h.n} dio las gracias a {x.n} con un plato de {d.n}",
)
ENDS_EN = (
    "To celebrate, they had {d} for dinner",
    "That night they ate {d} and sang",
    "Since then, {h.n} and {x.n} share {d} every Sunday",
    "They still tell the story in {v}",
    "And {h.n} learnt to ask for help sooner",
    "And {v} slept in peace",
    "{h.n} thanked {x.n} with a plate of {d}",
)


def render(teller: Teller) -> str:
    rng, world = teller.rng, teller.world
    hero = teller.decks.entity("person")
    helper = world.find(hero, rng.choice(("friend_of", "married_to"))) or world.find(hero, "friend_of")
    village, dish = world.find(hero, "lives_in"), world.find(hero, "likes")
    assert helper is not None and village is not None and dish is not None
    problem, thing = rng.choice(PROBLEMS_ES if teller.lang == "es" else PROBLEMS_EN)
    facts = list(world.about(hero))
    parts = [teller.form(STARTS_ES, STARTS_EN, h=hero, v=village)]
    parts += teller.about(hero, rng.sample(facts, min(len(facts), rng.randint(2, 4))))
    parts.append(teller.form([problem], [problem]))
    if rng.random() < 0.7:
        parts.append(teller.form(TRIES_ES, TRIES_EN))
    parts.append(teller.form(HELPS_ES, HELPS_EN, x=helper))
    parts += teller.about(helper, rng.sample(world.said_of(helper), 2))
    if rng.random() < 0.7:
        parts.append(teller.fill(teller.pick(SAYS_ES, SAYS_EN), x=helper))
    parts.append(teller.form(FINDS_ES, FINDS_EN, t=thing))
    parts.append(teller.form(ENDS_ES, ENDS_EN, h=hero, x=helper, d=dish, v=village))
    return " ".join(parts)
