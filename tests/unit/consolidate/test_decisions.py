from __future__ import annotations

import dataclasses
import datetime as dt
import random
from collections.abc import Collection, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.consolidate import derive, episodes, judge, relate, trait
from memsvc.consolidate.trait import Trait
from memsvc.domain.judgement import Judgement, digest
from memsvc.domain.link import Link, LinkKind
from memsvc.domain.unit import Topic
from memsvc.services import decisions
from memsvc.store.consolidation import Base
from tests.unit.consolidate.deciding import Decisions, decide

DAY = dt.datetime(2024, 5, 8, 12, tzinfo=dt.UTC)


def unit(
    text: str, day: int = 0, subject: str = "Ana", kind: str = "state", entities: Sequence[str] = (), assistant: bool = False,
    id: str | None = None, session: str = "s",
) -> Trait:  # fmt: skip
    return trait.read(
        id=id or f"{day}:{text}", kind=kind, text=f"{subject}: {text}", subject=subject, persons=[subject],
        entities=entities, session_id=session, message_ids=[f"m{day}"], said_at=DAY + dt.timedelta(days=day),
        is_assistants=assistant, dates=None,
    )  # fmt: skip


def kind_of(
    one: Trait, other: Trait, cosine: float, verdict: float = 0.0, judged: bool | None = None
) -> LinkKind | None:
    link = relate.pair(one, other, cosine, verdict, judged)
    assert link == relate.pair(other, one, cosine, verdict, judged)
    return link.kind if link else None


@pytest.mark.parametrize(
    ("text", "slot"),
    [
        ("My name is Ana Silva.", ("name", "ana silva")),
        ("I moved from Porto to Berlin last month.", ("residence", "berlin")),
        ("I live in Oslo now.", ("residence", "oslo")),
        ("I work at Acme Labs.", ("employer", "acme labs")),
        ("I am 34 years old.", ("age", "34")),
        ("My favourite colour is dark green.", ("favourite colour", "dark green")),
        ("The deadline is now Friday.", ("deadline", "friday")),
        ("The pool size was raised to 20.", ("pool size", "20")),
        ("I like tea.", None),
        ("I have 2 cats.", None),
        ("I moved on.", None),
        ("My dog is now happy.", None),
    ],
)
def test_what_one_has_one_of_at_a_time_is_a_slot_and_what_adds_up_is_none(
    text: str, slot: tuple[str, str] | None
) -> None:
    assert unit(text).slot == slot


def test_the_same_said_twice_is_the_same_and_a_changed_figure_negation_or_name_is_not() -> None:
    first = unit("I own two boats and 3 bikes.", 0)
    assert kind_of(first, unit("I own two boats and 3 bikes!", 5), 0.99) is LinkKind.SAME
    for other in ("I own two boats and 4 bikes.", "I never own two boats and 3 bikes."):
        assert kind_of(first, unit(other, 5), 0.99) is not LinkKind.SAME
    assert kind_of(first, unit("I own two boats and 3 bikes.", 5, subject="Ben"), 0.99) is not LinkKind.SAME
    assert (
        kind_of(unit("I met Rita.", entities=["Rita"]), unit("I met Tom.", 1, entities=["Tom"]), 0.97)
        is not LinkKind.SAME
    )


def test_a_slot_is_replaced_by_the_later_value_of_the_same_person_only() -> None:
    oslo = unit("I live in Oslo.", 0)
    assert kind_of(oslo, unit("I moved to Porto.", 9), 0.3) is LinkKind.SUPERSEDES
    assert kind_of(oslo, unit("I moved to Porto.", 9, subject="Ben"), 0.3) is None
    assert kind_of(oslo, unit("I live in Oslo.", 9), 0.9) is not LinkKind.SUPERSEDES


def test_where_the_judge_is_sure_the_later_statement_replaces_the_earlier_and_an_assistants_does_not() -> None:
    before = unit("The export job uses 5 workers.", 0, kind="fact")
    after = unit("The export job got more of them and has 20 workers now.", 1, kind="fact")
    assert kind_of(before, after, 0.9, verdict=relate.SURE) is LinkKind.SUPERSEDES
    assert kind_of(before, after, 0.9, verdict=relate.SURE - 0.01) is LinkKind.NEAR
    said = unit("The export job got more of them and has 20 workers now.", 1, kind="fact", assistant=True)
    assert kind_of(before, said, 0.9, verdict=1.0) is LinkKind.NEAR


