"""Which pairs of names are likely one person's, by rule."""

from __future__ import annotations

import datetime as dt

import pytest

from memsvc.consolidate.namesakes import Person, likely
from memsvc.domain.alias import Alias
from memsvc.domain.proposal import pair_id

NOW = dt.datetime(2024, 1, 10, tzinfo=dt.UTC)


def person(*forms: str, named: str = "", spoke: str = "", sure: bool = True) -> Person:
    """Sessions are letters."""
    return Person(forms, frozenset(named), frozenset(spoke), sure)


def found(*persons: Person, declared: tuple[Alias, ...] = (), apart: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [(one.name, other.name) for one, other in likely(persons, declared, apart, 9)]


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("Melanie", "Mel"),
        ("Elizabeth", "Liz"),
        ("Robert", "Bob"),
        ("Александр", "Саша"),
        ("Élodie", "elo"),
        ("李小明", "小明"),
    ],
)
def test_names_that_share_letters_are_likely_and_the_longer_leads(long: str, short: str) -> None:
    assert found(person(short, spoke="a"), person(long, spoke="b")) == [(long, short)]


def test_names_without_a_letter_in_common_are_likely_where_both_are_named_in_one_session() -> None:
    mum = person("Mum", named="a")
    assert found(person("Carol", spoke="b"), mum) == []
    assert found(person("Carol", spoke="ab"), mum) == [("Carol", "Mum")]


def test_two_who_talk_with_one_another_are_two() -> None:
    assert found(person("Melanie", spoke="ab"), person("Mel", spoke="bc")) == []


def test_what_was_taken_apart_is_so_under_every_name() -> None:
    declared = (Alias("Lanie", "Melanie", NOW),)
    persons = person("Melanie", "Lanie", spoke="a"), person("Mel", spoke="b")
    assert found(*persons, declared=declared) == [("Melanie", "Mel")]
    assert found(*persons, declared=declared, apart=(pair_id("MEL", "lanie"),)) == []


def test_who_has_other_names_leads_and_two_who_have_are_no_pair() -> None:
    persons = person("Mel", "Mellie", spoke="a"), person("Melanie", spoke="b")
    declared = (Alias("Mellie", "Mel", NOW),)
    assert found(*persons, declared=declared) == [("Mel", "Melanie")]
    assert found(*persons, declared=(*declared, Alias("Lanie", "Melanie", NOW))) == []


def test_what_is_no_person_by_any_rule_is_likely_only_as_the_short_form_of_one() -> None:
    assert found(person("Ben", spoke="a"), person("Ghent", named="a", sure=False)) == []
    assert found(person("Melanie", spoke="a"), person("Mel", named="a", sure=False)) == [("Melanie", "Mel")]
    assert found(person("Porto", named="a", sure=False), person("Port", named="a", sure=False)) == []
