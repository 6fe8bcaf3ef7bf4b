"""Text that wants to be run, stored wherever a user can store any, on every admin page in a real Chromium."""

from __future__ import annotations

import itertools
import re
import uuid
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Page

from api.admin.routes import router
from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, NewExchange, NewMessage
from memsvc.store import keys, tables, tenants
from tests.e2e.chromium import NEEDED, browser, page, sign_in
from tests.integration.test_tenants_apart import every_route
from tests.waiting import LIMIT_S

pytestmark = NEEDED
__all__ = ["browser", "page"]
PAYLOADS = [
    "<script>document.title='ran'</script>", "<img src=x onerror=\"document.title='ran'\">",
    "<svg onload=\"document.title='ran'\">", "\"><script>document.title='ran'</script>",
    "'><img src=x onerror=document.title='ran'>", "<body onload=document.title='ran'>",
    "<iframe srcdoc=\"<script>parent.document.title='ran'</script>\"></iframe>", "javascript:document.title='ran'",
    "<a href=\"javascript:document.title='ran'\">x</a>", "\" autofocus onfocus=\"document.title='ran'",
    "' autofocus onfocus='document.title=1", "</textarea><script>document.title='ran'</script>",
    "</title><script>document.title='ran'</script>", "</style><script>document.title='ran'</script>",
    "<style>@import 'javascript:alert(1)';</style>", "<math><mtext><script>document.title='ran'</script>",
    "<details open ontoggle=\"document.title='ran'\">", "<video><source onerror=\"document.title='ran'\">",
    "<input autofocus onfocus=document.title='ran'>", "<object data=\"data:text/html,<script>1</script>\">",
    "<embed src=\"data:text/html,<script>1</script>\">", "<form><button formaction=javascript:1>x</button></form>",
    "<meta http-equiv=refresh content=\"0;url=javascript:1\">", "<base href=\"https://evil.invalid/\">",
    "<link rel=stylesheet href=\"https://evil.invalid/x.css\">", "{{ 7*7 }}<script>document.title='ran'</script>",
    "{% raw %}<img src=x onerror=document.title='ran'>{% endraw %}", "<ScRiPt>document.title='ran'</sCrIpT>",
    "<<script>script>document.title='ran'</script>", "&lt;script&gt;<script>document.title='ran'</script>",
    "<svg><animate onbegin=document.title='ran' attributeName=x dur=1s>",
]  # fmt: skip
HERE = "/admin/namespaces/hostile"
# Elements and attributes that run something or lead elsewhere.
_ALIVE = """() => [
  ...document.querySelectorAll('script:not([src="/admin/static/live.js"]), iframe, object, embed, base, style'),
  ...document.querySelectorAll('meta[http-equiv], math, video'),
  ...[...document.querySelectorAll('*')].filter(element => [...element.attributes].some(
    each => each.name.startsWith('on') || /^\\s*(javascript|data):/i.test(each.value)
      && ['href', 'src', 'action', 'formaction', 'data', 'xlink:href'].includes(each.name))),
].map(element => element.outerHTML)"""


@pytest.fixture(scope="module")
def hostile(service: Service, base_url: str) -> tuple[str, list[str]]:
    """A key with all rights over an account full of payloads; the ids of its units."""
    tenant_id = tenants.ensure(service.database, f"hostile-{uuid.uuid4()}")
    key = keys.create(service.database, tenant_id, keys.SCOPES, PAYLOADS[0], "operator")[0]
    said = ("My favourite payload number {} is {}", "From now on always answer number {} with {}", "I live at {} in {}")
    with MemoryClient(base_url, key) as client:
        memory = client.namespace("hostile")
        for number, payload in enumerate(PAYLOADS):
            keys.create(service.database, tenant_id, ["read"], payload[:200], "operator")
            message = NewMessage(
                id=f"m{number}", role="user", speaker=payload, content=said[number % 3].format(number, payload),
                caption=payload, channel=payload[:100], source=payload,
                metadata={"note": True, "trick": payload, payload: 1},
            )  # fmt: skip
            memory.write([NewExchange(session_id=payload, messages=[message])])
        for _ in range(3):
            with service.database.tenant(tenant_id) as connection:
                connection.execute(sa.text("UPDATE job SET run_after = now() WHERE state = 'queued'"))
            service.runner.run_due()
        units = [unit.id for unit in (*memory.units(), *memory.units(kind="abstract"))]
        for unit, payload in zip(units, PAYLOADS, strict=False):
            memory.edit(unit, f"{payload} once more", reason=payload)
    _store_everywhere(service, tenant_id)
    return key, units


