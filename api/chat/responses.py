"""OpenAI's responses as chat completions: what is asked for as a chat, and the chat's reply as a response."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from api.chat.body import Completion
from api.chat.response_body import (
    Chosen,
    Failure,
    FunctionCall,
    FunctionOutput,
    InputDetails,
    InputMessage,
    InputPart,
    Item,
    OutputDetails,
    ResponseReply,
    ResponseRequest,
    Usage,
)
from memsvc import errors

# Where the words of a part stand in it.
_WORDS = {"output_text": "text", "refusal": "refusal"}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_OWN_NAMES = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens", "messages": "input"}


def completion(asked: ResponseRequest) -> Completion:
    """The chat that is asked for. Raises Invalid."""
    given = asked.beyond
    for name in _OWN_NAMES.keys() & given.keys():
        raise errors.Invalid(f"{name} is no field of a response.", f"Use {_OWN_NAMES[name]}.")
    given |= {"model": asked.model, "messages": _messages(asked), "memsvc": asked.memsvc, **_options(asked)}
    if asked.stream:
        given |= {"stream": True, "stream_options": {"include_usage": True}}
    return Completion.model_validate(given)


def _options(asked: ResponseRequest) -> dict[str, Any]:
    """Those that a chat knows under the same name or another. What a response says of its being kept has no place."""
    wanted: dict[str, Any] = {
        "max_tokens": asked.max_output_tokens, "temperature": asked.temperature, "top_p": asked.top_p,
        "user": asked.user, "reasoning_effort": asked.reasoning and asked.reasoning.effort,
        "verbosity": asked.text and asked.text.verbosity, "tool_choice": asked.tool_choice,
    }  # fmt: skip
    if isinstance(asked.tool_choice, Chosen):
        wanted["tool_choice"] = {"type": "function", "function": {"name": asked.tool_choice.name}}
    if asked.tools:
        functions = [tool.model_dump(include={"name", "description", "parameters", "strict"}) for tool in asked.tools]
        wanted["tools"] = [{"type": "function", "function": _given(function)} for function in functions]
        wanted["parallel_tool_calls"] = asked.parallel_tool_calls
    elif asked.tool_choice in ("none", "auto"):
        del wanted["tool_choice"]  # endpoints refuse it where there is nothing to choose
    if asked.text and asked.text.format and asked.text.format.type != "text":
        schema = _given(asked.text.format.model_dump())
        kind = schema.pop("type")
        wanted["response_format"] = {"type": kind} | ({kind: schema} if kind == "json_schema" else {})
    return _given(wanted)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _messages(asked: ResponseRequest) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    if isinstance(asked.input, str):
        made.append({"role": "user", "content": asked.input})
    else:
        for item in asked.input:
            _add(made, item)
    if not made:
        raise errors.Invalid("input holds no message.", "Send what the user says.")
    return [{"role": "system", "content": asked.instructions}, *made] if asked.instructions else made


def _add(made: list[dict[str, Any]], item: Item) -> None:
    """An item behind those before it: a call belongs to the assistant's message, which a chat has it in."""
    if isinstance(item, InputMessage):
        made.append({"role": item.role, "content": _content(item.content)})
    elif isinstance(item, FunctionOutput):
        made.append({"role": "tool", "tool_call_id": item.call_id, "content": _content(item.output)})
    elif isinstance(item, FunctionCall):
        if not made or made[-1]["role"] != "assistant":
            made.append({"role": "assistant", "content": None})
        call = {"name": item.name, "arguments": item.arguments}
        made[-1].setdefault("tool_calls", []).append({"id": item.call_id, "type": "function", "function": call})


