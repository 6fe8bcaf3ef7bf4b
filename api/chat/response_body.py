"""A response as OpenAI's clients ask for it and are told it (POST /v1/responses)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from api.chat.body import MAX_MESSAGES, Asked, Memory, words_or_list
from memsvc.wire.base import Text

_READ = ("message", "function_call", "function_call_output", "reasoning")
_TEXTS = ("input_text", "output_text", "text")


def _refused(sentence: str) -> BeforeValidator:
    """Takes what asks for nothing, null or false, and refuses the rest with the sentence."""

    def check(value: Any) -> None:
        if value:
            raise ValueError(sentence)

    return BeforeValidator(check)


def _of_read_type(item: Any) -> Any:
    """An item, which is a message where it does not say what it is."""
    if not isinstance(item, dict):
        return item
    kind = item.get("type", "message")
    if kind == "item_reference":
        raise ValueError(
            "no items are kept to refer to; send the item itself "
            "(Vercel's AI SDK does with providerOptions: { openai: { store: false } })"
        )
    if kind not in _READ:
        raise ValueError(f"items of type {kind!r} are not read here, only {', '.join(_READ)}; leave it out")
    return item | {"type": kind}


def _of_function_type(tool: Any) -> Any:
    if isinstance(tool, dict) and tool.get("type") != "function":
        raise ValueError(
            f'tools of type {tool.get("type")!r} do not run here, only "function" is known; leave it out, or offer a '
            "function of your own that does it"
        )
    return tool


class _Open(BaseModel):
    """What a client says beyond these fields is of no weight here, unless it is said to be."""

    model_config = ConfigDict(extra="allow", frozen=True)


class InputPart(_Open):
    """Words, an image by its address (`image_url`) or a file by its content (`file_data`), for models that see them."""

    type: Literal["input_text", "output_text", "text", "refusal", "input_image", "input_file"] = Field(
        description="What it is."
    )
    text: Text | None = Field(None, description="The words, of a part that has them.")


def _whole(part: InputPart) -> InputPart:
    given = part.model_extra or {}
    wanted = {"refusal": "refusal", "input_image": "image_url", "input_file": "file_data"}.get(part.type)
    if part.type in _TEXTS and part.text is None:
        raise ValueError("needs text")
    if wanted and not isinstance(given.get(wanted), str):
        raise ValueError(f"needs {wanted}: no files are kept here to be named by an id, or fetched from elsewhere")
    return part


Content = Annotated[
    Annotated[Text, Tag("text")] | Annotated[list[Annotated[InputPart, AfterValidator(_whole)]], Tag("list")],
    Discriminator(words_or_list),
]


class InputMessage(_Open):
    """Something said."""

    type: Literal["message"] = Field("message", description="May be left out.")
    role: Literal["user", "assistant", "system", "developer"] = Field(description="Who said it.")
    content: Content = Field(description="What was said: words, or parts.")


class FunctionCall(_Open):
    """A call of a function, as an earlier response asked for it."""

    type: Literal["function_call"] = Field(description="What it is.")
    call_id: Text = Field(description="Ties it to its result.")
    name: Text = Field(description="The function.")
    arguments: Text = Field(description="Its arguments, a JSON object as text.")


class FunctionOutput(_Open):
    """What a call gave."""

    type: Literal["function_call_output"] = Field(description="What it is.")
    call_id: Text = Field(description="Which call it was.")
    output: Content = Field(description="Its result: text, or parts.")


class Reasoned(_Open):
    """A model's thoughts; not read."""

    type: Literal["reasoning"] = Field(description="What it is.")


Item = Annotated[
    Annotated[InputMessage | FunctionCall | FunctionOutput | Reasoned, Field(discriminator="type")],
    BeforeValidator(_of_read_type),
]


class Function(_Open):
    """A function that the model may ask the client to call."""

    type: Literal["function"] = Field(description="Others run at OpenAI, and are refused.")
    name: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="Its name.")
    description: str | None = Field(None, description="What it does, for the model.")
    parameters: dict[str, Any] | None = Field(None, description="Its arguments, as a JSON schema.")
    strict: bool | None = Field(
        None, description="Whether the arguments must obey the schema; the endpoint sees to it."
    )


Tool = Annotated[Function, BeforeValidator(_of_function_type)]


class Chosen(_Open):
    """One function that must be called."""

    type: Literal["function"] = Field(description="What it is.")
    name: str = Field(description="The function.")


class Format(_Open):
    """The shape of the words. A `json_schema` has its `name`, `schema`, `strict` and `description` here."""

    type: Literal["text", "json_object", "json_schema"] = Field(description="Plain words, JSON, or JSON of a schema.")


class TextOptions(_Open):
    """How the words are to be."""

    format: Format | None = Field(None, description="Their shape.")
    verbosity: str | None = Field(None, description="How many; for the endpoint.")


class Reasoning(_Open):
    """How long the model thinks. A summary is not told."""

    effort: str | None = Field(None, description="For the endpoint.")


def _no_logprobs(include: list[str] | None) -> list[str] | None:
    if include and "message.output_text.logprobs" in include:
        raise ValueError("probabilities of tokens are not told here; leave message.output_text.logprobs out")
    return include


