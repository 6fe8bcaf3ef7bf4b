"""Shares of a tenant's quota: each cell may use its own by itself, and all of them together are the quota at most."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Amount(NamedTuple):
    """Of each thing that a quota bounds."""

    namespaces: int = 0
    messages: int = 0


class Quota(NamedTuple):
    """The bound of each, None is no limit; `number` says how often it was set."""

    namespaces: int | None
    messages: int | None
    number: int


@dataclass(frozen=True, slots=True)
class Share:
    """What a cell may hold under the quota of `quota_number`. `number` grows with each change of it in its cell, so
    that of two words on it the older is known.
    """

    amount: Amount
    number: int
    quota_number: int


@dataclass(frozen=True, slots=True)
class Lacking:
    """Why nothing was granted: of which cells home does not know what they hold, and how much they have to give."""

    quota_number: int
    unknown: frozenset[str]
    missing: Amount


# Of what is left so much is given beyond what is needed, that not every write has to ask: ever less towards the end.
_BEYOND = 4


def enough(amount: Amount, need: Amount) -> bool:
    return all(held >= wanted for held, wanted in zip(amount, need, strict=True))


def granted(
    quota: Quota, known: Mapping[str, Amount], cells: Collection[str], cell: str, need: Amount
) -> Amount | Lacking:
    """What the cell may hold from now on, at least what it needs; `known` is what each may hold by home's word."""
    own = known.get(cell)
    if own is not None and enough(own, need):
        return own
    unknown = frozenset(cells) - known.keys()
    found, missing = [], []
    for place, (limit, wanted) in enumerate(zip(quota[:2], need, strict=True)):
        has = own[place] if own is not None else 0
        more = max(0, wanted - has)
        free = more if limit is None else limit - sum(amount[place] for amount in known.values())
        missing.append(max(0, more - free) if more else 0)
        found.append(has + more + (max(0, free - more) // _BEYOND if more else 0))
    if unknown or any(missing):
        return Lacking(quota.number, unknown, Amount(*missing))
    return Amount(*found)


def left(share: Amount, held: Amount, most: Amount) -> Amount:
    """What a cell keeps that is asked for so much: what it holds, and no more than half of what it does not use."""
    kept = []
    for has, used, wanted in zip(share, held, most, strict=True):
        unused = max(0, has - used)
        given = min(unused, max(wanted, (unused + 1) // 2)) if wanted else 0
        kept.append(max(has - given, used))
    return Amount(*kept)
