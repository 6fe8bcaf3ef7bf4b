from __future__ import annotations

import copy
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from tests.unit.importing.files import messages, read, said, write, zipped

AT = 1714557600.0


def node(name: str, parent: str | None, role: str, content: Any, at: float | None = AT, **fields: Any) -> Any:
    """A node of `mapping`; a content that is a text stands in one part."""
    if isinstance(content, str):
        content = {"content_type": "text", "parts": [content]}
    message: dict[str, Any] = {
        "id": f"m-{name}",
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": at,
    }
    message |= {"content": content, "recipient": "all", "metadata": {}} | fields
    return {"id": name, "message": message, "parent": parent, "children": []}


def conversation(*nodes: Any, **fields: Any) -> Any:
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": []}}
    mapping |= {item["id"]: item for item in nodes}
    for item in nodes:
        if item["parent"] in mapping:
            mapping[item["parent"]]["children"].append(item["id"])
    return {"conversation_id": "c1", "title": "Bees", "create_time": AT, "mapping": mapping} | fields


BEES = conversation(
    node("s", "root", "system", ""),
    node("u", "s", "user", "I keep bees.", AT + 1.5),
    node("old", "u", "assistant", "An old branch."),
    node("old2", "old", "user", "And its end."),
    node("a", "u", "assistant", {"content_type": "multimodal_text", "parts": ["How many?", {"asset_pointer": "x"}]}),
    current_node="a",
)


def test_of_a_conversation_the_branch_shown_last_is_read_and_the_rest_is_counted(tmp_path: Path) -> None:
    reading = read(write(tmp_path / "conversations.json", [BEES]), "chatgpt")
    (exchange,) = reading.exchanges
    assert (exchange.session_id, exchange.metadata) == ("c1", {"title": "Bees"})
    assert [(m.id, m.role, m.content) for m in exchange.messages] == [
        ("m-u", "user", "I keep bees."),
        ("m-a", "assistant", "How many?"),
    ]
    assert exchange.messages[0].occurred_at == dt.datetime(2024, 5, 1, 10, 0, 1, 500_000, tzinfo=dt.UTC)
    assert reading.report.taken == 2
    assert reading.report.left_out == {"system": 1, "other branches": 2}
    assert reading.report.parts == {"images and recordings left out": 1}


@pytest.mark.parametrize("current", [None, "gone"])
def test_without_a_known_current_node_the_branch_said_last_is_read(tmp_path: Path, current: str | None) -> None:
    later = conversation(
        node("u", "root", "user", "Where shall I go?", AT),
        node("a", "u", "assistant", "Oslo.", AT + 1),
        node("long", "a", "user", "Why?", AT + 2),
        node("b", "u", "assistant", "Porto.", AT + 9),
        current_node=current,
    )
    assert said(read(write(tmp_path / "c.json", [later]))) == [("user", "Where shall I go?"), ("assistant", "Porto.")]


def test_of_branches_without_times_the_longest_is_read_and_parents_are_told_by_children_too(tmp_path: Path) -> None:
    nodes = [
        node("u", "root", "user", "One.", None),
        node("a", "u", "assistant", "Short.", None),
        node("b", "u", "assistant", "Long.", None),
        node("c", "b", "user", "Longer.", None),
    ]
    made = conversation(*nodes)
    del made["mapping"]["c"]["parent"]
    reading = read(write(tmp_path / "c.json", [made]))
    assert [text for _, text in said(reading)] == ["One.", "Long.", "Longer."]
    assert reading.report.left_out == {"other branches": 1}


def test_what_was_spoken_is_taken_by_its_transcript(tmp_path: Path) -> None:
    spoken = {
        "content_type": "multimodal_text",
        "parts": [
            {
                "content_type": "audio_transcription",
                "direction": "in",
                "decoding_id": None,
                "text": "I row on Mondays.",
            },
            {
                "content_type": "real_time_user_audio_video_asset_pointer",
                "audio_asset_pointer": {"content_type": "audio_asset_pointer", "asset_pointer": "sediment://file_1"},
            },
        ],
    }
    silent = {"content_type": "multimodal_text", "parts": [{"content_type": "audio_asset_pointer"}]}
    made = conversation(node("u", "root", "user", spoken), node("v", "u", "user", silent), current_node="v")
    reading = read(write(tmp_path / "c.json", [made]))
    assert said(reading) == [("user", "I row on Mondays.")]
    assert reading.report.left_out == {"media without words": 1}


