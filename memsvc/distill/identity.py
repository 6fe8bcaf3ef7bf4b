"""What a language model is shown of two names that may be one person's, and what of its reply is believed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from memsvc.distill import grounding, lexicon, segment
from memsvc.domain.alias import Naming, folded
from memsvc.domain.message import Message
from memsvc.domain.proposal import Quote
from memsvc.prompts import IDENTIFY

# So much of each sentence is shown.
_SHOWN_CHARS = 300
_MOST_OF_BOTH = 4
_MOST_OF_EACH = 2
# Of each name's messages so many are looked through for what both have in common.
_LOOKED_AT = 50
# Shorter words stand in any two sentences.
_LEAST_WORD = 4
_MOST_QUOTES = 12


@dataclass(frozen=True, slots=True)
class Said:
    """The beginning of a message, as it was said."""

    message_id: str
    session_id: str
    speaker: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """A sentence: characters [start, end) of a message."""

    message_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A sentence as a model is shown it, of this message."""

    message: Message
    place: Place

    @property
    def words(self) -> str:
        return self.message.content[self.place.start : self.place.end]

    def as_data(self) -> dict[str, str]:
        day = self.message.occurred_at.date().isoformat()
        return {"speaker": self.message.name, "day": day, "words": self.words}


class Mentions:
    """Which of these messages name which persons, and which are theirs; a person is all forms of a name."""

    def __init__(self, said: Sequence[Said], persons: Iterable[tuple[str, ...]]) -> None:
        self._said = said
        self._naming = {forms: Naming(forms) for forms in persons}
        self._named: dict[tuple[str, ...], list[int]] = {forms: [] for forms in self._naming}
        self._spoken: dict[tuple[str, ...], list[int]] = {forms: [] for forms in self._naming}
        plain = {forms: [folded(form) for form in forms] for forms in self._naming}
        for number, message in enumerate(said):
            text = folded(message.text)
            for forms, naming in self._naming.items():
                if any(form in text for form in plain[forms]) and naming.stands_in(message.text):
                    self._named[forms].append(number)
                if naming.is_of(message.speaker):
                    self._spoken[forms].append(number)

    def evidence(self, one: tuple[str, ...], other: tuple[str, ...]) -> list[Place]:
        """The sentences to show: those that name both, the shortest first, those in which one names the other, and of
        each by itself what has most in common with the other. None where nothing joins the two.
        """
        found = [place for _, place in sorted(self._of_both(one, other))[:_MOST_OF_BOTH]]
        joined = bool(found)
        names = set(lexicon.words(" ".join(one + other)))
        sides = [self._of_one(forms, names) for forms in (one, other)]
        for own, others in (sides, sides[::-1]):
            common = set().union(*(words for *_, words in others)) if others else set()
            ranked = sorted((-len(words & common), number, place.start, place) for number, place, words in own)
            fresh = [(shared, place) for shared, _, _, place in ranked if place not in found][:_MOST_OF_EACH]
            joined = joined or any(shared for shared, _ in fresh)
            found += [place for _, place in fresh]
        return found if joined else []

    def _of_both(
        self, one: tuple[str, ...], other: tuple[str, ...]
    ) -> Iterable[tuple[tuple[int, int, int, int], Place]]:
        """(rank, sentence), each sentence once; names in its own words go before the name of who says it."""
        named, spoken = ([set(where[forms]) for forms in (one, other)] for where in (self._named, self._spoken))
        for number in (named[0] & named[1]) | (named[0] & spoken[1]) | (spoken[0] & named[1]):
            message = self._said[number]
            for sentence, place in _sentences(message):
                has = [self._naming[forms].stands_in(sentence) for forms in (one, other)]
                says = [self._naming[forms].is_of(message.speaker) for forms in (one, other)]
                if all(has):
                    yield (0, len(sentence), number, place.start), place
                elif (has[0] and says[1]) or (has[1] and says[0]):
                    yield (1, 0, number, place.start), place

    def _of_one(self, forms: tuple[str, ...], names: Collection[str]) -> list[tuple[int, Place, set[str]]]:
        """(message's number, sentence, words of its matter) of the first messages that name a person or are his."""
        found = []
        spoken = set(self._spoken[forms])
        for number in sorted({*self._named[forms], *spoken})[:_LOOKED_AT]:
            for sentence, place in _sentences(self._said[number]):
                if number in spoken or self._naming[forms].stands_in(sentence):
                    found.append((number, place, _matter(sentence, names)))
        return found


def prompt(lead: str, follower: str, shown: Sequence[Shown]) -> str:
    """What a model is asked of the two names."""
    told = {"names": [lead, follower], "said": [item.as_data() for item in shown]}
    return IDENTIFY.ask(names=json.dumps(told, ensure_ascii=False, indent=1))


def digest(asked: str, model: str) -> str:
    """Of what a model is asked, and of which: what has the same was asked before."""
    return hashlib.sha256(json.dumps([IDENTIFY.version, model, IDENTIFY.system, asked]).encode()).hexdigest()


def believed(
    quotes: object, shown: Sequence[Shown], one: tuple[str, ...], other: tuple[str, ...], strangers: Iterable[str]
) -> list[Quote]:
    """The quotes on which it stands that both names are one person's; none where it stands on nothing.

    Every quote must stand in what was shown. One that names somebody else is left out, so that words that call several
    persons one join nobody. Of the others one must name both, who says it included, or two must say the same matter of
    one name each.
    """
    if not isinstance(quotes, list) or not quotes:
        return []
    naming = [Naming(forms) for forms in (one, other)]
    own = [*one, *other]
    others = Naming(name for name in strangers if not any(Naming([name]).stands_in(form) for form in own))
    found: list[tuple[Quote, list[bool], set[str]]] = []
    names = set(lexicon.words(" ".join(own)))
    for quote in quotes[:_MOST_QUOTES]:
        item, at = _placed(quote, shown)
        if item is None or at is None:
            return []
        if others.stands_in(at.words):
            continue
        named = [each.stands_in(at.words) or each.is_of(item.message.speaker) for each in naming]
        if any(named):
            found.append((at, named, _matter(at.words, names)))
    if any(all(named) for _, named, _ in found):
        return [at for at, named, _ in found if all(named)]
    first, second = ([(at, words) for at, named, words in found if named[side]] for side in (0, 1))
    pairs = [(a, b) for a, words in first for b, more in second if words & more]
    return list(dict.fromkeys(at for pair in pairs for at in pair))


def _placed(quote: object, shown: Sequence[Shown]) -> tuple[Shown | None, Quote | None]:
    """The first sentence that has the quote, and where it stands in its message."""
    for item in shown if isinstance(quote, str) else ():
        alone = dataclasses.replace(item.message, content=item.words, caption=None)
        source = grounding.place(str(quote), alone)
        if source is not None:
            start, end = item.place.start + source.start, item.place.start + source.end
            return item, Quote(item.message.id, start, end, item.message.content[start:end])
    return None, None


def _sentences(message: Said) -> Iterable[tuple[str, Place]]:
    for sentence in segment.sentences(message.text):
        text = sentence.text[:_SHOWN_CHARS]
        yield text, Place(message.message_id, sentence.start, sentence.start + len(text))


def _matter(text: str, names: Collection[str]) -> set[str]:
    """The words that tell what a text is about, without these names."""
    return {word for word in lexicon.content_words(text) if len(word) >= _LEAST_WORD} - set(names)
