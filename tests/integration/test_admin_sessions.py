from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest

from api.admin import charts
from memsvc.bootstrap import Service
from memsvc.domain.exchange import Writer
from memsvc.sdk import Namespace
from memsvc.store import keys, tenants
from tests.waiting import LIMIT_S


@pytest.fixture
def tenant_id(service: Service) -> uuid.UUID:
    return tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")


@pytest.fixture
def http(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=LIMIT_S) as made:
        yield made


def sign_in(http: httpx.Client, service: Service, tenant_id: uuid.UUID, *scopes: str) -> tuple[str, httpx.Response]:
    key = keys.create(service.database, tenant_id, scopes, "test", "operator")[0]
    return key, http.post("/admin/sign-in", data={"key": key})


def test_the_cookie_is_for_the_pages_alone_and_no_script_can_read_it(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID
) -> None:
    key, reply = sign_in(http, service, tenant_id, "read")
    assert reply.status_code == 303
    said = reply.headers["set-cookie"].lower()
    assert all(part in said for part in ("httponly", "samesite=strict", "path=/admin", "max-age=28800"))
    assert key not in said
    assert http.get("/admin").status_code == 200
    assert http.get("/v1/jobs").status_code == 401


def test_a_cookie_that_was_changed_or_signed_with_another_key_signs_nobody_in(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID
) -> None:
    sign_in(http, service, tenant_id, "read")
    key_id, ends, nonce, signature = http.cookies["memsvc_admin"].split(".")
    other = keys.key_id(keys.create(service.database, tenant_id, ["admin"], "", "operator")[0])
    for forged in (
        f"{other}.{ends}.{nonce}.{signature}", f"{key_id}.{int(ends) + 9}.{nonce}.{signature}",
        f"{key_id}.1.{nonce}.{signature}", f"{key_id}.{ends}.{nonce}.", "x", "....", f"{key_id}.{'9' * 500}.{nonce}.a",
    ):  # fmt: skip
        reply = httpx.get(f"{http.base_url}/admin", headers={"Cookie": f"memsvc_admin={forged}"})
        assert (reply.status_code, reply.headers["location"][:14]) == (303, "/admin/sign-in"), forged


