"""News: a dated piece from a village about a feast, an invention, a wedding, a lost animal, a new shop."""

from __future__ import annotations

from fragua.corpus.aldea.entities import Entity
from fragua.corpus.aldea.names import date
from fragua.corpus.aldea.telling import Teller

OPENINGS_ES = {
    "festival": (
        "Ya está todo listo para {f}",
        "Este año {f} traerá más gente que nunca",
        "Los vecinos preparan {f}",
        "Con música y faroles empieza {f}",
        "Nadie quiere perderse {f}",
        "La plaza se llena para {f}",
    ),
    "invention": (
        "Una multitud quiso ver de cerca {f}",
        "El museo del valle muestra {f}",
        "Vuelve a funcionar {f}",
        "Los niños hacen cola para probar {f}",
        "Alguien ha roto {f}, pero hay arreglo",
        "Las escuelas estudian ya {f}",
    ),
    "animal": (
        "Apareció sano y salvo {f}",
        "{f} se escapó otra vez",
        "Un premio inesperado para {f}",
        "{f} durmió anoche en el ayuntamiento",
        "Buscan por todo el valle a {f}",
        "{f} interrumpió la misa y nadie se enfadó",
    ),
    "person": (
        "{f} abre las puertas de su taller",
        "{f} gana el premio de la feria",
        "Homenaje a {f}",
        "{f} vuelve de un largo viaje",
        "Los vecinos agradecen su ayuda a {f}",
        "{f} cumple años y lo celebra todo el pueblo",
    ),
    "dish": (
        "Concurso para elegir {f} de este año",
        "Sube el precio de lo necesario para hacer {f}",
        "Un viajero prueba {f} y decide quedarse",
        "Reparten gratis {f} en la plaza",
        "La escuela pone {f} en su menú",
    ),
    "event": (
        "Aniversario: el pueblo recuerda {f}",
        "Una exposición cuenta {f}",
        "Encuentran fotos de {f}",
        "Una abuela narra {f} a los niños",
        "Nueva placa en memoria de {f}",
    ),
}
OPENINGS_EN = {
    "festival": (
        "Everything is ready for {f}",
        "This year {f} will bring more people than ever",
        "The neighbours prepare {f}",
        "With music and lanterns, {f} begins",
        "Nobody wants to miss {f}",
        "The square fills up for {f}",
    ),
    "invention": (
        "A crowd came to see {f}",
        "The museum of the valley shows {f}",
        "Working again at last: {f}",
        "Children queue to try {f}",
        "Someone broke {f}, but it can be mended",
        "Schools now study {f}",
    ),
    "animal": (
        "{f} turned up safe and sound",
        "{f} has run away again",
        "An unexpected prize for {f}",
        "{f} slept in the town hall last night",
        "The whole valley is looking for {f}",
        "{f} interrupted the concert and nobody minded",
    ),
    "person": (
        "{f} opens the doors of the workshop",
        "{f} wins the prize of the fair",
        "A tribute to {f}",
        "{f} is back from a long journey",
        "Neighbours thank {f} for the help",
        "{f} has a birthday and the whole village celebrates",
    ),
    "dish": (
        "A contest to choose the best {f} of the year",
        "What you need for {f} costs more now",
        "A traveller tastes {f} and decides to stay",
        "Free {f} for all in the square",
        "The school puts {f} on its menu",
    ),
    "event": (
        "Anniversary: the village remembers {f}",
        "An exhibition tells of {f}",
        "Photographs of {f} have been found",
        "A grandmother tells the children about {f}",
        "A new plaque in memory of {f}",
    ),
}
CLOSINGS_ES = (
    "La fiesta siguió hasta la noche",
    "Seguiremos informando",
    "El ayuntamiento dio las gracias a todos",
    "Mañana habrá más noticias",
    "Llovió un poco, pero a nadie le importó",
    "Los vecinos aplaudieron de pie",
    "El periódico agradece las fotos a sus lectores",
    "La banda tocó tres canciones",
    "Hubo sopa caliente para todos",
    "No hubo heridos",
    "Todo acabó con un brindis",
    "Los más pequeños se llevaron un globo",
    "La entrada fue libre",
)
CLOSINGS_EN = (
    "The party went on into the night",
    "We will keep you informed",
    "The town hall thanked everyone",
    "There will be more news tomorrow",
    "It rained a little, but nobody cared",
    "The neighbours stood up and clapped",
    "The paper thanks its readers for the photographs",
    "The band played three songs",
    "There was hot soup for all",
    "Nobody was hurt",
    "It all ended with a toast",
    "The smallest ones took home a balloon",
    "Entrance was free",
)


def place_of(teller: Teller, entity: Entity) -> Entity:
    """The village where a piece about the entity is dated."""
    for relation in ("celebrated_in", "lives_in", "dish_from", "happened_in"):
        found = teller.world.find(entity, relation)
        if found is not None:
            return found
    owner = teller.world.find(entity, "owned_by") or teller.world.find(entity, "invented_by")
    assert owner is not None
    return teller.world.find(owner, "lives_in") or owner


def render(teller: Teller) -> str:
    rng, world = teller.rng, teller.world
    kind = rng.choice(list(OPENINGS_ES))
    entity = teller.decks.entity(kind)
    place = place_of(teller, entity)
    headline = teller.form(OPENINGS_ES[kind], OPENINGS_EN[kind], f=entity)
    facts = list(world.said_of(entity))
    rng.shuffle(facts)
    body = teller.about(entity, facts[:4])
    kin = [fact.object for fact in facts if fact.object.kind == "person"] or [place]
    other = rng.choice(kin)
    more = [fact for fact in world.said_of(other) if fact not in facts]
    body += teller.about(other, rng.sample(more, min(len(more), 3)))
    if rng.random() < 0.6:
        body.append(teller.form(CLOSINGS_ES, CLOSINGS_EN))
    day = date(rng.randint(1, 28), rng.randrange(12)).forms(teller.lang).indefinite
    dateline = rng.choice(
        (f"{place.es.full.upper()}, {day}. ", f"{place.es.full}, {day}. — ", f"({day}) ", "")
    )
    return f"{headline.rstrip('.')}\n{dateline}{' '.join(body)}"
