"""What a version of the service leaves behind, kept so that later ones can be held to it.

python -m tests.versions COMMIT runs the service as it was at that commit, of this checkout's packages, fills it through
its own API, and writes tests/data/versions/REVISION.sql.gz (the database as pg_dump has it) and REVISION.json.gz (what
that service answered, what it exported, its journal of erasures). tests/e2e/test_upgrade.py finds both by their names.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from memsvc.store import embedded, postmaster
from tests.waiting import LIMIT_S, until

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "data" / "versions"
KEY = "the-key-of-a-stored-version"
# Neither the age of what is stored nor what a version fills by itself is part of it.
SETTINGS = {
    "MEMSVC_API_KEY": KEY, "MEMSVC_DEMO": "false", "MEMSVC_JOB_KEEP_DAYS": "36500", "MEMSVC_JOB_FORGET_FADED": "false",
    "OPENBLAS_NUM_THREADS": "1",
}  # fmt: skip
ASKED_AT = "2024-06-20T12:00:00+02:00"
# Of a namespace: what is asked, and the words that must be among the first that are found.
QUESTIONS = (
    ("ana", "Where does Ana live?", "Porto"),
    ("ana", "What did Ana adopt?", "tortoise called Miso"),
    ("ana", "What is Nico allergic to?", "walnuts"),
    ("ana", "How do I like my answers?", "in French"),
    ("ana", "Welches Instrument lernt Ana?", "Bratsche"),
    ("ana", "Who is afraid of the dentist?", "dentist"),
    ("team:plans", "When is the launch?", "launch"),
    ("team:plans", "Which database do we use?", "PostgreSQL"),
)
_LONG = 3_200_000_000  # seconds: a hundred years


def _said(id_: str, speaker: str, content: str, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"id": id_, "role": role, "speaker": speaker, "content": content} | more


def _sessions() -> Iterator[tuple[str, str, str, list[dict[str, Any]]]]:
    """Namespace, session, day, messages."""
    yield "ana", "täglich/🎻", "2024-03-01", [
        _said("m1", "Ana", "I live in Oslo, and I have been vegetarian since 2019.", metadata={"a": [1, None, "ü"]}),
        _said("m2", "Bot", "Wow, cool! Oslo is lovely in March.", "assistant", caption="A fjord at dusk"),
        _said("m3", "Ana", "Ich lerne seit letztem Jahr Bratsche.", channel="chat"),
    ]  # fmt: skip
    yield "ana", "kitchen", "2024-04-10", [
        _said("m4", "Ana", "I moved to Porto last week. Please always answer me in French."),
        _said("m5", "Nico", "I am allergic to walnuts, and I work at the harbour as a crane driver."),
        _said("m6", "Ana", "I adopted a tortoise called Miso yesterday, and I prefer tea to coffee."),
        _said("m7", "Bot", "Here is the loop:\n```python\nfor goat in goats:\n    print(goat)\n```", "assistant"),
    ]  # fmt: skip
    yield "ana", "clinic", "2024-05-02", [
        _said("m8", "Anja", "I am afraid of the dentist. My password is hunter2-Bergen!"),
        _said("m9", "Nico", "I have two daughters, Runa and Liv.", source="https://example.com/nico", trust=0.4),
    ]  # fmt: skip
    yield "ana", "rumours", "2024-05-03", [_said("m10", "Nico", "Ana hates Porto.", source="https://example.com/talk")]
    yield "ana", "regretted", "2024-05-04", [_said("m11", "Ana", "I stole a viola from the conservatory.")]
    yield "team:plans", "standup", "2024-05-20", [
        _said("t1", "Kim", "The launch is on 14 June 2024."),
        _said("t2", "Lee", "We use PostgreSQL for the shop, and Kim owns the release."),
        _said("t3", "Kim", "We moved the launch to 21 June 2024."),
    ]  # fmt: skip
    yield "gone", "s", "2024-05-05", [_said("g1", "Ola", "I keep goats near Bergen.")]


class Account:
    """A running service, asked as its clients ask it."""

    def __init__(self, url: str, key: str = KEY) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=LIMIT_S, trust_env=False
        )

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The reply as JSON; None for an empty one."""
        reply = self._http.request(method, path, json=body, **more)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    def content(self, path: str) -> bytes:
        return self._http.get(path).raise_for_status().content

    def status(self, path: str) -> int:
        return self._http.get(path).status_code

    def load(self, path: str, exported: bytes) -> Any:
        reply = self._http.post(path, content=exported, headers={"Content-Type": "application/x-ndjson"})
        assert reply.is_success, reply.text
        return reply.json()

    def all(self, path: str, field: str, **params: str) -> list[Any]:
        """What is on all pages."""
        found: list[Any] = []
        cursor: str | None = None
        while True:
            page = self.ask("GET", path, params=params | ({"cursor": cursor} if cursor else {}))
            found += page[field]
            cursor = page.get("next_cursor")
            if cursor is None:
                return found

    def finish(self) -> None:
        """Returns when no job is left to do by now; those of each day wait for the next."""

        def busy() -> bool:
            now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)
            waiting = self.ask("GET", "/v1/jobs", params={"state": "queued"})["jobs"]
            due = [job for job in waiting if dt.datetime.fromisoformat(job["run_after"]) < now]
            return bool(due or self.ask("GET", "/v1/jobs", params={"state": "running"})["jobs"])

        until(lambda: not busy(), 100)

    def close(self) -> None:
        self._http.close()


