"""The official formats, each read into the same shapes."""

from __future__ import annotations

from pathlib import Path

from eval.sets import beam, locomo, longmemeval, memorybank, own
from eval.sets.model import BadDataset, Dataset
from eval.sets.places import load


def read(path: Path) -> Dataset:
    """A set in whichever of the formats it is. Raises BadDataset."""
    if path.is_dir():
        return memorybank.read(path) if memorybank.files(path) else beam.read(path)
    found = load(path)
    if memorybank.is_form(found):
        return memorybank.read(path)
    if isinstance(found, dict):
        return own.read(path)
    if not isinstance(found, list) or not found:
        raise BadDataset(f"{path}: expected a list of conversations")
    if isinstance(found[0], dict) and "haystack_sessions" in found[0]:
        return longmemeval.read(path)
    return locomo.read(path)
