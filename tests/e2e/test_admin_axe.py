"""axe-core, as npm has it, finds nothing serious on any of the admin pages, light and dark, wide and on a phone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.chromium import NEEDED, browser, page, sign_in
from tests.e2e.node import PACKAGES
from tests.e2e.test_admin_pages import addresses, filled

AXE = PACKAGES / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    NEEDED,
    pytest.mark.skipif(
        not AXE.exists(), reason="no axe-core here: install Node.js 20 or later with npm, rm .venv/.ready, make setup"
    ),
]
__all__ = ["browser", "filled", "page"]
_FOUND = "() => axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations)"


def violations(page: Page) -> list[str]:
    """What is serious or critical on the page, with the elements that it is about."""
    # Evaluated, not loaded: the pages' own policy lets no script of elsewhere in.
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found: list[dict[str, Any]] = page.evaluate(_FOUND)
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:200]} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_on_any_page(page: Page, filled: tuple[str, str], scheme: str, width: int) -> None:
    key, unit = filled
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 820})
    page.goto("/admin")
    faults = {"sign-in": violations(page)}
    sign_in(page, key)
    for name, address in addresses(unit).items():
        page.goto(address)
        # What is folded away is read too.
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        faults[name] = violations(page)
    assert {name: found for name, found in faults.items() if found} == {}


def test_axe_finds_nothing_serious_on_a_refusal(browser: Browser, base_url: str, filled: tuple[str, str]) -> None:
    """On a page of its own: the browser complains of every 404."""
    with browser.new_context(base_url=base_url) as context:
        page = context.new_page()
        sign_in(page, filled[0])
        reply = page.goto("/admin/none")
        assert reply is not None and reply.status == 404
        assert violations(page) == []


def test_axe_sees_what_is_wrong(page: Page, filled: tuple[str, str]) -> None:
    """The check itself: a picture without words, a field without a label."""
    sign_in(page, filled[0])
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=/admin/static/icon.svg>')")
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<input>')")
    told = "\n".join(violations(page))
    assert "image-alt" in told and "label" in told
