from __future__ import annotations

import codecs
import datetime as dt
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from memsvc import errors
from memsvc.importing import formats
from tests.unit.importing import test_chatgpt, test_claude, test_telegram, test_whatsapp
from tests.unit.importing.files import messages, read, said, write, zipped

CHATS: dict[str, Any] = {
    "chatgpt": [test_chatgpt.BEES],
    "claude": [test_claude.conversation(test_claude.message("m1", "human", "I row."))],
    "telegram": test_telegram.chat(test_telegram.message(1, "Ana", "I row.")),
    "whatsapp": test_whatsapp.ANDROID,
    "jsonl": '{"content": "I row."}\n{"content": "Alone."}\n',
    "mem0": [{"id": "a1", "memory": "Likes hiking", "created_at": "2024-07-26T10:29:36Z"}],
}
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


@pytest.mark.parametrize("name", CHATS)
def test_the_format_is_told_by_the_content_whatever_the_file_is_called(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "export.bin", CHATS[name])
    reading = read(path)
    assert reading.report.formats == {name: 1}
    assert reading.exchanges == read(path, name).exchanges
    assert reading.report.taken == len(messages(reading)) > 0


@pytest.mark.parametrize("name", CHATS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_may_be_of_any_unicode_with_or_without_a_mark(tmp_path: Path, name: str, encoding: str) -> None:
    text = CHATS[name] if isinstance(CHATS[name], str) else json.dumps(CHATS[name])
    expected = said(read(write(tmp_path / "a.txt", text)))
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    assert said(read(path)) == expected
    path.write_bytes(codecs.BOM_UTF8 * 2 + text.encode())
    assert said(read(path, name)) == expected


def test_a_character_that_cannot_be_stored_is_dropped_or_replaced_and_told(tmp_path: Path) -> None:
    chats = {
        "chatgpt": json.dumps([test_chatgpt.conversation(test_chatgpt.node("u", "root", "user", "I r\x00ow \ud83d."))]),
        "claude": json.dumps([test_claude.conversation(test_claude.message("m", "human", "I r\x00ow \ud83d."))]),
        "telegram": json.dumps(test_telegram.chat(test_telegram.message(1, "An\x00a", "I row \ud83d."))),
        "jsonl": json.dumps({"content": "I r\x00ow \ud83d."}),
        "mem0": json.dumps([{"memory": "I r\x00ow \ud83d."}]),
    }
    for name, text in chats.items():
        reading = read(write(tmp_path / "f", text), name)
        assert [words for _, words in said(reading)] == ["I row \ufffd."]
        assert reading.report.parts == {"NUL characters dropped": 1, "broken characters replaced": 1}
    raw = write(tmp_path / "WhatsApp Chat with Ana.txt", "15/03/2024, 18:22 - Ana: I r\x00ow.")
    assert said(read(raw)) == [("Ana", "I row.")]


def test_words_longer_than_the_service_takes_are_left_out_and_told(tmp_path: Path) -> None:
    chat = test_telegram.chat(test_telegram.message(1, "Ana", "x" * 1_000_001), test_telegram.message(2, "Ana", "Hi"))
    reading = read(write(tmp_path / "result.json", chat))
    assert said(reading) == [("Ana", "Hi")]
    assert reading.report.left_out == {"longer than 1,000,000 characters": 1}


def test_a_folder_of_several_programs_is_read_whole(tmp_path: Path) -> None:
    write(tmp_path / "a" / "conversations.json", CHATS["chatgpt"])
    write(tmp_path / "b" / "conversations.json", CHATS["claude"])
    write(tmp_path / "c" / "result.json", CHATS["telegram"])
    write(tmp_path / "d" / "WhatsApp Chat with Ana.txt", CHATS["whatsapp"])
    write(tmp_path / "d" / "notes.txt", "Buy milk.")
    reading = read(tmp_path)
    assert reading.report.formats == {"chatgpt": 1, "claude": 1, "telegram": 1, "whatsapp": 1}
    assert {message.source for message in messages(reading)} == set(reading.report.formats)
    assert "d/notes.txt" in reading.report.notes[-1]


def test_mem0_memories_keep_their_owner_id_and_time(tmp_path: Path) -> None:
    hiking, vegetarian = read(write(tmp_path / "m.json", MEM0), "mem0").exchanges
    assert (hiking.session_id, hiking.messages[0].id) == ("ana", "a1")
    assert hiking.messages[0].metadata == {"category": "hobby"}
    assert hiking.messages[0].occurred_at == dt.datetime(2024, 7, 26, 17, 29, 36, 630547, tzinfo=dt.UTC)
    assert vegetarian.session_id == "cook"
    again = read(write(tmp_path / "m.json", MEM0["results"]), "mem0").exchanges
    assert [e.messages[0].id for e in again] == [hiking.messages[0].id, vegetarian.messages[0].id]


def test_a_mem0_memory_ends_with_the_day_that_it_is_to_end_on(tmp_path: Path) -> None:
    ends = {"memory": "Is on leave", "user_id": "ana", "expiration_date": "2027-05-08"}
    (leave,) = read(write(tmp_path / "m.json", [ends]), "mem0").exchanges
    assert leave.expires_at == dt.datetime(2027, 5, 8, 23, 59, 59, 999999, dt.UTC)
    with pytest.raises(errors.Invalid, match=r"memory 1.*expires_at"):
        read(write(tmp_path / "bad.json", [ends | {"expiration_date": "soon"}]), "mem0")


def test_json_lines_take_what_is_given_and_make_stable_ids(tmp_path: Path) -> None:
    path = write(
        tmp_path / "chat.jsonl",
        '{"content": "Hi", "role": "human", "speaker": "Ana"}\n\n{"content": "Ho", "session_id": "s", "id": "x"}\n',
    )
    first, second = read(path, "jsonl").exchanges
    assert (first.session_id, first.messages[0].role, first.messages[0].speaker) == ("chat", "user", "Ana")
    assert (second.session_id, second.messages[0].id) == ("s", "x")
    assert read(path, "jsonl").exchanges[0].messages[0].id == first.messages[0].id


def test_an_id_used_twice_and_a_line_without_words_are_told(tmp_path: Path) -> None:
    lines = ('{"content": "Hi", "id": "x"}', '{"content": "Hi", "id": "x"}', '{"content": "Ho", "id": "x"}')
    others = ('{"content": " "}', '{"content": "", "caption": "A boat"}')
    reading = read(write(tmp_path / "chat.jsonl", "\n".join(lines + others)))
    assert [(message.content, message.caption) for message in messages(reading)] == [("Hi", None), ("", "A boat")]
    assert reading.report.left_out == {"repeated": 1, "other words under the same id": 1, "empty": 1}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("jsonl", '{"content": "Hi"}\nnot json', "line 2"),
        ("jsonl", "[1]", "line 1 is no JSON object"),
        ("jsonl", '{"content": "Hi", "role": "owner"}', "no role 'owner'"),
        ("jsonl", '{"content": "Hi", "colour": 1}', "colour"),
        ("jsonl", "{}", "content"),
        ("chatgpt", "{}", "holds no list"),
        ("claude", "{}", "holds no list"),
        ("telegram", "[]", "holds no list"),
        ("whatsapp", "{}", "no line"),
        ("mem0", '{"results": [{}]}', "memory 1 has no text"),
        ("mem0", "[" * 100_000, "no JSON"),
        ("word", "", "no format 'word'.*memsvc, chatgpt, claude, telegram, whatsapp, mem0, jsonl"),
        (None, "Buy milk.", "no format that is known.*memsvc, chatgpt, claude, telegram, whatsapp, mem0, jsonl"),
        (None, '[{"mapping": {', "no format that is known here .*no JSON"),
        (None, "[]", "no format that is known"),
        (None, "", "no format that is known"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_its_place(
    tmp_path: Path, name: str | None, text: str, expected: str
) -> None:
    with pytest.raises(errors.Invalid, match=expected):
        read(write(tmp_path / "f.json", text), name)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"\xff\xfe\x00")
    for name in formats.FORMATS:
        with pytest.raises(errors.Invalid, match="cannot be read"):
            read(path, name)


def test_an_archive_without_a_chat_or_broken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.Invalid, match=r"holds no file of a known name \(it holds chat.html\)"):
        read(zipped(tmp_path / "a.zip", {"chat.html": "<html>"}))
    path = zipped(tmp_path / "b.zip", {"conversations.json": [test_chatgpt.BEES]})
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(errors.Invalid, match="cannot be read"):
        read(path)
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(errors.Invalid, match="it holds nothing"):
        read(path)


