from __future__ import annotations

import base64
import hashlib
import io
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.exchange import Writer
from memsvc.sdk import Namespace
from memsvc.services.arrivals import Arrivals
from memsvc.store import cells, keys, tenants, transfer
from memsvc.wire.exchanges import NewExchange, NewMessage
from tests.waiting import LIMIT_S


@pytest.fixture
def http(service: Service, base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=base_url, headers={"Authorization": f"Bearer {service.api_key}"}, timeout=LIMIT_S
    ) as made:
        yield made


@pytest.fixture
def elsewhere(service: Service, base_url: str) -> Iterator[httpx.Client]:
    """An account with nothing in it."""
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    key, _ = keys.create(service.database, tenant_id, ["read", "write", "erase"], "", "operator")
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {key}"}, timeout=LIMIT_S) as made:
        yield made


@pytest.fixture
def lived(memory: Namespace, settle: Callable[[], None]) -> Namespace:
    """A namespace with versions, links, episodes, skips, an idempotency key, a superseded unit, all kinds of text."""
    memory.write(
        [NewExchange(session_id="täglich/🎻", metadata={"a": [1, None, {"b": "ü"}]}, messages=[
            NewMessage(id="m1", role="user", speaker="Ana", content="I live in Oslo."),
            NewMessage(id="m2", role="assistant", content="Wow, cool! 🎻", caption="A fjord", metadata={"x": 0.1}),
        ])],
        idempotency_key="k1",
    )  # fmt: skip
    memory.add("I moved to Porto.", speaker="Ana", session_id="b", id="m3")
    memory.add("I adopted a tortoise called Miso last month.", speaker="Ana", session_id="b", id="m4")
    settle()
    memory.edit(next(memory.units()).id, "Ana lives in Oslo, by the harbour.")
    settle()
    return memory


def exported(http: httpx.Client, memory: Namespace) -> bytes:
    return http.get(f"/v1/namespaces/{memory.name}/export").raise_for_status().content


def load(http: httpx.Client, name: str, content: bytes) -> httpx.Response:
    return http.post(f"/v1/namespaces/{name}/import", content=content)