def test_a_form_without_the_token_of_the_session_changes_nothing(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID
) -> None:
    sign_in(http, service, tenant_id, "admin")
    for said in ({}, {"csrf": "x"}, {"csrf": "é"}):
        reply = http.post("/admin/keys", data={"scope": "admin"} | said)
        assert reply.status_code == 403
    assert len(keys.listed(service.database, tenant_id)) == 1
    foreign = http.post("/admin/sign-in", data={"key": "x"}, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403


def test_reloading_after_a_key_was_made_neither_makes_another_nor_shows_it_again(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID
) -> None:
    sign_in(http, service, tenant_id, "admin")
    token = http.get("/admin").text.split('name="csrf" value="')[1].split('"')[0]
    for address in ("/admin/keys", "rotate"):
        if address == "rotate":
            newest = keys.listed(service.database, tenant_id)[-1].id
            address = f"/admin/keys/{newest}/rotate"
        before = len(keys.listed(service.database, tenant_id))
        reply = http.post(address, data={"csrf": token, "scope": "read"})
        assert (reply.status_code, reply.headers["location"]) == (303, "/admin/keys")
        carried = reply.headers["set-cookie"].lower()
        assert all(part in carried for part in ("httponly", "samesite=strict", "path=/admin/keys", "max-age=60"))
        whole = http.cookies["memsvc_shown_once"].rpartition(".")[0]
        assert keys.authenticate(service.database, whole) is not None
        assert whole in http.get("/admin/keys").text
        for _ in range(2):
            assert whole not in http.get("/admin/keys").text
        assert len(keys.listed(service.database, tenant_id)) == before + 1


def test_a_key_that_another_session_made_or_a_stranger_wrote_is_not_shown(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID
) -> None:
    sign_in(http, service, tenant_id, "admin")
    token = http.get("/admin").text.split('name="csrf" value="')[1].split('"')[0]
    http.post("/admin/keys", data={"csrf": token, "scope": "read"})
    carried = http.cookies["memsvc_shown_once"]
    http.cookies.clear()
    sign_in(http, service, tenant_id, "admin")
    session = http.cookies["memsvc_admin"]
    for said in (carried, "mk_evil_key.x", ".", "x", f"{carried}x"):
        cookies = f"memsvc_admin={session}; memsvc_shown_once={said}"
        reply = httpx.get(f"{http.base_url}/admin/keys", headers={"Cookie": cookies})
        assert reply.status_code == 200
        assert "Copy the key now" not in reply.text, said


def test_the_pages_show_how_memories_grew_and_what_the_accounts_indexes_take(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID, memory: Namespace
) -> None:
    sign_in(http, service, tenant_id, "read")
    empty = http.get("/admin").text
    assert "<polyline" not in empty and "0 bytes" in empty  # another account's index is none of this one's
    memory.add("I keep bees.", session_id="s")
    memory.recall("bees")
    sign_in(http, service, service.tenant_id, "read")
    assert "0 bytes" not in http.get("/admin").text.split("index memory")[1][:150]
    page = http.get(f"/admin/namespaces/{memory.name}").text
    # The memories' line, which is the second, from nothing in the corner of the axes.
    said = page.split('<polyline class="line-1" points="')[1].split('"')[0]
    points = [tuple(map(float, point.split(","))) for point in said.split()]
    assert len(points) == 61 and points[0] == (charts.LEFT, charts.BOTTOM)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert f"active memories: {len(list(memory.units()))} at the end" in page


def test_the_list_of_namespaces_comes_in_pages_by_name(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID
) -> None:
    names = sorted(f"space-{n:02}" for n in range(60))
    sign_in(http, service, tenant_id, "read")
    for name in names:
        service.namespaces.put(tenant_id, name, {"secrets": "keep"}, Writer("operator", 1.0))
    first = http.get("/admin/namespaces").text
    assert [name for name in names if f"<strong>{name}</strong>" in first] == names[:50]
    second = http.get("/admin/namespaces", params={"after": names[49]}).text
    assert f"?after={names[49]}" in first and 'rel="next"' not in second
    assert [name for name in names if f"<strong>{name}</strong>" in second] == names[50:]


def test_a_namespace_in_words_that_the_encoder_does_not_know_is_told_what_to_do(
    service: Service, http: httpx.Client, memory: Namespace
) -> None:
    sign_in(http, service, service.tenant_id, "read")
    memory.add("I keep bees.", session_id="s")
    assert "memsvc reencode" not in http.get(f"/admin/namespaces/{memory.name}").text
    memory.add("ฉันเป็นพยาบาลที่โรงพยาบาล", session_id="s")
    page = http.get(f"/admin/namespaces/{memory.name}").text
    assert "does not know the words of 50.0 %" in page
    assert f"memsvc reencode --namespace {memory.name}" in page


def test_the_page_of_a_message_lists_what_of_it_gave_no_memory(
    service: Service, http: httpx.Client, memory: Namespace
) -> None:
    sign_in(http, service, service.tenant_id, "read")
    rest = "".join(f"<b>row {number}</b> | {number * 7} | 'x' & \"y\"\n" for number in range(40))
    messages = [
        {"id": "talk", "role": "user", "content": "Hey there! I keep bees. Wow!"},
        {"id": "table", "role": "user", "content": f"name | sum | note\n--- | --- | ---\n{rest}"},
        {"id": "blank", "role": "user", "content": " "},
        {"id": "whole", "role": "user", "content": "I keep hens."},
    ]
    written = memory.write([{"session_id": "s", "messages": messages}]).results[0]

    def listed(message_id: str) -> list[str]:
        page = http.get(f"/admin/namespaces/{memory.name}/messages/{message_id}").text
        return page.partition("What gave no memory")[2].partition("Where it comes from")[0].split("<figure")[1:]

    hey, wow = listed("talk")
    assert "Hey there!" in hey and "phatic" in hey and "characters 0 to 10" in hey
    assert "Wow!" in wow and "phatic" in wow and "characters 24 to 28" in wow
    assert "The whole message" in listed("blank")[0] and "empty" in listed("blank")[0]
    assert listed("whole") == []
    parts = listed("table")
    assert len(parts) == sum(skip.message_id == "table" for skip in written.skipped) > 0
    assert all("pasted" in part for part in parts)
    assert "&lt;b&gt;row 39&lt;/b&gt;" in "".join(parts) and "<b>" not in "".join(parts)


def test_a_key_sees_on_the_pages_what_its_scopes_and_its_account_allow(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID, memory: Namespace
) -> None:
    unit = memory.add("The vault code is 4711.", session_id="s", id="m1").units[0]
    sign_in(http, service, tenant_id, "read")
    assert http.get("/admin/keys").status_code == http.get("/admin/audit").status_code == 403
    here = f"/admin/namespaces/{memory.name}"
    for part in (
        "",
        "/units",
        f"/units/{unit}",
        "/messages/m1",
        "/sessions",
        "/messages",
        "/messages?session=s",
        "/episodes",
        "/recall",
        "/recall?query=vault",
        "/pairs",
        "/names",
    ):
        reply = http.get(here + part)
        assert reply.status_code == 404
        assert "4711" not in reply.text
    token = http.get("/admin").text.split('name="csrf" value="')[1].split('"')[0]
    refused = http.post(f"{here}/units/{unit}/invalidate", data={"csrf": token})
    assert refused.status_code == 403
    assert memory.unit(unit).status == "active"
    sign_in(http, service, tenant_id, "read", "write")
    token = http.get("/admin").text.split('name="csrf" value="')[1].split('"')[0]
    assert http.post(f"{here}/units/{unit}/invalidate", data={"csrf": token}).status_code == 404
    assert memory.unit(unit).status == "active"


@pytest.mark.parametrize(
    "address",
    ["units?cursor=x", "units?kind=none", "units?contains=%00", "pairs?kind=x", "pairs?behind=x", "units?since=x", "messages?since=2024-02-02&to=2024-02-01", "messages?cursor=x",
     "messages?cursor=999999999999999999_1", "sessions?speaker=%00", "sessions?cursor=%00", "recall?query=a&limit=0",
     "recall?query=a&as_of=x", "recall?query=%00", "episodes?cursor=-1"],
)  # fmt: skip
def test_an_odd_address_gets_a_page_that_says_what_to_do(
    service: Service, http: httpx.Client, memory: Namespace, address: str
) -> None:
    memory.add("I row.", session_id="s")
    sign_in(http, service, service.tenant_id, "read")
    reply = http.get(f"/admin/namespaces/{memory.name}/{address}")
    assert reply.status_code == 422, reply.text
    assert "To the overview" in reply.text


def test_signing_in_leads_to_pages_of_this_service_only(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID
) -> None:
    key = keys.create(service.database, tenant_id, ["read"], "", "operator")[0]
    for goal in (
        "https://evil.example",
        "//evil.example",
        "/admin/../v1",
        "/admin\\evil",
        "/adminx",
        "/admin/\r\nX: 1",
    ):
        assert http.post("/admin/sign-in", data={"key": key, "next": goal}).headers["location"] == "/admin"
    assert http.post("/admin/sign-in", data={"key": key, "next": "/admin/jobs"}).headers["location"] == "/admin/jobs"
    assert http.post("/admin/sign-in", data={"key": "mk_no_no"}).status_code == 401
