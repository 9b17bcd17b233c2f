"""What can be asked of a passage: what it says, with or without the sentence that says so, and what it does not say."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.facts import names
from fragua.corpus.aldea.asking import Asker, Exchange
from fragua.corpus.aldea.entities import Entity, Fact, World
from fragua.corpus.aldea.grammar import fill
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.passages import KINDS, Passage, not_said
from fragua.corpus.aldea.relations import phrasings

FORMS = {
    "es": (
        "{t}\n{q}",
        "Texto: {t}\nPregunta: {q}",
        "{t} {q}",
        "Lee: {t}\n{q}",
        "Según este texto, responde. {t}\n{q}",
    ),
    "en": (
        "{t}\n{q}",
        "Text: {t}\nQuestion: {q}",
        "{t} {q}",
        "Read: {t}\n{q}",
        "Answer from this text. {t}\n{q}",
    ),
}
KINDS_OF_MORE = {"said": 5, "quoted": 3, "unsaid": 2}


def framed(asker: Asker, text: str, question: str) -> str:
    return asker.rng.choice(FORMS[asker.lang]).replace("{t}", text).replace("{q}", question)


def quoted(asker: Asker, made: Passage, fact: Fact) -> Exchange:
    """A question that wants the sentence too, and an answer that has it."""
    data, lang = table("sources.toml"), asker.lang
    question = asker.rng.choice(data["ask"][lang]).replace("{q}", made.question(fact, asker.rng))
    short = asker.sentence(data["short"][fact.relation][lang], s=fact.subject, o=fact.object)
    sentence = made.sentences[made.facts.index(fact)]
    return question, data["answer"][lang].replace("{x}", short).replace("{y}", sentence)


def unsaid(asker: Asker, made: Passage) -> tuple[Entity, Exchange]:
    """A person of the passage, and a question about that person which it leaves open."""
    person, relation = made.missing(asker.rng)
    question = fill(asker.rng.choice(phrasings(asker.lang)[relation].q), asker.lang, {"s": person})
    return person, (question, not_said(person, relation, asker.lang))


def further(asker: Asker, made: Passage, first: str, asked: Fact | None = None) -> list[Exchange]:
    """Up to two more questions about the passage, for a conversation: what was read once is asked more than once.

    `first`: the question before them; `asked`: the fact it was about."""
    if asker.for_exam:
        return []
    found: dict[str, str] = {}
    left = [fact for fact in made.facts if fact is not asked]
    for kind in asker.rng.choices(list(KINDS_OF_MORE), list(KINDS_OF_MORE.values()), k=2):
        if kind == "unsaid" or not left:
            question, answer = unsaid(asker, made)[1]
        else:
            fact = left.pop(asker.rng.randrange(len(left)))
            said = made.question(fact, asker.rng), made.answer(fact)
            question, answer = quoted(asker, made, fact) if kind == "quoted" else said
        found[question] = answer
    found.pop(first, None)
    return list(found.items())


def key(world: World, made: Passage, fact: Fact) -> dict[str, list[str]]:
    """The names of the answer, and of its kind's others that the question does not name itself."""
    asked, right = fact.subject, fact.object
    if fact.relation == "owned_by":
        asked, right = right, asked
    others = {"friend_of": made.people, "owned_by": world.strays}.get(fact.relation)
    accept = names([right])
    wrong = names([e for e in others or world.of_kind(KINDS[fact.relation]) if e not in (right, asked)])
    return {"accept": accept, "reject": [name for name in wrong if name not in accept]}
