"""Jobs that are followed as they run, and charts with axes, in a real Chromium."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from memsvc.store import jobs, keys, namespaces, tables, tenants
from tests.e2e.chromium import NEEDED, browser, page, sign_in
from tests.waiting import LIMIT_S

pytestmark = NEEDED
__all__ = ["browser", "page"]


class Account:
    """An account with the namespaces `one` and `two`, and jobs as a test wants them."""

    def __init__(self, service: Service, base_url: str) -> None:
        self.service = service
        self.tenant_id = tenants.ensure(service.database, f"watching-{uuid.uuid4()}")
        self.key = keys.create(service.database, self.tenant_id, keys.SCOPES, "", "operator")[0]
        with MemoryClient(base_url, self.key, timeout_s=LIMIT_S) as client:
            for name in ("one", "two"):
                client.namespace(name).add("I keep a red boat in Hull.", speaker="Ana", session_id="s")
        with service.database.tenant(self.tenant_id) as connection:
            connection.execute(sa.delete(tables.job).where(tables.job.c.tenant_id == self.tenant_id))

    def job(self, namespace: str, kind: str, **values: object) -> uuid.UUID:
        with self.service.database.tenant(self.tenant_id) as connection:
            space = namespaces.find(connection, self.tenant_id, namespace)
            assert space is not None
            made = jobs.enqueue(connection, space, kind, f"test:{uuid.uuid4()}", {}, 86_400)
        self.set(made, **values)
        return made

    def set(self, job_id: uuid.UUID, **values: object) -> None:
        with self.service.database.tenant(self.tenant_id) as connection:
            here = (tables.job.c.tenant_id == self.tenant_id, tables.job.c.id == job_id)
            if values:
                connection.execute(sa.update(tables.job).where(*here).values(values))


@pytest.fixture
def account(service: Service, base_url: str) -> Iterator[Account]:
    yield Account(service, base_url)


def test_a_job_that_runs_is_followed_without_a_reload_until_it_is_done(page: Page, account: Account) -> None:
    job = account.job("one", "distill", state="running", done=2, total=8)
    sign_in(page, account.key)
    page.goto("/admin/jobs")
    row = page.locator("tr", has_text="distill")
    expect(row).to_contain_text("2 of 8")
    page.evaluate("window.same = true")
    account.set(job, done=5)
    expect(row).to_contain_text("5 of 8", timeout=20_000)
    assert row.locator("progress").evaluate("bar => [bar.value, bar.max]") == [5, 8]
    account.set(job, state="done", done=8)
    expect(row.locator(".tag")).to_have_text("done", timeout=20_000)
    assert page.evaluate("window.same") is True
    assert page.locator("[data-busy]").count() == 0


def test_what_is_unfolded_is_not_taken_from_under_the_readers_eyes(page: Page, account: Account) -> None:
    job = account.job("one", "distill", state="running", done=2, total=8, last_error="TimeoutError: slow")
    sign_in(page, account.key)
    page.goto("/admin/jobs")
    page.get_by_text("last error").click()
    account.set(job, done=6)
    with page.expect_response(lambda reply: "/admin/jobs" in reply.url, timeout=20_000):
        page.evaluate("document.querySelector('details').open = false; document.activeElement.blur()")
    expect(page.locator("tr", has_text="distill")).to_contain_text("6 of 8")


def test_jobs_are_told_apart_by_namespace_and_kind_and_paged(page: Page, account: Account) -> None:
    for number in range(102):
        account.job("one", "forget" if number else "reencode")
    account.job("two", "reencode")
    sign_in(page, account.key)
    page.goto("/admin/jobs")
    assert page.locator("tbody tr").count() == 100
    page.get_by_role("link", name="Older").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    assert page.locator("script").count() == 0
    page.get_by_role("link", name="First page").click()
    page.get_by_label("Namespace").fill("one")
    page.get_by_label("Kind").select_option("reencode")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto("/admin/jobs?namespace=two")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_the_page_of_jobs_works_without_its_script(browser: Browser, base_url: str, account: Account) -> None:
    job = account.job("one", "distill", state="running", done=2, total=8)
    with browser.new_context(base_url=base_url, java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, account.key)
        page.goto("/admin/jobs")
        account.set(job, done=7)
        expect(page.locator("tr", has_text="distill")).to_contain_text("2 of 8")
        page.reload()
        expect(page.locator("tr", has_text="distill")).to_contain_text("7 of 8")
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("status")).to_contain_text("stopped")


def test_only_the_page_of_jobs_lets_a_script_in_and_that_is_our_own(base_url: str, account: Account) -> None:
    with httpx.Client(base_url=base_url, timeout=LIMIT_S) as http:
        http.post("/admin/sign-in", data={"key": account.key})
        allowed = http.get("/admin/jobs").headers["content-security-policy"]
        assert allowed.endswith("script-src 'self'; connect-src 'self'") and "unsafe" not in allowed
        assert "script-src" not in http.get("/admin").headers["content-security-policy"]
        assert http.get("/admin/static/live.js").headers["content-type"].startswith("text/javascript")


def test_the_traffic_of_the_process_stands_in_charts_with_axes_and_in_tables(
    page: Page, account: Account, base_url: str
) -> None:
    sign_in(page, account.key)
    with httpx.Client(base_url=base_url, timeout=LIMIT_S) as http:
        for _ in range(3):
            http.get("/v1/namespaces/none/stats", headers={"Authorization": f"Bearer {account.key}"})
    page.goto("/admin/traffic?hours=6")
    assert page.locator("figure h2").all_inner_texts() == [
        "Requests (a minute)",
        "Time of a request (ms)",
        "Errors (a minute)",
    ]
    for figure in page.locator("figure").all():
        assert figure.locator("text.up").count() >= 2 and figure.locator("text:not(.up)").count() == 5
        assert figure.locator("text.up").first.text_content() == "0"
        assert all(re.fullmatch(r"\d\d:\d\d", text) for text in figure.locator("text:not(.up)").all_text_contents())
        assert figure.locator("svg").first.locator("polyline, circle").count() >= 1
        figure.get_by_text("in numbers").click()
        assert figure.locator("tbody tr").count() == 72
    refused = page.locator("figure", has_text="Errors").locator("tbody tr td:last-child").all_inner_texts()
    assert any(cell != "0" for cell in refused)
    page.get_by_role("link", name="the last hour").click()
    expect(page.locator("figure").first.locator("tbody tr")).to_have_count(60)


def test_a_namespaces_growth_stands_on_axes_with_what_there_is_now_at_its_end(page: Page, account: Account) -> None:
    sign_in(page, account.key)
    page.goto("/admin/namespaces/one")
    figure = page.locator("figure", has_text="Growth")
    assert "messages: 1 at the end" in str(figure.locator("svg").first.get_attribute("aria-label"))
    assert figure.locator("text.up").last.text_content() == "1"
    figure.get_by_text("in numbers").click()
    rows = [row.split()[-2:] for row in figure.locator("tbody tr").all_inner_texts()]
    assert (rows[0], rows[-1]) == (["0", "0"], ["1", "1"])


def test_who_is_no_admin_does_not_see_the_traffic_of_all(base_url: str, account: Account) -> None:
    reader = keys.create(account.service.database, account.tenant_id, ["read"], "", "operator")[0]
    with httpx.Client(base_url=base_url, timeout=LIMIT_S) as http:
        http.post("/admin/sign-in", data={"key": reader})
        assert http.get("/admin/traffic").status_code == 403
        assert "Time of a request" not in http.get("/admin").text
