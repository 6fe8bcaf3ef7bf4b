from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.distill import compose, dates
from memsvc.distill.compose import Distillate
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import Kind, MemoryUnit

SAID = dt.datetime(2023, 5, 8, 13, 56, tzinfo=dt.UTC)


def words(text: str) -> int:
    return len(text.split())


def message(
    content: str, speaker: str | None = None, role: Role = Role.USER, number: int = 1, caption: str | None = None
) -> Message:
    return Message(f"m{number}", "s", "e", role, speaker, content, SAID, caption)


def distill(*messages: Message, preceding: Sequence[Message] = ()) -> Distillate:
    names = list(dict.fromkeys(m.speaker for m in (*preceding, *messages) if m.speaker))
    return compose.distill(messages, preceding=preceding, participants=names, namespace_id="n", count_tokens=words)


def only(*messages: Message, preceding: Sequence[Message] = ()) -> MemoryUnit:
    (unit,) = distill(*messages, preceding=preceding).units
    return unit


def test_a_short_turn_is_one_unit_that_names_its_speaker_and_resolves_its_date() -> None:
    unit = only(message("I went to a support group yesterday and it was powerful.", "Caroline"))
    assert unit.text == "Caroline: I went to a support group yesterday and it was powerful. (yesterday: 7 May 2023)"
    assert unit.text[: unit.core_end] == "Caroline: I went to a support group yesterday and it was powerful."
    assert unit.subject == "Caroline"
    assert unit.kind is Kind.EVENT
    assert unit.time is not None
    assert unit.time.phrase == "yesterday"


def test_greetings_are_dropped_and_the_source_spans_are_what_is_left() -> None:
    said = message("Hey Mel! Wow, that's cool. I signed up for a pottery class.", "Ana")
    unit = only(said, preceding=[message("Hi!", "Mel", number=0)])
    assert unit.text == "Ana: I signed up for a pottery class."
    assert [said.content[s.start : s.end] for s in unit.sources] == ["I signed up for a pottery class."]


@pytest.mark.parametrize(
    "content", ["Wow, that's awesome!", "Thanks, Mel!", "ok", "\U0001f600\U0001f600", "Bye, take care!"]
)
def test_a_turn_that_only_keeps_in_touch_gives_a_skip_with_its_reason(content: str) -> None:
    result = distill(message("I live in Oslo.", "Mel", number=0), message(content, "Ana"))
    assert [(skip.message_id, skip.reason) for skip in result.skips] == [("m1", "phatic")]


@pytest.mark.parametrize(
    "content", ["Yes, two!", "I said 7.", "Because of Rita.", "Porto", "\u597d\u7684\uff0c\u8c22\u8c22"]
)
def test_a_short_turn_that_tells_something_gives_a_unit(content: str) -> None:
    assert not distill(message(content, "Ana")).skips


def test_an_empty_message_is_skipped_as_empty_unless_it_has_a_caption() -> None:
    assert distill(message(" ")).skips[0].reason == "empty"
    assert "[image: a blue bowl]" in only(message("", "Ana", caption="a blue bowl")).text


def test_every_sentence_of_a_long_user_message_is_in_a_unit() -> None:
    sentences = [f"In town number {n} we repaired the old bridge over the river." for n in range(30)]
    result = distill(message(" ".join(sentences), "Ana"))
    assert len(result.units) > 3
    assert all(any(sentence in unit.text for unit in result.units) for sentence in sentences)


def test_a_long_reply_is_distilled_to_a_fifth_and_its_code_to_its_names() -> None:
    prose = " ".join(f"Point {n} concerns the deployment of service number {n} to the cluster." for n in range(60))
    reply = message(f"{prose}\n```python\ndef migrate(path):\n    pass\n```", role=Role.ASSISTANT)
    units = distill(message("How do I deploy?", number=0), reply).units[1:]
    assert sum(words(unit.text) for unit in units) <= 0.3 * words(reply.content)
    assert units[-1].text == "Assistant: python block: migrate"
    assert units[-1].kind is Kind.ARTEFACT


def test_kinds_are_told_apart_by_their_cues() -> None:
    answer = message("Sure, I will.", role=Role.ASSISTANT, number=0)
    kinds = {
        "From now on always answer in French.": Kind.INSTRUCTION,
        "I prefer tea over coffee.": Kind.PREFERENCE,
        "The error is in src/app/main.py.": Kind.ARTEFACT,
        "I live in a flat near the harbour.": Kind.STATE,
    }
    assert {text: only(message(text), preceding=[answer]).kind for text in kinds} == kinds


