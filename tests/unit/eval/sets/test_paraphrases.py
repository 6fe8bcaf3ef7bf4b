"""The questions in several wordings: the file holds its form, its answers stand in the talks, its parts are apart."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from eval.sets.model import BadDataset
from eval.sets.paraphrases import FILE, KINDS, PARTS, Memory, Message, read

MEMORIES = [memory for part in PARTS for memory in read(part)]
EVERY = pytest.mark.parametrize("memory", MEMORIES, ids=lambda memory: memory.id)
OTHER_LANGUAGES = ("de", "es", "fr", "it", "ja", "nl", "pt", "ru", "zh")
SAID = {
    "en": ("yes", "no"), "de": ("ja", "nein"), "es": ("sí", "no"), "fr": ("oui", "non"), "it": ("sì", "no"),
    "ja": ("はい", "いいえ"), "nl": ("ja", "nee"), "pt": ("sim", "não"), "ru": ("да", "нет"), "zh": ("是", "否"),
}  # fmt: skip

SMALL = """
[[memory]]
id = "pots"
part = "choosing"
language = "en"
messages = [
  { speaker = "Ana", at = 2024-05-06T18:00:00Z, text = "I have two pots." },
  { speaker = "Ben", at = 2024-05-06T18:01:00Z, text = "I have a pan." },
]
[[memory.questions]]
kind = "count"
asked = "How many pots has Ana?"
answer = "two"
same = ["What is the number of Ana's pots?"]
other = [{ asked = "How many pots has Ben?", answer = "" }]
[memory.later]
messages = [{ speaker = "Ana", at = 2024-06-06T18:00:00Z, text = "I have three pots." }]
changes = [{ asked = "How many pots has Ana?", answer = "three" }]
"""


def written(folder: Path, content: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(content, encoding="utf-8")
    return path


def stands_in(answer: str, messages: tuple[Message, ...], language: str) -> bool:
    """Whether every part of an answer is in the words of the messages, or of who says them."""
    words = " ".join(f"{message.speaker}: {message.text}" for message in messages).casefold()
    edge = "" if language in ("ja", "zh") else r"\b"
    return all(re.search(f"{edge}{re.escape(part.casefold())}{edge}", words) for part in answer.split(", "))


def test_every_part_has_its_memories_languages_and_changes() -> None:
    for part in PARTS:
        memories = read(part)
        assert len(memories) == 20
        assert sum(memory.language == "en" for memory in memories) == 12
        assert sum(memory.later is not None for memory in memories) == 4
        assert {group.kind for memory in memories for group in memory.questions} == set(KINDS)
    assert {memory.language for memory in MEMORIES} == {"en", *OTHER_LANGUAGES}


@EVERY
def test_a_memory_is_short_and_asked_in_several_wordings(memory: Memory) -> None:
    assert 3 <= len(memory.messages) <= 8
    assert 1 <= len({message.speaker for message in memory.messages}) <= 2
    assert 4 <= len(memory.questions) <= 6
    for group in memory.questions:
        assert 2 <= len(group.same) <= 4, group.asked
        assert 2 <= len(group.other) <= 4, group.asked
        assert group.answer, f"{group.asked}: nothing would be served"


@EVERY
def test_no_wording_stands_twice_and_none_is_another_in_capitals(memory: Memory) -> None:
    wordings = [
        wording
        for group in memory.questions
        for wording in (group.asked, *group.same, *(miss.text for miss in group.other))
    ]
    twice = [wording for wording, times in Counter(map(plain, wordings)).items() if times > 1]
    assert not twice


@EVERY
def test_every_answer_is_in_words_of_the_talk(memory: Memory) -> None:
    for asked, answer in memory.answers().items():
        if answer and answer not in SAID[memory.language]:
            assert stands_in(answer, memory.messages, memory.language), f"{asked} {answer}"


@EVERY
def test_yes_and_no_answer_the_questions_of_their_kind_and_near_misses_have_another_answer(memory: Memory) -> None:
    for group in memory.questions:
        assert (group.answer in SAID[memory.language]) == (group.kind == "yes-no"), group.asked
        for miss in group.other:
            assert miss.answer.casefold() != group.answer.casefold(), miss.text


@EVERY
def test_what_is_said_afterwards_changes_some_answers_and_not_all(memory: Memory) -> None:
    before, after = memory.answers(), memory.answers(later=True)
    changed = {asked for asked in before if before[asked] != after[asked]}
    if memory.later is None:
        assert not changed
        return
    groups = [group for group in memory.questions if group.asked in changed]
    assert 0 < len(groups) < len(memory.questions)
    for group in groups:
        assert {after[wording] for wording in (group.asked, *group.same)} == {after[group.asked]}
    said = memory.messages + memory.later.messages
    for change in memory.later.changes:
        assert not change.answer or stands_in(change.answer, said, memory.language), change.text


def test_the_parts_share_no_speaker_and_no_wording() -> None:
    choosing, reporting = (read(part) for part in PARTS)
    assert not names(choosing) & names(reporting)
    assert not forms(choosing) & forms(reporting)


def names(memories: tuple[Memory, ...]) -> set[str]:
    return {message.speaker for memory in memories for message in memory.messages}


def forms(memories: tuple[Memory, ...]) -> set[str]:
    """The wordings of a part, with a gap where a name stands."""
    every = names(memories)
    return {
        plain(re.sub("|".join(sorted(every, key=len, reverse=True)), "_", wording))
        for memory in memories
        for wording in memory.answers()
    }


def plain(wording: str) -> str:
    return " ".join(re.findall(r"\w+", wording.casefold()))


def test_a_small_file_is_read_with_all_it_holds(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    (memory,) = read("choosing", path)
    assert [(message.speaker, message.at.isoformat()) for message in memory.messages] == [
        ("Ana", "2024-05-06T18:00:00+00:00"),
        ("Ben", "2024-05-06T18:01:00+00:00"),
    ]
    asked, same, other = "How many pots has Ana?", "What is the number of Ana's pots?", "How many pots has Ben?"
    assert memory.answers() == {asked: "two", same: "two", other: ""}
    assert memory.answers(later=True) == {asked: "three", same: "three", other: ""}
    assert read("reporting", path) == ()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[[memory]]", "[[memory", "it is not TOML"),
        ('id = "pots"\n', "", "memory 0: 'id' is missing"),
        ('part = "choosing"', 'part = "third"', "memory pots: 'part' must be one of choosing, reporting"),
        ('language = "en"', "languages = 1", "'languages' is no field of a memory"),
        ("2024-05-06T18:00:00Z", "2024-05-06T18:00:00", "memory pots, message 0: 'at' must be a time with its zone"),
        ("2024-05-06T18:00:00Z", '"Monday"', "message 0: 'at' must be a time with its zone"),
        ("2024-05-06T18:01:00Z", "2024-05-05T18:01:00Z", "message 1: 'at' is before the message before it"),
        ("I have a pan.", " ", "message 1: 'text' is empty"),
        ('kind = "count"', 'kind = "sum"', "memory pots, question 0: 'kind' must be one of fact, count"),
        ('["What is the number of Ana\'s pots?"]', "[]", "question 0: 'same' must be a list of wordings"),
        ('[{ asked = "How many pots has Ben?", answer = "" }]', "[]", "question 0: 'other' is empty"),
        (
            'Ben?", answer = ""',
            'Ben?", answer = "two"',
            "the near miss 'How many pots has Ben?' has the group's answer",
        ),
        ("How many pots has Ben?", "How many pots has Ana?", "'How many pots has Ana?' has two answers"),
        ("2024-06-06T18:00:00Z", "2024-05-06T18:01:00Z", "later: its first message is not after"),
        ('answer = "three"', 'answer = "two"', "later: the answer to 'How many pots has Ana?' does not change"),
        ('changes = [{ asked = "How many', 'changes = [{ asked = "How few', "is no first wording and no near miss"),
        ('changes = [{ asked = "How many pots has Ana?", answer = "three" }]', "changes = []", "'changes' is empty"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in SMALL
    with pytest.raises(BadDataset, match=re.escape(told)) as caught:
        read("choosing", written(tmp_path, SMALL.replace(old, new, 1)))
    assert "mine.toml" in str(caught.value)


def test_two_memories_of_one_name_a_missing_file_and_an_unknown_part_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="two memories have the same 'id'"):
        read("choosing", written(tmp_path, SMALL * 2))
    with pytest.raises(BadDataset, match=r"absent\.toml, it cannot be read"):
        read("choosing", tmp_path / "absent.toml")
    with pytest.raises(ValueError, match="'testing' is no part: choosing, reporting"):
        read("testing", FILE)
