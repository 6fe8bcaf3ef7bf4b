"""The last look at the first memories, by a model that reads question and memory together."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest

from memsvc import errors
from memsvc.domain.context import Memory
from memsvc.models import tokens
from memsvc.models.cross_encoder import CrossEncoder
from memsvc.retrieval import rescoring
from tests.unit.retrieval.test_fusion import asked
from tests.unit.retrieval.test_packing import memory

QUESTION = asked("Where does Ana live?", "Ana")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of random weights, as a model hub would deliver it."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, set_seed

    set_seed(7)
    made = tmp_path_factory.mktemp("cross-encoder")
    tokenizer = AutoTokenizer.from_pretrained(str(tokens.minilm_folder()))
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_labels=1
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(made)
    tokenizer.save_pretrained(made)
    return made


def memories(count: int) -> list[Memory]:
    return [dataclasses.replace(memory(n, f"Ana: I live in town {n}.", n), score=1 - n / 100) for n in range(count)]


def test_the_first_stand_in_the_models_order_and_the_rest_behind_in_its_own(folder: Path) -> None:
    model = CrossEncoder(str(folder), threads=1, device="cpu")
    given = memories(12)
    found, in_time = rescoring.rescored(model.scores, QUESTION, given, 9, 60.0)
    values = model.scores("Where does Ana live?", [item.text for item in given[:9]], time.monotonic() + 60)
    assert in_time and values is not None
    assert ((values > 0) & (values < 1)).all() and len(set(values.tolist())) > 1
    assert [item.unit_id for item in found[:9]] == [
        given[place].unit_id for place in np.argsort(-values, kind="stable")
    ]
    assert [item.unit_id for item in found[9:]] == [item.unit_id for item in given[9:]]
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)


def test_without_the_time_the_order_before_it_stands_and_this_is_told(folder: Path) -> None:
    model = CrossEncoder(str(folder), threads=1, device="cpu")
    given = memories(12)
    assert rescoring.rescored(model.scores, QUESTION, given, 9, 0.0) == (given, False)


def test_what_was_superseded_stays_behind_what_took_its_place() -> None:
    given = memories(2)
    given[0] = dataclasses.replace(given[0], status="superseded")
    found, _ = rescoring.rescored(lambda _, texts, __: np.full(len(texts), 0.9, np.float32), QUESTION, given, 5, 1.0)
    assert [item.unit_id for item in found] == ["u1", "u0"]


def test_a_model_that_cannot_be_had_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(errors.Unavailable, match="MEMSVC_RECALL_CROSS_ENCODER"):
        CrossEncoder(str(tmp_path / "nothing"), threads=1)
