"""What units take on, what sums them up, and what fades."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memsvc.consolidate import abstract, derive, episodes, evolve, forget, name, trait
from memsvc.consolidate.derive import Standing
from memsvc.consolidate.forget import Fading
from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Episode, Link, LinkKind, Segment
from memsvc.domain.unit import Gained, Topic

DAY = dt.datetime(2024, 5, 8, 12, tzinfo=dt.UTC)


def unit(
    id: str, said: str = "It rained.", day: int = 0, keywords: Sequence[str] = (), topics: Sequence[str] = ()
) -> Trait:
    text = f"Ana: {said} And more."
    return trait.read(
        id=id, kind="fact", text=text, subject="Ana", persons=["Ana"], entities=[], session_id="s", message_ids=[f"m-{id}"],
        said_at=DAY + dt.timedelta(days=day), is_assistants=False, dates=None, core_end=len(f"Ana: {said}"),
        keywords=keywords, topics=[Topic("concept", key, 1.0) for key in topics],
    )  # fmt: skip


def near(one: str, other: str, weight: float) -> Link:
    return Link(one, other, LinkKind.NEAR, weight)


def gained(traits: dict[str, Trait], links: Sequence[Link]) -> dict[str, Gained]:
    found = {}
    for id, item in traits.items():
        own = sorted((link for link in links if id in (link.src, link.dst)), key=derive.by_strength)
        found[id] = evolve.gained(item, traits, own)
    return {id: taken for id, taken in found.items() if taken != evolve.NOTHING}


def test_what_two_of_the_five_nearest_share_is_taken_on_at_half_weight_and_own_words_are_not() -> None:
    traits = {
        "a": unit("a", keywords=["boat"]),
        "b": unit("b", keywords=["sail", "boat"], topics=["sea"]),
        "c": unit("c", keywords=["sail", "boat"], topics=["sea"]),
        "d": unit("d", keywords=["rope"]),
    }
    links = [near("a", "b", 0.9), near("a", "c", 0.8), near("a", "d", 0.7)]
    assert gained(traits, links) == {"a": Gained(("sail",), (Topic("concept", "sea", 0.5),))}


def test_only_the_five_nearest_and_only_what_they_say_themselves_counts() -> None:
    traits = {name: unit(name, keywords=["far"] if name in "gh" else []) for name in "abcdefgh"}
    links = [near("a", other, 0.9 - place / 100) for place, other in enumerate("bcdefgh")]
    assert "a" not in gained(traits, links)
    chain = {name: unit(name, keywords=["x"] if name in "ab" else []) for name in "abcde"}
    links = [near("a", "c", 0.9), near("b", "c", 0.9), near("c", "d", 0.9), near("d", "e", 0.9), near("c", "e", 0.9)]
    assert list(gained(chain, links)) == ["c"]  # d and e do not inherit what c has taken on


def vectors(rows: dict[str, Sequence[float]]) -> dict[str, NDArray[np.float32]]:
    return {
        name: np.array(row, dtype=np.float32) / np.linalg.norm(row).astype(np.float32) for name, row in rows.items()
    }


def count(text: str) -> int:
    """Words stand for tokens."""
    return len(text.split())


def episode(*ids: str) -> Episode:
    return Episode("e1", (Segment("s1", "s", ids, ids[0], DAY, DAY),), ids[0], DAY, DAY)


def test_an_abstract_starts_with_the_medoid_adds_what_is_distinct_and_says_from_when_to_when() -> None:
    rows = vectors({"a": (1, 0.1, 0), "b": (1, 0, 0), "c": (1, 0.05, 0), "d": (0.2, 0, 1), "e": (0.2, 1, 0)})
    traits = {name: unit(name, f"It was number {name}.", day) for day, name in enumerate("abcde")}
    made = abstract.abstract(episode(*"abcde"), traits, {name: Standing() for name in "abcde"}, rows, count)
    assert made is not None
    assert made.members == tuple("abcde")
    assert made.chosen[0] in "abc"
    assert set(made.chosen[1:]) == {"d", "e"}
    assert made.text.startswith(f"Ana: It was number {made.chosen[0]}; Ana: It was number d; Ana: It was number e")
    assert made.text.endswith("(8 to 12 May 2024)")
    assert "And more" not in made.text
    assert made.text[: made.core_end] == f"Ana: It was number {made.chosen[0]}"
    assert np.linalg.norm(made.vector) == np.float32(1) or abs(np.linalg.norm(made.vector) - 1) < 1e-5


def test_an_abstract_is_never_longer_than_what_it_sums_up() -> None:
    rows = vectors({"a": (1, 0.1, 0.1), "b": (0.1, 1, 0.1), "c": (0.1, 0.1, 1), "d": (-0.4, 1, -0.4)})
    traits = {
        id: trait.read(
            id=id, kind="fact", text=f"Ana: {id} {words}.", subject="Ana", persons=["Ana"], entities=[], session_id="s",
            message_ids=[id], said_at=DAY, is_assistants=False, dates=None,
        )
        for id, words in zip("abcd", ("rain", "sun", "hail", "wind"), strict=True)
    }  # fmt: skip
    standing = {id: Standing() for id in "abcd"}
    made = abstract.abstract(episode(*"abcd"), traits, standing, rows, count)
    assert made is not None
    assert count(made.text) <= sum(count(unit.said) for unit in traits.values())
    assert len(made.chosen) < 4
    # With its days not even the most central one is shorter.
    assert abstract.abstract(episode(*"abcd"), traits, standing, rows, lambda text: text.count("(")) is None


def test_an_episode_is_called_by_its_chief_keywords_and_its_days() -> None:
    traits = {
        "a": unit("a", day=0, keywords=["ana", "kitchen", "sourdough"]),
        "b": unit("b", day=1, keywords=["starter", "sourdough", "flour"]),
        "c": unit("c", day=2, keywords=["crock", "starter", "sourdough"]),
    }
    talk = dataclasses.replace(episode(*"abc"), end=DAY + dt.timedelta(days=6))
    assert name.name(talk, traits) == "sourdough, starter, kitchen · 8 to 14 May 2024"
    assert name.name(talk, dict(reversed(traits.items()))) == name.name(talk, traits)
    assert name.name(talk, {"a": traits["a"]}) == "kitchen, sourdough · 8 to 14 May 2024"
    assert name.name(talk, {"a": unit("a", "It rained " + "cats " * 30)}).startswith("It rained cats cats ")
    assert name.name(talk, {}) == "8 to 14 May 2024"


def test_days_say_no_month_and_no_year_twice() -> None:
    def days(first: tuple[int, int, int], last: tuple[int, int, int]) -> str:
        return name.days(*(dt.datetime(*day, 23, tzinfo=dt.UTC) for day in (first, last)))

    assert days((2024, 3, 3), (2024, 3, 3)) == "3 March 2024"
    assert days((2024, 3, 3), (2024, 3, 9)) == "3 to 9 March 2024"
    assert days((2024, 2, 28), (2024, 3, 3)) == "28 February to 3 March 2024"
    assert days((2023, 12, 30), (2024, 1, 2)) == "30 December 2023 to 2 January 2024"
    assert days((2023, 3, 3), (2024, 3, 9)) == "3 March 2023 to 9 March 2024"


def test_fewer_than_four_units_that_stand_have_no_abstract() -> None:
    rows = vectors({name: (1, 0) for name in "abcd"})
    traits = {name: unit(name) for name in "abcd"}
    standing = {name: Standing() for name in "abcd"}
    assert abstract.abstract(episode(*"abc"), traits, standing, rows, count) is None
    gone = standing | {"d": Standing(superseded_by="a", valid_to=DAY)}
    assert abstract.abstract(episode(*"abcd"), traits, gone, rows, count) is None
    assert abstract.abstract(episode(*"abcd"), {name: traits[name] for name in "abc"}, standing, rows, count) is None
    assert abstract.abstract(episode(*"abcd"), traits, standing, rows, count) is not None


def test_an_episode_of_more_than_twenty_segments_is_split_the_same_way_each_time() -> None:
    chance = np.random.default_rng(5)
    rows = {f"u{n:02}": np.array([1, 0.3 * (n % 2), 0.1 * chance.random()]) for n in range(50)}
    unit_rows = vectors({name: list(row) for name, row in rows.items()})
    segments = [
        Segment(f"s{n:02}", f"session{n}", (f"u{n:02}",), f"u{n:02}", DAY + dt.timedelta(hours=n), DAY + dt.timedelta(hours=n))
        for n in range(50)
    ]  # fmt: skip
    found = episodes.gathered(episodes.placed(segments, unit_rows), unit_rows)
    assert max(len(e.segments) for e in found) <= 20
    assert sorted(s.id for e in found for s in e.segments) == [s.id for s in segments]
    assert episodes.gathered(episodes.placed(segments, unit_rows), unit_rows) == found
    same = {name: unit_rows["u00"] for name in unit_rows}
    assert max(len(e.segments) for e in episodes.gathered(episodes.placed(segments, same), same)) <= 20


def fading(days: float, **fields: object) -> Fading:
    given: dict[str, object] = {
        "salience": 0.5,
        "accesses": 0,
        "is_pinned": False,
        "is_needed": False,
        "expires_at": None,
    }
    return Fading(id="u", since=DAY - dt.timedelta(days=days), **(given | fields))  # type: ignore[arg-type]


def test_a_unit_fades_by_the_curve_and_recalls_hold_it() -> None:
    assert forget.retention(fading(90), DAY) == 0.5 * math.exp(-1)
    assert forget.retention(fading(90, accesses=3), DAY) == 0.5 * math.exp(-1 / (1 + math.log(4)))
    assert [f.reason for f in forget.forgotten([fading(208)], DAY, faded=True)] == ["faded"]
    assert forget.forgotten([fading(206)], DAY, faded=True) == []
    assert forget.forgotten([fading(208, accesses=1)], DAY, faded=True) == []
    assert forget.forgotten([fading(208)], DAY, faded=False) == []


def test_pins_and_needs_hold_against_fading_and_an_end_holds_against_both() -> None:
    for held in ("is_pinned", "is_needed"):
        assert forget.forgotten([fading(9999, **{held: True})], DAY, faded=True) == []
    ended = fading(0, is_pinned=True, is_needed=True, expires_at=DAY)
    assert [f.reason for f in forget.forgotten([ended], DAY, faded=False)] == ["expired"]
    later = fading(0, expires_at=DAY + dt.timedelta(seconds=1))
    assert forget.forgotten([later], DAY, faded=True) == []


@given(st.floats(0, 4000), st.floats(0, 4000), st.integers(0, 1000), st.floats(0, 1))
def test_retention_is_a_share_that_falls_with_time_and_rises_with_recalls(
    days: float, more: float, accesses: int, salience: float
) -> None:
    now = forget.retention(fading(days, accesses=accesses, salience=salience), DAY)
    assert 0 <= now <= 1
    assert forget.retention(fading(days + more, accesses=accesses, salience=salience), DAY) <= now
    assert forget.retention(fading(days, accesses=accesses + 1, salience=salience), DAY) >= now
