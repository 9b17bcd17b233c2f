"""Free text back into facts: the relations' phrasings as patterns over the names of a world."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from fragua.corpus.aldea.entities import Entity, Fact, World
from fragua.corpus.aldea.names import date, same
from fragua.corpus.aldea.relations import phrasings
from fragua.corpus.aldea.world import CARDINALITIES, build_world

_TOKEN = re.compile(r"\x01[so]|\w+|[,;]")
_SENTENCE_END = re.compile(r"(?<=[.!?…])(?<!\b[A-Z]\.)[»\"”]?\s+|\n")
"""Not after an initial: 'T. S. Eliot'."""
_VARIANT = re.compile(r"\{\w/([^/{}]*)/([^/{}]*)\}")
_HOLE = re.compile(r"\{([so])(?:\.[na])?\}")
_PLAIN = str.maketrans("áéíóúüñÁÉÍÓÚÜÑ", "aeiouunAEIOUUN")
_ARTICLES = {"es": {"el", "la", "los", "las", "un", "una"}, "en": {"the", "a", "an"}}
_CONTRACTED = {"es": {"del": "de", "al": "a"}, "en": {}}
_DENIES = {"no", "not", "nunca", "never", "ni", "tampoco"}
_RELATIVES = {"que", "quien", "who", "which"}
_PRONOUNS = {"he": "m", "she": "f", "el": "m", "ella": "f"}


class Claim(NamedTuple):
    """What a text says: `subject` stands in `relation` to `object`."""

    relation: str
    subject: Entity
    object: Entity


@dataclass(frozen=True, slots=True)
class _Mention:
    entities: tuple[Entity, ...]
    """All that bear this name."""
    length: int


@dataclass(frozen=True, slots=True)
class _Sentence:
    raw: list[str]
    """Words as written, without articles; 'del' is 'de'."""
    words: list[str]
    """The same words without capitals and accents."""
    pauses: set[int]
    """The words before which there is a comma."""
    mentions: dict[int, _Mention]
    """The names in it, by the word at which they begin."""


@dataclass(slots=True)
class _Node:
    """A trie of patterns; a hole is the word '\\x01s' or '\\x01o'."""

    next: dict[str, _Node] = field(default_factory=dict)
    endings: list[tuple[str, str]] = field(default_factory=list)
    """(relation, the end of it that the pattern does not name: 's', 'o' or '')."""


class _Match(NamedTuple):
    start: int
    end: int
    endings: list[tuple[str, str]]
    holes: tuple[tuple[str, _Mention], ...]


class Reader:
    """Reads one language of one world."""

    def __init__(self, world: World, lang: str):
        self.lang = lang
        self._articles, self._contracted = _ARTICLES[lang], _CONTRACTED[lang]
        self._names: dict[str, list[tuple[tuple[str, ...], str, list[Entity]]]] = {}
        self._kinds: dict[str, tuple[set[str], set[str]]] = {}
        for fact in world.all_facts:
            subjects, objects = self._kinds.setdefault(fact.relation, (set(), set()))
            subjects.add(fact.subject.kind)
            objects.add(fact.object.kind)
        self._learn_names(world)
        self._patterns = _Node()
        for relation, said in phrasings(lang).items():
            if relation in self._kinds:
                for missing, templates in (
                    ("s", said.pred),
                    ("o", said.inv),
                    ("", said.sent + said.a + said.ra),
                ):
                    for template in templates:
                        self._learn_pattern(template, relation, missing)

    def claims(self, text: str) -> list[Claim]:
        """The facts that the text states, in its order; questions and denials state none."""
        found: list[Claim] = []
        topics: dict[str, Entity] = {}
        for part in _SENTENCE_END.split(text):
            raw, words, pauses = self._tokens(part)
            read = _Sentence(raw, words, pauses, self._mentions(raw, words))
            subject = None
            if not part.rstrip('»"” ').endswith("?"):
                for match in self._best(read):
                    claim, elided = self._claim(match, read, subject, topics)
                    found += [claim] if claim is not None else []
                    subject = elided or subject
            _remember(read, subject, topics)
        return found

    def skeletons(self, text: str) -> Iterator[str]:
        """The sentences with names and numbers masked by '#'; a sentence of nothing else is passed over."""
        for part in _SENTENCE_END.split(text):
            raw, words, _ = self._tokens(part)
            mentions, at, kept = self._mentions(raw, words), 0, []
            while at < len(words):
                masked = at in mentions or words[at][0].isdigit()
                kept.append("#" if masked else words[at])
                at += mentions[at].length if at in mentions else 1
            if any(word != "#" for word in kept):
                yield " ".join(kept)

    def _tokens(self, text: str) -> tuple[list[str], list[str], set[int]]:
        raw: list[str] = []
        words: list[str] = []
        pauses: set[int] = set()
        for word in _TOKEN.findall(text):
            plain = word.translate(_PLAIN).lower()
            if word in ",;":
                pauses.add(len(words))
            elif plain not in self._articles or word == "él":
                raw.append(word)
                words.append(self._contracted.get(plain, plain))
        return raw, words, pauses

    def _learn_names(self, world: World) -> None:
        everyone = {entity.id: entity for entity in (*world.entities, *world.real_entities)}
        everyone |= {fact.object.id: fact.object for fact in world.facts}
        everyone |= {entity.id: entity for entity in (*world.strangers, *world.strays)}
        everyone |= {day.id: day for day in (date(at % 31 + 1, at // 31) for at in range(12 * 31))}
        by_name: dict[tuple[tuple[str, ...], str], list[Entity]] = {}
        for entity in everyone.values():
            forms = entity.forms(self.lang)
            for name in {forms.full, forms.bare, forms.indefinite, forms.feminine} - {""}:
                raw, words, _ = self._tokens(name)
                written = raw[0] if entity.kind == "symbol" else "A" if raw[0][0].isupper() else ""
                known = by_name.setdefault((tuple(words), written), [])
                if entity not in known:
                    known.append(entity)
        for (name_words, written), entities in by_name.items():
            self._names.setdefault(name_words[0], []).append((name_words, written, entities))
        for names in self._names.values():
            names.sort(key=lambda row: -len(row[0]))

    def _learn_pattern(self, template: str, relation: str, missing: str) -> None:
        pieces = _VARIANT.split(template)
        plain, variants = pieces[::3], list(zip(pieces[1::3], pieces[2::3], strict=True))
        for choice in product(*variants):
            text = plain[0] + "".join(a + b for a, b in zip(choice, plain[1:], strict=True))
            node = self._patterns
            for word in self._tokens(_HOLE.sub("\x01\\1", text))[1]:
                node = node.next.setdefault(word, _Node())
            if (relation, missing) not in node.endings:
                node.endings.append((relation, missing))

    def _mentions(self, raw: list[str], words: list[str]) -> dict[int, _Mention]:
        found: dict[int, _Mention] = {}
        at = 0
        while at < len(words):
            mention = self._mention(raw, words, at)
            if mention is not None:
                found[at] = mention
            at += mention.length if mention is not None else 1
        return found

    def _mention(self, raw: list[str], words: list[str], at: int) -> _Mention | None:
        length, entities = 0, []
        for name, written, bearers in self._names.get(words[at], ()):
            if len(name) < length:
                break
            if tuple(words[at : at + len(name)]) != name:
                continue
            if written in ("", raw[at]) or (written == "A" and raw[at][0].isupper()):
                length = len(name)
                entities += bearers
        if entities:
            return _Mention(tuple(entities), length)
        if len(words[at]) == 4 and words[at].isdigit():
            return _Mention((same("year", words[at]),), 1)
        return None

    def _best(self, read: _Sentence) -> list[_Match]:
        """Matches that don't overlap, the longest first; in the order of the text."""
        every = [match for at in range(len(read.words)) for match in self._matches(read, at)]
        every.sort(key=lambda match: (match.start - match.end, match.endings[0][1]))
        chosen: list[_Match] = []
        for match in every:
            if all(match.end <= other.start or other.end <= match.start for other in chosen):
                chosen.append(match)
        return sorted(chosen)

    def _matches(self, read: _Sentence, start: int) -> Iterator[_Match]:
        stack: list[tuple[int, _Node, tuple[tuple[str, _Mention], ...]]] = [(start, self._patterns, ())]
        while stack:
            at, node, holes = stack.pop()
            endings = [ending for ending in node.endings if self._fits(ending[0], holes)]
            if endings:
                yield _Match(start, at, endings, holes)
            if at == len(read.words):
                continue
            if read.words[at] in node.next:
                stack.append((at + 1, node.next[read.words[at]], holes))
            mention = read.mentions.get(at)
            if mention is not None:
                for end in "so":
                    if "\x01" + end in node.next:
                        stack.append((at + mention.length, node.next["\x01" + end], (*holes, (end, mention))))

    def _fits(self, relation: str, holes: tuple[tuple[str, _Mention], ...]) -> bool:
        return all(self._of_kind(relation, end, mention.entities) for end, mention in holes)

    def _of_kind(self, relation: str, end: str, entities: Iterable[Entity]) -> list[Entity]:
        kinds = self._kinds[relation][end == "o"]
        return [e for e in entities if e.kind in kinds or (e.kind == "stray" and "animal" in kinds)]

    def _claim(
        self, match: _Match, read: _Sentence, subject: Entity | None, topics: dict[str, Entity]
    ) -> tuple[Claim | None, Entity | None]:
        """(what the match states, of whom it states it without naming them)."""
        if match.start and read.words[match.start - 1] in _DENIES:
            return None, None
        relation, missing = match.endings[0]
        named = {end: mention.entities for end, mention in match.holes}
        elided = None
        if missing:
            other = named["o" if missing == "s" else "s"][0]
            for candidate in self._candidates(match, read, subject, topics):
                fits = [e for e in match.endings if e[1] and self._of_kind(*e, [candidate])]
                if fits and candidate != other:
                    (relation, missing), elided = fits[0], candidate
                    break
            if elided is None:
                return None, None
            named[missing] = (elided,)
        one, two = (self._of_kind(relation, end, named[end])[0] for end in "so")
        return Claim(relation, one, two), elided

    def _candidates(
        self, match: _Match, read: _Sentence, subject: Entity | None, topics: dict[str, Entity]
    ) -> Iterator[Entity]:
        """Who an unnamed end may be: the name just before, the sentence's subject so far, its names, the topics."""
        before = [at for at in read.mentions if at < match.start]
        at = match.start - 1
        relative = at >= 0 and read.words[at] in _RELATIVES
        gender = _PRONOUNS.get(read.words[at], "") if at >= 0 else ""
        end = at if relative else match.start
        near = [k for k in before if k + read.mentions[k].length == end]
        if relative or match.start not in read.pauses:
            yield from (entity for k in near for entity in read.mentions[k].entities)
        known = [subject] if subject is not None else []
        known += [entity for k in before for entity in read.mentions[k].entities]
        known += [topics[f"person {gender}"]] if f"person {gender}" in topics else []
        yield from (entity for entity in (*known, *topics.values()) if gender in ("", entity.gender))