def test_tools_instructions_reasoning_and_hidden_messages_are_left_out_by_reason(tmp_path: Path) -> None:
    made = conversation(
        node("1", "root", "user", {"content_type": "user_editable_context", "user_profile": "A cook"}),
        node("2", "1", "user", "I am hidden", metadata={"is_visually_hidden_from_conversation": True}),
        node("3", "2", "user", "What is 2 + 2?"),
        node("4", "3", "assistant", {"content_type": "code", "text": "2 + 2"}, recipient="python"),
        node("5", "4", "tool", {"content_type": "execution_output", "text": "4"}),
        node("6", "5", "assistant", {"content_type": "thoughts", "thoughts": [{"summary": "s"}]}),
        node("7", "6", "assistant", {"content_type": "text", "parts": [""]}),
        node("8", "7", "assistant", "Four."),
        current_node="8",
    )
    reading = read(write(tmp_path / "c.json", [made]))
    assert said(reading) == [("user", "What is 2 + 2?"), ("assistant", "Four.")]
    assert reading.report.left_out == {"hidden": 2, "tool output": 2, "reasoning": 1, "empty": 1}


def test_names_of_attachments_are_kept(tmp_path: Path) -> None:
    attached = {"attachments": [{"id": "file-1", "name": "lease.pdf", "mimeType": "application/pdf", "size": 9}]}
    made = conversation(node("u", "root", "user", "Read my lease.", metadata=attached), current_node="u")
    reading = read(write(tmp_path / "c.json", [made]))
    assert messages(reading)[0].metadata == {"attachments": ["lease.pdf"]}
    assert reading.report.parts == {"attachments, only their names kept": 1}


def test_a_message_without_a_time_is_of_the_one_before_it_or_of_its_conversation(tmp_path: Path) -> None:
    made = conversation(
        node("u", "root", "user", "One.", None),
        node("a", "u", "assistant", "Two.", AT + 60),
        node("b", "a", "user", "Three.", None),
        current_node="b",
    )
    bare = conversation(node("x", "root", "user", "Four.", None), conversation_id="c2", create_time=None)
    reading = read(write(tmp_path / "c.json", [made, bare]))
    times = [message.occurred_at and message.occurred_at.timestamp() for message in messages(reading)]
    assert times == [AT, AT + 60, AT + 60, None]
    assert reading.report.parts == {"without a time, so of now": 1}


def test_shards_of_a_zip_or_a_folder_are_read_among_its_other_files(tmp_path: Path) -> None:
    other = conversation(node("x", "root", "user", "I sail."), conversation_id="c2", current_node="x")
    members = {
        "export/conversations-000.json": [BEES],
        "export/conversations-001.json": [other, BEES],
        "export/chat.html": "<html>",
        "export/user.json": {},
        "export/file-1.dat": b"\xff\xd8",
        "__MACOSX/export/._conversations-000.json": b"\x00\x05",
    }
    folder = tmp_path / "unpacked"
    for name, value in members.items():
        if isinstance(value, bytes):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(value)
        else:
            write(folder / name, value)
    for path in (zipped(tmp_path / "export.zip", members), folder / "export"):
        reading = read(path)
        assert [text for _, text in said(reading)] == ["I keep bees.", "How many?", "I sail."]
        assert reading.report.left_out["repeated"] == 2
        assert reading.report.notes == ["files beside the chats, not read: 3 (export/chat.html, export/file-1.dat, "
                                        "export/user.json)".replace("export/", "" if path.is_dir() else "export/")]  # fmt: skip


def test_a_broken_conversation_is_told_with_its_place_and_the_others_are_read(tmp_path: Path) -> None:
    broken = copy.deepcopy(BEES) | {"mapping": 5}
    reading = read(write(tmp_path / "c.json", [broken, "no", BEES]))
    assert reading.report.taken == 2
    assert reading.report.left_out["unreadable"] == 2
    assert reading.report.notes == ["unreadable: c.json, conversation 1, c.json, conversation 2"]


def test_a_conversation_whose_nodes_run_in_a_circle_ends(tmp_path: Path) -> None:
    circle = [{"current_node": "a", "mapping": {"a": {"parent": "b"}, "b": {"parent": "a"}}}]
    assert read(write(tmp_path / "c.json", circle), "chatgpt").exchanges == []


def test_every_message_of_a_file_is_taken_or_counted(tmp_path: Path) -> None:
    reading = read(write(tmp_path / "c.json", [BEES]))
    held = sum(item["message"] is not None for item in BEES["mapping"].values())
    assert reading.report.taken + reading.report.left_out.total() == held
