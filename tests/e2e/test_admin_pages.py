"""The admin pages in a real Chromium. MEMSVC_SCREENSHOTS=FOLDER keeps the pictures that docs/admin.md shows."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from memsvc.bootstrap import Service
from memsvc.demo import NAMESPACE, fill
from memsvc.sdk import MemoryClient
from memsvc.store import keys, tables, tenants
from tests.e2e.chromium import NEEDED, browser, page, sign_in, sign_out

pytestmark = NEEDED
__all__ = ["browser", "page"]
DOCS = Path(__file__).parents[2] / "docs" / "admin.md"


@pytest.fixture(scope="module")
def filled(service: Service, base_url: str) -> tuple[str, str]:
    """A key of an account with the demo and a contradiction; the id of a unit of it."""
    tenant_id = tenants.ensure(service.database, f"pages-{uuid.uuid4()}")
    key = keys.create(service.database, tenant_id, keys.SCOPES, "operator's own", "operator")[0]
    keys.create(service.database, tenant_id, ["read", "write"], "chatbot", "operator")
    fill(dataclasses.replace(service, tenant_id=tenant_id))
    with MemoryClient(base_url, key) as client:
        memory = client.namespace(NAMESPACE)
        memory.add(
            "I live in Oslo.", speaker="Ana", session_id="homes", occurred_at=dt.datetime(2024, 4, 1, tzinfo=dt.UTC)
        )
        memory.add(
            "I live in Porto now.",
            speaker="Ana",
            session_id="homes",
            occurred_at=dt.datetime(2024, 6, 1, tzinfo=dt.UTC),
        )
        client.namespace("team-notes").add("The release is on Friday.", speaker="Ben", session_id="s")
        for _ in range(3):
            with service.database.tenant(tenant_id) as connection:
                connection.execute(sa.text("UPDATE job SET run_after = now() WHERE state = 'queued'"))
            service.runner.run_due()
        unit = memory.recall("What does Ana eat?").results[0].unit_id
        memory.maintain("distill")
    assert unit is not None
    with service.database.tenant(tenant_id) as connection:
        some = sa.select(tables.job.c.id).where(tables.job.c.state == "done").limit(1).scalar_subquery()
        dead = {"state": "dead", "attempts": 5, "last_error": "TimeoutError: the model did not answer within 60 s"}
        connection.execute(sa.update(tables.job).where(tables.job.c.id == some).values(dead))
    return key, unit


def addresses(unit: str) -> dict[str, str]:
    here = f"/admin/namespaces/{NAMESPACE}"
    return {
        "overview": "/admin", "namespaces": "/admin/namespaces", "namespace": here, "units": f"{here}/units",
        "unit": f"{here}/units/{unit}", "episodes": f"{here}/episodes", "message": f"{here}/messages/demo-kitchen-5",
        "recall": f"{here}/recall?query=What+does+Ana+eat%3F&explain={unit}&limit=3", "pairs": f"{here}/pairs",
        "sessions": f"{here}/sessions", "messages": f"{here}/messages", "settings": f"{here}/settings",
        "conversation": f"{here}/messages?session=demo-kitchen",
        "changes": f"{here}/changes", "names": f"{here}/names",
        "playground": f"{here}/playground?query=Where+does+Ana+live%3F&as_of=2024-05-01T00:00&second=2024-07-01T00:00",
        "data": f"{here}/data", "erase": f"{here}/erase?by=subject&value=Ana", "receipt": f"{here}/receipt",
        "import": "/admin/import", "jobs": "/admin/jobs", "audit": "/admin/audit",
        "keys": "/admin/keys", "traffic": "/admin/traffic",
    }  # fmt: skip


def keep(page: Page, name: str) -> None:
    """A picture of the page as it is now, where one is wanted and the docs show it."""
    folder = os.environ.get("MEMSVC_SCREENSHOTS")
    if folder and f"screenshots/{name}.png" in DOCS.read_text():
        page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_opens_without_a_complaint_and_fits_a_phone(
    page: Page, filled: tuple[str, str], scheme: str
) -> None:
    key, unit = filled
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto("/admin")
    keep(page, f"sign-in-{scheme}")
    sign_in(page, key)
    for name, address in addresses(unit).items():
        page.set_viewport_size({"width": 1280, "height": 900})
        reply = page.goto(address)
        assert reply is not None and reply.status == 200, (name, page.content())
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'") and "unsafe" not in policy
        assert page.locator("h1").count() == 1
        keep(page, f"{name}-{scheme}")
        for width in (360, 390):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        if scheme == "light":
            keep(page, f"{name}-phone")


def test_a_memory_is_found_changed_and_settled_by_the_keyboard(page: Page, filled: tuple[str, str]) -> None:
    key, _ = filled
    sign_in(page, key)
    page.keyboard.press("Tab")
    page.goto(f"/admin/namespaces/{NAMESPACE}/units")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.get_by_label("Text contains").focus()
    page.keyboard.type("WALNUTS")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Open: Ana").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Never let it fade").focus()
    page.keyboard.press("Enter")
    assert "will not fade" in page.get_by_role("status").inner_text()
    page.goto(f"/admin/namespaces/{NAMESPACE}/pairs")
    page.get_by_role("button", name="Keep both").first.focus()
    page.keyboard.press("Enter")
    assert "settled" in page.get_by_role("status").inner_text()
    page.goto("/admin/jobs?state=dead")
    page.get_by_role("button", name="Run again").first.click()
    assert "run again" in page.get_by_role("status").inner_text()


def test_what_changed_is_shown_old_beside_new_and_taken_back_by_the_keyboard(
    page: Page, filled: tuple[str, str]
) -> None:
    sign_in(page, filled[0])
    page.goto(f"/admin/namespaces/{NAMESPACE}")
    page.get_by_role("link", name="What changed").click()
    changes = page.locator("article")
    changes.first.wait_for()
    count = changes.count()
    assert "I live in Oslo." in changes.first.inner_text()
    assert changes.first.get_by_role("link", name="message").count() == 2
    changes.first.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    assert "active again" in page.get_by_role("status").inner_text()
    expect(changes).to_have_count(count - 1)


def test_a_new_key_is_shown_once_and_a_revoked_one_is_signed_out_at_once(page: Page, filled: tuple[str, str]) -> None:
    key, _ = filled
    sign_in(page, key)
    page.goto("/admin/keys")
    page.get_by_text("Make a key").click()
    page.get_by_label("Label").fill("short-lived")
    page.get_by_role("button", name="Make the key").click()
    fresh = page.locator("output").inner_text().strip()
    page.reload()
    assert page.locator("code", has_text=fresh.split("_")[1]).count() == 1
    assert fresh not in page.content()
    sign_out(page)
    sign_in(page, fresh)
    assert page.get_by_role("link", name="Keys").count() == 0
    stolen = page.context.cookies()
    sign_out(page)
    sign_in(page, key)
    page.goto("/admin/keys")
    row = page.locator("tr", has_text="short-lived")
    row.locator("summary").click()
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("status").wait_for()
    page.context.add_cookies(stolen)  # type: ignore[arg-type]
    page.goto("/admin")
    assert "/admin/sign-in" in page.url


def test_the_switch_makes_the_pages_dark_and_keeps_them_so(page: Page, filled: tuple[str, str]) -> None:
    sign_in(page, filled[0])

    def ground() -> object:
        page.wait_for_load_state("load")  # until then the style sheet may be on its way
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.get_by_role("button", name="Colours: light").click()
    light = ground()
    page.get_by_role("button", name="Colours: dark").click()
    assert ground() != light
    page.goto("/admin/jobs")
    assert ground() != light