def _content(given: str | list[InputPart]) -> str | list[dict[str, Any]]:
    """Plain words as text, which every endpoint takes."""
    if isinstance(given, str):
        return given
    parts = [_part(part) for part in given]
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _part(part: InputPart) -> dict[str, Any]:
    given = part.model_extra or {}
    if part.type == "input_image":
        image = _given({"url": given["image_url"], "detail": given.get("detail")})
        return {"type": "image_url", "image_url": image}
    if part.type == "input_file":
        return {"type": "file", "file": _given({"filename": given.get("filename"), "file_data": given["file_data"]})}
    if part.type == "refusal":
        return {"type": "refusal", "refusal": given["refusal"]}
    return {"type": "text", "text": part.text}


class Answer:
    """One response as it comes into being: it takes a chat's reply, whole or in chunks, and tells OpenAI's events."""

    def __init__(self, asked: ResponseRequest) -> None:
        self._asked = asked
        self._id = _name("resp")
        self._created_at = int(time.time())
        self._model = asked.model
        self._output: list[dict[str, Any]] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._memsvc: dict[str, Any] | None = None
        self._told = 0

    def whole(self, reply: dict[str, Any]) -> dict[str, Any]:
        """The response of a chat.completion."""
        for _ in (*self._take(reply), *self._end()):
            pass
        return self._reply(self._status)

    def begun(self) -> Iterator[str]:
        for state in ("created", "in_progress"):
            yield self._event(f"response.{state}", response=self._reply("in_progress"))

    def told(self, chunk: dict[str, Any]) -> Iterator[str]:
        """The events of a chat.completion.chunk."""
        return self._take(chunk)

    def ended(self) -> Iterator[str]:
        yield from self._end()
        yield self._event(f"response.{self._status}", response=self._reply(self._status))

    def failed(self, error: BaseException) -> Iterator[str]:
        failure = Failure(code="server_error", message=str(error))
        for item in self._output:
            item["status"] = "incomplete"
        yield self._event("error", code=failure.code, message=failure.message, param=None)
        yield self._event("response.failed", response=self._reply("failed", failure))

    @property
    def _status(self) -> str:
        return "incomplete" if self._finish in _INCOMPLETE else "completed"

    def _take(self, reply: dict[str, Any]) -> Iterator[str]:
        """Endpoints leave out what they like, so only what has its shape is read."""
        model, usage, ours = reply.get("model"), reply.get("usage"), reply.get("memsvc")
        self._model = model if isinstance(model, str) and model else self._model
        self._usage = _usage(usage) if isinstance(usage, dict) else self._usage
        self._memsvc = ours if isinstance(ours, dict) else self._memsvc
        choices = reply.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        finish = choice.get("finish_reason")
        self._finish = finish if isinstance(finish, str) else self._finish
        said = choice.get("delta") or choice.get("message")
        if not isinstance(said, dict):
            return
        for kind, words in (("output_text", said.get("content")), ("refusal", said.get("refusal"))):
            if isinstance(words, str) and words:
                yield from self._say(kind, words)
        calls = said.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict) and isinstance(call.get("function"), dict):
                index = call.get("index")
                yield from self._call(index if isinstance(index, int) else place, call)

    def _say(self, kind: str, words: str) -> Iterator[str]:
        message = next((item for item in self._output if item["type"] == "message"), None)
        if message is None:
            message = {"id": _name("msg"), "type": "message", "role": "assistant", "content": []}
            yield self._added(message)
        part = next((part for part in message["content"] if part["type"] == kind), None)
        if part is None:
            part = (
                {"type": kind, _WORDS[kind]: ""} | ({"annotations": []} if kind == "output_text" else {}) | _marks(kind)
            )
            message["content"].append(part)
            yield self._event("response.content_part.added", **self._place(message, part), part=part)
        part[_WORDS[kind]] += words
        yield self._event(f"response.{kind}.delta", **self._place(message, part), delta=words, **_marks(kind))

    def _call(self, index: int, call: dict[str, Any]) -> Iterator[str]:
        """A call, or a further piece of one. Some endpoints number them all alike and tell them apart by id."""
        function, id = call["function"], str(call.get("id") or "")
        item = self._calls.get(index)
        if item is None or (id and id != item["call_id"]):
            item = {
                "id": _name("fc"), "type": "function_call", "call_id": id or _name("call"),
                "name": str(function.get("name") or ""), "arguments": "",
            }  # fmt: skip
            self._calls[index] = item
            yield self._added(item)
        given = function.get("arguments")
        if given:
            piece = given if isinstance(given, str) else json.dumps(given)
            item["arguments"] += piece
            yield self._event("response.function_call_arguments.delta", **self._place(item), delta=piece)

    def _end(self) -> Iterator[str]:
        if not self._output:
            yield from self._say("output_text", "")
        for item in self._output:
            item["status"] = self._status
            if item["type"] == "function_call":
                done = {"arguments": item["arguments"], "name": item["name"]}
                yield self._event("response.function_call_arguments.done", **self._place(item), **done)
            for part in item.get("content", ()):
                kind, place = part["type"], self._place(item, part)
                told = {_WORDS[kind]: part[_WORDS[kind]]} | _marks(kind)
                yield self._event(f"response.{kind}.done", **place, **told)
                yield self._event("response.content_part.done", **place, part=part)
            yield self._event("response.output_item.done", output_index=self._output.index(item), item=item)

    def _added(self, item: dict[str, Any]) -> str:
        item["status"] = "in_progress"
        self._output.append(item)
        return self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)

    def _place(self, item: dict[str, Any], part: dict[str, Any] | None = None) -> dict[str, Any]:
        place = {"item_id": item["id"], "output_index": self._output.index(item)}
        return place if part is None else place | {"content_index": item["content"].index(part)}

    def _event(self, kind: str, **fields: Any) -> str:
        data = {"type": kind, "sequence_number": self._told} | fields
        self._told += 1
        return f"event: {kind}\ndata: {json.dumps(data)}\n\n"

    def _reply(self, status: str, failure: Failure | None = None) -> dict[str, Any]:
        asked = self._asked.model_dump(mode="json", exclude={"input"})
        reason = _INCOMPLETE.get(self._finish or "") if status == "incomplete" else None
        again = ("instructions", "max_output_tokens", "temperature", "top_p", "user")
        made = {name: asked[name] for name in again} | {
            "id": self._id,
            "created_at": self._created_at,
            "status": status,
            "error": failure,
            "incomplete_details": reason and {"reason": reason},
            "metadata": asked["metadata"] or {},
            "model": self._model,
            "output": self._output,
            "parallel_tool_calls": asked["parallel_tool_calls"] is not False,
            "reasoning": {"effort": None, "summary": None} | (asked["reasoning"] or {}),
            "text": {"format": {"type": "text"}} | _given(asked["text"] or {}),
            "tool_choice": asked["tool_choice"] or "auto",
            "tools": asked["tools"] or [],
            "truncation": asked["truncation"] or "disabled",
            "usage": self._usage,
            "memsvc": self._memsvc,
        }
        return ResponseReply.model_validate(made).model_dump(mode="json")


def _marks(kind: str) -> dict[str, Any]:
    """What OpenAI's clients look for beside words, and is not told here."""
    return {"logprobs": []} if kind == "output_text" else {}


def _name(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex}"


def _usage(told: dict[str, Any]) -> Usage:
    """A chat's counts under a response's names."""

    def count(name: str, details: str | None = None) -> int:
        held = told.get(details) if details else told
        value = held.get(name) if isinstance(held, dict) else None
        return value if isinstance(value, int) else 0

    read, written = count("prompt_tokens"), count("completion_tokens")
    return Usage(
        input_tokens=read,
        input_tokens_details=InputDetails(
            cached_tokens=count("cached_tokens", "prompt_tokens_details"), cache_write_tokens=0
        ),
        output_tokens=written,
        output_tokens_details=OutputDetails(reasoning_tokens=count("reasoning_tokens", "completion_tokens_details")),
        total_tokens=read + written,
    )
