"""OpenAI's official client asks for vectors."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from api.chat.embeddings import MAX_CHARS, MAX_TEXTS
from memsvc.bootstrap import Service
from memsvc.models import tokens
from tests.stored import rows
from tests.waiting import LIMIT_S

TEXTS = ["I keep bees on the roof.", "Ines studies botany in Porto.", "Où est le chat ?"]


@pytest.fixture
def ai(base_url: str, service: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{base_url}/v1", api_key=service.api_key, max_retries=0) as made:
        yield made


@pytest.fixture
def http(base_url: str, service: Service) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {service.api_key}", "Content-Type": "application/json"}
    with httpx.Client(base_url=base_url, headers=headers, timeout=LIMIT_S) as made:
        yield made


def test_vectors_are_the_encoders_own_in_both_encodings(ai: openai.OpenAI, service: Service) -> None:
    unasked = ai.embeddings.create(model="memsvc", input=TEXTS)  # for which the client asks for base64
    as_numbers = ai.embeddings.create(model="memsvc", input=TEXTS, encoding_format="float")
    as_base64 = ai.embeddings.create(model="memsvc", input=TEXTS, encoding_format="base64")
    wanted = service.encoder.encode(TEXTS)
    decoded = [np.frombuffer(base64.b64decode(str(one.embedding)), dtype="<f4") for one in as_base64.data]
    assert np.array_equal(np.stack(decoded), np.array([one.embedding for one in unasked.data], dtype=np.float32))
    assert np.array_equal(np.stack(decoded), np.array([one.embedding for one in as_numbers.data], dtype=np.float32))
    assert np.allclose(decoded, wanted, atol=1e-6)
    assert [one.index for one in unasked.data] == [0, 1, 2]
    assert unasked.model == service.encoder.name
    assert unasked.usage.prompt_tokens == unasked.usage.total_tokens == sum(map(tokens.count, TEXTS))


def test_one_text_the_encoders_name_and_its_own_dimensions_are_taken(ai: openai.OpenAI, service: Service) -> None:
    assert service.encoder.name in {model.id for model in ai.models.list()}
    one = ai.embeddings.create(
        model=service.encoder.name, input=TEXTS[0], dimensions=service.encoder.width, user="u", encoding_format="float"
    )
    assert len(one.data) == 1
    assert np.allclose(one.data[0].embedding, service.encoder.encode(TEXTS[:1])[0], atol=1e-6)


def test_what_lies_beyond_the_encoders_length_counts_too(ai: openai.OpenAI, service: Service) -> None:
    long = "I keep bees on the roof. " * 60
    vectors = [np.array(ai.embeddings.create(model="memsvc", input=text).data[0].embedding)
               for text in (long, long + "Ines studies botany in Porto. " * 60)]  # fmt: skip
    assert vectors[0] @ vectors[1] < 0.99
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert ai.embeddings.create(model="memsvc", input=long).usage.prompt_tokens == tokens.count(long)


def test_many_texts_have_their_vectors_in_their_order(ai: openai.OpenAI, service: Service) -> None:
    texts = [f"Number {n}: {TEXTS[n % 3] * (1 + n % 5)}" for n in range(100)]
    found = ai.embeddings.create(model="memsvc", input=texts)
    assert np.allclose([one.embedding for one in found.data], service.encoder.encode(texts), atol=0.02)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"input": []}, "input"), ({"input": ""}, "empty text"), ({"input": ["a", " "]}, "empty text"),
    ({"input": [1, 2, 3]}, "send text"), ({"input": [[1, 2], [3]]}, "send text"), ({"input": "a\x00"}, "NUL"),
    ({"input": ["x"] * (MAX_TEXTS + 1)}, str(MAX_TEXTS)), ({"input": ["x" * (MAX_CHARS // 2)] * 3}, "several requests"),
    ({"dimensions": 5}, "384 dimensions"), ({"encoding_format": "int8"}, "encoding_format"), ({"size": 1}, "size"),
    ({"input": {"a": 1}}, "input"), ({"input": [None]}, "input"), ({"user": 5}, "user"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "words"), REFUSED, ids=[f"{n} {words}" for n, (_, words) in enumerate(REFUSED)])
def test_what_cannot_be_encoded_is_refused_in_a_sentence(http: httpx.Client, more: dict[str, Any], words: str) -> None:
    reply = http.post("/v1/embeddings", json={"model": "memsvc", "input": "x"} | more)
    assert reply.status_code == 422, reply.text
    error = reply.json()["error"]
    assert words in error["message"] + str(error["param"])
    assert reply.json()["next_step"]


def test_an_unknown_model_is_not_found_and_the_sentence_says_which_there_is(
    ai: openai.OpenAI, service: Service
) -> None:
    with pytest.raises(openai.NotFoundError, match=service.encoder.name) as missing:
        ai.embeddings.create(model="text-embedding-3-small", input="x")
    assert missing.value.code == "not-found"


def test_nothing_is_stored_and_a_lone_surrogate_is_refused(http: httpx.Client, service: Service) -> None:
    before = rows(service, service.tenant_id)
    http.post("/v1/embeddings", json={"model": "memsvc", "input": TEXTS}).raise_for_status()
    for body in ({"input": "\ud800"}, {"model": "\ud800"}, {"user": "\ud800"}):
        sent = json.dumps({"model": "memsvc", "input": "x"} | body)
        assert http.post("/v1/embeddings", content=sent).status_code in (404, 422, 200)
    assert rows(service, service.tenant_id) == before


def test_of_all_requests_one_small_batch_is_encoded_at_a_time(
    http: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, lock = service.encoder.encode, threading.Lock()
    sizes: list[int] = []

    def watched(texts: Sequence[str]) -> Any:
        assert lock.acquire(blocking=False), "two batches at once"
        try:
            sizes.append(len(texts))
            return encode(texts)
        finally:
            lock.release()

    monkeypatch.setattr(service.encoder, "encode", watched)
    body = {"model": "memsvc", "input": [f"Number {n}." for n in range(100)]}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for reply in pool.map(lambda _: http.post("/v1/embeddings", json=body), range(4)):
            assert len(reply.raise_for_status().json()["data"]) == 100
    assert sorted(sizes) == [4] * 4 + [32] * 12
