"""The documentation as a site: it is built without a warning, and nothing in it is loaded from another host."""

from __future__ import annotations

import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.e2e.chromium import NEEDED, browser

__all__ = ["browser"]
ROOT = Path(__file__).parents[2]
# What a browser loads by itself. A link that a reader follows (`a`) may lead anywhere.
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
ELSEWHERE = re.compile(r"^(https?:)?//")


class Resources(HTMLParser):
    """What a page loads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") in ("canonical", "prev", "next"):
            return
        self.found += [value for name in [LOADED.get(tag, "")] if (value := given.get(name))]
        self.found += re.findall(r"url\(['\"]?([^'\")]+)", given.get("style") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built strictly: a page that is in no menu, a link or an anchor that leads nowhere ends it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_of_the_repository_is_in_the_site(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    pages += [path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *ROOT.glob("memsvc/**/*.md")]]
    names = {"README.html": "index.html"}
    built = [names.get(name := str(page.with_suffix(".html")), name) for page in pages]
    assert len(built) > 20
    assert [name for name in built if not (site / name).exists()] == []


def test_no_page_and_no_style_sheet_loads_anything_from_another_host(site: Path) -> None:
    pages, sheets = list(site.rglob("*.html")), list(site.rglob("*.css"))
    loaded = {page: Resources(page).found for page in pages}
    assert all(loaded.values()) and sheets
    loaded |= {sheet: re.findall(r"url\(['\"]?([^'\")]+)", sheet.read_text()) for sheet in sheets}
    assert [(page.name, one) for page, found in loaded.items() for one in found if ELSEWHERE.match(one)] == []
    missing = [
        (page.name, one) for page, found in loaded.items() for one in found
        if not one.startswith("data:") and not (page.parent / one.partition("?")[0].partition("#")[0]).exists()
    ]  # fmt: skip
    assert [entry for entry in missing if entry[0] != "404.html"] == []


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Tells nothing of what is asked for."""

    def log_message(self, *_: object) -> None:
        pass


@NEEDED
def test_a_browser_without_a_network_reads_and_searches_the_site(site: Path, browser: Browser) -> None:
    handler = functools.partial(Quiet, directory=str(site))
    heard: list[str] = []
    asked = set[str]()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        own = f"127.0.0.1:{server.server_address[1]}"
        context = browser.new_context()
        page = context.new_page()
        page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
        page.route(lambda url: urlsplit(url).netloc != own, lambda route: route.abort())
        for name in ("index", "tutorial", "ARCHITECTURE", "reference/rest"):
            page.goto(f"http://{own}/{name}.html")
            page.locator("article h1").first.wait_for()
        page.get_by_placeholder("Search").fill("quarantine")
        page.locator(".md-search-result__link").first.wait_for()
        context.close()
        server.shutdown()
    assert heard == []
    assert asked - {""} == {own}


def test_lists_and_code_of_the_pages_are_lists_and_code_in_the_site(site: Path) -> None:
    """The site's Markdown wants four spaces where GitHub's is content with three, and a line between text and a list."""
    wrong = re.compile(r"<p>(?:(?!</p>).)*?\n(?:- |\d\. |\|)|^```", re.DOTALL | re.MULTILINE)
    found = {page.name: wrong.search(page.read_text()) for page in site.rglob("*.html")}
    assert {name: text.group()[:200] for name, text in found.items() if text} == {}
