"""What is kept between two runs gives what everything read anew gives, whatever came between."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from collections.abc import Sequence

import numpy as np
import pytest

from memsvc.consolidate import derive, evolve
from memsvc.domain.judgement import Judgement, digest
from memsvc.domain.link import Link
from memsvc.domain.unit import Topic
from memsvc.services.decisions import Changed, Held, Outcome
from memsvc.store.consolidation import Base
from tests.unit.consolidate.deciding import Decisions, decide, everything, said

DAY = dt.datetime(2024, 5, 8, 12, tzinfo=dt.UTC)
WORDS = [
    "I live in Oslo.", "I live in Porto.", "I have 2 cats.", "I have 3 cats now.", "I never sing.", "I sing.",
    "My dog Rex barks.", "On Mondays I swim with Rita.", "I swim with Rita on Mondays.", "I swim with Rita on Fridays.",
]  # fmt: skip
NAMES = ["Ana", "ana", "Ben"]


def unit(name: str, which: int, minute: int, noise: int, speaker: int) -> Base:
    row = np.random.default_rng(which // 2).standard_normal(12) + 0.3 * np.random.default_rng(noise).standard_normal(12)
    text = f"{NAMES[speaker]}: {WORDS[which]}"
    return Base(
        name, 1, "state", text, NAMES[speaker], (NAMES[speaker],), (), f"s{minute % 4}", f"e{name}", (0, 0), (f"m{name}",),
        DAY + dt.timedelta(minutes=7 * minute), None, None, False, (row / np.linalg.norm(row)).astype("<f4").tobytes(),
        keywords=(f"k{which % 3}", f"n{noise % 2}"), topics=(Topic("concept", f"t{which % 2}", 1.0),),
        is_temporary=noise == 3,
    )  # fmt: skip


def orders(units: Sequence[Base]) -> dict[str, int]:
    placed = sorted(units, key=lambda item: (item.session_id, item.t_mention, item.id))
    return {item.message_ids[0]: place for place, item in enumerate(placed)}


class Stored:
    """What a database would hold of the outcomes."""

    def __init__(self) -> None:
        self.links: set[Link] = set()
        self.episodes: dict[str, str] = {}
        self.abstracts: dict[str, tuple[str, tuple[str, ...]]] = {}

    def write(self, units: dict[str, Base], outcome: Outcome) -> set[str]:
        """The units that are other ones by that."""
        assert not set(outcome.added) & self.links
        self.links -= set(outcome.removed)
        self.links |= set(outcome.added)
        assert not outcome.gone & {episode.id for episode in outcome.told}
        self.episodes = {id: name for id, name in self.episodes.items() if id not in outcome.gone}
        self.episodes |= {episode.id: episode.name for episode in outcome.told}
        assert not outcome.anchors & {item.anchor for item in outcome.abstracts}
        self.abstracts = {anchor: held for anchor, held in self.abstracts.items() if anchor not in outcome.anchors}
        self.abstracts |= {item.anchor: (item.text, item.chosen) for item in outcome.abstracts}
        for id, standing in outcome.standings.items():
            status, by, until = standing.stored
            units[id] = dataclasses.replace(
                units[id], version=units[id].version + 1, stands=(status, by, until, standing.proof_count, outcome.gained.get(id, evolve.NOTHING))
            )  # fmt: skip
        return set(outcome.standings)


@pytest.mark.parametrize("most_near", [1, 2, derive.MAX_NEAR])
@pytest.mark.parametrize("seed", range(6))
def test_writes_edits_removals_and_judgements_in_any_order_give_what_a_rebuild_gives(
    seed: int, most_near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derive, "MAX_NEAR", most_near)
    chance = random.Random(seed)
    units: dict[str, Base] = {}
    judged: dict[tuple[str, str], Judgement] = {}
    held, stored = Held(12, "another", (), (), ()), Stored()
    put: set[str] = set()
    left: set[str] = set()
    written: set[str] = set()
    sessions: set[str] = set()
    for number in range(90):
        what = chance.choice("wwwwesrj") if units else "w"
        name = f"u{number}" if what == "w" else chance.choice(sorted(units))
        if what == "w":
            units[name] = unit(name, *somehow(chance))
            sessions.add(units[name].session_id)
        elif what == "e":  # other words at the same place
            old, new = units[name], unit(name, *somehow(chance))
            units[name] = dataclasses.replace(new, session_id=old.session_id, t_mention=old.t_mention)
        elif what == "r":
            sessions.add(units.pop(name).session_id)
            put.discard(name)
            left.add(name)
        elif what == "j":
            one, name = sorted((name, chance.choice(sorted(units))), key=lambda id: (units[id].t_mention, f"e{id}"))
            words = units[one].text, units[name].text
            judged[one, name] = Judgement(one, name, digest(*words), chance.random() < 0.5, "probe")
        if name in units:
            put.add(name)
        if chance.random() < 0.3 or number == 89:
            order = {id: place for id, place in orders(list(units.values())).items()}
            part = {id: place for id, place in order.items() if units[id[1:]].session_id in sessions}
            read = [units[id] for id in sorted((put | written) - left)]
            outcome = held.advance(Changed(read, left, put, part, sessions, list(judged.values())))
            written = stored.write(units, outcome)
            put, left, sessions = set(), set(), set()
            whole = decide(list(units.values()), 12, units, (), order, "another", list(judged.values()))
            same(said(held, outcome), whole)
            assert stored.links == held.links
            assert stored.episodes == {episode.id: episode.name for episode in held.episodes.values()}
            assert stored.abstracts == {item.anchor: (item.text, item.chosen) for item in held.abstracts.values()}
            assert all(units[id].stands[:3] == standing.stored for id, standing in held.standings.items())
    # Everything read again, behind what is stored, has nothing to write.
    again = Held(12, "another", (), stored.links, stored.episodes)
    nothing = again.advance(everything(list(units.values()), (), order, list(judged.values())))
    assert not nothing.added and not nothing.removed and not nothing.gone and not nothing.versions
    same(said(again, nothing), said(held, outcome))


def somehow(chance: random.Random) -> tuple[int, int, int, int]:
    return chance.randrange(len(WORDS)), chance.randrange(40), chance.randrange(4), chance.randrange(len(NAMES))


def same(one: Decisions, other: Decisions) -> None:
    assert one.links == other.links
    assert (one.standings, one.gained, one.judged) == (other.standings, other.gained, other.judged)
    assert sorted(one.episodes, key=lambda e: e.id) == sorted(other.episodes, key=lambda e: e.id)
    summed_up = [
        {a.episode_id: (a.anchor, a.text, a.chosen, a.members) for a in side.abstracts} for side in (one, other)
    ]
    assert summed_up[0] == summed_up[1]
