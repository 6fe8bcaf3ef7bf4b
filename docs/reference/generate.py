"""Writes rest.md, sdk.md and cli.md beside this file (or into the folder named), from the code that they describe.

They are committed, so that they can be read and linked to where the repository is; a test says when one is out of date.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer.main

import memsvc.sdk
from api.app import described
from api.docs.document import operations
from api.docs.page import shape
from memsvc.cli import app as commands
from memsvc.sdk import MemoryClient, Namespace, adk, errors, langgraph, llama_index, openai_agents

Json = Mapping[str, Any]
_MADE = "<!-- Made from the code by `make docs`; changed there. -->\n"
_FRAMEWORKS = (
    ("memsvc.sdk.langgraph", langgraph.MemsvcStore),
    ("memsvc.sdk.openai_agents", openai_agents.MemsvcSession),
    ("memsvc.sdk.llama_index", llama_index.MemsvcMemoryBlock),
    ("memsvc.sdk.adk", adk.MemsvcMemoryService),
)


def rest() -> Iterator[str]:
    """Every operation of the OpenAPI document, every error, every shape."""
    document = described().openapi()
    yield f"# REST, every call\n\n{_MADE}"
    yield "With examples: [REST](../rest.md). A running service has the same at `/docs` and `/openapi.json`.\n"
    yield f"{_said(document['info']['description'])}\n"
    for tag in document["tags"]:
        yield f"## Calls: {tag['name']}\n\n{tag['description']}\n"
        for path, method, operation in operations(document):
            if operation["tags"][0] == tag["name"]:
                yield f"### `{method.upper()} {path}`\n\n{_said(operation['description'])}\n"
                yield from _given(document, operation)
                yield from _replies(operation)
    yield "## Errors\n\nEach is `application/problem+json`, a [Problem](#problem).\n"
    yield "| status | means |\n| --- | --- |"
    for name, reply in document["components"]["responses"].items():
        yield f"| {name.removeprefix('Problem')} | {_cell(reply['description'])} |"
    yield "\n## Shapes\n"
    for name, found in sorted(document["components"]["schemas"].items()):
        if found.keys() & {"properties", "enum"}:
            yield f"### {name}\n\n{_said(found.get('description', ''))}\n"
            yield from _fields(found)


def _given(document: Json, operation: Json) -> Iterator[str]:
    if operation.get("parameters"):
        yield "| parameter | in | value | meaning |\n| --- | --- | --- | --- |"
        for one in operation["parameters"]:
            needed = ", needed" if one.get("required") else ""
            yield f"| `{one['name']}` | {one['in']}{needed} | {_value(one['schema'])} | {_cell(one['description'])} |"
        yield ""
    body = operation.get("requestBody")
    if body is None:
        return
    for media, content in body["content"].items():
        yield f"Body, `{media}`: {_value(content.get('schema', {}))}. {_said(body['description'])}\n"
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if name:
            yield from _fields(document["components"]["schemas"][name])


def _fields(found: Json) -> Iterator[str]:
    if "enum" in found:
        yield f"{_value(found)}\n"
    if not found.get("properties"):
        return
    yield "| field | value | default | meaning |\n| --- | --- | --- | --- |"
    for name, field in found["properties"].items():
        default = "needed" if name in found.get("required", []) else _code(field.get("default"))
        yield f"| `{name}` | {_value(field)} | {default} | {_cell(field.get('description', ''))} |"
    yield ""


def _replies(operation: Json) -> Iterator[str]:
    failures = [status for status, reply in operation["responses"].items() if "$ref" in reply]
    for status, reply in operation["responses"].items():
        if "$ref" not in reply:
            kinds = [f"`{kind}`: {_value(one.get('schema', {}))}" for kind, one in reply.get("content", {}).items()]
            yield f"Reply {status}: {_said(reply['description'])}{''.join(f' ({kind})' for kind in kinds)}\n"
    yield f"[Errors](#errors): {', '.join(failures)}.\n"


def _value(schema: Json) -> str:
    parts = [f"[{words}](#{name.lower()})" if name else _bars(_said(words)) for words, name in shape(schema)]
    return "".join(parts)


def sdk() -> Iterator[str]:
    """The public classes of memsvc.sdk with their calls."""
    yield f"# The Python client\n\n{_MADE}"
    yield f"```text\n{_doc(memsvc.sdk)}\n```\n"
    yield (
        "`AsyncMemoryClient` and `AsyncNamespace` have the same calls, awaited; what gives an iterator here gives an\n"
        "asynchronous one there.\nWhat a call returns is a pydantic model with the fields of the "
        "[shape](rest.md#shapes) of its name.\n"
    )
    for found in (MemoryClient, Namespace):
        yield f"## {found.__name__}\n\n{_construct(found)}\n\n{_said(_doc(found))}\n"
        for name, method in vars(found).items():
            if not name.startswith("_") and callable(method):
                yield f"### {found.__name__}.{name}\n\n{_call(name, method)}\n\n{_said(_doc(method))}\n"
    yield f"## Errors\n\n`memsvc.sdk.errors`:\n\n```text\n{_doc(errors)}\n```\n"
    yield "## In frameworks\n\nHow to put them in: [agents](../agents.md).\n"
    for module, framework in _FRAMEWORKS:
        yield f"### {framework.__name__}\n\nFrom `{module}`.\n\n{_construct(framework)}\n\n{_said(_doc(framework))}\n"


def _construct(found: type) -> str:
    if found is Namespace:
        return "```text\nclient.namespace(name)\n```"
    return _signature(found.__name__, list(inspect.signature(found).parameters.values()), "")


def _call(name: str, method: Any) -> str:
    """As it is called: what is described once for a client and its namespaces, by the rule of each."""
    signature = inspect.signature(method)
    given = list(signature.parameters.values())
    back = str(signature.return_annotation)
    # Of a method `self`; of a call on a namespace, which is described apart, the namespace.
    described_apart = hasattr(method, "__wrapped__")
    first = given[0] if given else None
    named = first is not None and first.name == "namespace" and first.kind is first.POSITIONAL_OR_KEYWORD
    if not described_apart or named:
        given = given[1:]
    back = re.sub(r"^Pages\[(.*)\]$", r"Iterator[\1]", re.sub(r"^Call\[(.*)\]$", r"\1", back))
    return _signature(name, given, back)


def _signature(name: str, given: list[inspect.Parameter], back: str) -> str:
    words = str(inspect.Signature(given)).replace("'", "")
    words = f"{name}{words}{f' -> {back}' if back else ''}"
    if len(words) > 100:
        head, _, rest_ = words.partition("(")
        inner, _, tail = rest_.rpartition(")")
        words = f"{head}(\n" + "".join(f"    {part},\n" for part in _split(inner)) + f"){tail}"
    return f"```text\n{words}\n```"


def _split(inner: str) -> Iterator[str]:
    """At the commas that stand between arguments."""
    depth, start = 0, 0
    for place, letter in enumerate(inner):
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and depth == 0:
            yield inner[start:place].strip()
            start = place + 1
    yield inner[start:].strip()


def cli() -> Iterator[str]:
    """Every command with its arguments and options."""
    yield f"# Commands\n\n{_MADE}"
    yield (
        "`memsvc COMMAND --help` says the same. The commands that ask a service take `MEMSVC_URL` and\n"
        "`MEMSVC_API_KEY` from the environment; on the service's own machine they find the key by themselves.\n"
    )
    yield from _command("memsvc", typer.main.get_command(commands.app))


def _command(name: str, command: Any) -> Iterator[str]:
    parts = getattr(command, "commands", {})
    if not parts:
        words = [one.name.upper() + ("…" if one.nargs != 1 else "") for one in command.params if not _is_option(one)]
        yield f"## {name}\n\n{_said(inspect.cleandoc(command.help or ''))}\n"
        yield f"```text\n{' '.join([name, '[OPTIONS]', *words])}\n```\n"
        yield from _options(command)
    for part, below in parts.items():
        yield from _command(f"{name} {part}", below)


def _options(command: Any) -> Iterator[str]:
    shown = [one for one in command.params if not one.hidden and one.name != "help"]
    if not shown:
        return
    yield "| argument or option | meaning | default |\n| --- | --- | --- |"
    for one in shown:
        names = (
            ", ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts)) if _is_option(one) else one.name.upper()
        )
        default = "needed" if one.required else _code(one.default)
        from_outside = f" `{one.envvar}` in the environment." if one.envvar else ""
        yield f"| {names} | {_cell((one.help or '') + from_outside)} | {default} |"
    yield ""


def _is_option(one: Any) -> bool:
    return bool(one.param_type_name == "option")


def _code(value: object) -> str:
    """A default; nothing where there is none, or where saying it helps nobody."""
    if value is None or value is False or value in ("", [], ()) or callable(value):
        return ""
    return f"`{_cell(' '.join(map(str, value)) if isinstance(value, list) else str(value))}`"


def _doc(of: object) -> str:
    return inspect.getdoc(of) or ""


def _said(text: str) -> str:
    """Prose: nothing in it is a tag; between backticks it cannot be one."""
    return re.sub(r"`[^`]*`|<(?=[A-Za-z/])", lambda found: "&lt;" if found.group() == "<" else found.group(), text)


def _cell(text: str) -> str:
    return _bars(_said(" ".join(text.split())))


def _bars(text: str) -> str:
    return text.replace("|", "\\|")


def main(folder: Path) -> None:
    """Write the pages into the folder."""
    for name, lines in (("rest", rest()), ("sdk", sdk()), ("cli", cli())):
        (folder / f"{name}.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
