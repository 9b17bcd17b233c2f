"""Questions over a passage, answered with the sentence that says so in quotation marks."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.passages import framed, key
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.passages import passage


def task(asker: Asker) -> Task:
    data, lang = table("sources.toml"), asker.lang
    made = passage(asker.world, asker.rng, lang, asker.strangers)
    number = asker.rng.randrange(len(made.facts))
    fact = made.facts[number]
    asked = asker.rng.choice(data["ask"][lang]).replace("{q}", made.question(fact, asker.rng))
    short = asker.sentence(data["short"][fact.relation][lang], s=fact.subject, o=fact.object)
    answer = data["answer"][lang].replace("{x}", short).replace("{y}", made.sentences[number])
    about = fact.object if fact.relation == "owned_by" else fact.subject
    return Task(
        framed(asker, made.text, asked),
        answer,
        "quotation",
        lambda: {**key(asker.world, made, fact), "about": about.es.bare, "passage": made.text},
        tags=[fact.relation],
    )
