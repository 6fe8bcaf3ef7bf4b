from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.runs import baselines
from eval.sets import locomo
from eval.sets.model import BadDataset


def sample() -> dict[str, Any]:
    return {
        "sample_id": "c1",
        "conversation": {
            "speaker_a": "Ana",
            "speaker_b": "Ben",
            "session_2_date_time": "8:05 am on 9 May, 2023",
            "session_2": [{"speaker": "Ben", "dia_id": "D2:1", "text": "The cat is called Miso."}],
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [
                {"speaker": "Ana", "dia_id": "D1:1", "text": "Hello", "blip_caption": "a bowl"},
                {"speaker": "Ben", "dia_id": "D1:2", "text": "I moved to Oslo."},
            ],
        },
        "qa": [
            {"question": "Where is Ben?", "answer": "Oslo", "evidence": ["D1:2"], "category": 4},
            {"question": "When?", "answer": 2023, "evidence": ["D1:1; D2:1", "D:1:02", "D9:9"], "category": 2},
            {"question": "What did Ana buy?", "evidence": [], "category": 5, "adversarial_answer": "x"},
        ],
    }


def write(folder: Path, value: object) -> Path:
    path = folder / "data.json"
    path.write_text(json.dumps(value))
    return path


def test_turns_questions_and_malformed_evidence_are_read(tmp_path: Path) -> None:
    dataset = locomo.read(write(tmp_path, [sample()]))
    (conversation,) = dataset.conversations
    assert [turn.id for turn in conversation.turns] == ["D1:1", "D1:2", "D2:1"]
    assert conversation.turns[0].words == "Ana: Hello [image: a bowl]"
    assert conversation.turns[0].occurred_at.isoformat() == "2023-05-08T13:56:00+00:00"
    where, when, trick = conversation.questions
    assert (where.evidence, where.answer) == (("D1:2",), "Oslo")
    assert (when.evidence, when.answer) == (("D1:1", "D2:1", "D1:2"), "2023")
    assert (trick.evidence, trick.answer) == ((), None)
    assert dataset.dropped_evidence == 1
    assert when.asked_at.isoformat() == "2023-05-09T23:59:00+00:00"


@pytest.mark.parametrize("bad", [{}, [], [{"conversation": {}}], [{"conversation": {"session_1": 3}, "qa": []}]])
def test_a_file_of_another_form_is_refused_with_its_place(tmp_path: Path, bad: object) -> None:
    with pytest.raises(BadDataset):
        locomo.read(write(tmp_path, bad))


def test_the_published_file_has_its_known_size(shared_data: Path) -> None:
    path = shared_data / "locomo10.json"
    if not path.exists():
        pytest.skip("the LoCoMo file is not beside the checkout")
    dataset = locomo.read(path)
    assert sum(len(c.turns) for c in dataset.conversations) == 5882
    assert sum(len(c.questions) for c in dataset.conversations) == 1986
    assert sum(bool(q.evidence) for c in dataset.conversations for q in c.questions) >= 1980


def test_baselines_rank_by_their_own_scores(tmp_path: Path) -> None:
    (conversation,) = locomo.read(write(tmp_path, [sample()])).conversations
    toy = {"Ben: I moved to Oslo.": [0.0, 1.0], "Where is Ben?": [0.0, 1.0]}
    plain = baselines.Baselines(
        conversation, lambda texts: np.array([toy.get(text, [1.0, 0.0]) for text in texts], dtype=np.float32)
    )
    rankings = plain.rankings(conversation.questions[0])
    assert set(rankings) == set(baselines.NAMES)
    assert rankings["dense"][0].id == "D1:2"
    assert rankings["bm25"][0].id in ("D1:2", "D2:1")
    text, cited = baselines.pack(rankings["dense"], 12, lambda line: len(line.split()))
    assert cited == ["D1:2"]
    assert text == "[08 May 2023] Ben: I moved to Oslo."


def test_a_baseline_leaves_out_the_turn_that_does_not_fit_and_takes_the_next(tmp_path: Path) -> None:
    (conversation,) = locomo.read(write(tmp_path, [sample()])).conversations
    first, second = conversation.turns[0], next(t for t in conversation.turns if t.id == "D1:2")
    long = dataclasses.replace(first, text="word " * 50)
    _, cited = baselines.pack([long, second], 12, lambda line: len(line.split()))
    assert cited == [second.id]
