"""/docs: the OpenAPI document as one page, made by the server; no script and nothing from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
from fastapi import APIRouter, Request
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from api.admin.pages import HEADERS
from api.docs.document import operations

router = APIRouter(include_in_schema=False)
_CODE = re.compile(r"`([^`]+)`")
_END = re.compile(r"[.:;](?:\s|$)")
_LIMITS = (
    ("minLength", "at least {} characters"), ("maxLength", "at most {} characters"), ("minimum", "from {}"),
    ("exclusiveMinimum", "above {}"), ("maximum", "to {}"), ("minItems", "at least {}"), ("maxItems", "at most {}"),
)  # fmt: skip


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Every operation and every shape. One of the loop's own, so that the document is made once."""
    state = request.app.state
    if not hasattr(state, "docs"):
        state.docs = _rendered(request.app.openapi())
    return HTMLResponse(state.docs, headers=HEADERS | {"Cache-Control": "no-cache"})


def _rendered(document: Mapping[str, Any]) -> str:
    tagged: dict[str, list[tuple[str, str, dict[str, Any]]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, method, operation in operations(document):
        tagged[operation["tags"][0]].append((path, method, operation))
    components = document["components"]
    shapes = {
        name: shape for name, shape in sorted(components["schemas"].items()) if shape.keys() & {"properties", "enum"}
    }
    return _TEMPLATES.get_template("page.html").render(
        document=document, tagged=tagged, shapes=shapes, replies=components["responses"]
    )


def shape(schema: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """What a value is, as (words, the shape that they lead to)."""
    return list(_parts(schema))


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield {"JsonValue": "any JSON"}.get(name, name), None if name == "JsonValue" else name
        return
    choices = schema.get("anyOf") or schema.get("oneOf", [])
    if choices and "properties" not in schema:
        for number, choice in enumerate(choices):
            if number:
                yield " or ", None
            yield from _parts(choice)
        return
    kind = schema.get("format", schema.get("type", "any JSON"))
    if "const" in schema or "enum" in schema:
        yield " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")])), None
    elif kind == "array":
        yield "list of ", None
        yield from _parts(schema.get("items", {}))
    elif isinstance(schema.get("additionalProperties"), dict):
        yield "object of ", None
        yield from _parts(schema["additionalProperties"])
    else:
        yield kind, None
    limits = [words.format(schema[name]) for name, words in _LIMITS if name in schema]
    if limits:
        yield f" ({', '.join(limits)})", None


def _pretty(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _marked(text: str) -> Markup:
    """What stands between backticks is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def _first_sentence(text: str) -> str:
    return _END.split(text, maxsplit=1)[0]


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"].get(name, schema)
    return found


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(shape=shape, pretty=_pretty, marked=_marked, first_sentence=_first_sentence)
_TEMPLATES.globals["resolved"] = _resolved
