"""The OpenAPI document says everything, its examples hold, and /docs shows it without any other host."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema
import pytest
from playwright.sync_api import Browser

from api.app import described
from memsvc.bootstrap import Service
from memsvc.store import keys, tenants
from tests.e2e.chromium import NEEDED, browser
from tests.waiting import LIMIT_S

__all__ = ["browser"]
PROBLEM = "application/problem+json"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def document(base_url: str) -> Json:
    found: Json = httpx.get(f"{base_url}/openapi.json").json()
    return found


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def resolved(document: Json, value: Json) -> Json:
    for name in value["$ref"].split("/")[1:] if "$ref" in value else ():
        document = document[name]
    return document if "$ref" in value else value


def examples(document: Json, content: Json) -> list[Any]:
    return [content["example"]] if "example" in content else resolved(document, content["schema"]).get("examples", [])


def test_the_document_of_a_service_is_what_the_pages_of_the_reference_are_made_from(document: Json) -> None:
    """A cell has calls of its own beside them."""
    made = json.loads(json.dumps(described().openapi()))
    assert {path: document["paths"][path] for path in made["paths"]} == made["paths"]
    shapes = document["components"]["schemas"]
    assert {name: shapes[name] for name in made["components"]["schemas"]} == made["components"]["schemas"]


def test_every_operation_parameter_body_reply_and_property_is_described(document: Json) -> None:
    bare = []
    for label, operation in operations(document):
        bare += [] if operation.get("description") else [label]
        bare += [
            f"{label}: {given['name']}" for given in operation.get("parameters", []) if not given.get("description")
        ]
        if "requestBody" in operation and not operation["requestBody"].get("description"):
            bare.append(f"{label}: body")
        for status, reply in operation["responses"].items():
            if resolved(document, reply)["description"] in ("", "Successful Response"):
                bare.append(f"{label}: {status}")
    properties = 0
    for name, schema in document["components"]["schemas"].items():
        if name != "JsonValue" and not schema.get("description"):
            bare.append(name)
        for field, value in schema.get("properties", {}).items():
            properties += 1
            bare += [] if value.get("description") else [f"{name}.{field}"]
    assert bare == []
    assert properties > 300
    assert {tag["name"] for tag in document["tags"]} == {tag for _, one in operations(document) for tag in one["tags"]}


def test_every_refusal_is_a_problem_with_an_example_that_fits(document: Json) -> None:
    checked: set[str] = set()
    for label, operation in operations(document):
        failures = {status: reply for status, reply in operation["responses"].items() if status[0] in "45"}
        assert {"403", "413", "500"} <= failures.keys(), label
        if "security" in operation:
            assert {"401", "429", "503"} <= failures.keys(), label
        for status, reply in failures.items():
            content = resolved(document, reply)["content"]
            assert content.keys() == {PROBLEM}, (label, status)
            assert content[PROBLEM]["schema"] == {"$ref": "#/components/schemas/Problem"}
            for example in content[PROBLEM]["examples"].values():
                fits(document, content[PROBLEM]["schema"], example["value"])
                assert example["value"]["status"] == int(status)
            checked.add(status)
    assert checked == {"400", "401", "403", "404", "408", "409", "413", "422", "429", "500", "503", "507"}
    assert not [name for name in document["components"]["schemas"] if "ValidationError" in name]


def fits(document: Json, schema: Json, value: Any) -> None:
    whole = schema | {"components": document["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)


def test_every_body_has_an_example_that_fits_it_and_that_the_service_takes(
    document: Json, service: Service, base_url: str
) -> None:
    """An id in a path is nobody's, so 404 is an answer too; nothing is said to be wrong with the body."""
    tenant_id = tenants.ensure(service.database, f"examples-{uuid.uuid4()}")
    key = keys.create(service.database, tenant_id, keys.SCOPES, "examples", "operator")[0]
    taken: dict[str, list[int]] = {}
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {key}"}, timeout=LIMIT_S) as http:
        for label, operation in operations(document):
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                method, path = label.split(" ")
                name = "imported" if path.endswith("/import") else "examples"
                for value in examples(document, content):
                    fits(document, content["schema"], value)
                    sent = value if isinstance(value, str) else json.dumps(value)
                    address = re.sub(r"\{\w+\}", "nobody", path.replace("{namespace}", name))
                    reply = http.request(method, address, content=sent, headers={"Content-Type": media})
                    without_model = path == "/v1/responses" and "errors" not in reply.json()
                    assert reply.status_code in (200, 201, 404) or without_model, (label, value, reply.text)
                    taken.setdefault(label, []).append(reply.status_code)
        bodies = {label for label, operation in operations(document) if "requestBody" in operation}
        assert taken.keys() == bodies
        refused = {label for label, statuses in taken.items() if 404 in statuses and "{namespace}/" in label}
        assert all("unit_id" in label or "{namespace}/r" in label or "quarantine" in label or "erasures" in label
                   for label in refused), refused  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "wrong", "right"),
    [
        ("UnitChange", {}, {"text": "Ana keeps bees."}),
        ("UnitChange", {"text": "Ana keeps bees.", "action": "pin"}, {"action": "pin"}),
        ("UnitChange", {"text": "a", "expires_at": "2030-01-01T00:00:00Z"}, {"action": "expire", "expires_at": "2030-01-01T00:00:00Z"}),
        ("UnitChange", {"text": " \n"}, {"text": "Ana"}),
        ("NewAliases", {"name": "a/b", "aliases": ["Caz"]}, {"name": "a b", "aliases": ["Caz"]}),
        ("NewAliases", {"name": "..", "aliases": ["Caz"]}, {"name": "...", "aliases": ["Caz"]}),
        ("NewAliases", {"name": " Ana", "aliases": ["Caz"]}, {"name": "Ana Maria", "aliases": ["Caz"]}),
        ("NewAliases", {"name": "A\u202ena", "aliases": ["Caz"]}, {"name": "Añã", "aliases": ["Caz"]}),
        ("NewExchange", {"session_id": "two\nlines", "messages": [{"role": "user", "content": "Hi"}]}, {"session_id": "s", "messages": [{"role": "user", "content": "two\nlines"}]}),
        ("NewExchange", {"session_id": " ", "messages": [{"role": "user", "content": "Hi"}]}, {"session_id": " s", "messages": [{"role": "user", "content": " "}]}),
        ("NewMessage", {"role": "user", "content": "a\x00b"}, {"role": "user", "content": ""}),
        ("NewMessage", {"role": "user", "content": "a", "occurred_at": "0999-12-31T23:00:00Z"}, {"role": "user", "content": "a", "occurred_at": "1000-01-01T00:00:00Z"}),
        ("NewMessage", {"role": "user", "content": "a", "occurred_at": "9001-01-01T00:00:00Z"}, {"role": "user", "content": "a", "occurred_at": "9000-12-31T00:00:00Z"}),
        ("RecallRequest", {"query": "\t"}, {"query": " who?"}),
        ("Selection", {"by": "session", "value": "  "}, {"by": "session", "value": "two\nlines"}),
        ("NewRecord", {"path": [], "key": "two\nlines", "value": {}}, {"path": [], "key": "k", "value": {}}),
    ],
)  # fmt: skip
def test_what_a_validator_refuses_the_schema_refuses_too(document: Json, shape: str, wrong: Json, right: Json) -> None:
    from memsvc.wire import aliases, exchanges, questions, reads, records, selections

    schema = {"$ref": f"#/components/schemas/{shape}"}
    model = next(
        getattr(file, shape)
        for file in (aliases, exchanges, questions, reads, records, selections)
        if hasattr(file, shape)
    )
    model.model_validate_json(json.dumps(right))
    fits(document, schema, right)
    with pytest.raises(ValueError):
        model.model_validate_json(json.dumps(wrong))
    with pytest.raises(jsonschema.ValidationError):
        fits(document, schema, wrong)


