"""Names that are one person's."""

from __future__ import annotations

import collections
import datetime as dt
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alias:
    """That `alias` is another name of the person whom `name` names."""

    alias: str
    name: str
    created_at: dt.datetime


# One apostrophe and one hyphen; what is not seen (soft hyphens, joiners, marks of direction) is not there.
_PLAIN = {ord("\u2019"): "'", ord("\u02bc"): "'", ord("\u2010"): "-", ord("\u2011"): "-"} | dict.fromkeys(
    [0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF]
)
# First words of the names of letters that are written without spaces between words.
_UNSPACED = frozenset({"CJK", "IDEOGRAPHIC", "HIRAGANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR"})


def folded(name: str) -> str:
    """Names that differ in case, spaces, the width of letters, how an accent is written, the dot of an i or the form of
    an apostrophe or hyphen alone are one. Here and nowhere else: a database's own folding goes by its locale.
    """
    if name.isascii():
        return " ".join(name.lower().split())
    cased = unicodedata.normalize("NFKC", name.translate(_PLAIN)).casefold()
    dotted = unicodedata.normalize("NFKC", cased).replace("i\u0307", "i").replace("\u0131", "i")
    return " ".join(dotted.split())


class Naming:
    """Whether a text names a person: by one of these names as a whole word. Each half of a hyphenated name is a word;
    where words stand without spaces, a name is found within the run, in katakana only as a whole run of it.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {folded(name) for name in names} - {""}

    def is_of(self, name: str | None) -> bool:
        """Whether this is one of the names, whole."""
        return name is not None and folded(name) in self._names

    def stands_in(self, text: str | None) -> bool:
        """Whether one of the names stands in the text."""
        words = folded(text or "")
        return any(_is_word(words, name, at) for name in self._names for at in _places(words, name))


def _places(text: str, name: str) -> Iterator[int]:
    at = text.find(name)
    while at >= 0:
        yield at
        at = text.find(name, at + 1)


def _is_word(text: str, name: str, at: int) -> bool:
    end = at + len(name)
    return not _joined(text[at - 1 : at], name[0]) and not _joined(name[-1], text[end : end + 1])


def _joined(left: str, right: str) -> bool:
    """Whether these neighbours are of one word."""
    runs = {_run(left), _run(right)}
    return len(runs) == 1 and None not in runs


def _run(letter: str) -> str | None:
    """What letters make a word with this one; None for those that end one, or say nothing about where it ends."""
    if not letter or not (letter == "_" or unicodedata.category(letter)[0] in "LMN"):
        return None
    script = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
    if script in _UNSPACED:
        return None
    return script if script == "KATAKANA" else "spaced"


class Names:
    """Which names are one person's: those with the same folded form, and those that were declared to be.

    `written` are names as they stand in units or messages, one for each time: without a declaration a person is called
    by the form that is written most, the first in the alphabet among equals.
    """

    def __init__(self, aliases: Iterable[Alias] = (), written: Iterable[str] = ()) -> None:
        declared = list(aliases)
        counts = collections.Counter(written)
        self._called: dict[str, str] = {}
        for name in sorted(counts, key=lambda name: (-counts[name], name)):
            self._called.setdefault(folded(name), name)
        self._called |= {folded(item.name): item.name for item in declared}
        self._called |= {folded(item.alias): item.name for item in declared}

    def of(self, name: str) -> str:
        """What the person of this name is called: one text for all of their names."""
        return self._called.get(folded(name), name)

    def forms(self, names: Iterable[str], among: Iterable[str]) -> set[str]:
        """`names`, and which names of `among` are of the same persons."""
        given = set(names)
        persons = set(map(self._person, given))
        return given | {name for name in among if self._person(name) in persons}

    def _person(self, name: str) -> str:
        own = folded(name)
        return folded(self._called[own]) if own in self._called else own