def test_an_export_of_memsvc_is_told_by_its_first_line(tmp_path: Path) -> None:
    assert formats.is_export(write(tmp_path / "a", '{"format": "memsvc-export-1"}\n{}\n'))
    assert not formats.is_export(write(tmp_path / "b", CHATS["jsonl"]))
    assert not formats.is_export(write(tmp_path / "c", ""))
    assert not formats.is_export(tmp_path)


def test_a_value_of_another_type_than_expected_ends_no_import(tmp_path: Path) -> None:
    """Every field of a chat, one after the other, set to something else: the rest is still read."""
    for name in ("chatgpt", "claude", "telegram"):
        for odd in (None, 5, "x", [None], {"a": 1}):
            for changed in _each_changed(CHATS[name], odd):
                path = write(tmp_path / "f.json", changed)
                try:
                    reading = read(path, name)
                except errors.Invalid as error:
                    assert "holds no list" in error.detail
                else:
                    assert reading.report.taken == len(messages(reading))


def _each_changed(value: Any, odd: Any) -> Any:
    """The value with one of its parts replaced by `odd`, for each part."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield value | {key: odd}
            yield from (value | {key: changed} for changed in _each_changed(part, odd))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield [*value[:index], odd, *value[index + 1 :]]
            yield from ([*value[:index], changed, *value[index + 1 :]] for changed in _each_changed(part, odd))
