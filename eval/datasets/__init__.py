"""The official formats, each read into the same shapes."""

from __future__ import annotations

import json
from pathlib import Path

from eval.datasets import beam, locomo, longmemeval
from eval.datasets.model import BadDataset, Dataset


def read(path: Path) -> Dataset:
    """A set in whichever of the formats it is. Raises BadDataset."""
    if path.is_dir():
        return beam.read(path)
    try:
        first = json.loads(path.read_text(encoding="utf-8"))[0]
    except OSError as error:
        raise BadDataset(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BadDataset(f"{path} is not JSON: {error}") from None
    except (LookupError, TypeError):
        raise BadDataset(f"{path}: expected a list of conversations") from None
    if isinstance(first, dict) and "haystack_sessions" in first:
        return longmemeval.read(path)
    return locomo.read(path)
