"""Talk with an assistant in two languages, and the questions that rules make of it."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from eval import sets
from eval.commands import evaluation
from eval.runs import retrieval as measurement
from eval.runs import train
from eval.sets import memorybank
from eval.sets.made import chinese, english
from eval.sets.model import BadDataset, Conversation, Dataset, Question
from memsvc.cli import evaluating
from memsvc.retrieval import features, ranker

ANA = {
    "2024-05-01": [
        ("Hi! Today I went to Seal Bay Museum with my sister. The exhibition was about old ships.", "Nice! Did you like it?"),
        ("Very much. I'm reading a novel called \"The Sea Wolf\", do you know a good movie too?", "You should watch \"Jaws\", a movie about a shark."),
    ],
    "2024-05-02": [
        ("I feel rather lonely since the move. What can I do about my work stress?", "You can try a rowing club near the harbour. Which instrument do you play?"),
        ("I have played the cello for nine years. I want to bake rye bread because my colleagues love it.", "Lovely."),
        ("The stress at work got worse, and my boss shouted.", "I am sorry."),
    ],
}  # fmt: skip
MEI = {
    "2024-05-01": [
        ("你好！今天我去了海豹湾公园，和妹妹散步很开心。", "真好！你看到了什么动物？"),
        ("我看到了三只白鹭和一只乌龟。我最近在看一本小说《边城》，你有什么好电影推荐吗？", "推荐你看《大白鲨》，这部电影很紧张。"),
    ],
    "2024-05-02": [
        ("我感到非常寂寞。工作压力很大，你有什么建议吗？", "你可以尝试参加划船俱乐部。"),
        ("我打算给同事烤黑麦面包。今天工作又加班了。", "听起来不错。"),
    ],
}  # fmt: skip


def person(history: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    days = {day: [{"query": q, "response": r} for q, r in said] for day, said in history.items()}
    return {"name": "x", "summary": {}, "history": days}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, people in (("en", {" Ana ": person(ANA)}), ("cn", {"小梅": person(MEI)})):
        (tmp_path / f"memory_bank_{name}.json").write_text(json.dumps(people), encoding="utf-8")
    return tmp_path


def by_language(folder: Path) -> dict[str, Conversation]:
    return {conversation.id[:2]: conversation for conversation in sets.read(folder).conversations}


def asked(conversation: Conversation, pattern: str) -> Question:
    """The one question that matches."""
    (found,) = [question for question in conversation.questions if re.search(pattern, question.text)]
    return found


def test_a_folder_holds_both_languages_and_a_file_one(folder: Path) -> None:
    found = sets.read(folder)
    assert (found.name, [conversation.id for conversation in found.conversations]) == ("memorybank", ["zh-0", "en-0"])
    (alone,) = sets.read(folder / "memory_bank_en.json").conversations
    assert alone == found.conversations[1]


def test_a_day_is_a_session_and_the_person_speaks(folder: Path) -> None:
    conversation = by_language(folder)["en"]
    first, second = conversation.turns[:2]
    assert (first.role, first.speaker, first.session_id) == ("user", "Ana", "2024-05-01")
    assert (second.role, second.speaker, second.text) == ("assistant", None, "Nice! Did you like it?")
    assert len({turn.id for turn in conversation.turns}) == len(conversation.turns) == 10


@pytest.mark.parametrize(
    ("people", "told"),
    [
        ({"Ana": {"history": {"May 1": []}}}, "Ana, May 1: Invalid isoformat"),
        ({"Ana": {"history": {"2024-05-01": {}}}}, "Ana, 2024-05-01: '2024-05-01' must be a list, and is an object"),
        ({"Ana": {"history": {"2024-05-01": [{"query": "Hi"}]}}}, "2024-05-01, exchange 0: 'response' is missing"),
        ({"Ana": {"history": {"2024-05-01": [{"query": 7, "response": ""}]}}}, "exchange 0: 'query' must be text"),
        ({"Ana": person(ANA), "Bo": {}}, "Bo: 'history' is missing"),
        ({"Ana": person(ANA), "Bo": {"history": {}}}, "Bo: no messages"),
        ({}, "expected people by name"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, people: Any, told: str) -> None:
    (tmp_path / "memory_bank_en.json").write_text(json.dumps(people))
    with pytest.raises(BadDataset, match=re.escape(told)) as raised:
        sets.read(tmp_path)
    assert str(tmp_path / "memory_bank_en.json") in str(raised.value)


def test_the_evidence_holds_the_answer_and_the_question_does_not(folder: Path) -> None:
    for seed in range(20):
        for conversation in memorybank.read(folder, seed).conversations:
            language = chinese if conversation.id.startswith("zh") else english
            texts = {turn.id: turn.text for turn in conversation.turns}
            assert len({question.text for question in conversation.questions}) == len(conversation.questions)
            for question in conversation.questions:
                assert question.evidence
                for answer in question.answer.split(", ") if question.answer and question.category != "reply" else ():
                    assert any(language.holds(texts[turn_id], answer) for turn_id in question.evidence), question
                    assert not language.holds(question.text, answer), question


def test_the_seed_alone_says_which_questions(folder: Path) -> None:
    assert memorybank.read(folder, 5) == memorybank.read(folder, 5)
    assert memorybank.read(folder, 5) != memorybank.read(folder, 6)


def test_both_languages_have_many_kinds_of_questions(folder: Path) -> None:
    for conversation in by_language(folder).values():
        kinds = {question.category for question in conversation.questions}
        assert kinds >= {"day", "title", "recommended", "place", "mind", "advice", "reply", "several"}, conversation.id


def test_what_the_assistant_named_is_asked_of_the_assistant(folder: Path) -> None:
    found = by_language(folder)
    for language, answer in (("en", "Jaws"), ("zh", "大白鲨")):
        questions = [q for q in found[language].questions if q.category == "recommended"]
        assert questions and {(q.answer, q.evidence) for q in questions} == {(answer, ("2024-05-01:1:assistant",))}


def test_the_answer_to_an_assistants_question_is_asked_by_the_user(folder: Path) -> None:
    found = by_language(folder)
    assert asked(found["en"], "instrument (do I|does Ana) play").evidence == ("2024-05-02:1:user",)
    assert asked(found["zh"], "(我|小梅)看到了什么动物").evidence == ("2024-05-01:1:user",)


def test_all_that_was_said_of_a_topic_is_evidence(folder: Path) -> None:
    found = by_language(folder)
    english_one = [q for q in found["en"].questions if q.answer is None and re.search("stress|pressure|strain", q.text)]
    assert [q.evidence for q in english_one] == [("2024-05-02:0:user", "2024-05-02:2:user")]
    chinese_one = [q for q in found["zh"].questions if q.answer is None and re.search("工作|上班", q.text)]
    assert [q.evidence for q in chinese_one] == [("2024-05-02:0:user", "2024-05-02:1:user")]


def test_a_span_that_stands_in_the_talk_of_another_day_is_not_asked_for(tmp_path: Path) -> None:
    history = {
        "2024-05-01": [("Today I went to Seal Bay Museum.", "Good.")],
        "2024-05-02": [("My sister works in Seal Bay Museum.", "I see.")],
    }
    (tmp_path / "memory_bank_en.json").write_text(json.dumps({"Ana": person(history)}))
    (conversation,) = sets.read(tmp_path).conversations
    assert not [question for question in conversation.questions if question.answer == "Seal Bay Museum"]


def test_a_topic_is_asked_for_in_words_that_are_not_always_its_own() -> None:
    told = {english.about("stress", random.Random(seed)) for seed in range(30)}
    assert any("stress" in words for words in told) and any("strain" in words for words in told)


def test_the_ranker_is_grown_on_these_questions_beside_another_set(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.json"
    turns = [{"at": "2024-05-01", "text": "I moved."}]
    own.write_text(json.dumps({"conversations": [{"turns": turns, "questions": [{"text": "?", "evidence": ["0"]}]}]}))

    def examples(given: list[Dataset]) -> list[train.Example]:
        chance = np.random.default_rng(1)
        return [
            train.Example(
                dataset.name, conversation.id, chance.random((20, len(features.NAMES)), dtype=np.float32),
                np.array([turn_id == "0" or place % 5 == 0 for place in range(20)], dtype=np.int8),
            )
            for dataset in given for conversation in dataset.conversations
            for question in conversation.questions for turn_id in question.evidence[:1]
        ]  # fmt: skip

    monkeypatch.setattr(measurement, "learn", examples)
    monkeypatch.setattr(train, "ROUNDS", 2)
    assert evaluation.learn([folder, own], tmp_path / "grown.npz", tmp_path / "card.json") == 0
    ranker.load(tmp_path / "grown.npz")
    seen = json.loads((tmp_path / "card.json").read_text())["data"]
    made = sum(len(conversation.questions) for conversation in sets.read(folder).conversations)
    assert [(row["set"], row["conversations"], row["questions"]) for row in seen] == [
        ("memorybank", 2, made),
        ("own", 1, 1),
    ]


def test_the_published_talk_gives_enough_questions(shared_data: Path) -> None:
    data = shared_data / "memorybank"
    if not data.exists():
        pytest.skip("the MemoryBank files are not beside the checkout")
    found = sets.read(data)
    counts = [len(conversation.questions) for conversation in found.conversations]
    assert len(counts) == 30 and sum(counts) > 1000 and min(counts) >= 15


@pytest.mark.parametrize("command", ["retrieval", "memorybank", "answers", "train", "distillation", "compression"])
def test_the_help_of_data_names_every_set_that_is_read(command: str) -> None:
    shown = CliRunner().invoke(evaluating.app, [command, "--help"], env={"COLUMNS": "200"}).output
    said = shown.partition("--data")[2].partition("--out")[0]
    assert all(name in said for name in ("LoCoMo", "LongMemEval", "BEAM", "MemoryBank")), shown