def test_blocks_of_code_are_not_merged_and_questions_and_advice_replace_nothing() -> None:
    block = unit("python block: client, test_user_auth", 0, kind="artefact", assistant=True)
    other = unit("python block: client, test_user_auth", 1, kind="artefact", assistant=True)
    assert kind_of(block, other, 1.0) is LinkKind.NEAR
    asked = unit("Does the export job now use 5 workers?", 0, kind="fact")
    assert kind_of(asked, unit("Does the export job now use 20 workers?", 1, kind="fact"), 0.95, 1.0) is LinkKind.NEAR
    advice = unit("Sell what you no longer need.", 0, kind="fact", assistant=True)
    assert kind_of(advice, unit("Sell what you need.", 1, kind="fact", assistant=True), 0.9, 1.0) is LinkKind.NEAR


def test_links_need_likeness_or_a_shared_name_with_some() -> None:
    one, other = unit("Rita sings.", entities=["Rita"]), unit("Rita paints.", 1, entities=["Rita"])
    assert kind_of(one, other, 0.6) is LinkKind.NEAR
    assert kind_of(one, unit("Tom paints.", 1, entities=["Tom"]), 0.6) is None
    assert kind_of(one, unit("Tom paints.", 1, entities=["Tom"]), 0.7) is LinkKind.NEAR


def test_what_was_said_again_after_it_was_superseded_is_so_again() -> None:
    oslo, porto, again = unit("I live in Oslo.", 0), unit("I live in Porto.", 5), unit("I live in Oslo.", 9)
    traits = {t.id: t for t in (oslo, porto, again)}
    links = [
        link for a in traits.values() for b in traits.values() if a.id < b.id and (link := relate.pair(a, b, 0.96))
    ]
    found = derive.standings(traits, links)
    assert found[again.id].merged_into == oslo.id
    assert found[oslo.id].superseded_by is None
    assert found[oslo.id].proof_count == 2
    assert found[porto.id].superseded_by == oslo.id
    assert found[porto.id].valid_to == again.said_at


def test_a_unit_keeps_its_strongest_links() -> None:
    hub = [Link("hub", f"u{n:02}", LinkKind.NEAR, 0.7 + n / 100) for n in range(20)]
    others = [Link(f"u{n:02}", f"w{n}-{k}", LinkKind.NEAR, 0.99) for n in range(20) for k in range(10)]
    links = [*hub, *others]
    weak = derive.too_weak(links, lambda unit_id: [link for link in links if unit_id in (link.src, link.dst)])
    assert sorted(link.dst for link in weak) == [f"u{n:02}" for n in range(10)]


def test_a_session_is_cut_at_a_pause_and_a_later_word_moves_no_cut() -> None:
    generator = np.random.default_rng(3)
    talk = [unit(f"number {n}", id=f"u{n}") for n in range(60)]
    talk = [
        trait.read(id=t.id, kind="fact", text=t.text, subject="Ana", persons=[], entities=[], session_id="s", message_ids=["m"],
                   said_at=DAY + dt.timedelta(minutes=n * 2 + (n >= 30) * 60), is_assistants=False, dates=None)
        for n, t in enumerate(talk)
    ]  # fmt: skip
    rows = generator.standard_normal((60, 8), dtype=np.float32)
    vectors = {t.id: row / np.linalg.norm(row) for t, row in zip(talk, rows, strict=True)}
    whole = episodes.segments(talk, vectors)
    assert [u for segment in whole for u in segment.units] == [t.id for t in talk]
    assert max(len(segment.units) for segment in whole) <= 20
    assert any(segment.units[0] == "u30" for segment in whole)
    for cut in (10, 35, 59):
        assert [s.units for s in episodes.segments(talk[:cut], vectors)][:-1] == [s.units for s in whole][
            : len(episodes.segments(talk[:cut], vectors)) - 1
        ]
    gathered = episodes.gathered(episodes.placed(whole, vectors), vectors)
    assert sorted(s.id for e in gathered for s in e.segments) == sorted(s.id for s in whole)


WORDS = [
    "I live in Oslo.",
    "I live in Porto.",
    "I have 2 cats.",
    "I have 3 cats now.",
    "I never sing.",
    "I sing.",
    "My dog Rex barks.",
]


