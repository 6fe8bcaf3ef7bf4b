"""What is looked at in arrays gives what looking at every pair by itself gives."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from memsvc.consolidate import derive, judge, pairs, relate, trait
from memsvc.consolidate.pairs import Doubt
from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Link, LinkKind

DAY = dt.datetime(2024, 5, 8, 12, tzinfo=dt.UTC)
SAID = [
    "I live in Oslo.", "I live in Porto.", "Now I live in Porto, not in Oslo.", "I have 2 cats.", "I have 3 cats now.",
    "I never sing.", "I don't sing.", "I do not sing.", "Do I sing?", "On Mondays I swim with Rita.",
    "I swim with Rita on Mondays.", "My aunt lives in Bari.", "My girlfriend Elif has a red bike.",
    "My bike is not red any more, it is blue.", "My bike is red.", "The deadline is Friday.", "The deadline is Monday.",
    "Here is my code:", "If I moved to Rome I would sing.", "No, I live in Rome.",
]  # fmt: skip
Vectors = Mapping[str, NDArray[np.float32]]


def some(chance: random.Random, count: int) -> tuple[dict[str, Trait], Vectors]:
    traits: dict[str, Trait] = {}
    vectors = {}
    for number in range(count):
        name, which, speaker = f"u{number:02}", chance.randrange(len(SAID)), chance.choice(["Ana", "Ben"])
        own = (f"m{number}", 0, 5)
        traits[name] = trait.read(
            id=name, kind="state", text=f"{speaker}: {SAID[which]}", subject=speaker, persons=[speaker, "Rita"],
            entities=chance.choice([(), ("Elif",), ("Oslo",)]), session_id="s", message_ids=[f"m{number}"],
            said_at=DAY + dt.timedelta(minutes=chance.randrange(30)), is_assistants=chance.random() < 0.1, dates=None,
            trust=chance.choice([1.0, 1.0, 0.5]), exchange_id=chance.choice(["e", f"e{number}"]), turn=(number, 0),
            cites=[own, (f"m{number - 1}", 0, 5)] if SAID[which].startswith("No, ") else [own],
        )  # fmt: skip
        if SAID[which].startswith("No, "):
            traits[name] = dataclasses.replace(traits[name], is_correction=True)
        row = np.random.default_rng(which // 3).standard_normal(384)
        row += 0.6 * np.random.default_rng(chance.randrange(9)).standard_normal(384)
        vectors[name] = (row / np.linalg.norm(row)).astype(np.float32)
    return traits, vectors


def one_by_one(
    traits: Mapping[str, Trait],
    vectors: Vectors,
    fresh: Sequence[str],
    said: Mapping[tuple[str, str], bool],
    judged_by: judge.Judge,
) -> tuple[list[Link], list[Doubt]]:
    found, doubts = [], []
    for earlier, later in itertools.combinations(sorted(traits.values(), key=lambda t: t.place), 2):
        if earlier.id not in fresh and later.id not in fresh:
            continue
        between = (t for t in traits.values() if earlier.place < t.place < later.place)
        if repeats(earlier, later) and any(repeats(earlier, t) for t in between):
            continue
        cosine = float(vectors[earlier.id] @ vectors[later.id])
        is_one_slot = earlier.slot and later.slot and earlier.slot[0] == later.slot[0]
        by_rule = earlier.corrects(later) or later.corrects(earlier)
        asked = cosine >= judge.LEAST_COSINE and earlier.subject == later.subject
        if not (asked or by_rule or is_one_slot or cosine >= relate.LOWEST_COSINE):
            continue
        verdict = 0.0
        if asked and relate.comparable(later, earlier) and relate.judgeable(later, earlier):
            rows = vectors[earlier.id][None], vectors[later.id][None]
            verdict = float(judged_by.scores([(earlier, later)], rows)[0])
        told = said.get((earlier.id, later.id))
        link = relate.pair(earlier, later, round(min(1.0, max(0.0, cosine)), 4), verdict, told)
        found += [link] if link else []
        stands = link is None or link.kind is LinkKind.NEAR
        if stands and told is None and relate.doubts(later, earlier, verdict):
            found.append(Link(later.id, earlier.id, LinkKind.DOUBTS, round(verdict, 4)))
        if relate.is_doubtful(later, earlier, verdict):
            doubts.append(Doubt(earlier.id, later.id, round(verdict, 3)))
    return found, doubts


@pytest.mark.parametrize("encoder", ["all-MiniLM-L6-v2", "another"])
@pytest.mark.parametrize("block", [1, 7, 256])
def test_the_pairs_of_fresh_units_give_what_looking_at_each_by_itself_gives(
    block: int, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "_BLOCK", block)
    monkeypatch.setattr(pairs, "_ASKED_AT_ONCE", 3 * block)
    kinds = set()
    for seed in range(10):
        chance = random.Random(seed)
        traits, vectors = some(chance, chance.randint(2, 40))
        names = sorted(traits)
        fresh = names if seed % 2 else chance.sample(names, chance.randint(1, len(names)))
        ordered = [t.id for t in sorted(traits.values(), key=lambda t: t.place)]
        told = {pair: chance.random() < 0.5 for pair in itertools.combinations(ordered, 2) if chance.random() < 0.1}
        found, doubts = pairs.links(traits, vectors, fresh, judge.shipped(encoder), told)
        expected, in_doubt = one_by_one(traits, vectors, fresh, told, judge.shipped(encoder))
        assert by_ends(found) == by_ends(expected)
        assert sorted((d.earlier, d.later) for d in doubts) == sorted((d.earlier, d.later) for d in in_doubt)
        kinds |= {link.kind for link in found}
    assert kinds == {LinkKind.SAME, LinkKind.SUPERSEDES, LinkKind.NEAR, LinkKind.DOUBTS}


def repeats(one: Trait, other: Trait) -> bool:
    link = relate.pair(one, other, 1.0)
    return one.text == other.text and link is not None and link.kind is LinkKind.SAME


def test_what_is_said_two_hundred_times_is_linked_each_to_the_one_before_and_stands_as_if_all_were_linked() -> None:
    row = np.ones(384, dtype=np.float32) / np.sqrt(np.float32(384))
    traits = {
        f"u{n:03}": trait.read(
            id=f"u{n:03}", kind="event", text="Ana: I walk the dog.", subject="Ana", persons=["Ana"], entities=(),
            session_id="s", message_ids=[f"m{n}"], said_at=DAY + dt.timedelta(minutes=n % 7), is_assistants=False, dates=None,
        )
        for n in range(200)
    }  # fmt: skip
    found, _ = pairs.links(traits, dict.fromkeys(traits, row), sorted(traits), judge.shipped("another"), {})
    ordered = sorted(traits.values(), key=lambda t: t.place)
    assert {(link.src, link.dst) for link in found} == {(a.id, b.id) for a, b in itertools.pairwise(ordered)}
    all_linked = [Link(a.id, b.id, LinkKind.SAME, 1.0) for a, b in itertools.combinations(ordered, 2)]
    assert derive.standings(traits, found) == derive.standings(traits, all_linked)


def by_ends(links: Sequence[Link]) -> list[tuple[str, str, str, object]]:
    return sorted((link.src, link.dst, link.kind.value, pytest.approx(link.weight, abs=2e-4)) for link in links)
