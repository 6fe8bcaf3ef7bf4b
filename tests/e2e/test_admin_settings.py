"""The page on which a namespace is set, in a real Chromium."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, Namespace
from memsvc.store import keys, tenants
from tests.e2e.chromium import NEEDED, browser, page, sign_in, sign_out

pytestmark = NEEDED
__all__ = ["browser", "page"]


@pytest.fixture
def account(service: Service, base_url: str) -> Iterator[tuple[str, str, Namespace]]:
    """A key that may do everything, one that may read, and a namespace."""
    tenant_id = tenants.ensure(service.database, f"settings-{uuid.uuid4()}")
    everything = keys.create(service.database, tenant_id, keys.SCOPES, "operator's own", "operator")[0]
    reads = keys.create(service.database, tenant_id, ["read"], "reads", "operator")[0]
    with MemoryClient(base_url, everything) as client:
        memory = client.namespace("home")
        memory.add("I went to the dentist yesterday.", session_id="s", speaker="Ana")
        yield everything, reads, memory


def test_what_is_set_on_the_page_holds_and_stays_when_the_form_is_sent_again(
    page: Page, account: tuple[str, str, Namespace]
) -> None:
    key, reads, memory = account
    memory.configure(retention=[{"kind": "instruction"}])
    sign_in(page, key)
    page.goto("/admin/namespaces/home/settings")
    page.get_by_label("Time zone, like Europe/Oslo").fill("Europe/Oslo")
    page.get_by_label("Languages, the likeliest first").fill("nb, en-GB")
    page.get_by_label("May a language model read it?").select_option("never")
    page.get_by_label("event: put away after days").fill("30")
    page.get_by_label("others: erased after days").fill("365")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("The settings hold from now on.")
    said = memory.settings()
    assert (said.time_zone, said.languages, said.language_model) == ("Europe/Oslo", ["nb", "en-GB"], "never")
    terms = {term.kind: (term.forget_after_days, term.erase_after_days) for term in said.retention}
    assert terms == {"event": (30, None), "instruction": (None, None), None: (None, 365)}
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("The settings hold from now on.")
    assert memory.settings() == said
    page.get_by_role("button", name="Say what would go").click()
    expect(page.get_by_role("status")).to_have_text("The job is queued.")
    expect(page.get_by_text("retain").first).to_be_visible()
    sign_out(page)
    sign_in(page, reads)
    page.goto("/admin/namespaces/home/settings")
    expect(page.get_by_text("Setting needs a key with the scope admin.")).to_be_visible()
    expect(page.get_by_label("Time zone, like Europe/Oslo")).to_be_disabled()


def test_what_cannot_be_set_is_told_and_nothing_is(page: Page, account: tuple[str, str, Namespace]) -> None:
    key, _, memory = account
    before = memory.settings()
    sign_in(page, key)
    page.goto("/admin/namespaces/home/settings")
    csrf = page.locator('input[name="csrf"]').first.get_attribute("value") or ""
    for field, value, told in [
        ("time_zone", "Europe/Atlantis", "no time zone"), ("reply_share", "much", "reply_share"),
        ("erase_event", "soon", "retention"), ("forget_fact", "-3", "retention"), ("languages", "a b c", "languages"),
    ]:  # fmt: skip
        # Not by the browser: it would complain of the status.
        reply = page.request.post(
            page.url, form={"csrf": csrf, field: value}, headers={"Origin": page.url.rsplit("/admin", 1)[0]}
        )
        assert (reply.status, told in reply.text()) == (422, True), (field, reply.text())
    assert memory.settings() == before
