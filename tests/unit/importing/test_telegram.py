from __future__ import annotations

import datetime as dt
import zoneinfo
from pathlib import Path
from typing import Any

from tests.unit.importing.files import messages, read, said, write, zipped

AT = 1710523330  # 2024-03-15 17:22:10 UTC


def message(number: int, said_by: str | None, text: Any, at: int = AT, **fields: Any) -> Any:
    shown = dt.datetime.fromtimestamp(at + 3600, dt.UTC).replace(tzinfo=None).isoformat()
    made = {"id": number, "type": "message", "date": shown, "date_unixtime": str(at), "from": said_by}
    return made | {"from_id": f"user{number}", "text": text, "text_entities": []} | fields


def chat(*listed: Any, **fields: Any) -> Any:
    return {"name": "Rowers", "type": "private_group", "id": 42, "messages": list(listed)} | fields


def test_a_chat_is_read_with_each_speaker_and_on_the_clock_of_who_exported_it(tmp_path: Path) -> None:
    entities = ["See ", {"type": "link", "text": "https://row.example"}, " and ", {"type": "bold", "text": "come"}, "."]
    made = chat(message(1, "Ana", "I row on Mondays."), message(2, "Ben", entities))
    reading = read(write(tmp_path / "result.json", made))
    assert said(reading) == [("Ana", "I row on Mondays."), ("Ben", "See https://row.example and come.")]
    first = messages(reading)[0]
    assert first.occurred_at is not None
    assert first.occurred_at.isoformat() == "2024-03-15T18:22:10+01:00"
    assert reading.exchanges[0].metadata == {"title": "Rowers"}
    zone = zoneinfo.ZoneInfo("Asia/Tokyo")
    (moved,) = messages(read(write(tmp_path / "r.json", chat(message(1, "Ana", "I row."))), time_zone=zone))
    assert moved.occurred_at is not None
    assert moved.occurred_at.isoformat() == "2024-03-16T02:22:10+09:00"


def test_of_a_whole_account_all_chats_are_read_and_their_equal_numbers_are_not_confused(tmp_path: Path) -> None:
    other = chat(message(1, "Ben", "I sail."), id=43, name=None, type="personal_chat")
    left = chat(message(1, "Cem", "I ski."), id=44)
    made = {
        "about": "Here is the data you requested.",
        "personal_information": {"user_id": 1},
        "chats": {"about": "", "list": [chat(message(1, "Ana", "I row.")), other]},
        "left_chats": {"about": "", "list": [left]},
    }
    archive = zipped(tmp_path / "DataExport.zip", {"DataExport/result.json": made, "DataExport/photos/1.jpg": b"x"})
    for path in (write(tmp_path / "result.json", made), archive):
        reading = read(path)
        assert said(reading) == [("Ana", "I row."), ("Ben", "I sail."), ("Cem", "I ski.")]
        assert len({exchange.session_id for exchange in reading.exchanges}) == 3


def test_service_messages_and_media_without_words_are_left_out_and_told(tmp_path: Path) -> None:
    made = chat(
        {"id": 1, "type": "service", "actor": "Ana", "action": "invite_members", "date_unixtime": str(AT), "text": ""},
        message(2, "Ana", "", media_type="voice_message", file="(File not included.)", mime_type="audio/ogg"),
        message(3, "Ana", "My boat", photo="photos/1.jpg"),
        message(4, "Ana", ""),
        message(5, None, "I was here."),
        "no message",
    )
    reading = read(write(tmp_path / "result.json", made))
    assert said(reading) == [("Ana", "My boat"), ("Deleted Account", "I was here.")]
    assert reading.report.left_out == {"system": 1, "media without words": 1, "empty": 1, "unreadable": 1}
    assert reading.report.parts == {"pictures, recordings and files left out": 1}


def test_what_is_passed_on_is_said_by_who_said_it(tmp_path: Path) -> None:
    made = chat(message(1, "Ana", "I live in Rome.", forwarded_from="Ben"))
    (passed,) = messages(read(write(tmp_path / "result.json", made)))
    assert (passed.speaker, passed.metadata) == ("Ben", {"forwarded_by": "Ana"})


def test_an_endless_chat_is_parted_where_nobody_spoke_for_six_hours(tmp_path: Path) -> None:
    hour = 3600
    made = chat(*(message(n, "Ana", f"{n}", AT + at * hour) for n, at in enumerate((0, 5, 10, 16, 17))))
    sessions = [(item.session_id, len(item.messages)) for item in read(write(tmp_path / "r.json", made)).exchanges]
    assert sessions == [("telegram 42 2024-03-15 17:22", 3), ("telegram 42 2024-03-16 09:22", 2)]