def test_a_reply_of_each_health_check_fits_its_shape(document: Json, base_url: str) -> None:
    for path in ("/healthz", "/readyz"):
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        fits(document, schema, httpx.get(f"{base_url}{path}").json())


def test_the_page_is_whole_and_has_no_script_and_no_other_host(document: Json, base_url: str) -> None:
    reply = httpx.get(f"{base_url}/docs")
    assert reply.status_code == 200 and "<script" not in reply.text
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    assert re.findall(r"""(?:src|href)=["'](?:https?:)?//""", reply.text) == []
    lost = [
        name
        for name in document["components"]["schemas"]
        if f'href="#{name}"' in reply.text and f'id="{name}"' not in reply.text
    ]
    assert lost == []
    assert "<code>Authorization: Bearer KEY</code>" in reply.text
    assert httpx.get(f"{base_url}/redoc").status_code == 404


@NEEDED
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_without_a_network_shows_every_operation(
    document: Json, browser: Browser, base_url: str, width: int
) -> None:
    asked: list[str] = []
    heard: list[str] = []
    context = browser.new_context(base_url=base_url, viewport={"width": width, "height": 820})
    try:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("requestfailed", lambda request: heard.append(request.url))
        own = urlsplit(base_url).netloc
        page.route(lambda url: urlsplit(url).netloc != own, lambda route: route.abort())
        page.goto("/docs")
        shown: Mapping[str, int] = {
            label: page.locator(f"#{one['operationId']} summary").count() for label, one in operations(document)
        }
        assert set(shown.values()) == {1}, shown
        body = page.locator("#recall_v1_namespaces__namespace__recall_post")
        body.locator("summary").click()
        body.get_by_text("What instrument does Caroline play?").wait_for()
        body.get_by_role("link", name="RecallRequest").click()
        assert page.url.endswith("#RecallRequest")
        page.locator("#RecallRequest").get_by_text("min_trust").wait_for()
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert {urlsplit(url).netloc for url in asked} == {own}
        assert heard == []
    finally:
        context.close()