class ResponseRequest(Asked):
    """What is asked, with the conversation before it. Fields that are not listed go on to the model's endpoint."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "memsvc", "user": "ana", "input": "When does my ferry leave?"}]}
    )

    model: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description='"memsvc" is the configured model; any other name goes on to the endpoint.'
    )
    input: Annotated[
        Annotated[Text, Tag("text")]
        | Annotated[list[Item], Field(min_length=1, max_length=MAX_MESSAGES - 1), Tag("list")],
        Discriminator(words_or_list),
    ] = Field(description="What the user says, or the conversation so far as items.")
    instructions: Text | None = Field(None, description="Stands before the conversation as a system message.")
    stream: bool | None = Field(None, description="Tell the reply as it comes, as server-sent events.")
    stream_options: dict[str, Any] | None = Field(None, description="Taken; asks for nothing here.")
    tools: Annotated[list[Tool], Field(max_length=512)] | None = Field(
        None, description="Functions that the model may ask for; the client calls them."
    )
    tool_choice: Literal["none", "auto", "required"] | Chosen | None = Field(
        None, description="Whether a function may, or must, be called."
    )
    parallel_tool_calls: bool | None = Field(None, description="Whether several may be asked for at once.")
    text: TextOptions | None = Field(None, description="How the words are to be.")
    max_output_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="The reply's tokens at most."
    )
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(None, description="For the endpoint.")
    top_p: Annotated[float, Field(ge=0, le=1)] | None = Field(None, description="For the endpoint.")
    reasoning: Reasoning | None = Field(None, description="How long the model thinks.")
    truncation: Literal["auto", "disabled"] | None = Field(None, description="Taken; the model does as it does.")
    include: Annotated[list[str], AfterValidator(_no_logprobs)] | None = Field(
        None, description="Taken; but for the probabilities of tokens it is about tools that do not run here."
    )
    max_tool_calls: int | None = Field(None, description="Taken; it counts tools that do not run here.")
    store: bool | None = Field(
        None, description="Taken; no response is kept to be fetched. `memsvc.remember` is about the memory."
    )
    metadata: dict[str, str] | None = Field(None, description="Told again with the response.")
    user: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="Whose memory it is, unless `memsvc` or X-Memsvc-Namespace says."
    )
    previous_response_id: Annotated[
        None, _refused("no responses are kept here; send the conversation before it in input")
    ] = Field(None, description="Refused: no responses are kept. Send the conversation in `input`.")
    conversation: Annotated[
        None, _refused("no conversations are kept at OpenAI's paths; send what was said in input")
    ] = Field(None, description="Refused: what was said before stands in `input`.")
    prompt: Annotated[None, _refused("no prompts are kept here; send its words as instructions")] = Field(
        None, description="Refused: its words are `instructions`."
    )
    background: Annotated[None, _refused("a response is made while its client waits; leave it out, or stream")] = Field(
        None, description="Refused: a response is made while its client waits."
    )
    top_logprobs: Annotated[None, _refused("probabilities of tokens are not told here; leave it out")] = Field(
        None, description="Refused: probabilities of tokens are not told."
    )
    memsvc: Memory = Field(default_factory=Memory, description="Whose memory, and how it is used.")


class InputDetails(BaseModel):
    """Of the tokens read."""

    cached_tokens: int = Field(description="So many the model had read before.")
    cache_write_tokens: int = Field(description="So many it put by; not told by an endpoint, and 0.")


class OutputDetails(BaseModel):
    """Of the tokens written."""

    reasoning_tokens: int = Field(description="So many were thoughts.")


class Usage(BaseModel):
    """Tokens, as the model counts them."""

    input_tokens: int = Field(description="Read: what was sent, and what was remembered.")
    input_tokens_details: InputDetails = Field(description="Of those.")
    output_tokens: int = Field(description="Written.")
    output_tokens_details: OutputDetails = Field(description="Of those.")
    total_tokens: int = Field(description="Both.")


class Incomplete(BaseModel):
    """Why the reply ends before its end."""

    reason: Literal["max_output_tokens", "content_filter"] = Field(description="The limit, or the endpoint's filter.")


class Failure(BaseModel):
    """What went wrong in a stream."""

    code: str = Field(description="Always server_error.")
    message: str = Field(description="What went wrong, and what to do.")


class ResponseReply(BaseModel):
    """A response, in OpenAI's shape. What was asked stands in it again."""

    id: str = Field(description="Its name; it is not kept under it.")
    object: Literal["response"] = Field("response", description="What it is.")
    created_at: int = Field(description="When, in seconds since 1970.")
    status: Literal["in_progress", "completed", "incomplete", "failed"] = Field(description="How far it came.")
    background: bool = Field(False, description="Always false.")
    error: Failure | None = Field(None, description="What went wrong; null for nothing.")
    incomplete_details: Incomplete | None = Field(None, description="Why it is incomplete.")
    instructions: str | None = Field(description="As asked.")
    max_output_tokens: int | None = Field(description="As asked.")
    metadata: dict[str, str] = Field(description="As asked.")
    model: str = Field(description="The model that replied.")
    output: list[dict[str, Any]] = Field(
        description="Items: a `message` with parts of type `output_text`, and a `function_call` for each function "
        "that the client is to call."
    )
    parallel_tool_calls: bool = Field(description="As asked.")
    previous_response_id: None = Field(None, description="Always null.")
    reasoning: dict[str, Any] = Field(description="As asked.")
    store: bool = Field(False, description="Always false: no response is kept to be fetched.")
    temperature: float | None = Field(description="As asked.")
    text: dict[str, Any] = Field(description="As asked.")
    tool_choice: str | dict[str, Any] = Field(description="As asked.")
    tools: list[dict[str, Any]] = Field(description="As asked.")
    top_p: float | None = Field(description="As asked.")
    truncation: str = Field(description="As asked.")
    usage: Usage | None = Field(None, description="Tokens; null where the endpoint does not tell them.")
    user: str | None = Field(description="As asked.")
    memsvc: dict[str, Any] | None = Field(
        None,
        description="Of a grounded reply `path`, `abstained`, `answerable` and `citations`, as an answer has them.",
    )
