from __future__ import annotations

import zoneinfo
from pathlib import Path

import pytest

from memsvc import errors
from tests.unit.importing.files import messages, read, said, write, zipped

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
# As an iPhone writes it: a mark before what WhatsApp says itself, in whatever language.
IPHONE = (
    "[15.03.24, 18:22:10] Rowers: \u200eMessages and calls are end-to-end encrypted.\r\n"
    "[15.03.24, 18:22:11] Ana: I row on Mondays.\r\n"
    "And on Fridays: always.\r\n"
    "\u200e[15.03.24, 18:23:00] Ben: \u200eBild weggelassen\r\n"
    "[15.03.24, 18:24:00] ~\u202fCem: Hi \u2068@Ana\u2069 \u200e<Diese Nachricht wurde bearbeitet.>\r\n"
    "\u200e[15.03.24, 18:25:00] Ben: My boat \u200e<Anhang: 00000012-PHOTO-2024-03-15.jpg>\r\n"
    "\u200e[15.03.24, 18:25:30] Ben: lease.pdf • \u200e3 Seiten \u200e<Anhang: 00000013-lease.pdf>\r\n"
    "\u200e[15.03.24, 18:26:00] Ben: \u200eDu hast diese Nachricht gelöscht.\r\n"
    "[15.03.24, 18:27:00] \u202a+49 170 1234567\u202c: Who is this?\r\n"
)
ANDROID = (
    "15/03/2024, 18:22 - Messages and calls are end-to-end encrypted. Tap to learn more.\n"
    '15/03/2024, 18:22 - Ana changed the group name from "Boat: old" to "Rowers"\n'
    "15/03/2024, 18:22 - Ana: I row on Mondays.\n"
    "\n"
    "Not on Sundays.\n"
    "15/03/2024, 18:23 - Ben: <Media omitted>\n"
    "15/03/2024, 18:24 - Ben: IMG-20240315-WA0001.jpg (file attached)\n"
    "My boat\n"
    "15/03/2024, 18:24 - Ben: IMG-20240315-WA0002.jpg (file attached)\n"
    "15/03/2024, 18:25 - Ben: This message was deleted\n"
    "15/03/2024, 18:26 - Ben: \n"
)


def chat(tmp_path: Path, *lines: str) -> Path:
    return write(tmp_path / "WhatsApp Chat with Ana.txt", "\n".join(lines))


def test_a_chat_of_an_iphone_is_read(tmp_path: Path) -> None:
    reading = read(zipped(tmp_path / "WhatsApp Chat - Rowers.zip", {"_chat.txt": IPHONE}), time_zone=BERLIN)
    assert said(reading) == [
        ("Ana", "I row on Mondays.\nAnd on Fridays: always."),
        ("Cem", "Hi @Ana"),
        ("Ben", "My boat"),
        ("+49 170 1234567", "Who is this?"),
    ]
    assert reading.report.left_out == {"system": 1, "media without words": 2, "deleted": 1}
    first, _, boat, _ = messages(reading)
    assert first.occurred_at is not None
    assert first.occurred_at.isoformat() == "2024-03-15T18:22:11+01:00"
    assert boat.metadata == {"attachments": ["00000012-PHOTO-2024-03-15.jpg"]}
    assert reading.exchanges[0].session_id == "WhatsApp Chat - Rowers 2024-03-15 18:22"


def test_a_chat_of_android_is_read(tmp_path: Path) -> None:
    reading = read(write(tmp_path / "WhatsApp Chat with Rowers (1).txt", ANDROID), time_zone=BERLIN)
    assert said(reading) == [("Ana", "I row on Mondays.\n\nNot on Sundays."), ("Ben", "My boat")]
    assert reading.report.left_out == {"system": 2, "media without words": 2, "deleted": 1, "empty": 1}
    assert messages(reading)[1].metadata == {"attachments": ["IMG-20240315-WA0001.jpg"]}
    assert reading.exchanges[0].session_id == "WhatsApp Chat with Rowers 2024-03-15 18:22"


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("3/15/24, 6:22\u202fPM - ", "2024-03-15T18:22"),
        ("3/15/24, 12:05 AM - ", "2024-03-15T00:05"),
        ("15/3/24, 12:05 p.\u00a0m. - ", "2024-03-15T12:05"),
        ("25/6/24 14:03 - ", "2024-06-25T14:03"),
        ("[15.3.2022 klo 14.08.18] ", "2022-03-15T14:08:18"),
        ("[2024/3/15 下午6:22:10] ", "2024-03-15T18:22:10"),
        ("[2024-03-05, 6:22:10 PM] ", "2024-03-05T18:22:10"),
        ("2024. 03. 05. 18:22 - ", "2024-03-05T18:22"),
        ("1.2.24, 18:22 - ", "2024-02-01T18:22"),
        ("15.03.24, 18:22 - ", "2024-03-15T18:22"),
        ("21/8/19, 11:28:51 PM: ", "2019-08-21T23:28:51"),
    ],
)
def test_dates_and_clocks_are_read_as_phones_write_them(tmp_path: Path, stamp: str, moment: str) -> None:
    (message,) = messages(read(chat(tmp_path, f"{stamp}Ana: I row."), time_zone=BERLIN))
    assert (message.speaker, message.content) == ("Ana", "I row.")
    assert message.occurred_at is not None
    assert message.occurred_at.replace(tzinfo=None).isoformat().removesuffix(":00").startswith(moment)