def _remember(read: _Sentence, subject: Entity | None, topics: dict[str, Entity]) -> None:
    """The topic of a kind stays while the text names it; else it is the sentence's first of that kind."""
    named = [entity for mention in read.mentions.values() for entity in mention.entities]
    if subject is not None:
        named = [subject, *named]
        topics[subject.kind] = subject
    for kind in dict.fromkeys(entity.kind for entity in named):
        of_kind = [entity for entity in named if entity.kind == kind]
        if topics.get(kind) not in of_kind:
            topics[kind] = of_kind[0]
        if kind == "person":
            topics.update({f"person {entity.gender}": entity for entity in reversed(of_kind)})


@lru_cache(maxsize=8)
def _reader(seed: int, lang: str) -> Reader:
    return Reader(build_world(seed), lang)


def skeletons(text: str, lang: str, world: World) -> Iterator[str]:
    """Each sentence with the names of the world (and its strangers) and all numbers masked."""
    return _reader(world.seed, lang).skeletons(text)


def claims(text: str, lang: str, world: World) -> list[Claim]:
    """The facts that a text in this language states about the world's entities or its strangers.

    An elided subject or a pronoun stands for the name before it that fits the relation."""
    return _reader(world.seed, lang).claims(text)


def contradictions(said: Iterable[Claim], world: World, given: Iterable[Claim | Fact] = ()) -> list[Claim]:
    """The claims that cannot hold: their subject has another object, or their object another subject (1:1).

    `given` holds besides the world's facts, and before them."""
    stated = {(fact.relation, fact.subject.id, fact.object.id) for fact in given}
    return [claim for claim in said if not _holds(claim, world, stated)]


def _holds(claim: Claim, world: World, given: set[tuple[str, str, str]]) -> bool:
    relation, subject, target = claim.relation, claim.subject.id, claim.object.id
    if (relation, subject, target) in given:
        return True
    if any(r == relation and s == subject for r, s, _ in given):
        return False
    facts = [fact for fact in world.about(claim.subject) if fact.relation == relation]
    true = {fact.object.id for fact in facts if fact.subject.id == subject}
    if true:
        return target in true
    if CARDINALITIES.get(relation) != "1:1":
        return True
    return not any(f.relation == relation and f.object.id == target for f in world.about(claim.object))
