"""The learned judgement of a pair: on sentences that it never saw, and as a file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memsvc import errors, loading
from memsvc.consolidate import judge, relate, trait
from memsvc.consolidate.trait import Trait
from memsvc.distill import compose
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import MemoryUnit
from memsvc.models import tokens
from memsvc.models.encoder import TextEncoder
from memsvc.settings import Settings
from tests.unit.consolidate.judged_pairs import CHANGES, TRAPS

DAY = dt.datetime(2024, 2, 5, 9, tzinfo=dt.UTC)
# Measured 13 and 1 of 22: a change that is not seen leaves two statements, a wrong one hides a truth.
LEAST_FOUND, MOST_WRONG = 0.55, 1


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return loading.encoder(Settings())


def statement(text: str, day: int) -> MemoryUnit:
    message = Message(f"m{day}", "s", "e", Role.USER, None, text, DAY + dt.timedelta(days=day))
    return compose.distill(
        [message], preceding=(), participants=(), namespace_id="n", count_tokens=tokens.count
    ).units[0]  # fmt: skip


def read(unit: MemoryUnit) -> Trait:
    dates = (unit.time.start, unit.time.end) if unit.time else None
    return trait.read(
        id=unit.id, kind=unit.kind, text=unit.text, subject=unit.subject, persons=unit.persons, entities=unit.entities,
        session_id="s", message_ids=[unit.sources[0].message_id], said_at=unit.t_mention, is_assistants=False,
        dates=dates, core_end=unit.core_end, assertion=unit.assertion,
    )  # fmt: skip


def scores(pairs: Sequence[tuple[str, str]], encoder: TextEncoder, known_as: str) -> NDArray[np.float32]:
    said = [(statement(earlier, 0), statement(later, 40)) for earlier, later in pairs]
    rows = encoder.encode([unit.text for pair in said for unit in pair])
    return judge.shipped(known_as).scores(
        [(read(earlier), read(later)) for earlier, later in said], (rows[::2], rows[1::2])
    )


def test_what_changed_is_told_from_what_only_looks_so(encoder: TextEncoder) -> None:
    def ended(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        verdicts = scores(pairs, encoder, encoder.name).tolist()
        return [
            (earlier, later)
            for (earlier, later), verdict in zip(pairs, verdicts, strict=True)
            if relate.supersedes(read(statement(later, 40)), read(statement(earlier, 0)), verdict)
        ]

    found, wrong = ended(CHANGES), ended(TRAPS)
    assert len(found) >= LEAST_FOUND * len(CHANGES), set(CHANGES) - set(found)
    assert len(wrong) <= MOST_WRONG, wrong


def test_of_another_encoders_vectors_the_judge_makes_nothing(encoder: TextEncoder) -> None:
    for pairs in (CHANGES, TRAPS):
        alone = scores(pairs, encoder, "another")
        assert ((alone >= 0) & (alone <= 1)).all()
    said = [(read(statement(earlier, 0)), read(statement(later, 40))) for earlier, later in CHANGES]
    noise = np.random.default_rng(1).random((2, len(said), 7), dtype=np.float32)
    np.testing.assert_array_equal(
        judge.shipped("another").scores(said, (noise[0], noise[1])), scores(CHANGES, encoder, "another")
    )


def test_the_same_pairs_have_the_same_scores_however_many_are_asked_about_at_once(encoder: TextEncoder) -> None:
    together = scores(CHANGES, encoder, encoder.name)
    alone = [float(scores([pair], encoder, encoder.name)[0]) for pair in CHANGES[:5]]
    np.testing.assert_allclose(alone, together[:5], atol=0.05)


def test_a_foreign_file_of_weights_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "judge.npz"
    for content in (b"", b"not an archive", judge.SHIPPED.read_bytes()[:100]):
        path.write_bytes(content)
        with pytest.raises(errors.Invalid, match="eval pairs"):
            judge.load(path, "any")
    with pytest.raises(errors.Invalid, match="eval pairs"):
        judge.load(tmp_path / "absent.npz", "any")
    monkeypatch.setattr(judge, "NAMES", ("other",))
    with pytest.raises(errors.Invalid, match="other numbers"):
        judge.load(judge.SHIPPED, "any")


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("Bummer, Joanna.", False), ("Joanna, well done!", False), ("Here is my current code:", False), ("# Notes", False),
        ("**Conclusion**", False), ("I married Joanna.", True), ("I'm pregnant!", True), ("Joanna, I quit my job at the mill.", True),
        ("Well, I quit.", True),
    ],
)  # fmt: skip
def test_what_tells_nothing_by_itself_ends_nothing_and_is_not_ended(text: str, tells: bool) -> None:
    said = trait.read(
        id="u", kind="fact", text=f"Nate: {text}", subject="Nate", persons=["Nate", "Joanna"], entities=(), session_id="s",
        message_ids=["m"], said_at=DAY, is_assistants=False, dates=None,
    )  # fmt: skip
    assert said.tells is tells
