"""Shares of a quota: their sum is the quota at most, and all of it can be used."""

from __future__ import annotations

import random

from memsvc.domain.share import Amount, Lacking, Quota, enough, granted, left

CELLS = ("north", "south", "west")


def test_shares_are_never_more_than_the_quota_and_all_of_it_can_be_held_in_one_cell() -> None:
    chance = random.Random(7)
    for limit in (0, 1, 2, 5, 40, 1_000):
        quota = Quota(None, limit, 1)
        known = {cell: Amount() for cell in CELLS}
        held = dict(known)
        for _ in range(200):
            cell = chance.choice(CELLS)
            held[cell] = Amount(0, max(0, held[cell].messages - chance.choice((0, 0, 3))))  # something was erased
            need = Amount(0, held[cell].messages + chance.choice((1, 1, 7)))
            found = granted(quota, known, CELLS, cell, need)
            if isinstance(found, Lacking):
                for other in set(CELLS) - {cell}:
                    known[other] = left(known[other], held[other], found.missing)
                found = granted(quota, known, CELLS, cell, need)
            if isinstance(found, Amount):
                assert enough(found, need)
                known[cell], held[cell] = found, need
            else:
                assert sum(amount.messages for amount in held.values()) - held[cell].messages + need.messages > limit
            assert sum(amount.messages for amount in known.values()) <= limit
            assert all(enough(known[name], held[name]) for name in CELLS)


def test_nothing_is_granted_while_it_is_not_known_what_a_cell_holds() -> None:
    quota = Quota(None, 100, 3)
    found = granted(quota, {"north": Amount(0, 5)}, CELLS, "north", Amount(0, 6))
    assert isinstance(found, Lacking)
    assert (found.unknown, found.quota_number) == (frozenset({"south", "west"}), 3)
    assert granted(quota, {"north": Amount(0, 5)}, CELLS, "north", Amount(0, 5)) == Amount(0, 5)


def test_a_cell_gives_half_of_what_it_does_not_use_or_what_is_missing_and_keeps_what_it_holds() -> None:
    assert left(Amount(0, 100), Amount(0, 20), Amount(0, 1)) == Amount(0, 60)
    assert left(Amount(0, 100), Amount(0, 20), Amount(0, 70)) == Amount(0, 30)
    assert left(Amount(0, 100), Amount(0, 20), Amount(0, 500)) == Amount(0, 20)
    assert left(Amount(0, 100), Amount(0, 20), Amount()) == Amount(0, 100)
    assert left(Amount(0, 10), Amount(0, 20), Amount(0, 1)) == Amount(0, 20)  # a namespace has come to it
