"""Which namespaces a pattern covers."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memsvc.domain import grant
from memsvc.domain.grant import Grant
from memsvc.store.keys import Principal


@pytest.mark.parametrize(
    ("pattern", "covered", "other"),
    [
        ("mine", ["mine"], ["mine-1", "amine", "Mine", "min", ""]),
        ("team-*", ["team-1", "team-", "team-a-b"], ["team", "xteam-1", "Team-1"]),
        ("*", ["a", "team-1", ""], []),
        ("*-1", ["team-1", "-1"], ["team-12", "1"]),
        ("a*a", ["aa", "aba"], ["a", "ab", "ba"]),
        ("a*b*c", ["abc", "axbxc", "abbc"], ["acb", "ac", "abcd"]),
        ("user:*", ["user:ana"], ["user", "agent:ana"]),
        # Nothing else is special.
        ("a.b", ["a.b"], ["axb"]),
        ("a+", ["a+"], ["aa"]),
    ],
)
def test_a_star_stands_for_any_run_of_characters_and_nothing_else_does(
    pattern: str, covered: list[str], other: list[str]
) -> None:
    held = Grant(pattern, ("read",))
    assert [name for name in [*covered, *other] if held.covers(name)] == covered


def reached(pattern: str, name: str) -> bool:
    """By the places of the name that the pattern's beginning can end at."""
    places = {0}
    for sign in pattern:
        if sign == "*":
            places = set(range(min(places), len(name) + 1)) if places else set()
        else:
            places = {place + 1 for place in places if name[place : place + 1] == sign}
    return len(name) in places


@given(st.text("ab*", max_size=12), st.text("ab", max_size=14))
@example("a*aa", "aaa")
@example("*ab*ab", "abab")
@example("a**a", "a")
def test_a_pattern_covers_what_can_be_reached_sign_by_sign(pattern: str, name: str) -> None:
    assert Grant(pattern, ("read",)).covers(name) == reached(pattern, name)


@given(st.lists(st.tuples(st.text("ab*", min_size=1, max_size=4), st.sets(st.sampled_from(grant.SCOPES), min_size=1))))
def test_a_key_may_do_what_some_grant_that_covers_the_namespace_says(held: list[tuple[str, set[str]]]) -> None:
    grants = tuple(Grant(pattern, tuple(scopes)) for pattern, scopes in held)
    principal = Principal(uuid.uuid4(), "k", frozenset(), grants=grants)
    for name in ("a", "b", "ab", "bba"):
        union = {scope for pattern, scopes in held if reached(pattern, name) for scope in scopes}
        assert {scope for scope in (*grant.SCOPES, "admin") if principal.may(scope, name)} == union
        assert principal.sees(name) == bool(union)
    assert principal.readable(["a", "b"]) == [name for name in ("a", "b") if principal.may("read", name)]
    assert not any(principal.may(scope) for scope in (*grant.SCOPES, "admin"))


@given(st.lists(st.tuples(st.text("ab*", min_size=1), st.sets(st.sampled_from(grant.SCOPES), min_size=1)), min_size=1))
def test_grants_are_read_as_they_were_written(held: list[tuple[str, set[str]]]) -> None:
    grants = [Grant(pattern, tuple(s for s in grant.SCOPES if s in scopes)) for pattern, scopes in held]
    assert grant.read(grant.written(grants)) == tuple(grants)
    assert grant.read(grant.written(None)) is None