def _store_everywhere(service: Service, tenant_id: uuid.UUID) -> None:
    """Payloads in every field of a unit that is words, in names of episodes, in links of each kind, in what became of jobs."""
    u = tables.unit
    with service.database.tenant(tenant_id) as connection:
        rows = connection.execute(sa.select(u.c.namespace_id, u.c.id).order_by(u.c.id)).all()
        for (_, unit_id), payload in zip(rows, PAYLOADS * 9, strict=False):
            words = dict.fromkeys(("subject", "location", "t_phrase", "cause", "distiller"), payload)
            lists = {name: [payload] for name in ("persons", "entities", "keywords", "gained_keywords")}
            connection.execute(sa.update(u).where(u.c.id == unit_id).values(words | lists))
        connection.execute(sa.delete(tables.link))
        pairs = [
            {"tenant_id": tenant_id, "namespace_id": space, "src": src, "dst": dst, "kind": kind, "weight": 0.9}
            for (space, src), (_, dst) in itertools.pairwise(rows)
            for kind in ("supersedes", "doubts", "same", "near", "then", "reply")
        ]
        connection.execute(sa.insert(tables.link), pairs)
        named = connection.execute(sa.select(tables.episode.c.namespace_id, tables.episode.c.id)).all()
        assert named
        for (_, episode_id), payload in zip(named, itertools.cycle(PAYLOADS), strict=False):
            e = tables.episode
            connection.execute(sa.update(e).where(e.c.id == episode_id).values(name=payload))
        told = {"last_error": " ".join(PAYLOADS), "result": {payload: payload for payload in PAYLOADS}}
        connection.execute(sa.update(tables.job).values(told))


def _addresses(units: list[str]) -> list[str]:
    """Every page: as it is, filtered, and with payloads in its own address."""
    found = ["/admin/sign-in", "/admin", "/admin/namespaces", HERE, f"{HERE}/units", f"{HERE}/units?cursor=20", f"{HERE}/sessions", f"{HERE}/messages",
             f"{HERE}/episodes", f"{HERE}/pairs", f"{HERE}/names", f"{HERE}/changes", "/admin/jobs", "/admin/keys", "/admin/audit",
             f"{HERE}/data", f"{HERE}/erase", f"{HERE}/receipt", f"{HERE}/settings", "/admin/import", "/admin/traffic",
             f"{HERE}/playground"]  # fmt: skip
    found += [f"{HERE}/pairs?kind={kind}" for kind in ("supersedes", "doubts", "same", "near")]
    found += [f"/admin/jobs?state={state}" for state in ("queued", "running", "done", "dead", "cancelled")]
    found += [f"{HERE}/messages/m{number}" for number in range(len(PAYLOADS))]
    found += [f"{HERE}/units/{quote(unit)}" for unit in units]
    for payload in PAYLOADS:
        said = quote(payload, safe="")
        found += [f"{HERE}/units?contains={said}", f"{HERE}/messages?contains={said}&session={said}",
                  f"{HERE}/sessions?speaker={said}&contains={said}", f"/admin/audit?actor={said}&action={said}", f"{HERE}/recall?query={said}", f"{HERE}/playground?query={said}",
                  f"{HERE}/erase?by=subject&value={said}",
                  f"/admin/sign-in?next={said}", f"/admin?done={said}"]  # fmt: skip
    return found


def test_every_page_is_among_those_that_are_looked_at() -> None:
    seen = [address.partition("?")[0] for address in _addresses(["u_1"])]
    shown = {route.path for route in every_route(router.routes) if "GET" in (route.methods or ())}
    # What is no page: the files of the pages, one to be kept, and the answer to addresses that are none.
    shown -= {"/admin/static/{name}", "/admin/namespaces/{namespace}/export", "/admin/{rest:path}"}
    assert len(shown) >= 12
    for path in shown:
        pattern = re.sub(r"\{[a-z_]+\}", "[^/]+", path)
        assert any(re.fullmatch(pattern, address) for address in seen), path


@pytest.mark.slow
def test_thirty_stored_payloads_run_nowhere_on_any_page(page: Page, hostile: tuple[str, list[str]]) -> None:
    key, units = hostile
    assert len(PAYLOADS) >= 30
    assert len(units) >= 30
    sign_in(page, key)
    shown = ""
    for address in _addresses(units):
        page.goto(address)
        assert page.title().endswith("· memsvc"), address
        assert page.evaluate(_ALIVE) == [], address
        shown += page.content()
    # It was there to be run, on the pages that show text of every kind.
    for number, payload in enumerate(PAYLOADS):
        page.goto(f"{HERE}/messages/m{number}")
        text = page.locator("main").inner_text()
        assert text.count(payload) >= 4, (number, text)
    assert shown.count("&lt;") > 1000


def test_an_address_with_a_payload_is_answered_with_nothing_that_could_run(
    hostile: tuple[str, list[str]], base_url: str
) -> None:
    with httpx.Client(base_url=base_url, timeout=LIMIT_S) as http:
        assert http.post("/admin/sign-in", data={"key": hostile[0]}).status_code == 303
        for payload in PAYLOADS:
            said = quote(payload, safe="")
            for address in (
                f"{HERE}/units?kind={said}", f"{HERE}/pairs?kind={said}", f"{HERE}/pairs?behind={said}", f"{HERE}/messages?cursor={said}", f"/admin/audit?namespace={said}", f"{HERE}/changes?cursor={said}", f"{HERE}/recall?query=a&as_of={said}",
                f"/admin/jobs?state={said}", f"{HERE}/units/{said}", f"{HERE}/messages/{said}", f"/admin/audit?before={said}",
                f"/admin/namespaces/{said}", f"/admin/{said}", f"{HERE}/recall?query=a&explain={said}",
            ):  # fmt: skip
                reply = http.get(address)
                assert reply.status_code < 500, address
                assert reply.headers["content-security-policy"].startswith("default-src 'none'")
                assert "<" not in payload or payload not in reply.text, address
