"""Browsing on the admin pages, in a real Chromium: sessions, messages, memories, the ranking of a recall, pairs, acts."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import uuid

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from memsvc.bootstrap import Service
from memsvc.demo import NAMESPACE
from memsvc.sdk import MemoryClient
from memsvc.store import keys, tables, tenants
from tests.e2e.chromium import NEEDED, browser, page, sign_in

pytestmark = NEEDED
__all__ = ["browser", "page"]
HERE = f"/admin/namespaces/{NAMESPACE}"
TRIPS = 30
START = dt.datetime(2024, 5, 1, 9, tzinfo=dt.UTC)
Account = tuple[str, uuid.UUID]


@pytest.fixture(scope="module")
def account(service: Service, base_url: str) -> Account:
    """A key, and an account with a long session, many short ones, a message in quarantine, links and acts."""
    tenant_id = tenants.ensure(service.database, f"browsing-{uuid.uuid4()}")
    key = keys.create(service.database, tenant_id, keys.SCOPES, "reader's own", "operator")[0]
    with MemoryClient(base_url, key) as client:
        memory = client.namespace(NAMESPACE)
        said = [
            {"id": f"long-{n:02}", "role": "user" if n % 2 else "assistant", "speaker": "Ana" if n % 2 else None,
             "content": f"In town number {n} stands a museum about ferries."} for n in range(TRIPS)
        ]  # fmt: skip
        memory.write([{"session_id": "journey", "occurred_at": START.isoformat(), "messages": said}])
        for n in range(TRIPS):
            memory.add(
                f"Trip {n} went to lighthouse {n}.", speaker="Ben", session_id=f"trip-{n:02}", id=f"trip-{n:02}",
                occurred_at=START + dt.timedelta(days=n),
            )  # fmt: skip
        memory.add("Hey!", speaker="Ben", session_id="greeting", id="hey", occurred_at=START)
        memory.add("The vault opens at nine.", speaker="Eve", session_id="aside", id="vault", occurred_at=START)
        memory.quarantine("message", "vault")
        client.namespace("other").add("I row.", session_id="s")
    return key, tenant_id


def texts(page: Page) -> list[str]:
    return page.locator("ol.talk > li .words, ul.units > li .words").all_inner_texts()


def search(page: Page, **fields: str) -> None:
    for label, value in fields.items():
        page.get_by_label(label.replace("_", " "), exact=label == "to").fill(value)
    page.get_by_role("button", name="Search").click()


def test_a_session_is_found_by_its_speaker_its_day_and_its_letters_and_read_in_order(
    page: Page, account: Account
) -> None:
    sign_in(page, account[0])
    page.goto(HERE)
    page.get_by_role("link", name="Sessions", exact=True).click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(25)
    search(page, Speaker="Eve")
    expect(rows).to_have_count(1)
    assert "aside" in rows.first.inner_text()
    search(page, Speaker="Ben", Said_from="2024-05-03", to="2024-05-04")
    assert [re.sub(r"\s.*", "", id) for id in rows.locator(".id").all_inner_texts()] == ["trip-02", "trip-03"]
    search(page, Speaker="", Said_from="", to="", Id_contains="JOURN")
    expect(rows).to_have_count(1)
    told = rows.first.inner_text()
    assert "Ana" in told and "30" in told and "2024-05-01 09:00 UTC" in told
    rows.first.get_by_role("link", name="Open session journey").click()
    assert page.locator("h1").inner_text() == "Session journey"
    towns = [f"In town number {n} stands a museum about ferries." for n in range(TRIPS)]
    assert texts(page) == towns[:25]
    page.get_by_role("link", name="Next page").click()
    assert texts(page) == towns[25:]
    assert page.get_by_role("link", name="Next page").count() == 0
    page.get_by_role("link", name="Previous page").click()
    assert texts(page) == towns[:25]
    assert page.get_by_role("link", name="Previous page").count() == 0


def test_sessions_lead_on_and_back_and_each_is_seen_once(page: Page, account: Account) -> None:
    sign_in(page, account[0])
    page.goto(f"{HERE}/sessions?speaker=Ben")
    first = page.locator("tbody .id").all_inner_texts()
    page.get_by_role("link", name="Next page").click()
    assert "speaker=Ben" in page.url
    second = page.locator("tbody .id").all_inner_texts()
    assert sorted(first + second) == ["greeting", *(f"trip-{n:02}" for n in range(TRIPS))]
    page.get_by_role("link", name="Previous page").click()
    assert page.locator("tbody .id").all_inner_texts() == first
    page.goto(f"{HERE}/sessions?speaker=Nobody")
    assert "No session is like that" in page.locator("main").inner_text()


def test_messages_are_searched_by_their_words_and_say_what_became_of_them(page: Page, account: Account) -> None:
    sign_in(page, account[0])
    page.goto(f"{HERE}/messages")
    assert texts(page)[0] == "The vault opens at nine."  # stored last
    search(page, Text_contains="VAULT")
    assert texts(page) == ["The vault opens at nine."]
    assert "quarantined" in page.locator("ol.talk").inner_text()
    search(page, Text_contains="hey!")
    assert "nothing kept" in page.locator("ol.talk").inner_text()
    search(page, Text_contains="lighthouse", Speaker="Ben", Said_from="2024-05-06", to="2024-05-07")
    assert texts(page) == ["Trip 6 went to lighthouse 6.", "Trip 5 went to lighthouse 5."]
    item = page.locator("ol.talk > li").first
    item.locator("summary").click()
    item.get_by_role("link", name="Ben: Trip 6 went to lighthouse 6.").click()
    assert "/units/" in page.url and "Trip 6" in page.locator("h1").inner_text()
    page.get_by_role("link", name="the whole message").click()
    assert "Trip 6" in page.locator("section", has_text="Memories made of it").inner_text()
    page.get_by_role("link", name="Read on in its conversation").click()
    assert texts(page) == ["Trip 6 went to lighthouse 6."]
    page.goto(f"{HERE}/messages?speaker=assistant&session=journey")
    assert len(texts(page)) == TRIPS / 2
    page.goto(f"{HERE}/messages/long-07")
    page.get_by_role("link", name="Read on in its conversation").click()
    assert texts(page)[0] == "In town number 7 stands a museum about ferries."


def test_memories_are_found_by_day_speaker_session_kind_and_the_pages_keep_it(page: Page, account: Account) -> None:
    sign_in(page, account[0])
    page.goto(f"{HERE}/units")
    search(page, Said_by="Ben", Said_from="2024-05-01", to="2024-05-30")
    first = texts(page)
    assert len(first) == 25 and all(text.startswith("Ben: Trip") for text in first)
    page.get_by_role("link", name="Next page").click()
    assert page.get_by_label("Said by").input_value() == "Ben"
    assert page.get_by_label("to", exact=True).input_value() == "2024-05-30"
    second = texts(page)
    assert len(second) == 5 and not set(first) & set(second)
    page.get_by_role("link", name="Previous page").click()
    assert texts(page) == first
    assert page.get_by_role("link", name="Previous page").count() == 0
    page.get_by_role("link", name="First page").click()
    assert texts(page) == first
    page.get_by_label("Session").fill("trip-09")
    page.get_by_role("button", name="Search").click()
    assert texts(page) == ["Ben: Trip 9 went to lighthouse 9."]
    page.get_by_label("Kind").select_option("instruction")
    page.get_by_role("button", name="Search").click()
    assert "No memory is like that" in page.locator("main").inner_text()
    page.goto(f"{HERE}/units?speaker=assistant&session=journey")
    assert texts(page) and all(text.startswith("Assistant:") for text in texts(page))


@pytest.mark.parametrize("width", [1280, 390])
def test_a_ranking_is_read_at_both_widths_with_the_words_of_what_stands_below_the_limit(
    page: Page, account: Account, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(page, account[0])
    page.goto(f"{HERE}/recall?query=Where+did+Ben+go+on+trip+7%3F&limit=2")
    analysis = page.locator("section", has_text="as it was understood")
    assert "It names Ben." in analysis.inner_text()
    assert not analysis.get_by_text("cosine").is_visible()
    analysis.get_by_text("in numbers").click()
    assert analysis.get_by_text("cosine").is_visible()
    below = page.locator("table.ranks tr.behind")
    assert below.count() > 10
    line = below.first
    assert "below the limit" in line.inner_text()
    assert re.search(r"Ben\s+2024-05-\d\d", line.inner_text()) and "went to lighthouse" in line.inner_text()
    expect(page.locator("table.ranks tbody tr:not(.behind)")).to_have_count(2)
    # Scores stand on one line each, beside the words on a wide page and below them on a narrow one.
    heights = page.locator("table.ranks td.number > *").evaluate_all("all => all.map(one => one.offsetHeight)")
    assert heights and max(heights) < 40
    is_wide = "table => getComputedStyle(table).display"
    assert (page.locator("table.ranks").evaluate(is_wide) == "table") == (width == 1280)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    line.get_by_role("link", name=re.compile("^Open: ")).click()
    assert "/units/" in page.url and "lighthouse" in page.locator("h1").inner_text()


def test_one_click_selects_an_id_whole_on_every_page_that_shows_one(page: Page, account: Account) -> None:
    sign_in(page, account[0])
    for address in (
        f"{HERE}/units", f"{HERE}/messages", f"{HERE}/sessions", f"{HERE}/recall?query=lighthouse",
        f"{HERE}/messages/hey", "/admin/jobs", "/admin/audit",
    ):  # fmt: skip
        page.goto(address)
        shown = page.locator("code.id").first
        shown.click()
        assert page.evaluate("getSelection().toString()").strip() == shown.inner_text(), address


def test_what_waits_to_be_settled_is_counted_led_to_and_walked(page: Page, account: Account, service: Service) -> None:
    key, tenant_id = account
    u, link = tables.unit, tables.link
    with service.database.tenant(tenant_id) as connection:
        connection.execute(sa.delete(link).where(link.c.tenant_id == tenant_id))
        rows = connection.execute(
            sa.select(u.c.namespace_id, u.c.id)
            .where(u.c.tenant_id == tenant_id, u.c.text.contains("lighthouse"))
            .order_by(u.c.seq)
        ).all()
        connection.execute(
            sa.insert(link),
            [
                {"tenant_id": tenant_id, "namespace_id": a.namespace_id, "src": b.id, "dst": a.id, "kind": kind,
                 "weight": 0.5 if n % 3 else 0.7}
                for n, (a, b) in enumerate(itertools.pairwise(rows))
                for kind in (["near", "doubts"] if n < 2 else ["near"])
            ],
        )  # fmt: skip
    sign_in(page, key)
    page.goto(f"{HERE}/changes")
    page.get_by_role("link", name="2 in doubt wait to be settled").click()
    pairs = page.locator("article.pair")
    expect(pairs).to_have_count(2)
    pairs.first.get_by_role("button", name="Keep both").click()
    expect(pairs).to_have_count(1)  # what is settled waits no longer
    page.get_by_role("link", name=f"Near {len(rows) - 1}").click()
    seen = [pair.split("\n")[0] for pair in page.locator("article .id").all_inner_texts()]
    weights = page.locator("article .dim.small").all_inner_texts()
    page.get_by_role("link", name="Weaker").click()
    seen += page.locator("article .id").all_inner_texts()
    weights += page.locator("article .dim.small").all_inner_texts()
    assert page.get_by_role("link", name="Weaker").count() == 0
    both = list(zip(seen[::2], seen[1::2], strict=True))
    assert len(both) == len(set(both)) == len(rows) - 1
    assert weights == sorted(weights, reverse=True)
    page.get_by_role("link", name="Strongest").click()
    assert page.locator("article .id").first.inner_text() == seen[0]


def test_acts_are_found_by_what_who_where_and_when(page: Page, account: Account, base_url: str) -> None:
    key, _ = account
    with MemoryClient(base_url, key) as client:
        memory = client.namespace(NAMESPACE)
        unit = next(iter(memory.units())).id
        memory.pin(unit)
        client.namespace("other").maintain("forget")
        memory.maintain("forget")
    sign_in(page, key)
    page.goto("/admin/audit")
    rows = page.locator("tbody tr")

    def acts() -> list[str]:
        return page.locator("tbody strong").all_inner_texts()

    search(page, What="maintenance")
    assert acts() == ["maintenance.forget"] * 2
    search(page, Namespace="other")
    assert acts() == ["maintenance.forget"]
    search(page, What="", Namespace=NAMESPACE)
    assert "unit.pin" in acts() and "quarantine.message" in acts()
    assert not any(act.startswith(("key.", "sign-")) for act in acts())
    search(page, Namespace="", Who="operator")
    assert set(acts()) == {"key.create"}
    today = dt.datetime.now(dt.UTC).date()
    search(page, Done_from=str(today), to=str(today))
    expect(rows).to_have_count(1)
    search(page, Done_from="2020-01-01", to="2020-01-02")
    assert "No such entries" in page.locator("main").inner_text()
    reply = page.request.get("/admin/audit?namespace=nowhere")
    assert reply.status == 404 and "There is no namespace" in reply.text()


def test_acts_come_in_pages_that_keep_what_was_asked_for(page: Page, account: Account, base_url: str) -> None:
    key, _ = account
    with MemoryClient(base_url, key) as client:
        memory = client.namespace(NAMESPACE)
        unit = next(iter(memory.units())).id
        for _ in range(30):
            memory.pin(unit)
            memory.unpin(unit)
    sign_in(page, key)
    page.goto(f"/admin/audit?action=unit&namespace={NAMESPACE}")
    numbers = page.locator("tbody td.number").all_inner_texts()
    assert len(numbers) == 50
    page.get_by_role("link", name="Older").click()
    assert page.get_by_label("What").input_value() == "unit"
    older = page.locator("tbody td.number").all_inner_texts()
    assert len(older) >= 10 and not set(numbers) & set(older)
    assert [int(n) for n in numbers + older] == sorted((int(n) for n in numbers + older), reverse=True)
