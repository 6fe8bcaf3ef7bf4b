"""The playground in a real Chromium: a question as of two moments, with the service's own context and answer."""

from __future__ import annotations

import httpx
from playwright.sync_api import Page, expect

from memsvc.demo import NAMESPACE
from tests.e2e.chromium import NEEDED, browser, page, sign_in
from tests.e2e.test_admin_pages import filled
from tests.waiting import LIMIT_S

pytestmark = NEEDED
__all__ = ["browser", "filled", "page"]
QUESTION = "Where does Ana live?"


def test_a_question_of_two_moments_shows_what_was_so_beside_what_is_so_as_the_api_gives_it(
    page: Page, filled: tuple[str, str], base_url: str
) -> None:
    sign_in(page, filled[0])
    page.set_viewport_size({"width": 1280, "height": 820})
    page.goto(f"/admin/namespaces/{NAMESPACE}")
    page.get_by_role("link", name="Playground").click()
    page.get_by_label("Question").fill(QUESTION)
    page.get_by_label("As of (UTC; empty: now)").fill("2024-05-01T00:00")
    page.get_by_label("Beside it as of").fill("2024-07-01T00:00")
    page.get_by_label("Tokens of context").fill("300")
    page.get_by_role("button", name="Ask").click()
    then, later = (page.locator("section", has_text=f"As of 2024-0{month}-01 00:00 UTC") for month in (5, 7))
    expect(then.get_by_role("heading", name="Answer")).to_be_visible()
    assert "Oslo" in then.locator("pre").inner_text() and "Porto now" not in then.inner_text()
    assert "Porto" in later.locator("pre").inner_text()
    first, second = then.bounding_box(), later.bounding_box()
    assert first and second and first["x"] + first["width"] <= second["x"]
    asked = {"query": QUESTION, "budget_tokens": 300, "as_of": "2024-05-01T00:00:00Z"}
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {filled[0]}"}, timeout=LIMIT_S) as http:
        context, answer = (
            http.post(f"/v1/namespaces/{NAMESPACE}/{it}", json=asked).json() for it in ("context", "answer")
        )
    assert then.locator("pre").text_content() == context["text"]
    assert f"Context: {context['tokens']} tokens" in then.inner_text()
    assert then.locator(".verbatim").inner_text() == answer["answer"]
    page.set_viewport_size({"width": 390, "height": 820})
    first, second = then.bounding_box(), later.bounding_box()
    assert first and second and first["x"] == second["x"] and first["y"] + first["height"] <= second["y"]
    then.get_by_role("link", name=answer["citations"][0]["message_id"]).first.click()
    expect(page.locator("blockquote, .verbatim").first).to_contain_text("Oslo")


def test_what_nothing_answers_is_said_to_be_unanswered(page: Page, filled: tuple[str, str]) -> None:
    sign_in(page, filled[0])
    page.goto(f"/admin/namespaces/{NAMESPACE}/playground?query=Which+comet+did+Zebulon+photograph%3F")
    expect(page.locator(".tag", has_text="abstain")).to_be_visible()
    assert "Nothing was found that answers this." in page.locator(".verbatim").inner_text()


def test_what_the_api_would_refuse_the_page_refuses_in_words(page: Page, filled: tuple[str, str]) -> None:
    sign_in(page, filled[0])
    for field in ("budget_tokens=8", "max_tokens=0", "as_of=soon", "min_trust=2"):
        reply = page.context.request.get(f"/admin/namespaces/{NAMESPACE}/playground?query=x&{field}")
        assert reply.status == 422, field
        assert field.partition("=")[0] in reply.text()
    assert page.context.request.get("/admin/namespaces/nowhere/playground").status == 404
