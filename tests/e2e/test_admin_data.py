"""Export, import and erasure from the pages, in a real Chromium."""

from __future__ import annotations

import contextlib
import io
import json
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, NotFound
from memsvc.store import keys, tenants
from tests.e2e.chromium import NEEDED, browser, page, sign_in
from tests.waiting import LIMIT_S

pytestmark = NEEDED
__all__ = ["browser", "page"]


@pytest.fixture
def account(service: Service, base_url: str) -> Iterator[tuple[MemoryClient, str]]:
    """A client of an account whose namespace `boats` has two sessions, and its key."""
    tenant_id = tenants.ensure(service.database, f"data-{uuid.uuid4()}")
    key = keys.create(service.database, tenant_id, keys.SCOPES, "", "operator")[0]
    with MemoryClient(base_url, key, timeout_s=LIMIT_S) as client:
        memory = client.namespace("boats")
        memory.add("I keep a red boat in Hull.", speaker="Ana", session_id="first")
        memory.add("I sail a green boat to Oslo.", speaker="Ben", session_id="second")
        yield client, key


def texts(client: MemoryClient, namespace: str) -> list[str]:
    return sorted(unit.text for unit in client.namespace(namespace).units())


def test_a_part_goes_only_when_the_name_is_typed_and_the_receipt_is_shown_once(
    page: Page, account: tuple[MemoryClient, str]
) -> None:
    held, key = account
    sign_in(page, key)
    page.goto("/admin/namespaces/boats/data")
    page.get_by_label("By").select_option("session")
    page.get_by_label("Its id or name").fill("first")
    page.get_by_role("button", name="Show what would go").click()
    told = page.locator(".counts").inner_text().split()
    assert told == ["message", "1", "unit", "1"]
    assert len(texts(held, "boats")) == 2
    address = page.url
    sent: dict[str, str | float | bool] = {
        "csrf": page.locator("input[name=csrf]").last.input_value(),
        "by": "session",
        "value": "first",
    }
    for typed in ("", "boat"):
        reply = page.context.request.post("/admin/namespaces/boats/erase", form={**sent, "confirm": typed})
        assert reply.status == 422 and "nothing was erased" in reply.text()
    without: dict[str, str | float | bool] = {"by": "session", "value": "first", "confirm": "boats"}
    assert page.context.request.post("/admin/namespaces/boats/erase", form=without).status == 403
    assert len(texts(held, "boats")) == 2
    page.goto(address)
    page.get_by_label("Type the namespace's name").fill("boats")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("status")).to_have_text("boats: erased by session.")
    rows = page.locator(".counts").inner_text()
    assert "message\n1" in rows and "rows left\n0" in rows
    assert texts(held, "boats") == ["Ben: I sail a green boat to Oslo."]
    page.reload()
    assert "A receipt is shown once" in page.locator("main").inner_text()


def test_a_whole_namespace_is_exported_erased_and_imported_again_after_a_look(
    page: Page, account: tuple[MemoryClient, str], tmp_path: Path
) -> None:
    held, key = account
    sign_in(page, key)
    before = texts(held, "boats")
    page.goto("/admin/namespaces/boats/data")
    with page.expect_download() as loading:
        page.get_by_role("link", name="Export boats.jsonl").click()
    file = tmp_path / loading.value.suggested_filename
    loading.value.save_as(file)
    assert file.name == "boats.jsonl" and json.loads(file.read_text().splitlines()[0])["format"] == "memsvc-export-1"
    page.get_by_role("link", name="Show what would go").click()
    page.get_by_label("Type the namespace's name").fill("boats")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("status")).to_have_text("boats: erased by namespace.")
    with pytest.raises(NotFound):
        texts(held, "boats")
    page.goto("/admin/import")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_label("Namespace", exact=True).fill("boats-again")
    page.get_by_role("button", name="Look at the file").click()
    assert "message\n2" in page.get_by_role("status").inner_text()
    with pytest.raises(NotFound):
        texts(held, "boats-again")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("boats-again: imported.")
    # What was erased stays erased under its own name alone.
    assert texts(held, "boats-again") == before