def place(namespace: str, *parts: str) -> str:
    return "/v1/namespaces/" + "/".join(quote(part, safe="") for part in (namespace, *parts))


def fill(account: Account) -> dict[str, str]:
    """Everything that an account can hold, by every way in. Returns what only the caller is told: keys, by label."""
    account.ask("PUT", place("ana"), {"secrets": "mask"})
    for namespace, session, day, messages in _sessions():
        exchange = {"session_id": session, "occurred_at": f"{day}T10:00:00+02:00", "messages": messages}
        body = {"exchanges": [exchange | {"id": f"on-{day}", "metadata": {"day": day}}]}
        account.ask(
            "POST", place(namespace, "exchanges"), body, headers={"Idempotency-Key": f"{day}-{messages[0]['id']}"}
        )
    account.ask("PUT", place("ana", "aliases"), {"name": "Ana", "aliases": ["Anja", "Mum"]})
    account.finish()
    units = {unit["sources"][0]["message_id"]: unit["id"] for unit in account.all(place("ana", "units"), "units")}
    for message, change in (
        ("m9", {"text": "Nico has two daughters, Runa and Liv, who sail.", "reason": "he said so later"}),
        ("m3", {"action": "pin"}),
        ("m6", {"action": "expire", "expires_at": "2100-01-01T00:00:00Z"}),
        ("m7", {"action": "invalidate", "reason": "no longer wanted"}),
    ):
        if message in units:
            account.ask("PATCH", place("ana", "units", units[message]), change)
    account.ask("POST", place("ana", "quarantine"), {"by": "source", "value": "https://example.com/talk"})
    account.ask("POST", place("ana", "erasures"), {"by": "session", "value": "regretted"})
    account.ask("DELETE", place("gone"))
    _keep_records(account)
    made = _make_keys(account)
    for kind in ("distill", "consolidate"):
        account.ask("POST", place("ana", "maintenance", kind))
    account.finish()
    return made


def _keep_records(account: Account) -> None:
    settings = {"path": ["users", "ana"], "key": "settings", "value": {"language": "pt", "nested": [1, None, "ü"]}}
    account.ask("PUT", place("ana", "records"), settings | {"text": "Ana reads Portuguese and thinks in metres."})
    held = {"op": "put", "path": ["users", "nico"], "key": "boat", "value": {"feet": 31.5}, "ttl_s": _LONG}
    bare = {"op": "put", "path": ["users", "nico"], "key": "gone", "value": {}}
    account.ask(
        "POST", place("ana", "records", "batch"), {"operations": [held | {"text": ["a sloop", "a boat"]}, bare]}
    )
    account.ask("POST", place("ana", "records", "delete"), {"path": ["users", "nico"], "key": "gone"})


def _make_keys(account: Account) -> dict[str, str]:
    made = {}
    for label, scopes in (("reads", ["read"]), ("rotated", ["read", "write"]), ("revoked", ["admin"])):
        given = account.ask("POST", "/v1/keys", {"scopes": scopes, "label": label, "max_trust": 0.8})
        made[label] = given["key"]
        if label == "rotated":
            made["successor"] = account.ask("POST", f"/v1/keys/{given['id']}/rotate", {"grace_s": 0})["key"]
        if label == "revoked":
            account.ask("POST", f"/v1/keys/{given['id']}/revoke")
    return made