def test_artefacts_carry_what_was_done_to_them() -> None:
    unit = only(message("I fixed `TimeoutError: pool exhausted` in src/jobs/export.py with --dry-run and MAX_POOL=20."))
    found = {artefact.type: artefact for artefact in unit.artefacts}
    assert found["path"].value == "src/jobs/export.py"
    assert found["path"].action == "edit"
    assert found["flag"].value == "--dry-run"
    assert "TimeoutError: pool exhausted" in found["error"].value


def test_context_that_was_served_is_never_distilled_again() -> None:
    context = "<memsvc> What is remembered, oldest first:\n[1] Ana: I live in Oslo with 3 cats.\n</memsvc>"
    alone = distill(message(context))
    assert [(skip.message_id, skip.reason) for skip in alone.skips] == [("m1", "served")]
    unit = only(message(f"{context}\nNow I moved to Porto."))
    assert unit.text == "User: Now I moved to Porto."
    cut_off = only(message("<memsvc> What is remembered:\n[1] Ana: 3 cats\n\nI sold the boat."))
    assert cut_off.text == "User: I sold the boat."


def test_what_a_reply_repeats_is_left_out_and_what_a_person_says_again_is_not() -> None:
    said = "The red bicycle stands behind the old library."
    people = distill(message(said, "Ana"), message(said, "Ben", number=2), message(said, "Ana", number=3))
    assert len(people.units) == 3
    replies = distill(message(said, role=Role.ASSISTANT), message(said, role=Role.ASSISTANT, number=2))
    assert [(skip.message_id, skip.reason) for skip in replies.skips] == [("m2", "repeated")]


def test_a_standing_instruction_is_a_unit_of_its_own() -> None:
    result = distill(message("From now on always answer in French. The build of src/app.py fails with a TimeoutError."))
    assert [unit.kind for unit in result.units] == [Kind.INSTRUCTION, Kind.ARTEFACT]
    assert result.units[0].text == "User: From now on always answer in French."


def test_a_short_answer_carries_its_question() -> None:
    asked = message("How long have you had the cats?", "Ben", number=0)
    assert only(message("For 3 years.", "Ana"), preceding=[asked]).text == (
        "Ana: For 3 years. (re: How long have you had the cats?)"
    )
    numbered = message("Did you pay 20 euros?", "Ben", number=0)
    assert only(message("Yes, I paid.", "Ana"), preceding=[numbered]).text == (
        "Ana: Yes, I paid. (re: Did you pay 20 euros?)"
    )


def test_a_reply_is_distilled_to_its_headings_and_what_they_settle() -> None:
    filler = "This will help you to be more productive and to feel better about your work every day. "
    reply = message(
        f"Sure! Here is a plan.\n\n### 1. Preparation\n- **Research the museum**: {filler * 3}\n- **Pack the tripod**: "
        f"{filler * 3}\n\n### 2. Visit\n- **Arrive at 9 am**: {filler * 3}\nLet me know if you need more!",
        role=Role.ASSISTANT,
    )
    text = " ".join(unit.text for unit in distill(message("Plan my visit.", number=0), reply).units[1:])
    assert all(label in text for label in ("Preparation", "Research the museum", "Pack the tripod", "Arrive at 9 am"))
    assert "Let me know" not in text
    assert "**" not in text
    assert "###" not in text


def test_a_place_and_people_are_read_into_fields_only_where_the_text_says_so() -> None:
    unit = only(message("I moved to Porto with my sister Rita.", "Ana"))
    assert (unit.location, unit.persons) == ("Porto", ("Ana", "Rita"))
    assert only(message("I wrote it in French for Rita.", "Ana")).location is None
    later = only(
        message("She loves windsurfing and the lighthouse there.", "Ana"),
        preceding=[message("My sister Rita came.", "Ana", number=0)],
    )
    assert later.persons == ("Ana", "Rita")


def test_calling_somebody_by_a_short_name_tells_nothing() -> None:
    hello = message("Hello, I am here.", "Melanie", number=0)
    for content in ("Sounds great, Mel!", "Mel!", "Thanks, Mel."):
        assert distill(message(content, "Caroline"), preceding=[hello]).skips[0].reason == "phatic"
    assert not distill(message("Mel moved to Oslo.", "Caroline"), preceding=[hello]).skips


def test_short_names_are_resolved_to_the_one_participant_they_fit() -> None:
    unit = only(
        message("Yesterday I met Mel at the harbour.", "Caroline"), preceding=[message("Hi!", "Melanie", number=0)]
    )
    assert unit.entities == ("Melanie",)


