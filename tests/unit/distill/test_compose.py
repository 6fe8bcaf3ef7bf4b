from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.distill import compose
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


def test_the_key_starts_with_what_was_said_before() -> None:
    unit = only(message("For 3 years.", "Ana"), preceding=[message("How long have you had the cats?", "Ben", number=0)])
    assert unit.key == "Ben: How long have you had the cats?\nAna: For 3 years."


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
        said = "".join(by_id[source.message_id].content for source in unit.sources)
        assert all(0 <= s.start <= s.end <= len(by_id[s.message_id].content) for s in unit.sources)
        assert set(re.findall(r"[0-9]+", unit.text[: unit.core_end])) <= set(re.findall(r"[0-9]+", said))
        assert 0 <= unit.salience <= 1
        assert len(unit.keywords) <= 8
    assert covered == set(by_id)
    assert len({unit.id for unit in result.units}) == len(result.units)
