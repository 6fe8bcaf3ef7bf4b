"""Where in a file something is wrong, and what."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eval.sets.model import BadDataset


def load(path: Path) -> Any:
    """The JSON of a file. Raises BadDataset."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadDataset(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BadDataset(f"{path} is not JSON: {error}") from None


@contextlib.contextmanager
def at(place: str) -> Iterator[None]:
    """What goes wrong inside is told as BadDataset with this place before it; places nest."""
    try:
        yield
    except BadDataset as error:
        raise BadDataset(f"{place}, {error}") from None
    except KeyError as error:
        raise BadDataset(f"{place}: {error} is missing") from None
    except (TypeError, ValueError, AttributeError, LookupError, OverflowError) as error:
        raise BadDataset(f"{place}: {error}") from None


def text(item: Any, field: str) -> str:
    """A field that must be there and hold words."""
    value = item[field]
    if not isinstance(value, str):
        raise ValueError(f"{field!r} must be text, and is {_named(value)}")
    return value


def listed(item: Any, field: str) -> list[Any]:
    """A field that must be there and hold a list."""
    value = item[field]
    if not isinstance(value, list):
        raise ValueError(f"{field!r} must be a list, and is {_named(value)}")
    return value


def _named(value: Any) -> str:
    if value is None:
        return "null"
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names[type(value)]
