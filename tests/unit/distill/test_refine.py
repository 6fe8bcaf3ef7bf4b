from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.distill import compose, refine
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import Kind
from memsvc.models.replies import Unreadable

SAID = dt.datetime(2023, 5, 8, 13, 56, tzinfo=dt.UTC)
BEFORE = Message("m0", "s", "e", Role.USER, "Ana", "My cat Miso is ill. I feel sorry for her.", SAID)
MESSAGE = Message("m1", "s", "e", Role.USER, "Ana", "Yesterday I took her to the vet and paid 90 euros.", SAID)


def words(text: str) -> int:
    return len(text.split())


(DRAFT,) = compose.distill(
    [MESSAGE], preceding=[BEFORE], participants=["Ana"], namespace_id="n", count_tokens=words
).units  # fmt: skip


def note(text: str, kind: Kind | None = Kind.EVENT) -> refine.Note:
    return refine.Note(1, text, kind, ("vet", "dinosaur"), ("health", "vet"))


GOOD = '{"notes": [{"n": 1, "text": "Ana took Miso to the vet.", "kind": "event", "keywords": ["vet"], "topics": []}]}'


@pytest.mark.parametrize(
    "reply",
    [
        GOOD,
        f"Here you go:\n```json\n{GOOD}\n```\nAnything else?",
        GOOD.replace("}]}", "},]}"),
        GOOD[:-2] + ', {"n": 2, "text": "Ana pa',
        '[{"text": "Ana took Miso to the vet."}]',
        '{"text": "Ana took Miso to the vet."}',
        GOOD.replace('"', "\u201d"),
    ],
)
def test_a_sloppy_reply_is_read(reply: str) -> None:
    assert refine.parse(reply)[0].text == "Ana took Miso to the vet."


@pytest.mark.parametrize(
    "reply", ["", "I cannot do that.", "{", '{"notes": []}', "[1, 2]", '{"notes": [{"n": 1}]}', "[" * 100_000]
)
def test_a_reply_without_notes_says_what_it_is(reply: str) -> None:
    with pytest.raises(Unreadable):
        refine.parse(reply)


def test_what_no_database_holds_is_taken_out_of_a_note() -> None:
    reply = '{"notes": [{"n": 1, "text": "Ana\\u0000 took \\ud800 Miso.", "keywords": ["a\\u0000b"]}]}'
    (found,) = refine.parse(reply)
    assert (found.text, found.keywords) == ("Ana took ? Miso.", ("a b",))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.text(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda v: (
            st.lists(v, max_size=4)
            | st.dictionaries(st.sampled_from(["notes", "n", "text", "kind", "keywords", "topics"]), v, max_size=5)
        ),
    ).map(json.dumps)
)
def test_any_reply_is_read_or_refused(reply: str) -> None:
    try:
        notes = refine.parse(reply)
    except Unreadable:
        return
    assert all(item.text for item in notes)


def test_a_note_in_other_words_with_the_same_facts_is_believed() -> None:
    for text in ("Ana took her cat Miso to the vet on 7 May 2023 and paid 90 euros.", "She paid 90 euros at the vet."):
        assert refine.ungrounded(note(text), DRAFT, MESSAGE, [BEFORE]) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Ana paid 95 euros at the vet.", "number 95"),
        ("Ana took Luna to the vet.", "name Luna"),
        ("Ana took Miso to the vet in June.", "name June"),
        ("Luna went to the vet.", "name Luna"),
        ("...", "nothing said"),
        ("Ana collects ancient porcelain figures and stamps.", "words that were not said"),
    ],
)
def test_a_note_with_something_that_was_not_said_is_not_believed(text: str, reason: str) -> None:
    assert refine.ungrounded(note(text), DRAFT, MESSAGE, [BEFORE]) == reason


def test_the_next_version_keeps_times_and_people_and_cites_where_a_name_came_from() -> None:
    unit = refine.refined(note("Ana took Miso to the vet."), DRAFT, MESSAGE, [BEFORE], ["Ana"], "tiny", words)
    assert (unit.id, unit.version, unit.time) == (DRAFT.id, 2, DRAFT.time)
    assert unit.distiller == "model-1:tiny"
    assert unit.keywords == ("vet",)
    cited = {source.message_id: source for source in unit.sources}
    assert BEFORE.content[cited["m0"].start : cited["m0"].end] == "My cat Miso is ill."


def test_a_note_that_names_nobody_gets_its_speaker() -> None:
    unit = refine.refined(note("Paid 90 euros at the vet."), DRAFT, MESSAGE, [BEFORE], ["Ana"], "tiny", words)
    assert unit.text == "Ana: Paid 90 euros at the vet."


def test_the_prompt_holds_the_day_the_context_the_words_and_the_drafts() -> None:
    text = refine.prompt(MESSAGE, [BEFORE], [DRAFT])
    assert all(part in text for part in ("Monday, 8 May 2023", BEFORE.content, MESSAGE.content, f"1. {DRAFT.text}"))
