"""Questions over a passage, answered with the sentence that says so in quotation marks."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.facts import names
from fragua.corpus.aldea.abilities.passages import framed
from fragua.corpus.aldea.asking import Asker, ExamItem, Message, assistant, user
from fragua.corpus.aldea.entities import Fact
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.passages import KINDS, Passage, passage


def _made(asker: Asker) -> tuple[Passage, Fact, str, str]:
    """(the passage, the fact asked for, the request, the answer)"""
    data, lang = table("sources.toml"), asker.lang
    made = passage(asker.world, asker.rng, lang, asker.strangers)
    number = asker.rng.randrange(len(made.facts))
    fact = made.facts[number]
    asked = asker.rng.choice(data["ask"][lang]).replace("{q}", made.question(fact, asker.rng))
    short = asker.sentence(data["short"][fact.relation][lang], s=fact.subject, o=fact.object)
    answer = data["answer"][lang].replace("{x}", short).replace("{y}", made.sentences[number])
    return made, fact, framed(asker, made.text, asked), answer


def exchange(asker: Asker) -> list[Message] | None:
    _, _, request, answer = _made(asker)
    return [user(request), assistant(answer)]


def examine(asker: Asker) -> ExamItem | None:
    made, fact, request, answer = _made(asker)
    asked, right = fact.subject, fact.object
    if fact.relation == "owned_by":
        asked, right = right, asked
    others = {"friend_of": made.people, "owned_by": asker.world.strays}.get(fact.relation)
    accept = names([right])
    wrong = names([e for e in others or asker.world.of_kind(KINDS[fact.relation]) if e is not asked])
    spec = {
        "accept": accept,
        "reject": [name for name in wrong if name not in accept],
        "about": asked.es.bare,
        "passage": made.text,
    }
    gold = [assistant(answer)]
    return ExamItem("", "sources", asker.lang, [user(request)], "quotation", spec, gold, [fact.relation])
