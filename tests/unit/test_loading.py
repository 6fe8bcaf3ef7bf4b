"""What the settings choose among the models."""

from __future__ import annotations

import pytest

from memsvc import errors, loading
from memsvc.models.endpoint import EndpointGenerator
from memsvc.models.local import LocalGenerator
from memsvc.settings import Settings


def settings(**generator: str) -> Settings:
    chosen = Settings()
    chosen.generator = chosen.generator.model_copy(update={"model": None, "url": None} | generator)
    return chosen


def test_the_generator_is_an_endpoint_where_there_is_an_address_and_else_a_model_on_this_machine() -> None:
    assert loading.generator(settings()) is None
    assert isinstance(loading.generator(settings(model="m", url="http://127.0.0.1:1/v1")), EndpointGenerator)
    assert isinstance(loading.generator(settings(model="m")), LocalGenerator)


def test_a_half_configuration_says_what_is_missing() -> None:
    with pytest.raises(errors.Invalid, match="MEMSVC_GENERATOR_MODEL"):
        loading.generator(settings(url="http://127.0.0.1:1/v1"))
