from __future__ import annotations

import datetime as dt

from eval.runs import answering
from eval.sets.model import Conversation, Dataset, Question, Turn

_NOW = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)


def _dataset() -> Dataset:
    turn = Turn("t1", "s1", "user", "Ana", "I like walnuts.", None, _NOW)
    asked = [Question(f"q{n}", f"What {n}?", None if n == 3 else "walnuts", ("t1",), "4", _NOW) for n in range(9)]
    trick = Question("trick", "Who?", None, ("t1",), "5", _NOW)
    return Dataset("locomo", (Conversation("c", (turn,), (*asked, trick)),), "5", 0)


def test_the_draw_is_the_seeds_alone_and_leaves_out_what_cannot_be_scored() -> None:
    dataset = _dataset()
    every = [question.id for question in answering.sample(dataset, None, 1)["c"]]
    assert "q3" not in every
    assert "trick" in every
    first, again, other = (answering.sample(dataset, 4, seed)["c"] for seed in (1, 1, 2))
    assert len(first) == 4
    assert first == again
    assert first != other


def test_the_summary_leaves_trick_questions_out_of_the_means_and_pairs_the_gain() -> None:
    def record(question: str, contestant: str, category: str, f1: float) -> dict[str, object]:
        return {
            "question": question, "contestant": contestant, "category": category, "scores": {"f1": f1},
            "context_tokens": 10, "prompt_tokens": 20,
        }  # fmt: skip

    records = [
        record("a", "memsvc", "1", 1.0), record("b", "memsvc", "2", 0.5), record("c", "memsvc", "2", 0.0),
        record("t", "memsvc", "5", 0.0), record("a", "nothing", "1", 0.5), record("b", "nothing", "2", 0.0),
        record("t", "nothing", "5", 1.0),
    ]  # fmt: skip
    found = answering.summary(records, "5")
    assert found["memsvc"]["f1_micro"] == 0.5
    assert found["memsvc"]["f1_macro"] == 0.625
    assert found["memsvc"]["memsvc_gain_95"] == [0.0, 0.0]
    assert found["nothing"]["f1_by_category"]["5"] == {"n": 1, "f1": 1.0}
    # Both paired gains are 0.5.
    assert found["nothing"]["memsvc_gain_95"] == [0.5, 0.5]
    assert found["full"]["n"] == 0
    assert found["full"]["f1_micro"] is None


def test_every_contestant_is_asked_in_the_same_words() -> None:
    question = _dataset().conversations[0].questions[0]
    bare, given = (answering.prompt(question, context, dated=True) for context in ("", "Ana: walnuts"))
    assert given.startswith("Memory:\nAna: walnuts\n\n")
    assert bare.splitlines()[1:] == given.splitlines()[4:]
    assert "walnuts" not in bare
    assert f"Today is {question.asked_at:%d %B %Y}." in bare
    assert "Today is" not in answering.prompt(question, "", dated=False)
