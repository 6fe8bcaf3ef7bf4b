"""Which two names may be one person's, by what holds in every language: letters that they share, sessions in which both
are named, and that nobody talks to himself.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from memsvc.domain.alias import Alias, folded
from memsvc.domain.proposal import may_declare, pair_id

# More names than these, those named in the fewest sessions left out, would be more pairs than anybody looks through.
_MOST_NAMES = 300
# Of the pieces of the shorter name so many stand in the other: "Bob" and "Robert", "Саша" and "Александр".
_LEAST_SHARED = 1 / 3
# From here on letters stand for syllables or words, and one of them tells as much as two of an alphabet.
_SYLLABLES = "\u2e80"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody under all `forms` of his name, the one that leads first: the sessions in which he is named, and those in
    which he speaks. Nothing says of what is not `sure` that it is a person.
    """

    forms: tuple[str, ...]
    named: frozenset[str]
    spoke: frozenset[str]
    sure: bool

    @property
    def name(self) -> str:
        return self.forms[0]


def likely(
    persons: Sequence[Person], declared: Collection[Alias], apart: Collection[str], most: int
) -> list[tuple[Person, Person]]:
    """At most so many pairs, the likeliest first: the first of each leads, and the second may be declared as another
    name of it. No pair of which a form of each was taken apart.
    """
    known = sorted(persons, key=lambda person: (-len(person.named | person.spoke), person.name))[:_MOST_NAMES]
    pieces = {person.name: _pieces(person.name) for person in known}
    found = []
    for one, other in itertools.combinations(known, 2):
        shared = len(pieces[one.name] & pieces[other.name])
        likeness = shared / max(1, min(len(pieces[one.name]), len(pieces[other.name])))
        together = len((one.named | one.spoke) & (other.named | other.spoke))
        # What no rule says is a person is the short form of one's name, or none of it.
        is_alike = likeness >= (_LEAST_SHARED if one.sure and other.sure else 1) and (one.sure or other.sure)
        if one.spoke & other.spoke or not (is_alike or (together and one.sure and other.sure)):
            continue
        if any(pair_id(a, b) in apart for a in one.forms for b in other.forms):
            continue
        lead, follower = _led(one, other, declared)
        if may_declare(lead.name, follower.name, declared):
            rank = (not is_alike, -likeness if is_alike else 0.0, -together, lead.name, follower.name)
            found.append((rank, (lead, follower)))
    return [pair for _, pair in sorted(found, key=lambda item: item[0])[:most]]


def _led(one: Person, other: Person, declared: Collection[Alias]) -> tuple[Person, Person]:
    """Who has other names already leads, then who is surely a person, then the longer name."""
    leading = {folded(item.name) for item in declared}

    def rank(person: Person) -> tuple[bool, bool, int, str]:
        return folded(person.name) not in leading, not person.sure, -len(person.name), person.name

    first, second = sorted((one, other), key=rank)
    return first, second


def _pieces(name: str) -> set[str]:
    """Two letters that stand side by side in a word of the name, without accents; a word of one letter whole."""
    found: set[str] = set()
    for word in unicodedata.normalize("NFKD", folded(name)).split():
        letters = [letter for letter in word if letter.isalnum()]
        found |= {letter for letter in letters if letter >= _SYLLABLES}
        plain = "".join(letter for letter in letters if letter < _SYLLABLES)
        found |= {plain[at : at + 2] for at in range(max(1, len(plain) - 1)) if plain}
    return found
