from __future__ import annotations

import datetime as dt
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from memsvc import errors
from memsvc.importing import formats

CONVERSATIONS: list[Any] = [
    {
        "conversation_id": "c1",
        "create_time": 1714557600.0,
        "current_node": "n4",
        "mapping": {
            "n0": {"id": "n0", "message": None, "parent": None, "children": ["n1"]},
            "n1": {"message": {"id": "m1", "author": {"role": "system"}, "content": {"parts": [""]}}, "parent": "n0"},
            "n2": {
                "message": {
                    "id": "m2",
                    "author": {"role": "user"},
                    "create_time": 1714557601.5,
                    "content": {"content_type": "text", "parts": ["I keep bees."]},
                },
                "parent": "n1",
            },
            "n3": {
                "message": {"id": "m3", "author": {"role": "assistant"}, "content": {"parts": ["An old branch."]}},
                "parent": "n2",
            },
            "n4": {
                "message": {
                    "id": "m4",
                    "author": {"role": "assistant"},
                    "content": {"parts": ["How many hives?", {"asset_pointer": "file://x"}]},
                },
                "parent": "n2",
            },
        },
    }
]
MEM0 = {
    "results": [
        {
            "id": "a1",
            "memory": "Likes hiking",
            "user_id": "ana",
            "created_at": "2024-07-26T10:29:36.630547-07:00",
            "metadata": {"category": "hobby"},
        },
        {"memory": "Is vegetarian", "agent_id": "cook", "created_at": None, "metadata": None},
    ]
}


def write(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_of_a_chatgpt_conversation_the_branch_shown_last_is_read(tmp_path: Path) -> None:
    plain = write(tmp_path / "conversations.json", CONVERSATIONS)
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.write(plain, "conversations.json")
    for path in (plain, archive):
        (exchange,) = formats.read(path, "chatgpt")
        assert exchange.session_id == "c1"
        assert [(m.id, m.role, m.content) for m in exchange.messages] == [
            ("m2", "user", "I keep bees."),
            ("m4", "assistant", "How many hives?"),
        ]
        assert exchange.messages[0].occurred_at == dt.datetime(2024, 5, 1, 10, 0, 1, 500_000, tzinfo=dt.UTC)


def test_mem0_memories_keep_their_owner_id_and_time(tmp_path: Path) -> None:
    hiking, vegetarian = formats.read(write(tmp_path / "m.json", MEM0), "mem0")
    assert (hiking.session_id, hiking.messages[0].id) == ("ana", "a1")
    assert hiking.messages[0].metadata == {"category": "hobby"}
    assert hiking.messages[0].occurred_at == dt.datetime(2024, 7, 26, 17, 29, 36, 630547, tzinfo=dt.UTC)
    assert vegetarian.session_id == "cook"
    again = list(formats.read(write(tmp_path / "m.json", MEM0["results"]), "mem0"))
    assert [e.messages[0].id for e in again] == [hiking.messages[0].id, vegetarian.messages[0].id]


def test_json_lines_take_what_is_given_and_make_stable_ids(tmp_path: Path) -> None:
    path = write(
        tmp_path / "chat.jsonl",
        '{"content": "Hi", "role": "human", "speaker": "Ana"}\n\n{"content": "Ho", "session_id": "s", "id": "x"}\n',
    )
    first, second = formats.read(path, "jsonl")
    assert (first.session_id, first.messages[0].role, first.messages[0].speaker) == ("chat", "user", "Ana")
    assert (second.session_id, second.messages[0].id) == ("s", "x")
    assert next(formats.read(path, "jsonl")).messages[0].id == first.messages[0].id


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("jsonl", '{"content": "Hi"}\nnot json', "line 2"),
        ("jsonl", "[1]", "line 1 is no JSON object"),
        ("jsonl", '{"content": "Hi", "role": "owner"}', "no role 'owner'"),
        ("jsonl", '{"content": "Hi", "colour": 1}', "colour"),
        ("jsonl", "{}", "content"),
        ("chatgpt", "{}", "holds no list"),
        ("chatgpt", '[{"mapping": 5}]', "conversation 1"),
        ("mem0", '{"results": [{}]}', "memory 1 has no text"),
        ("mem0", "[" * 100_000, "no JSON"),
        ("word", "", "no format 'word'"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_its_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(errors.Invalid, match=said):
        list(formats.read(write(tmp_path / "f", text), name))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"\xff\xfe\x00")
    for name in formats.FORMATS:
        with pytest.raises(errors.Invalid, match="cannot be read"):
            list(formats.read(path, name))


def test_a_conversation_whose_nodes_run_in_a_circle_ends(tmp_path: Path) -> None:
    circle = [{"current_node": "a", "mapping": {"a": {"parent": "b"}, "b": {"parent": "a"}}}]
    assert list(formats.read(write(tmp_path / "c.json", circle), "chatgpt")) == []