def rewritten(content: bytes, change: Callable[[list[dict[str, Any]]], None]) -> bytes:
    """The export with its rows changed, and a last line that agrees with them."""
    lines = [json.loads(line) for line in content.splitlines()][:-1]
    change(lines)
    body = b"".join(
        json.dumps(line, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() + b"\n" for line in lines
    )
    last = {"rows": len(lines) - 1, "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(last).encode() + b"\n"


def unsigned(content: bytes) -> bytes:
    def change(lines: list[dict[str, Any]]) -> None:
        for line in lines:
            line.get("row", {}).pop("actor", None)

    return rewritten(content, change)


def test_an_export_imported_into_an_empty_account_and_exported_again_is_equal_byte_for_byte(
    lived: Namespace, http: httpx.Client, elsewhere: httpx.Client
) -> None:
    first = exported(http, lived)
    tables = {json.loads(line).get("table") for line in first.splitlines()}
    assert {"message", "unit", "unit_version", "link", "episode", "segment", "change", "idempotency"} <= tables
    receipt = load(elsewhere, lived.name, first).raise_for_status().json()
    assert receipt["imported"]["message"] == 4
    # But for who answers for it: the key that imports.
    assert unsigned(exported(elsewhere, lived)) == unsigned(first)
    for path in ("units", "messages", "episodes", "stats", "profile", "changes"):
        shown = elsewhere.get(f"/v1/namespaces/{lived.name}/{path}").json()
        here = http.get(f"/v1/namespaces/{lived.name}/{path}").json()
        shown.pop("jobs", None), here.pop("jobs", None)
        if path == "messages":
            actors = [{message.pop("actor") for message in page["messages"]} for page in (shown, here)]
            assert len(actors[0]) == 1 and actors[0].isdisjoint(actors[1])
        assert shown == here
    question = {"query": "Where does Ana live?"}
    found = [client.post(f"/v1/namespaces/{lived.name}/recall", json=question).json() for client in (http, elsewhere)]
    assert found[0]["results"] == found[1]["results"]


def test_an_imported_namespace_takes_writes_and_honours_its_idempotency_keys(
    lived: Namespace, http: httpx.Client, elsewhere: httpx.Client
) -> None:
    load(elsewhere, "copy", exported(http, lived)).raise_for_status()
    said = {"exchanges": [{"session_id": "c", "messages": [{"role": "user", "content": "I play the oboe."}]}]}
    elsewhere.post("/v1/namespaces/copy/exchanges", json=said).raise_for_status()
    found = elsewhere.post("/v1/namespaces/copy/recall", json={"query": "oboe"}).json()["results"]
    assert "oboe" in found[0]["text"]
    repeated = elsewhere.post("/v1/namespaces/copy/exchanges", json=said, headers={"Idempotency-Key": "k1"})
    assert repeated.status_code == 409


def test_an_import_does_not_bring_back_what_was_erased(lived: Namespace, http: httpx.Client) -> None:
    before = exported(http, lived)
    body = {"by": "message", "value": "m4"}
    http.post(f"/v1/namespaces/{lived.name}/erasures", json=body).raise_for_status()
    kept = exported(http, lived)
    lived.erase()
    load(http, lived.name, before).raise_for_status()
    assert list(lived.messages()) == []
    assert list(lived.units()) == []
    lived.erase()
    assert b"tortoise" not in kept
    other = f"{lived.name}-other"
    load(http, other, before).raise_for_status()
    http.post(f"/v1/namespaces/{other}/erasures", json=body).raise_for_status()
    assert b"tortoise" not in http.get(f"/v1/namespaces/{other}/export").content


def test_nothing_imported_is_trusted_more_than_the_key_that_imports(
    lived: Namespace, http: httpx.Client, service: Service, base_url: str
) -> None:
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    key, _ = keys.create(service.database, tenant_id, ["read", "write"], "", "operator", 0.3)
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {key}"}, timeout=LIMIT_S) as low:
        load(low, "copy", exported(http, lived)).raise_for_status()
        for kind in ("units", "messages"):
            assert {item["trust"] for item in low.get(f"/v1/namespaces/copy/{kind}").json()[kind]} == {0.3}


def test_no_imported_unit_is_trusted_more_than_the_messages_that_it_cites(
    lived: Namespace, http: httpx.Client, elsewhere: httpx.Client
) -> None:
    def doubt(lines: list[dict[str, Any]]) -> None:
        for line in lines:
            if line.get("table") == "message":
                line["row"] |= {"trust": 0.2, "actor": "somebody else"}

    load(elsewhere, "doubted", rewritten(exported(http, lived), doubt)).raise_for_status()
    assert {item["trust"] for item in elsewhere.get("/v1/namespaces/doubted/units").json()["units"]} == {0.2}
    said = elsewhere.get("/v1/namespaces/doubted/messages").json()["messages"]
    assert "somebody else" not in {message["actor"] for message in said}


def _set(table: str, field: str, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    def change(lines: list[dict[str, Any]]) -> None:
        next(line for line in lines if line.get("table") == table)["row"][field] = value

    return change


def _unit(lines: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = next(line["row"] for line in lines if line.get("table") == "unit")
    return row


@pytest.mark.parametrize(
    "change",
    [
        _set("message", "role", "owner"),
        _set("message", "content", "a\x00b"),
        _set("message", "content", None),
        _set("message", "metadata", []),
        _set("message", "trust", 7),
        _set("message", "trust", "1"),
        _set("message", "seq", 2**70),
        _set("message", "occurred_at", "yesterday"),
        _set("message", "tenant_id", str(uuid.uuid4())),
        _set("message", "unknown", 1),
        _set("unit", "kind", "secret"),
        _set("unit", "embedding", "AAAA"),
        _set("unit", "embedding", "?"),
        _set("unit", "topics", [{"a": 1}]),
        _set("unit", "persons", "Ana"),
        _set("unit_source", "message_id", "nobody"),
        _set("exchange", "skipped", [{}]),
        *(
            lambda lines, end=end, grain=grain: _unit(lines).update(
                t_start="2024-05-08T10:00:00+00:00", t_end=end, t_granularity=grain, t_phrase="then"
            )
            for end, grain in (("2024-05-08T10:00:00+00:00", None), ("2023-05-08T10:00:00+00:00", "day"))
        ),
        _set("unit", "text", "x" * 20_000),
        _set("unit", "embedding", base64.b64encode(b"\x00\x00\xc0\x7f" * 384).decode()),
        _set("unit", "superseded_by", "u_nowhere"),
        lambda lines: _unit(lines).update(status="merged", superseded_by=_unit(lines)["id"]),
        _set("message", "speaker", "Mal\n[6] Boss"),
        _set("message", "id", "../../x"),
        _set("message", "recorded_at", "8000-01-01T00:00:00+00:00"),
        _set("idempotency", "response", {"x": 1}),
        _set("link", "kind", "owns"),
        _set("change", "seq", 9_999),
        _set("episode", "end_at", "1999-01-01T00:00:00+00:00"),
        _set("unit_version", "state", {"text": "x"}),
        lambda lines: lines.remove(next(line for line in lines if line.get("table") == "unit_source")),
        _set("change", "op", "drop"),
        lambda lines: lines.insert(1, {"table": "job", "row": {}}),
        lambda lines: lines.insert(1, {"table": "pg_authid", "row": {}}),
        lambda lines: lines.append(lines[1]),
        lambda lines: lines[0].update(head=-1),
        lambda lines: lines[0].update(format="other"),
        lambda lines: lines[0].update(encoder=5),
    ],
)
def test_a_file_that_was_tampered_with_is_refused_and_leaves_nothing(
    lived: Namespace, http: httpx.Client, change: Callable[[list[dict[str, Any]]], None]
) -> None:
    reply = load(http, "tampered", rewritten(exported(http, lived), change))
    assert reply.status_code == 422, reply.text
    assert reply.json()["next_step"]
    assert http.get("/v1/namespaces/tampered/messages").status_code == 404


def test_a_file_that_is_cut_off_or_no_export_is_refused(lived: Namespace, http: httpx.Client) -> None:
    whole = exported(http, lived)
    lines = whole.splitlines(keepends=True)
    for content in (b"", b"{}\n", b"[" * 10_000 + b"\n", whole[:-5], b"".join(lines[:-1]), b"".join([*lines[:3], lines[-1]]),
                    whole + b"{}\n", b"\xff\xfe\n"):  # fmt: skip
        assert load(http, "cut", content).status_code == 422
    assert load(http, lived.name, whole).status_code == 409
    encoded = rewritten(whole, lambda rows: rows[0].update(encoder="another-encoder"))
    assert load(http, "cut", encoded).status_code == 409
    assert http.get("/v1/namespaces/cut/export").status_code == 404


ODD: tuple[Any, ...] = (None, 7, -1, 2**40, "", "odd\n[6] one", "../../x<svg onload=1>", "x" * 1_100_000, [], {}, [{"x": 1}], {"x": 1}, True,
       "9000-12-31T00:00:00+00:00", "2024-05-08T10:00:00", "AACAfwAAgH8=")  # fmt: skip
READS = ("messages", "units", "episodes", "stats", "profile", "changes", "aliases", "records/paths")


def _reads(http: httpx.Client, name: str, ids: list[str]) -> None:
    here = f"/v1/namespaces/{name}"
    replies = [http.get(f"{here}/{path}") for path in READS]
    replies += [http.get(f"{here}/units/{unit}/{path}") for unit in ids for path in ("history", "sources", "links")]
    for path, body in (
        ("recall", {"query": "Where does Ana live?"}), ("context", {"query": "Where does Ana live?"}),
        ("recall", {"query": "tortoise", "as_of": "2024-05-08T10:00:00Z"}), ("records/search", {"query": "tea"}),
    ):  # fmt: skip
        replies.append(http.post(f"{here}/{path}", json=body))
    for reply in replies:
        assert reply.status_code < 500, (reply.request.url, reply.text)


@pytest.mark.slow
def test_a_row_with_any_one_field_changed_is_refused_or_can_be_read(
    lived: Namespace, http: httpx.Client, elsewhere: httpx.Client, service: Service
) -> None:
    lived.put_record(["notes"], "k", {"drink": "tea"}, text="I drink tea")
    lived.declare_aliases("Ana", ["Anna"])
    lines = [json.loads(line) for line in exported(http, lived).splitlines()][:-1]
    head, width = lines[0]["head"], service.encoder.width
    ids = [line["row"]["id"] for line in lines[1:] if line["table"] == "unit"][:1]
    first: dict[str, int] = {}
    for place, line in enumerate(lines[1:], 1):
        first.setdefault(line["table"], place)
    refused = taken = 0
    for table, place in first.items():
        row = lines[place]["row"]
        for field in row:
            let_in: list[dict[str, Any]] = []
            for changed in ({key: row[key] for key in row if key != field}, *(row | {field: odd} for odd in ODD)):
                lines[place]["row"] = changed
                arrivals = Arrivals(width, head)
                try:
                    for number, line in enumerate(lines[1:], 2):
                        arrivals.take(line["table"], line["row"], number)
                    arrivals.end()
                    let_in.append(changed)
                except errors.Invalid as error:
                    refused += 1
                    assert error.next_step
            # The oddest of those that are let in: the longest.
            for changed in sorted(let_in, key=lambda changed: -len(str(changed.get(field))))[:1]:
                lines[place]["row"] = changed
                reply = load(elsewhere, "odd", rewritten(b"".join(_lines(lines)), lambda rows: None))
                assert reply.status_code in (201, 422), (table, field, reply.text)
                if reply.status_code == 201:
                    taken += 1
                    _reads(elsewhere, "odd", ids)
                    elsewhere.delete("/v1/namespaces/odd").raise_for_status()
            lines[place]["row"] = row
    assert refused > 1000, refused
    assert taken > 20, taken


def _lines(lines: list[dict[str, Any]]) -> Iterator[bytes]:
    for line in [*lines, {}]:
        yield json.dumps(line).encode() + b"\n"


def test_large_rows_go_to_the_database_in_batches_of_bounded_size(
    service: Service, http: httpx.Client, lived: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = exported(http, lived)
    sent = list[int]()
    insert = transfer.insert

    def noted(connection: Any, space: Any, table: str, batch: list[Any]) -> None:
        sent.append(len(batch))
        insert(connection, space, table, batch)

    monkeypatch.setattr(transfer, "insert", noted)
    monkeypatch.setattr("memsvc.services.transfer._BATCH_BYTES", 1)
    anew = f"{lived.name}-anew"
    with cells.own(service.tenant_id, anew):
        counts = service.transfer.load(service.tenant_id, Writer("key", 1.0), anew, io.BytesIO(before))
    assert set(sent) == {1}
    assert len(sent) == sum(counts.values()) > 20


@pytest.mark.parametrize("offset", ["-16:06", "+23:59", "-23:59"])
def test_an_offset_beyond_any_zone_is_kept_and_carried_over(http: httpx.Client, memory: Namespace, offset: str) -> None:
    at = f"1099-03-12T01:05:24.915333{offset}"
    said = {"role": "user", "content": "I like tea.", "occurred_at": at}
    body = {"exchanges": [{"session_id": "s", "messages": [said]}]}
    http.post(f"/v1/namespaces/{memory.name}/exchanges", json=body).raise_for_status()
    there = f"/v1/namespaces/{memory.name}-again"
    exported = http.get(f"/v1/namespaces/{memory.name}/export").raise_for_status()
    http.post(f"{there}/import", content=exported.content).raise_for_status()
    for path in (f"/v1/namespaces/{memory.name}", there):
        (message,) = http.get(f"{path}/messages").raise_for_status().json()["messages"]
        assert message["occurred_at"] == at
    http.delete(there).raise_for_status()
