"""A user's own question set, as the documentation shows it; and broken files of every format."""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.sets import read
from eval.sets.model import BadDataset, Dataset

DOCS = Path(__file__).parents[4] / "docs" / "evaluation.md"


def example() -> dict[str, Any]:
    block = re.search(r"```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    assert block is not None
    found: dict[str, Any] = json.loads(block.group(1))
    return found


def written(folder: Path, content: Any) -> Path:
    path = folder / "mine.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_the_documented_example_is_read_as_it_is_described(tmp_path: Path) -> None:
    dataset = read(written(tmp_path, example()))
    (conversation,) = dataset.conversations
    first, second, third = conversation.turns
    assert (first.id, first.session_id, first.speaker, first.role) == ("t1", "monday", "Ana", "user")
    assert (second.speaker, second.role) == (None, "assistant")
    known, unknown = conversation.questions
    assert (known.evidence, known.answer, known.category) == (("t1",), "Porto", "facts")
    assert known.asked_at == dt.datetime(2024, 5, 12, 8, tzinfo=dt.UTC)
    assert (unknown.evidence, unknown.answer, unknown.category) == ((), None, dataset.adversarial)
    assert unknown.asked_at == third.occurred_at


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("conversations",), [], "'conversations' is empty"),
        (("conversations", 0, "turns"), [], "conversation 0: 'turns' is empty"),
        (("conversations", 0, "turns", 1, "at"), "yesterday", "conversation 0, turn 1: 'at' must be a time like"),
        (("conversations", 0, "turns", 1, "text"), 7, "conversation 0, turn 1: 'text' must be text, and is a number"),
        (("conversations", 0, "turns", 2, "role"), "boss", "turn 2: 'role' must be one of user"),
        (("conversations", 0, "turns", 2, "id"), "t1", "two turns have the same 'id'"),
        (
            ("conversations", 0, "questions", 0, "evidence"),
            ["t9"],
            "question 0: 'evidence' names 't9', which is no turn",
        ),
        (("conversations", 0, "questions", 0, "evidence"), "t1", "'evidence' must be a list, and is text"),
        (("conversations", 0, "questions", 1, "txt"), "?", "question 1: 'txt' is no field of a question"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, path: tuple[Any, ...], value: Any, told: str) -> None:
    content = example()
    inner: Any = content
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(BadDataset, match=re.escape(told)):
        read(written(tmp_path, content))


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    content = example()
    del content["conversations"][0]["turns"][0]["at"]
    with pytest.raises(BadDataset, match="conversation 0, turn 0: 'at' is missing"):
        read(written(tmp_path, content))


LOCOMO = [
    {
        "sample_id": "a",
        "conversation": {
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [{"speaker": "Ana", "dia_id": "D1:1", "text": "I moved.", "blip_caption": "a van"}],
        },
        "qa": [{"question": "Who moved?", "answer": "Ana", "evidence": ["D1:1"], "category": 4}],
    }
]
LONGMEMEVAL = [
    {
        "question_id": "q1", "question_type": "single-session-user", "question": "Who moved?", "answer": "Ana",
        "question_date": "2023/05/30 (Tue) 23:40", "haystack_session_ids": ["s1"], "haystack_dates": ["2023/05/20 (Sat) 02:21"],
        "haystack_sessions": [[{"role": "user", "content": "I moved.", "has_answer": True}]],
    }
]  # fmt: skip
MEMORYBANK = {
    "Ana": {"history": {"2024-05-01": [{"query": "Today I went to Seal Bay.", "response": "Why did you go there?"}]}}
}
BEAM_CHAT = [
    {
        "batch_number": 1,
        "turns": [
            [
                {"id": 0, "role": "user", "content": "I moved. ->-> 1,1", "time_anchor": "March-15-2024"},
                {"id": 1, "role": "assistant", "content": "Where to?"},
            ]
        ],
    }
]
BEAM_PROBES = {
    "information_extraction": [
        {"question": "Who moved?", "answer": "Ana", "source_chat_ids": {"first": [0]}, "rubric": ["says Ana"]}
    ],
    "abstention": [{"question": "Which cat?", "ideal_response": "It was not said.", "rubric": ["says so"]}],
}
_NONSENSE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


def _places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, part in inner for place in _places(part, (*here, key)))]


@pytest.mark.parametrize(
    "content", [LOCOMO, LONGMEMEVAL, MEMORYBANK, example()], ids=["locomo", "longmemeval", "memorybank", "own"]
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_broken_file_is_a_dataset_or_told_and_never_a_crash(
    tmp_path: Path, content: Any, data: st.DataObject
) -> None:
    assert isinstance(read(written(tmp_path, content)), Dataset)
    read_or_told(written(tmp_path, mutated(content, data)), "mine.json")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_broken_chat_of_beam_is_a_dataset_or_told_and_never_a_crash(tmp_path: Path, data: st.DataObject) -> None:
    def write(chat: Any, probes: Any) -> Path:
        folder = tmp_path / "7"
        folder.mkdir(exist_ok=True)
        (folder / "chat.json").write_text(json.dumps(chat), encoding="utf-8")
        (folder / "probing_questions.json").write_text(json.dumps(probes), encoding="utf-8")
        return tmp_path

    (conversation,) = read(write(BEAM_CHAT, BEAM_PROBES)).conversations
    assert conversation.questions[0].rubric == ("says Ana",)
    if data.draw(st.booleans()):
        read_or_told(write(mutated(BEAM_CHAT, data), BEAM_PROBES), str(tmp_path / "7"))
    else:
        read_or_told(write(BEAM_CHAT, mutated(BEAM_PROBES, data)), str(tmp_path / "7"))


def test_a_question_of_beam_without_words_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "chat.json").write_text(json.dumps(BEAM_CHAT))
    (tmp_path / "probing_questions.json").write_text(json.dumps({"abstention": [{"rubric": []}]}))
    with pytest.raises(BadDataset, match=r"probing_questions.json, abstention, question 0: 'question' is missing"):
        read(tmp_path)


def mutated(content: Any, data: st.DataObject) -> Any:
    """With one place deleted or replaced by nonsense."""
    broken = copy.deepcopy(content)
    place = data.draw(st.sampled_from(_places(broken)[1:]))
    inner: Any = broken
    for step in place[:-1]:
        inner = inner[step]
    if isinstance(inner, dict) and data.draw(st.booleans()):
        del inner[place[-1]]
    else:
        inner[place[-1]] = data.draw(_NONSENSE)
    return broken


def read_or_told(path: Path, name: str) -> None:
    """A dataset whose parts are of their types, or an error that names the file."""
    try:
        dataset = read(path)
    except BadDataset as error:
        assert name in str(error)
        return
    for conversation in dataset.conversations:
        for turn in conversation.turns:
            assert isinstance(turn.words, str)
            assert isinstance(turn.text, str)
        for question in conversation.questions:
            assert isinstance(question.text, str)
