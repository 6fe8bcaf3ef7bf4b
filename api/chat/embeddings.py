"""POST /v1/embeddings, in OpenAI's shape: vectors of this service's own text encoder."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import anyio
import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from api.auth import AnyReader
from api.chat.body import words_or_list
from api.deps import Services
from memsvc import errors
from memsvc.models.encoder import TextEncoder, Vectors
from memsvc.wire.base import Text

MAX_TEXTS = 2_048
MAX_CHARS = 1_000_000
# Texts at once, in the one turn that all requests take: the other threads and the rest of the processor stay for who
# asks the memory.
_BATCH = 32
_CLIENT_LEFT = 499

router = APIRouter(tags=["openai"])


def _no_tokens(given: Any) -> Any:
    if isinstance(given, list) and any(isinstance(one, int | list) for one in given):
        raise ValueError(
            "lists of tokens are another model's, and not read here; send text "
            "(LangChain's OpenAIEmbeddings does with check_embedding_ctx_length=False)"
        )
    return given


def _bounded(given: str | list[str]) -> str | list[str]:
    texts = [given] if isinstance(given, str) else given
    if not all(text.strip() for text in texts):
        raise ValueError("must not hold an empty text; leave it out")
    if sum(map(len, texts)) > MAX_CHARS:
        raise ValueError(f"must have {MAX_CHARS} characters in all at most; send it in several requests")
    return given


class EmbeddingRequest(BaseModel):
    """Texts to be encoded."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"model": "memsvc", "input": ["Ana keeps bees.", "Where does Ana live?"]}]},
    )

    input: Annotated[
        Annotated[Text, Tag("text")] | Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS), Tag("list")],
        Discriminator(words_or_list),
        BeforeValidator(_no_tokens),
        AfterValidator(_bounded),
    ] = Field(description="A text, or several: no empty one, and a million characters in all at most.")
    model: str = Field(description='"memsvc", or the name of its encoder, which GET /v1/models lists.')
    encoding_format: Literal["float", "base64"] | None = Field(
        None, description="Numbers, or base64 of float32 with the least byte first."
    )
    dimensions: int | None = Field(None, description="Only the encoder's own number.")
    user: str | None = Field(None, description="Taken, and of no weight: nothing is stored.")


class Embedding(BaseModel):
    """The vector of one text, of length 1; zeros where the encoder knows none of the words."""

    object: Literal["embedding"] = Field(description="What it is.")
    index: int = Field(description="Which of the texts, from 0.")
    embedding: list[float] | str = Field(description="The numbers, or base64 of them.")


class EmbeddingUsage(BaseModel):
    """Tokens, as the encoder counts them, without its own marks."""

    prompt_tokens: int = Field(description="Of all texts.")
    total_tokens: int = Field(description="The same.")


class EmbeddingList(BaseModel):
    """A vector for each text, in their order."""

    object: Literal["list"] = Field(description="What it is.")
    data: list[Embedding] = Field(description="The vectors.")
    model: str = Field(description="The encoder's name.")
    usage: EmbeddingUsage = Field(description="What was read.")


@router.post("/v1/embeddings", response_model=EmbeddingList)
async def embed(body: EmbeddingRequest, request: Request, caller: AnyReader, service: Services) -> Response:
    """OpenAI's embeddings, by the encoder that the memory is searched with; nothing is stored, nor told of what is. A
    text longer than the encoder reads at once has the mean of its parts.
    """
    encoder = service.encoder
    if body.model not in ("memsvc", encoder.name):
        raise errors.NotFound(
            f"There is no model {body.model} that makes vectors.", f'Use "memsvc", or its name, {encoder.name}.'
        )
    if body.dimensions not in (None, encoder.width):
        raise errors.Invalid(
            f"The vectors of {encoder.name} have {encoder.width} dimensions.", "Leave dimensions out, or ask for those."
        )
    turn: anyio.CapacityLimiter = request.app.state.embedding_turn
    texts = [body.input] if isinstance(body.input, str) else body.input
    async with turn:
        parts = await anyio.to_thread.run_sync(_parts, encoder, texts)
    words = [part for _, part, _ in parts]
    rows = []
    for start in range(0, len(words), _BATCH):
        if await request.is_disconnected():
            return Response(status_code=_CLIENT_LEFT)
        async with turn:
            rows.append(await anyio.to_thread.run_sync(encoder.encode, words[start : start + _BATCH]))
    return await anyio.to_thread.run_sync(_reply, encoder.name, body.encoding_format, parts, np.concatenate(rows))


def _parts(encoder: TextEncoder, texts: Sequence[str]) -> list[tuple[int, str, int]]:
    """What is read at once: of which text, its words, and how many tokens they are."""
    return [(place, part, encoder.count(part)) for place, text in enumerate(texts) for part in encoder.windows(text)]


def _reply(name: str, encoding: str | None, parts: Sequence[tuple[int, str, int]], rows: Vectors) -> Response:
    """Of each text the mean of its parts' rows (n, d), which weigh as much as they have tokens, of unit norm."""
    places, counts = np.array([place for place, _, _ in parts]), np.array([count for _, _, count in parts])
    made = np.zeros((places[-1] + 1, rows.shape[1]), dtype=np.float32)
    np.add.at(made, places, rows * np.maximum(counts, 1)[:, None])
    made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
    told: list[Any] = (
        [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in made]
        if encoding == "base64"
        else made.tolist()
    )
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(told)]
    read = int(counts.sum())
    usage = {"prompt_tokens": read, "total_tokens": read}
    return JSONResponse({"object": "list", "data": data, "model": name, "usage": usage})
