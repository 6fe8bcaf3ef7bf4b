"""Names that are one person's."""

from __future__ import annotations

import collections
import datetime as dt
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alias:
    """That `alias` is another name of the person whom `name` names."""

    alias: str
    name: str
    created_at: dt.datetime


def folded(name: str) -> str:
    """Names that differ in case, spaces or the width of letters alone are one."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


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
        persons = {folded(self.of(name)) for name in given}
        return given | {name for name in among if folded(self.of(name)) in persons}
