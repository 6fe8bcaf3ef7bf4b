from __future__ import annotations

import dataclasses
import datetime as dt

from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.distill import compose, upgrade
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import MemoryUnit, Source, Status

SAID = dt.datetime(2023, 5, 8, tzinfo=dt.UTC)
TEXT = "In Oslo I bought 3 bikes. In Porto I sold 2 boats. In Berlin I paid 900 euros. In Ghent I lost 4 keys. " * 2


def made(content: str = TEXT) -> list[MemoryUnit]:
    said = Message("m", "s", "e", Role.USER, "Ana", content, SAID)
    return list(
        compose.distill(
            [said], preceding=(), participants=(), namespace_id="n", count_tokens=lambda t: len(t.split())
        ).units
    )


def older(unit: MemoryUnit, start: int, end: int, number: int) -> MemoryUnit:
    return dataclasses.replace(unit, id=f"old{number}", distiller="rule-0", sources=(Source("m", start, end),))


SPANS = st.lists(st.tuples(st.integers(0, 150), st.integers(1, 60)), max_size=6)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(SPANS)
def test_each_old_and_each_new_unit_has_one_fate_and_nothing_is_there_twice(spans: list[tuple[int, int]]) -> None:
    fresh = made()
    old = [older(fresh[0], start, start + length, n) for n, (start, length) in enumerate(spans)]
    plan = upgrade.plan(old, fresh)
    assert sorted([unit.id for unit, _ in plan.replaced] + [unit.id for unit in plan.retired]) == sorted(
        u.id for u in old
    )
    assert len(plan.replaced) + len(plan.fresh) == len(fresh)
    assert all(new.id == unit.id and new.version == unit.version + 1 for unit, new in plan.replaced)
    after = [new for _, new in plan.replaced] + list(plan.fresh)
    again = upgrade.plan(after, fresh)
    assert (again.replaced, again.fresh, again.retired) == ((), (), ())


def test_what_is_no_longer_active_is_left_alone() -> None:
    fresh = made()
    retired = dataclasses.replace(older(fresh[0], 0, 20, 1), status=Status.ARCHIVED)
    plan = upgrade.plan([retired], fresh)
    assert plan.replaced == ()
    assert plan.retired == ()
    assert len(plan.fresh) == len(fresh)
