"""What is served is the same wherever the server stands."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from memsvc.sdk import MemoryClient
from tests.e2e.test_process import KEY, Process
from tests.waiting import LIMIT_S, until

# Equal instants on three clocks, near midnight of two of them; and one without an offset.
_SAID: tuple[tuple[str, str], ...] = (
    ("2024-05-08T18:00:00Z", "Yesterday I planted the quince. Tomorrow I dig the pond."),
    ("2024-05-09T03:00:00+09:00", "Yesterday I sold the canoe. Until Friday I live in Bergen."),
    ("2024-05-08T08:00:00-10:00", "Yesterday I bought the kettle. I moved to Lisbon in March."),
    ("2024-05-08T23:30:00", "Last night the kettle broke. Next month I go to Tromso."),
)
_ASKED = (
    "When did I plant the quince?",
    "When was the canoe sold?",
    "Where do I live?",
    "What happened to the kettle?",
)
# What is of this run alone: its own moments, ids and numbers.
_OF_THE_RUN = {
    "created_at", "recorded_at", "decided_at", "id", "unit_id", "score", "superseded_by", "recency", "exchange_id",
    "doubted_by", "message_id",
}  # fmt: skip


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: timeless(inner) for name, inner in value.items() if name not in _OF_THE_RUN}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


def served(folder: Path, zone: str) -> dict[str, Any]:
    process = Process(folder, "--no-demo", TZ=zone)
    url = process.url()
    try:
        with (
            MemoryClient(url, KEY) as client,
            httpx.Client(
                base_url=f"{url}/v1/namespaces/garden", headers={"Authorization": f"Bearer {KEY}"}, timeout=LIMIT_S
            ) as http,
        ):
            for number, (moment, text) in enumerate(_SAID):
                said = {"role": "user", "speaker": "Ana", "content": text, "id": f"m{number}", "occurred_at": moment}
                http.post(
                    "/exchanges", json={"exchanges": [{"session_id": "s", "messages": [said]}]}
                ).raise_for_status()
            client.namespace("garden").maintain("rebuild")
            until(lambda: not client.jobs(state="queued") and not client.jobs(state="running"))
            found: dict[str, Any] = {}
            for question in _ASKED:
                for as_of in (None, "2024-05-09T00:30:00+09:00"):
                    asked = {"query": question} | ({"as_of": as_of} if as_of else {})
                    context = http.post("/context", json=asked | {"budget_tokens": 400}).raise_for_status().json()
                    results = http.post("/recall", json=asked).raise_for_status().json()["results"]
                    found[f"{question} {as_of}"] = [context["text"], [timeless(one) for one in results]]
            found["profile"] = timeless(http.get("/profile").raise_for_status().json())
            for kind in ("units", "messages", "changes"):
                found[kind] = sorted(str(timeless(one)) for one in http.get(f"/{kind}").json()[kind])
            found["episodes"] = [
                # Of keywords that weigh alike any may lead; the days are the same.
                one["name"].rpartition(" · ")[2]
                for one in http.get("/episodes").raise_for_status().json()["episodes"]
            ]
            return found
    finally:
        assert process.end(signal.SIGTERM) == 0


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return served(tmp_path_factory.mktemp("utc") / "data", "UTC")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Pacific/Honolulu"])
def test_days_are_the_speakers_and_not_the_servers(tmp_path: Path, at_home: dict[str, Any], zone: str) -> None:
    assert served(tmp_path / "data", zone) == at_home
    text = at_home["When did I plant the quince? None"][0]
    assert "8 May 2024:" in text and "7 May 2024" in text
    assert "9 May 2024:" in at_home["When was the canoe sold? None"][0]