def test_a_chat_of_another_program_is_looked_at_and_taken_in_and_may_be_sent_again(
    page: Page, account: tuple[MemoryClient, str], tmp_path: Path
) -> None:
    file = tmp_path / "WhatsApp Chat with Ana.txt"
    file.write_text("[21.05.24, 10:15:02] Ana: I bought a yellow kayak.\n[21.05.24, 10:16:00] Ben: In Bergen?\n")
    held, key = account
    sign_in(page, key)
    for stored, known in ((2, 0), (0, 2)):
        page.goto("/admin/import")
        page.get_by_text("For chats of other programs").click()
        page.get_by_label("Time zone").fill("Europe/Oslo")
        page.get_by_label("Order of a date's numbers").select_option("dmy")
        page.get_by_label("Namespace", exact=True).fill("chats")
        page.get_by_label("File", exact=True).set_input_files(file)
        page.get_by_role("button", name="Look at the file").click()
        held_by_file = page.get_by_role("status").inner_text()
        assert "whatsapp" in held_by_file and "messages\n2" in held_by_file
        page.get_by_label("File", exact=True).set_input_files(file)
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.get_by_role("status")).to_have_text("chats: imported.")
        rows = page.locator(".counts").inner_text()
        assert ("new messages\n2" in rows, "known before\n2" in rows) == (bool(stored), bool(known))
    assert any("yellow kayak" in text for text in texts(held, "chats"))


@contextlib.contextmanager
def signed_in(base_url: str, key: str) -> Iterator[tuple[httpx.Client, str]]:
    """A client with the session of a key, and the token of its forms."""
    with httpx.Client(base_url=base_url, timeout=LIMIT_S) as http:
        http.post("/admin/sign-in", data={"key": key})
        yield http, http.get("/admin").text.split('name="csrf" value="')[1].split('"')[0]


def test_a_file_larger_than_other_bodies_is_taken_from_a_session_and_from_nobody_else(
    base_url: str, account: tuple[MemoryClient, str], service: Service
) -> None:
    much = b"x" * (service.settings.limits.body_bytes + 1)
    with signed_in(base_url, account[1]) as (http, token):
        fields = {"csrf": token, "namespace": "large", "act": "look"}
        reply = http.post("/admin/import", data=fields, files={"file": ("large.txt", much)})
        assert reply.status_code == 422 and "is of no format that is known here" in reply.text
        assert "/tmp" not in reply.text
        reply = http.post("/admin/import", data=fields | {"csrf": ""}, files={"file": ("n.jsonl", b"{}")})
        assert reply.status_code == 403 and "does not come from a page" in reply.text
        http.cookies.clear()
        reply = http.post("/admin/import", data=fields, files={"file": ("large.txt", much)})
        assert reply.status_code == 413


def test_who_may_not_erase_write_or_see_secrets_is_refused(base_url: str, account: tuple[MemoryClient, str]) -> None:
    held, _ = account
    held.namespace("boats").set_secrets("mask")
    with signed_in(base_url, str(held.create_key(["read"]).key)) as (http, token):
        assert http.get("/admin/namespaces/boats/export").status_code == 403
        shown = http.get("/admin/namespaces/boats/data").text
        assert "needs a key with the scope admin" in shown and "needs a key with the scope erase" in shown
        assert http.get("/admin/import").status_code == 403
        assert http.get("/admin/namespaces/boats/erase").status_code == 403
        form = {"csrf": token, "by": "namespace", "confirm": "boats"}
        assert http.post("/admin/namespaces/boats/erase", data=form).status_code == 403
        files = {"file": ("n.jsonl", b"{}")}
        assert http.post("/admin/import", data={"csrf": token, "namespace": "x"}, files=files).status_code == 403
    assert len(texts(held, "boats")) == 2


def test_what_cannot_be_imported_is_refused_in_words(base_url: str, account: tuple[MemoryClient, str]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", " " * 17 * 1024**2)
    with signed_in(base_url, account[1]) as (http, token):
        export = http.get("/admin/namespaces/boats/export").content

        def refused(name: str, content: bytes, **more: str) -> str:
            fields = {"csrf": token, "namespace": "new", "act": "import"} | more
            reply = http.post("/admin/import", data=fields, files={"file": (name, content)})
            assert reply.status_code in (409, 422), reply.text
            return reply.text

        assert "at most 16 MiB" in refused("conversations.zip", packed.getvalue())
        assert "The export ends too early" in refused("n.jsonl", export[:-1]).replace("the export", "The export")
        assert "no name of a namespace" in refused("n.jsonl", export, namespace="../x")
        assert "There is a namespace" in refused("n.jsonl", export, namespace="boats")
        assert "no time zone" in refused("c.txt", b"[21.05.24, 10:15:02] A: Hi", time_zone="Mars/Base")
        no_file = http.post("/admin/import", data={"csrf": token, "namespace": "new"}, files={"other": ("a", b"b")})
        assert no_file.status_code == 422 and "There is no file" in no_file.text
