"""Databases as older versions left them, with data, under the service of today. Made by python -m tests.versions."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from memsvc import rooms
from memsvc.store import schema
from tests.versions import FOLDER, Account, answers, database, dump, found, place, restore, running

VERSIONS = sorted(path.name.split(".")[0] for path in FOLDER.glob("*.sql.gz"))


def stored(name: str) -> str:
    return gzip.decompress((FOLDER / name).read_bytes()).decode()


def told(revision: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(stored(f"{revision}.json.gz"))
    return made


def lacking(old: Any, new: Any, at: str = "") -> list[str]:
    """Where `new` does not say what `old` says; it may say more of each thing."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [one for key in old for one in lacking(old[key], new.get(key), f"{at}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            one for number, pair in enumerate(zip(old, new, strict=True)) for one in lacking(*pair, f"{at}[{number}]")
        ]
    return [] if old == new else [f"{at}: {old!r} is {new!r}"]


def rows(sql: str) -> dict[str, list[dict[str, str]]]:
    """Table -> its rows as column -> value, of a dump."""
    parts = re.findall(r"^COPY public\.(\w+) \((.*)\) FROM stdin;\n((?:.*\n)*?)\\\.$", sql, re.MULTILINE)
    return {
        table: sorted((dict(zip(columns.split(", "), line.split("\t"), strict=True)) for line in lines.splitlines()),
                      key=lambda row: sorted(row.items()))
        for table, columns, lines in parts
    }  # fmt: skip


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data folder as that version left it."""
    made = tmp_path / "data"
    restore(stored(f"{request.param}.sql.gz"), made)
    journal = told(request.param)["journal"]
    if journal:
        (made / "erasures").mkdir(mode=0o700)
    for name, text in journal.items():
        (made / "erasures" / name).write_text(text)
    return made


each_version = pytest.mark.parametrize(
    ("folder", "before"), [(revision, told(revision)) for revision in VERSIONS], indirect=["folder"], ids=VERSIONS
)


def test_the_last_versions_are_stored_and_small() -> None:
    assert len(VERSIONS) >= 2
    assert all(path.stat().st_size < 200_000 for path in FOLDER.iterdir())
    assert {path.name for path in FOLDER.iterdir()} == {
        f"{revision}.{kind}.gz" for revision in VERSIONS for kind in ("sql", "json")
    }


@pytest.mark.slow
@each_version
def test_what_an_older_version_left_is_all_there_answers_as_before_and_goes_on(
    folder: Path, before: dict[str, Any]
) -> None:
    with running(folder) as url, contextlib.closing(Account(url)) as account:
        account.finish()
        now = answers(account)
        _all_is_there(before["answers"], now)
        for was, is_ in zip(before["found"], found(account), strict=True):
            assert was["place"] is not None and was["in_context"], was
            assert is_["place"] is not None and is_["place"] <= was["place"] and is_["in_context"], (was, is_)
            assert is_["answer"] == was["answer"]
        _keys_do_what_they_did(url, before["keys"])
        _nothing_erased_came_back(account)
        _writing_goes_on(account)
        _its_exports_are_taken(account, before)


def _all_is_there(before: dict[str, Any], now: dict[str, Any]) -> None:
    jobs, entries = (before.pop(path) for path in ("/v1/jobs", "/v1/audit"))
    standing = {job["id"]: job for job in now["/v1/jobs"]}
    ended = [job for job in jobs if job["state"] == "done"]
    assert len(ended) > 5 and lacking(ended, [standing.get(job["id"]) for job in ended]) == []
    assert len(entries) > 5 and lacking(entries, now["/v1/audit"][: len(entries)]) == []
    # How often something was done in the background is no part of what is remembered.
    for counts in (one for path, one in before.items() if path.endswith("/stats")):
        counts.pop("jobs")
    assert len(before) > 50 and lacking(before, {path: now.get(path) for path in before}) == []


def _keys_do_what_they_did(url: str, keys: dict[str, str]) -> None:
    for label, status in (("reads", 200), ("successor", 200), ("rotated", 401), ("revoked", 401)):
        with contextlib.closing(Account(url, keys[label])) as one:
            assert one.status(place("ana", "messages")) == status, label
    with contextlib.closing(Account(url, keys["reads"])) as one:
        assert one.status("/v1/keys") == 403


def _nothing_erased_came_back(account: Account) -> None:
    assert account.status(place("gone", "messages")) == 404
    assert b"viola from the conservatory" not in account.content(place("ana", "export"))


def _writing_goes_on(account: Account) -> None:
    said = {"id": "new", "role": "user", "speaker": "Ana", "content": "I moved to Tromsø, to a house by the quay."}
    body = {"exchanges": [{"session_id": "later", "occurred_at": "2024-07-01T10:00:00Z", "messages": [said]}]}
    first = account.ask("POST", place("ana", "exchanges"), body, headers={"Idempotency-Key": "after"})
    assert account.ask("POST", place("ana", "exchanges"), body, headers={"Idempotency-Key": "after"}) == first
    account.finish()
    texts = [
        one["text"] for one in account.ask("POST", place("ana", "recall"), {"query": "Where does Ana live?"})["results"]
    ]
    assert "Tromsø" in texts[0]
    (profile,) = [one for one in account.all(place("ana", "profile"), "profiles") if one["subject"] == "Ana"]
    (home,) = [one for one in profile["attributes"] if one["name"] == "residence"]
    assert "Tromsø" in home["value"] and home["before"]["value"] == "Porto"


def _its_exports_are_taken(account: Account, before: dict[str, Any]) -> None:
    for name, exported in before["exports"].items():
        copy = f"{name}-copy"
        receipt = account.load(place(copy, "import"), exported.encode())
        messages = before["answers"][place(name, "messages")]
        assert receipt["imported"]["message"] == len(messages) > 0
        held = account.all(place(copy, "messages"), "messages")
        words = ("id", "content", "speaker", "role", "caption", "metadata", "occurred_at", "session_id")
        assert [[one[word] for word in words] for one in held] == [[one[word] for word in words] for one in messages]
        units = {unit["id"]: unit["text"] for unit in account.all(place(copy, "units"), "units")}
        assert units == {unit["id"]: unit["text"] for unit in before["answers"][place(name, "units")]}


@pytest.mark.slow
@each_version
def test_an_upgrade_that_is_taken_back_leaves_every_row_as_the_older_version_had_it(
    folder: Path, before: dict[str, Any]
) -> None:
    first = dump(folder)
    (revision,) = (row["version_num"] for row in rows(first)["alembic_version"])
    migrations = rooms.root() / "migrations"
    with database(folder) as postgres:
        schema.upgrade(postgres.owner_url, migrations)
    upgraded = rows(dump(folder))
    assert upgraded["alembic_version"] != rows(first)["alembic_version"]
    with database(folder) as postgres:
        schema.downgrade(postgres.owner_url, migrations, revision)
    assert rows(dump(folder)) == rows(first)
    assert len(rows(first)["message"]) == sum(
        len(one) for path, one in before["answers"].items() if path.endswith("/messages")
    )