@pytest.mark.parametrize(
    "content",
    [
        "Ich habe 3 Katzen in Oslo gekauft.",
        "\u732b\u3092\u98fc\u3044\u307e\u3057\u305f\u3002",
        "\u042f \u0436\u0438\u0432\u0443 \u0432 \u041c\u043e\u0441\u043a\u0432\u0435.",
        "J'habite \u00e0 Paris depuis longtemps.",
    ],
)
def test_other_languages_give_fewer_fields_and_their_words_unchanged(content: str) -> None:
    unit = only(message(content, "Ana"))
    assert unit.text == f"Ana: {content}"
    assert unit.time is None
    assert unit.kind is not Kind.PREFERENCE


def test_a_date_of_another_language_is_resolved_behind_its_words() -> None:
    unit = only(message("Ich habe gestern 3 Katzen in Oslo gekauft.", "Ana"))
    assert unit.text == "Ana: Ich habe gestern 3 Katzen in Oslo gekauft. (gestern: 7 May 2023)"


TEXTS = st.text(max_size=300) | st.lists(
    st.sampled_from(
        ["Hi Ana!", "I paid 20 euros.", "yesterday", "```py\nx=1\n```", "?", "\n", "Dr.", "on the 31st", "2023", "\u6771\u4eac", "\u202e", "https://a.b/c"]
    ),
    max_size=12,
).map(" ".join)  # fmt: skip


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(TEXTS, st.sampled_from(list(Role)), st.sampled_from([None, "Ana", "Ben"])), min_size=1, max_size=4
    )
)
def test_any_talk_is_distilled_the_same_twice_with_spans_inside_and_nothing_invented(
    talk: list[tuple[str, Role, str | None]],
) -> None:
    messages = [
        message(text.replace("\x00", ""), speaker, role, number) for number, (text, role, speaker) in enumerate(talk)
    ]
    result = distill(*messages)
    assert result == distill(*messages)
    by_id = {m.id: m for m in messages}
    covered = {skip.message_id for skip in result.skips}
    for unit in result.units:
        covered |= {source.message_id for source in unit.sources}
        said = " ".join(by_id[s.message_id].content[s.start : s.end] for s in unit.sources)
        before = messages[max(0, messages.index(by_id[unit.sources[0].message_id]) - 1)].content
        assert all(0 <= s.start <= s.end <= len(by_id[s.message_id].content) for s in unit.sources)
        resolved = " ".join(dates.describe(span) for span in dates.find(unit.text[: unit.core_end], SAID))
        assert set(re.findall(r"[0-9]+", unit.text)) <= set(re.findall(r"[0-9]+", f"{said} {resolved} {before}"))
        assert 0 <= unit.salience <= 1
        assert len(unit.keywords) <= 8
    assert covered == set(by_id)
    assert len({unit.id for unit in result.units}) == len(result.units)


@settings(max_examples=120, derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(TEXTS, st.sampled_from([Role.USER, Role.ASSISTANT]), st.sampled_from(["Ana", "Ben"])),
        min_size=2,
        max_size=12,
    )
)
def test_a_session_distilled_at_once_equals_message_by_message(talk: list[tuple[str, Role, str]]) -> None:
    roles = {role for _, role, _ in talk}
    messages = [message(text.replace("\x00", ""), who, role, n) for n, (text, role, who) in enumerate(talk)]
    kwargs = {"participants": ["Ana", "Ben"], "namespace_id": "n", "count_tokens": words}
    if len(roles) > 1:  # who answers is known from the first message on
        messages = [message("Hello, I am here to help with anything.", "Ana", Role.ASSISTANT, 99), *messages]
    at_once = compose.distill(messages, preceding=(), **kwargs)  # type: ignore[arg-type]
    one_by_one = [compose.distill([m], preceding=messages[:n], **kwargs) for n, m in enumerate(messages)]  # type: ignore[arg-type]
    assert at_once.units == tuple(unit for part in one_by_one for unit in part.units)
    assert at_once.skips == tuple(skip for part in one_by_one for skip in part.skips)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(TEXTS)
def test_every_letter_that_a_person_wrote_is_in_a_statement_or_listed_as_left_out(text: str) -> None:
    said = message(text.replace("\x00", ""), "Ana")
    result = distill(said)
    told = [(s.start, s.end) for unit in result.units for s in unit.sources]
    told += [(0, len(said.content)) if skip.start is None else (skip.start, skip.end or 0) for skip in result.skips]
    lost = [
        place
        for place, letter in enumerate(said.content)
        if letter.isalpha() and not any(start <= place < end for start, end in told)
    ]
    assert not lost
