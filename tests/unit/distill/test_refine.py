"""A language model's notes: how a reply is read, which notes are believed, and what units they make."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.distill import compose, refine, window
from memsvc.distill.build import Setting
from memsvc.distill.refine import Grounded, Note, NotGrounded, Quote
from memsvc.distill.window import Draft, Window
from memsvc.domain.message import Message, Origin
from memsvc.domain.unit import Assertion, Kind, MemoryUnit, Source, is_found
from memsvc.models.replies import Unreadable
from memsvc.prompts import REFINE
from tests.unit.distill.test_grounding import BEFORE, DRAFT, MESSAGE, words

AFTER = dataclasses.replace(MESSAGE, id="m2", content="If I moved to Lyon, I would sell the boat in Porto.")
(SECOND,) = compose.distill(
    [AFTER], preceding=[BEFORE, MESSAGE], participants=["Ana"], namespace_id="n", count_tokens=words
).units  # fmt: skip
SEEN = Window((BEFORE, MESSAGE, AFTER), (Draft(2, DRAFT), Draft(3, SECOND)), (3, 0))


def note(
    text: str, n: int | None = 1, of: int | None = 2, quote: str = "took her to the vet", **fields: object
) -> Note:
    given = {"kind": Kind.EVENT, "assertion": None, "entities": (), "keywords": ("vet", "dinosaur"),
             "topics": ("health", "vet"), "quotes": (Quote(None, quote),)} | fields  # fmt: skip
    return Note(n, of, text, **given)  # type: ignore[arg-type]


def setting(message: Message = MESSAGE) -> Setting:
    recent = SEEN.shown[: SEEN.shown.index(message)]
    return Setting(message, recent, (), ("Ana",), False, "n", words)


def ground(given: Note, seen: Window = SEEN) -> Grounded:
    return refine.ground(given, seen, setting())


def rewritten(given: Note) -> MemoryUnit:
    return refine.rewritten(ground(given), DRAFT, SEEN, setting(), "tiny")


def fresh(given: Note) -> MemoryUnit:
    found = ground(given)
    return refine.fresh(found, SEEN, setting(SEEN.shown[found.of - 1]), "tiny")


def quotes(unit: MemoryUnit) -> list[str]:
    said = {message.id: message.content for message in SEEN.shown}
    return [said[source.message_id][source.start : source.end] for source in unit.sources]


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
            st.lists(v, max_size=4) | st.dictionaries(st.sampled_from([*REFINE.reply, "notes", "words"]), v, max_size=5)
        ),
    ).map(json.dumps)
)
def test_any_reply_is_read_or_refused(reply: str) -> None:
    try:
        notes = refine.parse(reply)
    except Unreadable:
        return
    assert all(item.text for item in notes)


def test_quotes_may_be_words_alone_and_numbers_that_are_none_are_left_out() -> None:
    reply = {
        "n": "1",
        "of": True,
        "text": "Ana rests.",
        "assertion": "sure",
        "quotes": ["a b", {"words": "c", "of": 2}, 7],
    }
    (found,) = refine.parse(json.dumps(reply))
    assert (found.n, found.of, found.assertion) == (None, None, None)
    assert found.quotes == (Quote(None, "a b"), Quote(2, "c"))


def test_a_note_stands_on_the_words_that_it_quotes_its_own_first() -> None:
    told = note(
        "Ana took Miso to the vet.", quotes=(Quote(1, "my cat miso is ill"), Quote(2, "I took her  to the vet"))
    )
    found = ground(told)
    assert (found.of, found.draft) == (2, DRAFT)
    assert [source.message_id for source in found.quoted] == ["m1", "m0"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (note("Ana took Miso to the vet.", of=1), "it is of no message that was asked about"),
        (note("Ana took Miso to the vet.", n=None, of=9), "it is of no message that was asked about"),
        (note("Ana took Miso to the vet.", n=9, of=None), "it is of no message that was asked about"),
        (note("Ana took Miso to the vet.", n=2, of=2), "it is of no message that was asked about"),
        (note("vet " * 80), "it is too long"),
        (note("Ana took Miso to the vet.", quotes=()), "it quotes nothing of its message"),
        (note("Ana took Miso to the vet.", quotes=(Quote(1, "My cat Miso is ill"),)), "it quotes nothing of its message"),
        (note("Ana took Miso to the vet.", quote="took Miso to the vet"), "its quote was not said"),
        (note("Ana sells the boat.", quotes=(Quote(2, "the vet"), Quote(3, "sell the boat"))), "its quote was not said"),
        (note("Ana took Miso to the vet.", quotes=(Quote(2, "the vet"), Quote(7, "x"))), "its quote was not said"),
        (note("Ana paid 95 euros.", quote="paid 90 euros"), "a number was not said"),
        (note("Ana sells the boat in Porto.", quote="the vet"), "a name was not said"),
    ],
)  # fmt: skip
def test_a_note_that_does_not_stand_on_its_own_message_is_not_believed(given: Note, why: str) -> None:
    with pytest.raises(NotGrounded) as raised:
        ground(given)
    assert str(raised.value) == why


def test_a_note_that_restates_a_draft_quotes_the_drafts_words() -> None:
    message = dataclasses.replace(MESSAGE, content="I took her to the vet. I paid 90 euros.")
    first, _ = compose.distill(
        [message], preceding=[BEFORE], participants=["Ana"], namespace_id="n", count_tokens=words
    ).units  # fmt: skip
    seen = Window((BEFORE, message), (Draft(2, first),), (2, 0))
    assert ground(note("Ana took Miso to the vet."), seen).draft == first
    with pytest.raises(NotGrounded, match="another statement"):
        ground(note("Ana paid 90 euros.", quote="paid 90 euros"), seen)


def test_a_note_that_denies_what_it_quotes_is_not_believed() -> None:
    assert ground(note("Ana took Miso to the vet.")).draft == DRAFT
    with pytest.raises(NotGrounded, match="denies"):
        ground(note("Ana never took Miso to the vet."))


def test_a_message_that_is_trusted_less_is_not_quoted_for_another() -> None:
    tool = dataclasses.replace(BEFORE, origin=Origin(trust=0.5))
    told = note("Ana took her to the vet.", quotes=(Quote(2, "the vet"), Quote(1, "My cat Miso")))
    with pytest.raises(NotGrounded, match="quote"):
        ground(told, Window((tool, MESSAGE), (Draft(2, DRAFT),), (2, 0)))


def test_the_next_version_keeps_times_and_people_and_cites_where_a_name_came_from() -> None:
    unit = rewritten(note("Ana took Miso to the vet.", assertion=Assertion.HYPOTHETICAL))
    assert (unit.id, unit.version, unit.time, unit.assertion) == (DRAFT.id, 2, DRAFT.time, DRAFT.assertion)
    assert (unit.distiller, unit.confidence) == ("model-2:tiny", 0.8)
    assert unit.keywords == ("vet",)
    assert unit.sources[: len(DRAFT.sources)] == DRAFT.sources
    assert quotes(unit)[-1] == "My cat Miso is ill."


def test_a_day_that_a_note_leaves_as_it_was_said_keeps_its_date_beside_it() -> None:
    unit = rewritten(note("Ana took Miso to the vet yesterday."))
    assert unit.text == "Ana took Miso to the vet yesterday. (yesterday: 7 May 2023)"
    assert unit.text[: unit.core_end] == "Ana took Miso to the vet yesterday."
    assert rewritten(note("Ana took Miso to the vet on 7 May 2023.")).text == "Ana took Miso to the vet on 7 May 2023."


def test_a_note_that_names_nobody_gets_its_speaker() -> None:
    assert rewritten(note("Paid 90 euros at the vet.")).text == "Ana: Paid 90 euros at the vet."


def test_what_is_to_be_followed_only_the_rules_say() -> None:
    assert rewritten(note("Ana took Miso to the vet.", kind=Kind.INSTRUCTION)).kind is DRAFT.kind
    assert rewritten(note("Ana took Miso to the vet.", kind=Kind.STATE)).kind is Kind.STATE


def test_entities_of_the_model_are_taken_as_far_as_they_stand_in_its_text() -> None:
    unit = rewritten(note("Ana took Miso to the vet.", entities=("the vet", "Luna", "miso")))
    assert set(unit.entities) == {"Ana", "Miso", "the vet"}


def test_what_no_draft_says_is_a_unit_with_the_fields_that_the_rules_read() -> None:
    told = note("Ana paid the vet 90 euros yesterday.", n=None, quote="paid 90 euros", kind=None)
    unit = fresh(told)
    assert (unit.text, unit.version, unit.confidence) == (
        "Ana paid the vet 90 euros yesterday. (yesterday: 7 May 2023)", 1, 0.8
    )  # fmt: skip
    assert unit.text[: unit.core_end] == told.text
    assert unit.time == dataclasses.replace(DRAFT.time, phrase="yesterday") if DRAFT.time else False
    assert [(quantity.value, quantity.unit) for quantity in unit.quantities] == [("90", "euros")]
    assert (quotes(unit), unit.distiller, unit.t_mention) == (["paid 90 euros"], "model-2:tiny", MESSAGE.occurred_at)


def test_a_unit_that_was_found_has_the_same_id_when_it_is_found_again() -> None:
    one, other, third = (
        fresh(note(text, n=None, quote=quote))
        for text, quote in (
            ("Ana paid 90 euros.", "paid 90 euros"),
            ("Ana  paid 90 Euros.", "Yesterday I took her"),
            ("Ana paid at the vet.", "paid 90 euros"),
        )
    )
    assert one.id == other.id != third.id
    assert is_found(one.id) and not is_found(DRAFT.id)


@pytest.mark.parametrize(
    ("message", "text", "quote", "by_model", "assertion"),
    [
        (3, "Ana sells the boat in Porto.", "sell the boat", Assertion.ASSERTED, Assertion.HYPOTHETICAL),
        (2, "Ana took her to the vet.", "took her to the vet", Assertion.ASSERTED, Assertion.ASSERTED),
        (2, "Ana took her to the vet.", "took her to the vet", Assertion.PLANNED, Assertion.PLANNED),
        (2, "Ana took her to the vet.", "took her to the vet", None, Assertion.ASSERTED),
    ],
)
def test_what_is_found_is_asserted_as_its_words_are_or_with_more_care(
    message: int, text: str, quote: str, by_model: Assertion | None, assertion: Assertion
) -> None:
    assert fresh(note(text, None, message, quote, assertion=by_model)).assertion is assertion


def test_what_stands_on_two_places_cites_both_and_the_earlier_message_last() -> None:
    told = note(
        "Ana paid 90 euros for Miso at the vet.", n=None,
        quotes=(Quote(1, "My cat Miso"), Quote(2, "the vet"), Quote(2, "paid 90 euros"), Quote(2, "the vet")),
    )  # fmt: skip
    unit = fresh(told)
    assert quotes(unit) == ["the vet", "paid 90 euros", "My cat Miso"]
    assert isinstance(unit.sources[0], Source)


def test_the_prompt_holds_the_day_the_context_the_words_and_the_drafts() -> None:
    text = window.prompt(SEEN)
    assert all(part in text for part in ("Monday, 8 May 2023", BEFORE.content, MESSAGE.content, f'"1": "{DRAFT.text}"'))