def history(rows: list[tuple[int, int, int]]) -> list[Base]:
    """Units by (words, day, noise of the vector); the same words lie near each other."""
    found = []
    for number, (which, day, noise) in enumerate(rows):
        row = np.random.default_rng(which).standard_normal(16) + 0.1 * np.random.default_rng(
            100 + noise
        ).standard_normal(16)
        row = np.ascontiguousarray(row / np.linalg.norm(row), dtype="<f4")
        found.append(
            Base(f"u{number}", 1, "state", f"Ana: {WORDS[which]}", "Ana", ("Ana",), (), f"s{day % 3}", f"e{number}", (number, 0), (f"m{number}",), DAY + dt.timedelta(days=day), None, None, False, row.tobytes(), keywords=(f"k{which % 3}", f"n{noise}"), topics=(Topic("concept", f"t{which % 2}", 1.0),))
        )  # fmt: skip
    return found


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(WORDS) - 1), st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=24),
    st.integers(0, 10_000),
)
def test_increments_in_any_order_of_arrival_equal_a_rebuild(rows: list[tuple[int, int, int]], seed: int) -> None:
    everything = history(rows)
    order = {item.message_ids[0]: place for place, item in enumerate(sorted(everything, key=lambda b: (b.session_id, b.t_mention, b.id)))}  # fmt: skip
    whole = decide(everything, 16, {item.id for item in everything}, [], order, "another")
    chance = random.Random(seed)
    arriving = list(everything)
    chance.shuffle(arriving)
    known: Collection[Link] = []
    present: list[Base] = []
    reached: Decisions | None = None
    while arriving:
        fresh = [arriving.pop() for _ in range(min(len(arriving), chance.randint(1, 5)))]
        present += fresh
        present.sort(key=lambda item: item.id)
        reached = decide(present, 16, {item.id for item in fresh}, known, order, "another")
        known = reached.links
    assert reached is not None
    assert set(reached.links) == set(whole.links)
    assert reached.standings == whole.standings
    assert reached.episodes == whole.episodes
    assert reached.gained == whole.gained
    assert [(a.episode_id, a.text, a.chosen) for a in reached.abstracts] == [
        (a.episode_id, a.text, a.chosen) for a in whole.abstracts
    ]


def test_the_same_sentence_with_another_word_ends_the_earlier_one_only_where_that_is_a_figure() -> None:
    knee = unit("My left knee hurts in the cold.", 0)
    assert kind_of(knee, unit("My right knee hurts in the cold.", 5), 0.97, verdict=1.0) is LinkKind.NEAR
    concert = unit("The concert number 1 was in the hall with 20 singers.", 0)
    assert (
        kind_of(concert, unit("The concert number 2 was in the hall with 30 singers.", 5), 0.97, 1.0) is LinkKind.NEAR
    )
    limit = unit("The rate limit of the API is 100 calls a minute.", 0)
    changed = unit("The rate limit of the API is 250 calls a minute.", 5)
    assert kind_of(limit, changed, 0.97, verdict=0.9) is LinkKind.NEAR
    assert kind_of(limit, changed, 0.97, verdict=0.99) is LinkKind.SUPERSEDES


def test_a_language_model_decides_in_place_of_the_judge_either_way_and_never_against_a_rule() -> None:
    before, after = unit("I take the bus to work.", 0), unit("I cycle to work these days.", 5)
    assert kind_of(before, after, 0.9, verdict=0.2, judged=True) is LinkKind.SUPERSEDES
    assert kind_of(before, after, 0.9, verdict=0.8, judged=False) is LinkKind.NEAR
    knee = unit("My left knee hurts in the cold.", 0)
    assert kind_of(knee, unit("My right knee hurts in the cold.", 5), 0.97, 0.9, judged=True) is LinkKind.SUPERSEDES
    oslo, porto = unit("I live in Oslo.", 0), unit("I moved to Porto.", 9)
    assert kind_of(oslo, porto, 0.9, judged=False) is LinkKind.SUPERSEDES
    for other in (
        unit("I cycle to work these days.", 5, subject="Ben"),
        unit("I cycle to work these days.", 5, assistant=True),
        unit("Do I cycle to work these days?", 5),
        unit("I take the bus to work!", 5),
    ):
        assert kind_of(before, other, 0.9, judged=True) is not LinkKind.SUPERSEDES