def answers(account: Account) -> dict[str, Any]:
    """What it tells of all that `fill` left: path -> what stands there, and for each question what is found."""
    told: dict[str, Any] = {path: account.all(path, path[4:]) for path in ("/v1/keys",)}
    told["/v1/jobs"] = account.ask("GET", "/v1/jobs", params={"limit": "100"})["jobs"]
    told["/v1/audit"] = account.all("/v1/audit", "entries")
    for namespace in ("ana", "team:plans"):
        told[place(namespace)] = account.ask("GET", place(namespace))
        for part, field in (
            ("messages", "messages"), ("units", "units"), ("changes", "changes"), ("aliases", "aliases"),
            ("profile", "profiles"), ("episodes", "episodes"),
        ):  # fmt: skip
            told[place(namespace, part)] = account.all(place(namespace, part), field)
        told[place(namespace, "stats")] = account.ask("GET", place(namespace, "stats"))
        for unit in told[place(namespace, "units")]:
            for part in ("history", "sources", "links"):
                path = place(namespace, "units", unit["id"], part)
                told[path] = account.ask("GET", path)
        body = {"query": "boat", "limit": 10}
        told[place(namespace, "records", "search")] = account.ask("POST", place(namespace, "records", "search"), body)
    return told


def found(account: Account) -> list[dict[str, Any]]:
    """Of each question the place of its words among what is recalled, from 0; whether the context has them; the answer."""
    made = []
    for namespace, query, words in QUESTIONS:
        body = {"query": query, "asked_at": ASKED_AT}
        texts = [item["text"] for item in account.ask("POST", place(namespace, "recall"), body)["results"]]
        context = account.ask("POST", place(namespace, "context"), body)["text"]
        answer = account.ask("POST", place(namespace, "answer"), body)
        places = [number for number, text in enumerate(texts) if words in text]
        made.append({"query": query, "place": min(places, default=None), "in_context": words in context,
                     "texts": texts, "answer": answer["answer"]})  # fmt: skip
    return made


@contextlib.contextmanager
def running(folder: Path, code: Path = ROOT) -> Iterator[str]:
    """The address of the service of the code in that folder, on an embedded database in `folder`."""
    log = folder / "service.log"
    command = [sys.executable, "-c", "from memsvc.cli import main; main()", "serve", "--port", "0", "--data-dir"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("MEMSVC_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, str(folder)], cwd=code, env=bare | SETTINGS | {"PYTHONPATH": str(code)}, stdout=output,
            stderr=output,
        )  # fmt: skip
    try:
        give_up = time.monotonic() + LIMIT_S
        while not (said := re.search(r"address\s+(http://\S+)", log.read_text())):
            assert process.poll() is None and time.monotonic() < give_up, log.read_text()
            time.sleep(0.1)
        yield said.group(1)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0, log.read_text()


@contextlib.contextmanager
def database(folder: Path) -> Iterator[embedded.EmbeddedPostgres]:
    """The embedded database in `folder`, without a service."""
    postgres = embedded.EmbeddedPostgres(folder)
    postgres.start()
    try:
        yield postgres
    finally:
        postgres.stop()


def dump(folder: Path) -> str:
    """The database of `folder` as SQL, ownership and rights included."""
    with database(folder) as postgres:
        program = postmaster.binary("pg_dump")
        done = subprocess.run([program, postgres.superuser_url], capture_output=True, text=True, check=True)
    # Newer programs fence a dump with words of chance.
    return re.sub(r"^\\(un)?restrict .*\n", "", done.stdout, flags=re.MULTILINE)


def restore(text: str, folder: Path) -> None:
    """Put a dump into a new embedded database in `folder`."""
    with database(folder) as postgres:
        subprocess.run(
            [postmaster.binary("psql"), "-q", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, postgres.superuser_url],
            input=text, text=True, check=True, capture_output=True,
        )  # fmt: skip


def store(commit: str) -> Path:
    """Write both files of that commit; returns the one with the dump."""
    with tempfile.TemporaryDirectory() as place_:
        code, folder = Path(place_, "code"), Path(place_, "data")
        folder.mkdir()
        code.mkdir()
        packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", code], input=packed, check=True)
        with running(folder, code) as url, contextlib.closing(Account(url)) as account:
            keys = fill(account)
            told = {
                "keys": keys, "found": found(account), "answers": answers(account),
                "exports": {name: account.content(place(name, "export")).decode() for name in ("ana", "team:plans")},
            }  # fmt: skip
        journal = sorted((folder / "erasures").glob("*")) if (folder / "erasures").exists() else []
        told["journal"] = {path.name: path.read_text() for path in journal}
        sql = dump(folder)
    (revision,) = re.findall(r"^COPY public\.alembic_version .*\n(\w+)$", sql, re.MULTILINE)
    for name, text in ((f"{revision}.sql.gz", sql), (f"{revision}.json.gz", json.dumps(told, ensure_ascii=False))):
        (FOLDER / name).write_bytes(gzip.compress(text.encode(), mtime=0))
    return FOLDER / f"{revision}.sql.gz"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", help="whose service is run; a tag or HEAD")
    print(store(parser.parse_args().commit))  # noqa: T201
