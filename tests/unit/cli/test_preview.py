from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from memsvc import errors
from memsvc.cli import preview
from memsvc.settings import DistillSettings

MESSAGES = [
    {"role": "user", "speaker": "Ana", "content": "I moved to Oslo in 2021.", "occurred_at": "2024-05-08T18:00:00Z"},
    {"role": "user", "speaker": "Ben", "content": "Wow, cool!"},
]


@pytest.mark.parametrize(
    "chat",
    [MESSAGES, {"messages": MESSAGES}, {"exchanges": [{"session_id": "s", "messages": MESSAGES}]}],
)
def test_a_chat_is_shown_beside_what_it_is_distilled_to(tmp_path: Path, chat: object) -> None:
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(chat))
    messages = preview.read(path)
    made = preview.distil(messages, DistillSettings())
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(preview.table(messages, made))
    shown = console.export_text()
    assert "I moved to Oslo in 2021." in shown
    assert "phatic: Wow, cool!" in shown
    assert "place: Oslo" in shown
    assert "tokens said" in shown
    found = preview.as_json(made)
    assert found["units"][0]["location"] == "Oslo"
    left = [MESSAGES[-1]["content"][skip["start"] : skip["end"]] for skip in found["skipped"]]
    assert left == ["Wow, cool!"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("nonsense", "is not JSON"),
        ('[{"role": "user"}]', "0.content"),
        ('{"exchanges": 3}', "valid list"),
        ("null", "valid list"),
    ],
)
def test_a_file_that_is_no_chat_says_what_is_wrong_and_what_a_chat_is(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "chat.json"
    path.write_text(content)
    with pytest.raises(errors.Invalid, match=says) as raised:
        preview.read(path)
    assert "exchanges" in raised.value.next_step
    with pytest.raises(errors.Invalid, match="cannot be read"):
        preview.read(tmp_path / "none.json")