@pytest.mark.parametrize(
    ("verdict", "doubtful"), [(0.1, False), (0.15, True), (0.69, True), (0.7, True), (0.89, True), (0.9, False)]
)
def test_between_what_the_judge_does_not_see_and_what_it_is_sure_of_there_is_doubt(
    verdict: float, doubtful: bool
) -> None:
    before, after = unit("I take the bus to work.", 0), unit("I cycle to work these days.", 5)
    assert relate.is_doubtful(after, before, verdict) is doubtful
    assert not relate.is_doubtful(before, after, verdict)
    assert not relate.is_doubtful(unit("Do I cycle to work?", 5), before, verdict)
    assert not relate.is_doubtful(unit("I moved to Porto.", 9), unit("I live in Oslo.", 0), verdict)
    knee = unit("My left knee hurts in the cold.", 0)
    assert relate.is_doubtful(unit("My right knee hurts in the cold.", 5), knee, verdict) is (verdict >= 0.15)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(WORDS) - 1), st.integers(0, 30), st.integers(0, 3)), min_size=2, max_size=16),
    st.integers(0, 10_000),
)
def test_judgements_that_come_before_or_after_their_units_are_looked_at_give_what_a_rebuild_gives(
    rows: list[tuple[int, int, int]], seed: int
) -> None:
    everything = history(rows)
    order = {item.message_ids[0]: place for place, item in enumerate(sorted(everything, key=lambda b: (b.session_id, b.t_mention, b.id)))}  # fmt: skip
    chance = random.Random(seed)
    every = {item.id: item for item in everything}
    judged = [
        Judgement(a.id, b.id, digest(a.text, b.text if chance.random() < 0.8 else "other"), chance.choice([True, False, None]), "probe")
        for a in everything for b in everything if (a.t_mention, a.exchange_id) < (b.t_mention, b.exchange_id) and chance.random() < 0.5
    ]  # fmt: skip
    whole = decide(everything, 16, set(every), [], order, "another", judged)
    arriving: list[Base | Judgement] = [*everything, *judged]
    chance.shuffle(arriving)
    present: list[Base] = []
    told: list[Judgement] = []
    waiting: list[Judgement] = []
    known: Collection[Link] = []
    reached: Decisions | None = None
    while arriving:
        came = [arriving.pop() for _ in range(min(len(arriving), chance.randint(1, 6)))]
        present = sorted([*present, *(item for item in came if isinstance(item, Base))], key=lambda item: item.id)
        here = {item.id for item in present}
        # Only units that are there can be judged.
        waiting += [item for item in came if isinstance(item, Judgement)]
        ready = [item for item in waiting if {item.earlier, item.later} <= here]
        waiting = [item for item in waiting if item not in ready]
        told += ready
        changed = {item.id for item in came if isinstance(item, Base)} | {item.later for item in ready}
        reached = decide(present, 16, changed, known, order, "another", told)
        known = reached.links
    assert reached is not None
    assert set(reached.links) == set(whole.links)
    assert (reached.standings, reached.judged) == (whole.standings, whole.judged)
    assert set(reached.doubtful) <= set(whole.doubtful)
    assert all(whole.standings[earlier].merged_into is None for earlier, _ in whole.doubtful)
    assert not set(whole.doubtful) & {(item.earlier, item.later) for item in judged if item.digest == digest(every[item.earlier].text, every[item.later].text)}  # fmt: skip


def test_the_pairs_of_which_the_judge_is_surest_come_first_the_newest_among_equals_and_none_of_a_merged_unit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Unsure:
        network = None

        def scores(self, pairs: Sequence[tuple[Trait, Trait]], _: object) -> list[float]:
            return [{"u1": 0.5, "u2": 0.4, "u3": 0.6, "u4": 0.3}[later.id] for _, later in pairs]

    monkeypatch.setattr(judge, "shipped", lambda _: Unsure())
    said = history([(6, 0, 0), (5, 1, 0), (2, 2, 0), (6, 3, 0), (4, 4, 0)])
    said = [dataclasses.replace(item, embedding=said[0].embedding) for item in said]
    order = {item.message_ids[0]: place for place, item in enumerate(said)}

    def asked(judged: Sequence[Judgement] = ()) -> Decisions:
        return decide(said, 16, {item.id for item in said}, [], order, "another", judged)

    found = asked()
    assert found.standings["u3"].merged_into == "u0"
    expected = ["u2 u3", "u1 u3", "u0 u1", "u1 u2", "u0 u2", "u2 u4", "u1 u4", "u0 u4"]
    assert [" ".join(pair) for pair in found.doubtful] == expected
    monkeypatch.setattr(decisions, "_MOST_DOUBTFUL", 2)
    assert [" ".join(pair) for pair in asked().doubtful] == expected[:2]
    # What was asked about is not asked again, whatever came of it, and other words are other words.
    texts = {item.id: item.text for item in said}
    judged = [
        Judgement("u2", "u3", digest(texts["u2"], texts["u3"]), None, "probe"),
        Judgement("u1", "u3", digest(texts["u1"], "other"), True, "probe"),
    ]
    assert [" ".join(pair) for pair in asked(judged).doubtful] == expected[1:3]


@pytest.mark.parametrize(
    ("granularity", "days", "began"),
    [("month", 30, 15), ("year", 366, 100), ("week", 7, 3.5), ("day", 1, 0), ("range", 30, 0), ("", 30, 0)],
)
def test_what_began_within_a_named_period_is_taken_to_be_so_from_its_middle_or_since_it_was_said(
    granularity: str, days: int, began: float
) -> None:
    start = DAY - dt.timedelta(days=100)
    told = trait.read(
        id="a", kind="state", text="Ana: I moved.", subject="Ana", persons=["Ana"], entities=(), session_id="s",
        message_ids=["m"], said_at=DAY, is_assistants=False, dates=(start, start + dt.timedelta(days=days)),
        granularity=granularity,
    )  # fmt: skip
    assert (told.since, told.began) == (start, start + dt.timedelta(days=began))
