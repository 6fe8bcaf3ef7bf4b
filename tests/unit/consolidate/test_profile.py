"""What the profile says of a person now and at a moment, from statements alone."""

from __future__ import annotations

import dataclasses
import datetime as dt

from memsvc.consolidate import profile, trait
from memsvc.consolidate.profile import Profile, Statement

START = dt.datetime(2024, 1, 10, 12, tzinfo=dt.UTC)


def day(number: int) -> dt.datetime:
    return START + dt.timedelta(days=number)


def said(
    text: str,
    at: int,
    until: int | None = None,
    merged_into: str | None = None,
    speaker: str = "Ana",
    holds: bool = True,
    of: int | None = None,
) -> Statement:
    """`of`: the day before `at` of which it speaks."""
    read = trait.read(
        id=f"u{at}", kind="state", text=f"{speaker}: {text}", subject=speaker, persons=[speaker], entities=(),
        session_id=f"s{at}", message_ids=[f"m{at}"], said_at=day(at), is_assistants=False,
        dates=(day(of), day(of)) if of is not None else None, assertion="asserted" if holds else "reported",
    )  # fmt: skip
    return Statement(read, day(until) if until is not None else None, merged_into)


MOVES = [
    said("I live in Oslo.", 0, until=20),
    said("I live in Porto.", 20, until=40),
    said("I live in Ghent.", 40),
]


def residence(found: list[Profile]) -> tuple[str, dt.datetime, str, str | None, dt.datetime | None] | None:
    for one in found:
        for item in one.attributes:
            before = item.before
            ended = (before.value, before.until) if before else (None, None)
            return (item.value, item.since, item.message_id, *ended)
    return None


def test_a_value_has_its_capitals_its_time_its_source_and_what_it_was_before() -> None:
    assert residence(profile.profiles(MOVES)) == ("Ghent", day(40), "m40", "Porto", day(40))


def test_at_a_moment_it_is_as_it_was_then() -> None:
    seen = [residence(profile.profiles(MOVES, as_of=day(number))) for number in (-1, 0, 19, 20, 39, 90)]
    oslo, porto = ("Oslo", day(0), "m0", None, None), ("Porto", day(20), "m20", "Oslo", day(20))
    assert seen == [None, oslo, oslo, porto, porto, ("Ghent", day(40), "m40", "Porto", day(40))]


def test_what_is_so_again_is_so_since_it_was_said_again() -> None:
    told = [
        said("I live in Oslo.", 0),
        said("I live in Porto.", 20, until=40),
        said("I live in Oslo!", 40, merged_into="u0"),
        said("I live in Oslo.", 60, merged_into="u0"),
    ]
    assert residence(profile.profiles(told)) == ("Oslo", day(40), "m40", "Porto", day(40))
    assert residence(profile.profiles(told, as_of=day(10))) == ("Oslo", day(0), "m0", None, None)


def test_it_is_so_since_the_time_that_the_statement_speaks_of() -> None:
    told = [said("I live in Oslo.", 0, until=15), said("I moved to Porto.", 20, of=15)]
    assert residence(profile.profiles(told)) == ("Porto", day(15), "m20", "Oslo", day(15))
    assert residence(profile.profiles(told, as_of=day(16))) == ("Porto", day(15), "m20", "Oslo", day(15))


def test_only_what_is_asserted_until_further_notice_counts() -> None:
    told = [said("I live in Oslo.", 0), said("I live in Porto.", 5, holds=False), said("I live in Ghent, or?", 6)]
    assert residence(profile.profiles(told)) == ("Oslo", day(0), "m0", None, None)


def test_people_stand_under_their_own_names() -> None:
    told = [said("I live in Oslo.", 0), said("I live in Porto.", 5, speaker="Ben")]
    assert [(one.subject, [item.value for item in one.attributes]) for one in profile.profiles(told)] == [
        ("Ana", ["Oslo"]),
        ("Ben", ["Porto"]),
    ]
    assert [one.subject for one in profile.profiles(told, "Ben")] == ["Ben"]
    assert profile.profiles(told, "Eve") == []


def test_of_a_word_that_stands_twice_the_name_is_the_value() -> None:
    assert residence(profile.profiles([said("It is nice, I live in Nice.", 0)])) == ("Nice", day(0), "m0", None, None)
    (one,) = profile.profiles([said("My favourite colour is dark green.", 0)])
    assert one.attributes[0].value == "dark green"


def test_of_two_states_of_which_the_later_may_have_ended_the_other_the_later_is_told() -> None:
    told = [said("My knee is sore.", 0), said("My knee is fine.", 30)]
    doubted = dataclasses.replace(told[0], doubted_by=told[1].trait.id)

    def values(told: list[profile.Statement]) -> list[str]:
        return sorted(item.value for one in profile.profiles(told) for item in one.attributes)

    assert values(told) == ["My knee is fine.", "My knee is sore."]
    assert values([doubted, told[1]]) == ["My knee is fine."]
    assert values([doubted]) == ["My knee is sore."]