def test_the_order_of_day_and_month_is_told_by_a_number_over_twelve_anywhere(tmp_path: Path) -> None:
    path = chat(tmp_path, "01/02/2024, 18:22 - Ana: One.", "02/13/2024, 18:22 - Ana: Two.")
    assert [m.occurred_at and m.occurred_at.month for m in messages(read(path))] == [1, 2]


def test_the_order_of_day_and_month_is_told_by_time_that_passes(tmp_path: Path) -> None:
    lines = ("01/02/2024, 18:22 - Ana: One.", "05/02/2024, 18:22 - Ana: Two.", "02/03/2024, 18:22 - Ana: Three.")
    assert [m.occurred_at and m.occurred_at.month for m in messages(read(chat(tmp_path, *lines)))] == [2, 2, 3]


def test_dates_that_can_be_read_in_two_ways_are_refused_until_the_order_is_said(tmp_path: Path) -> None:
    path = chat(tmp_path, "05/05/2024, 18:22 - Ana: One.", "06/07/2024, 18:22 - Ana: Two.")
    with pytest.raises(errors.Invalid, match=r"6/7/2024 may be 6 July 2024 or 7 June 2024.*--date-order"):
        read(path)
    for order, month in (("dmy", 7), ("mdy", 6)):
        (_, last) = messages(read(path, date_order=order))
        assert last.occurred_at is not None
        assert last.occurred_at.month == month
    same = chat(tmp_path, "05/05/2024, 18:22 - Ana: One.")
    assert len(messages(read(same))) == 1


def test_an_order_that_does_not_fit_the_dates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.Invalid, match="cannot all be read as mdy"):
        read(chat(tmp_path, "15/03/2024, 18:22 - Ana: One."), date_order="mdy")


def test_the_time_zone_is_the_machines_and_that_is_said(tmp_path: Path) -> None:
    path = chat(tmp_path, "15/03/2024, 18:22 - Ana: One.")
    (note,) = read(path).report.notes
    assert "this machine's time zone" in note
    assert read(path, time_zone=BERLIN).report.notes == []


def test_ids_are_the_same_in_a_longer_export_and_in_another_zone(tmp_path: Path) -> None:
    lines = ["15/03/2024, 18:22 - Ana: Ok", "15/03/2024, 18:22 - Ana: Ok", "15/03/2024, 18:30 - Ben: Ok"]
    first = [message.id for message in messages(read(chat(tmp_path, *lines), time_zone=BERLIN))]
    assert len(set(first)) == 3
    longer = chat(tmp_path, *lines, "16/03/2024, 18:22 - Ana: Later")
    assert [message.id for message in messages(read(longer))][:3] == first


def test_a_line_that_only_looks_like_a_beginning_belongs_to_the_message(tmp_path: Path) -> None:
    lines = (
        "15/03/2024, 18:22 - Ana: The log says",
        "[15.03.24, 18:22:10] Ben: copied",
        "99/99/2024, 18:22 - Ben: no date",
        "15/03/2024, 27:99 - Ben: no clock",
    )
    (message,) = messages(read(chat(tmp_path, *lines)))
    assert message.content.count("\n") == 3


def test_a_file_that_names_no_chat_says_so_and_the_user_may(tmp_path: Path) -> None:
    path = write(tmp_path / "_chat.txt", IPHONE)
    assert any("--chat" in note for note in read(path).report.notes)
    named = read(path, chat="Rowers", time_zone=BERLIN)
    assert named.exchanges[0].session_id.startswith("Rowers 2024")
    assert named.report.notes == []


def test_a_text_without_dates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.Invalid, match="no line that begins with a date"):
        read(write(tmp_path / "a.txt", "Dear Ana,\nI row."), "whatsapp")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("<Medien ausgeschlossen>", "media without words"),
        ("<Multimedia omitido>", "media without words"),
        ("<Médias omis>", "media without words"),
        ("image omitted", "media without words"),
        ("null", "media without words"),
        ("\u200eimagen omitida", "media without words"),
        ("PTT-20240315-WA0003.opus (Datei angehängt)", "media without words"),
        ("Diese Nachricht wurde gelöscht", "deleted"),
        ("You deleted this message.", "deleted"),
        ("\u200eAppel vocal manqué", "system"),
    ],
)
def test_placeholders_of_phones_in_other_languages_are_left_out(tmp_path: Path, words: str, reason: str) -> None:
    reading = read(chat(tmp_path, f"15/03/2024, 18:22 - Ana: {words}"))
    assert reading.report.left_out == {reason: 1}


@pytest.mark.parametrize(
    "words", ["I <3 rowing", "The image was omitted from my book", "See a.pdf (page 3)", "10:30: go"]
)
def test_words_that_only_resemble_a_placeholder_are_kept(tmp_path: Path, words: str) -> None:
    assert said(read(chat(tmp_path, f"15/03/2024, 18:22 - Ana: {words}"))) == [("Ana", words)]
