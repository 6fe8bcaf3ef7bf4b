from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from eval import sets
from eval.sets import longmemeval
from eval.sets.model import BadDataset


def instance(**changed: Any) -> dict[str, Any]:
    return {
        "question_id": "q1",
        "question_type": "knowledge-update",
        "question": "How much was I pre-approved for?",
        "answer": 350,
        "question_date": "2023/12/18 (Mon) 04:17",
        "answer_session_ids": ["b"],
        "haystack_session_ids": ["a", "b"],
        "haystack_dates": ["2023/07/12 (Wed) 10:14", "2023/08/01 (Tue) 09:00"],
        "haystack_sessions": [
            [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": " "}],
            [{"role": "user", "content": "I got 350.", "has_answer": True}, {"role": "assistant", "content": "Good."}],
        ],
    } | changed


def write(path: Path, *instances: Any) -> Path:
    path.write_text(json.dumps(list(instances)))
    return path


def test_an_instance_is_one_question_over_its_sessions_with_the_turns_that_answer_it(tmp_path: Path) -> None:
    data = write(tmp_path / "x.json", instance(), instance(question_id="q2_abs"))
    found = sets.read(data)
    assert found.name == "longmemeval"
    first, second = found.conversations
    assert [turn.text for turn in first.turns] == ["Hello", "I got 350.", "Good."]
    assert len({turn.session_id for turn in first.turns}) == 2
    (question,) = first.questions
    assert [turn.text for turn in first.turns if turn.id in question.evidence] == ["I got 350."]
    assert (question.answer, question.category) == ("350", "knowledge-update")
    assert question.asked_at == dt.datetime(2023, 12, 18, 4, 17, tzinfo=dt.UTC)
    assert (second.questions[0].evidence, second.questions[0].category) == ((), "abstention")


@pytest.mark.parametrize(
    "broken", [{"haystack_dates": ["x"]}, {"question_date": "18 May"}, {"haystack_sessions": [[{}], []]}]
)
def test_a_broken_instance_is_named(tmp_path: Path, broken: dict[str, Any]) -> None:
    with pytest.raises(BadDataset, match="instance 0"):
        longmemeval.read(write(tmp_path / "x.json", instance(**broken)))


def test_a_file_of_no_known_form_says_so(tmp_path: Path) -> None:
    for content in ("{", "[]", "{}", "7"):
        (tmp_path / "y.json").write_text(content)
        with pytest.raises(BadDataset):
            sets.read(tmp_path / "y.json")
    with pytest.raises(BadDataset, match="cannot be read"):
        sets.read(tmp_path / "none.json")


def test_the_published_instances_are_read(shared_data: Path) -> None:
    data = shared_data / "longmemeval_s_sample2.json"
    if not data.exists():
        pytest.skip("the LongMemEval file is not beside the checkout")
    found = sets.read(data)
    assert all(conversation.questions[0].evidence for conversation in found.conversations)
    assert all(len(conversation.turns) > 100 for conversation in found.conversations)
