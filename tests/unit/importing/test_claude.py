from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from tests.unit.importing.files import messages, read, said, write, zipped

ROOT = "00000000-0000-4000-8000-000000000000"


def message(uuid: str, sender: str, *blocks: Any, **fields: Any) -> Any:
    """A text among the blocks is one of type text."""
    content = [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]
    text = "\n".join(block for block in blocks if isinstance(block, str))
    made = {"uuid": uuid, "sender": sender, "text": text, "content": content, "attachments": [], "files": []}
    return made | {"created_at": "2024-12-01T23:30:00.123456Z", "updated_at": "2024-12-01T23:30:00.123456Z"} | fields


def conversation(*listed: Any, **fields: Any) -> Any:
    made = {"uuid": "c1", "name": "Rowing", "created_at": "2024-12-01T23:29:00Z", "account": {"uuid": "x"}}
    return made | {"chat_messages": list(listed)} | fields


def test_a_conversation_is_read_with_its_ids_roles_and_times(tmp_path: Path) -> None:
    made = [conversation(message("m1", "human", "I row."), message("m2", "assistant", "Alone?"))]
    plain = write(tmp_path / "conversations.json", made)
    archive = zipped(tmp_path / "data.zip", {"users.json": [], "projects.json": [], "conversations.json": made})
    for path in (plain, archive):
        reading = read(path)
        (exchange,) = reading.exchanges
        assert (exchange.session_id, exchange.metadata) == ("c1", {"title": "Rowing"})
        assert [(m.id, m.role, m.content) for m in exchange.messages] == [
            ("m1", "user", "I row."),
            ("m2", "assistant", "Alone?"),
        ]
        assert exchange.messages[0].occurred_at == dt.datetime(2024, 12, 1, 23, 30, 0, 123456, tzinfo=dt.UTC)
        assert exchange.messages[0].source == "claude"
    assert reading.report.notes == ["files beside the chats, not read: 2 (projects.json, users.json)"]


def test_blocks_that_are_no_words_are_left_out_and_told(tmp_path: Path) -> None:
    used = {"type": "tool_use", "name": "web_search", "input": {"query": "x"}}
    result = {"type": "tool_result", "name": "web_search", "content": [{"type": "text", "text": "found"}]}
    made = conversation(
        message("m1", "assistant", {"type": "thinking", "thinking": "Hm."}, "Let me look.", used, result, "It rains."),
        message("m2", "assistant", used, text="This block is not supported on your current device yet."),
        message("m3", "human", text=""),
        message("m4", "human", {"type": "voice_note", "title": "Note", "text": "I sail on Sundays."}),
    )
    reading = read(write(tmp_path / "c.json", [made]))
    assert said(reading) == [("assistant", "Let me look.\nIt rains."), ("user", "I sail on Sundays.")]
    assert reading.report.left_out == {"tool output": 1, "empty": 1}
    assert reading.report.parts == {"reasoning left out": 1, "tool output left out": 2}


def test_an_older_export_without_blocks_is_read_by_its_text(tmp_path: Path) -> None:
    old = {"uuid": "m1", "sender": "human", "text": "I knit.", "created_at": "2023-08-01T10:00:00.000000+00:00"}
    assert said(read(write(tmp_path / "c.json", [conversation(old)]))) == [("user", "I knit.")]


def test_names_of_attachments_and_files_are_kept(tmp_path: Path) -> None:
    attached = {"file_name": "cv.md", "file_size": 9, "file_type": "md", "extracted_content": "# Me"}
    made = conversation(
        message("m1", "human", "My CV.", attachments=[attached], files=[{"file_name": "face.png"}]),
        message("m2", "human", attachments=[attached | {"file_name": ""}]),
    )
    reading = read(write(tmp_path / "c.json", [made]))
    assert messages(reading)[0].metadata == {"attachments": ["cv.md", "face.png"]}
    assert reading.report.left_out == {"media without words": 1}


def test_of_questions_asked_again_the_branch_written_last_is_read(tmp_path: Path) -> None:
    made = conversation(
        message("m1", "human", "Where to?", parent_message_uuid=ROOT),
        message("m2", "assistant", "Oslo.", parent_message_uuid="m1"),
        message("m3", "human", "Where shall I go?", parent_message_uuid=ROOT, created_at="2024-12-01T23:40:00Z"),
        message("m4", "assistant", "Porto.", parent_message_uuid="m3", created_at="2024-12-01T23:41:00Z"),
    )
    reading = read(write(tmp_path / "c.json", [made]))
    assert [text for _, text in said(reading)] == ["Where shall I go?", "Porto."]
    assert reading.report.left_out == {"other branches": 2}


def test_a_broken_conversation_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    made = [conversation(chat_messages=None), conversation(5, message("m1", "human", "I row."))]
    reading = read(write(tmp_path / "c.json", made))
    assert reading.report.taken == 1
    assert reading.report.left_out == {"unreadable": 2}
