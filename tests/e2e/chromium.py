"""A real Chromium for the tests of the admin pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

CHROMIUM = os.environ.get("MEMSVC_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
NEEDED = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it, or name it in MEMSVC_CHROMIUM")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, base_url: str) -> Iterator[Page]:
    """A page on which every complaint of the browser, a violated policy among them, fails the test."""
    heard: list[str] = []

    def refuse(dialog: Dialog) -> None:
        heard.append("a dialog")
        dialog.dismiss()

    context = browser.new_context(base_url=base_url, viewport={"width": 1180, "height": 820})
    made = context.new_page()
    made.on("console", lambda message: heard.append(message.text) if message.type in ("error", "warning") else None)
    made.on("pageerror", lambda error: heard.append(str(error)))
    made.on("dialog", refuse)
    yield made
    context.close()
    assert heard == [], heard


def sign_in(page: Page, key: str) -> None:
    page.goto("/admin")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").wait_for()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API key").wait_for()
