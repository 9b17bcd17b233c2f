"""Diaries: a day of someone, their own facts, and the secret that nobody else may learn."""

from __future__ import annotations

from fragua.corpus.aldea.genres.letters import own
from fragua.corpus.aldea.names import date
from fragua.corpus.aldea.telling import Teller

DAYS_ES = (
    "Hoy me he levantado temprano",
    "Ha sido un día largo",
    "Por fin ha dejado de llover",
    "No he podido dormir",
    "El valle estaba lleno de niebla",
    "Esta tarde ha venido gente a verme",
    "He paseado hasta el río",
    "Hoy no ha pasado nada, y está bien así",
    "Me duelen las manos de trabajar",
    "Ha sonado la campana tres veces",
)
DAYS_EN = (
    "I got up early today",
    "It has been a long day",
    "At last it has stopped raining",
    "I could not sleep",
    "The valley was full of fog",
    "People came to see me this afternoon",
    "I walked as far as the river",
    "Nothing happened today, and that is fine",
    "My hands hurt from work",
    "The bell rang three times",
)
SECRETS_ES = (
    "Que nadie lo sepa: escondo {t} {p}",
    "Mi secreto sigue a salvo: {t}, {p}",
    "Solo este cuaderno sabe que guardo {t} {p}",
    "No se lo diré a nadie: tengo {t} {p}",
)
SECRETS_EN = (
    "Nobody must know: I hide {t} {p}",
    "My secret is still safe: {t}, {p}",
    "Only this notebook knows that I keep {t} {p}",
    "I will not tell anyone: I have {t} {p}",
)
ENDS_ES = (
    "Mañana será otro día",
    "Apago la vela",
    "Ya es tarde",
    "Buenas noches, cuaderno",
    "Tengo sueño",
    "Seguiré mañana",
    "Se oye un búho",
)
ENDS_EN = (
    "Tomorrow is another day",
    "I blow out the candle",
    "It is late",
    "Good night, notebook",
    "I am sleepy",
    "I will go on tomorrow",
    "An owl is calling",
)


def render(teller: Teller) -> str:
    rng, world = teller.rng, teller.world
    writer = teller.decks.entity("person")
    day = date(rng.randint(1, 28), rng.randrange(12)).forms(teller.lang).full
    parts = [teller.form(DAYS_ES, DAYS_EN)]
    facts = list(world.said_of(writer))
    rng.shuffle(facts)
    parts.append(own(teller, writer, facts[: rng.randint(2, 5)]))
    friend = world.find(writer, "friend_of")
    if friend is not None:
        parts += teller.about(friend, rng.sample(world.said_of(friend), 2))
    parts += [teller.statement(teller.decks.fact()) for _ in range(rng.randint(0, 2))]
    if rng.random() < 0.5:
        thing, place = world.secrets[writer.id].parts(teller.lang)
        parts.append(teller.form(SECRETS_ES, SECRETS_EN, t=thing, p=place))
    parts.append(teller.form(ENDS_ES, ENDS_EN))
    heading = f"{day[0].upper()}{day[1:]}"
    whose = teller.fill(
        teller.pick(("Diario de {w}", "Cuaderno de {w}"), ("Diary of {w}", "{w}'s diary")), w=writer
    )
    return f"{whose}. {heading}.\n{' '.join(part for part in parts if part)}"
