"""Chats of other programs into a running service, from the command line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memsvc.cli import app as commands
from memsvc.importing import formats, writing
from memsvc.sdk import Conflict, Namespace, NotFound
from tests.unit.importing import test_chatgpt, test_claude, test_telegram, test_whatsapp
from tests.unit.importing.files import write, zipped


def run(cli: CliRunner, memory: Namespace, *arguments: str | Path) -> list[str]:
    done = cli.invoke(commands.app, ["import", *map(str, arguments), "--namespace", memory.name])
    assert done.exit_code == 0, done.output
    return done.stdout.strip().split("\n")


def test_a_zip_of_chatgpt_is_imported_recalled_and_reported(cli: CliRunner, memory: Namespace, tmp_path: Path) -> None:
    members = {"conversations-000.json": [test_chatgpt.BEES], "chat.html": "<html>"}
    path = zipped(tmp_path / "export.zip", members)
    assert run(cli, memory, path) == [
        "format: chatgpt",
        "messages: 2, known before: 0",
        "left out: 3 (other branches: 2, system: 1)",
        "in those taken: images and recordings left out: 1",
        "files beside the chats, not read: 1 (chat.html)",
    ]
    found = memory.recall("Who keeps bees?").results[0]
    assert "bees" in found.text
    assert found.sources[0].message_id == "m-u"


def test_a_group_of_whatsapp_is_recalled_by_who_said_it(cli: CliRunner, memory: Namespace, tmp_path: Path) -> None:
    path = write(
        tmp_path / "WhatsApp Chat with Rowers.txt",
        "15/03/2024, 18:22 - Ana: I play the oboe in an orchestra.\n15/03/2024, 18:23 - Ben: I repair old clocks.\n",
    )
    run(cli, memory, path, "--time-zone", "Europe/Berlin")
    said_at = dt.datetime(2024, 3, 15, 17, 22, tzinfo=dt.UTC)
    assert [(m.speaker, m.occurred_at) for m in memory.messages()] == [
        ("Ana", said_at),
        ("Ben", said_at + dt.timedelta(minutes=1)),
    ]
    assert "clocks" in memory.recall("What does Ben repair?").results[0].text


@pytest.mark.parametrize("name", ["chatgpt", "claude", "telegram", "whatsapp"])
def test_twice_stores_nothing_twice_and_a_longer_export_adds_what_is_new(
    cli: CliRunner, memory: Namespace, tmp_path: Path, name: str
) -> None:
    first, longer = _exports(tmp_path, name)
    assert "messages: 2, known before: 0" in run(cli, memory, first, "--time-zone", "UTC")
    assert "messages: 2, known before: 2" in run(cli, memory, first, "--time-zone", "UTC")
    assert "messages: 3, known before: 2" in run(cli, memory, longer, "--time-zone", "UTC")
    assert [m.content for m in memory.messages()] == ["I row on Mondays.", "Alone?", "With Cem."]


def _exports(folder: Path, name: str) -> list[Path]:
    words = ["I row on Mondays.", "Alone?", "With Cem."]
    exports = []
    for count in (2, 3):
        value: Any
        if name == "chatgpt":
            nodes = [
                test_chatgpt.node(str(n), str(n - 1) if n else "root", "user" if n % 2 == 0 else "assistant", word)
                for n, word in enumerate(words[:count])
            ]
            value = [test_chatgpt.conversation(*nodes, current_node=str(count - 1))]
        elif name == "claude":
            listed = [test_claude.message(f"m{n}", "human", word) for n, word in enumerate(words[:count])]
            value = [test_claude.conversation(*listed)]
        elif name == "telegram":
            value = test_telegram.chat(*(test_telegram.message(n, "Ana", w) for n, w in enumerate(words[:count])))
        else:
            value = "\n".join(f"15/03/2024, 18:2{n} - Ana: {word}" for n, word in enumerate(words[:count]))
        exports.append(write(folder / str(count) / "WhatsApp Chat with Ana.txt", value))
    return exports


def test_what_was_erased_or_edited_is_left_out_and_told_and_the_rest_goes_on(
    cli: CliRunner, memory: Namespace, tmp_path: Path
) -> None:
    words = ["I row on Mondays.", "I sail on Sundays.", "I knit."]
    chat = test_telegram.chat(*(test_telegram.message(n, "Ana", word) for n, word in enumerate(words)))
    run(cli, memory, write(tmp_path / "result.json", chat))
    erased = next(m.id for m in memory.messages() if "sail" in m.content)
    memory.erase_part("message", erased)
    chat["messages"][2]["text"] = "I knit and sew."
    chat["messages"].append(test_telegram.message(3, "Ben", "I ski."))
    lines = run(cli, memory, write(tmp_path / "result.json", chat))
    assert lines[1:3] == [
        "messages: 2, known before: 1",
        "left out: 2 (erased in the memory: 1, stored otherwise before: 1)",
    ]
    assert [m.content for m in memory.messages()] == ["I row on Mondays.", "I knit.", "I ski."]


def test_an_import_that_breaks_off_says_how_far_it_came_and_goes_on_when_repeated(
    cli: CliRunner, memory: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = test_telegram.chat(*(test_telegram.message(n, "Ana", f"I own {n} boats.") for n in range(150)))
    path = write(tmp_path / "result.json", chat)
    write_one, written = Namespace.write, list[int]()

    def breaks(self: Namespace, batch: Sequence[Any]) -> Any:
        if written:
            raise KeyboardInterrupt
        written.append(len(batch))
        return write_one(self, batch)

    with monkeypatch.context() as broken:
        broken.setattr(Namespace, "write", breaks)
        done = cli.invoke(commands.app, ["import", str(path), "--namespace", memory.name])
    assert done.exit_code == 1
    assert "100 of 150 messages are written" in str(done.exception)
    assert "messages: 150, known before: 100" in run(cli, memory, path)
    assert memory.stats().messages == 150


def test_a_file_that_cannot_be_read_writes_nothing(cli: CliRunner, memory: Namespace, tmp_path: Path) -> None:
    good = write(tmp_path / "result.json", test_telegram.chat(test_telegram.message(1, "Ana", "I row.")))
    bad = write(tmp_path / "WhatsApp Chat with Ben.txt", "05/06/2024, 18:22 - Ben: I sail.")
    done = cli.invoke(commands.app, ["import", str(good), str(bad), "--namespace", memory.name])
    assert "--date-order" in str(done.exception)
    done = cli.invoke(commands.app, ["import", str(good), "--time-zone", "Mars/Base", "--namespace", memory.name])
    assert "no time zone 'Mars/Base'" in str(done.exception)
    with pytest.raises(NotFound):
        memory.stats()


def test_an_import_from_python_gives_the_report(memory: Namespace, tmp_path: Path) -> None:
    steps: list[int] = []
    path = write(tmp_path / "WhatsApp Chat with Rowers.txt", test_whatsapp.ANDROID)
    report = writing.write(memory, formats.read([path]), steps.append)
    assert (report.formats, report.taken, report.stored, report.known) == ({"whatsapp": 1}, 2, 2, 0)
    assert report.left_out["system"] == 2
    assert sum(steps) == 2
    with pytest.raises(Conflict):  # of the namespace, not of a message: told as it is
        writing.write(_Elsewhere(), formats.read([path]))


class _Elsewhere:
    """A namespace that another encoder made."""

    def write(self, _: Any) -> Any:
        raise Conflict(409, {"detail": "The namespace x was encoded by another."})
