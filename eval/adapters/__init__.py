"""Other products in the same run: each in a process and an environment of its own, asked over JSON lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol


class Adapter(Protocol):
    """What is written for a product: a class that takes an empty folder, in a module that imports the product only
    inside its methods, so that it can be looked at where the product is not installed.
    """

    REQUIREMENTS: ClassVar[Sequence[str]]
    """What pip installs for it; none: it runs with the evaluation's own interpreter."""
    OPTIONAL: ClassVar[Sequence[str]]
    """What makes it better where it can be had; `about` says what it ran with."""

    def __init__(self, folder: Path) -> None: ...
    def about(self) -> str:
        """Version and settings, for the report."""
        ...

    def add(self, conversation: str, turns: Sequence[Mapping[str, Any]]) -> None:
        """Take in a whole conversation: `id`, `session`, `role`, `speaker`, `text` (with the speaker's name and a
        picture's caption, as the baselines read it) and `at` (ISO 8601) of each turn, in order.
        """
        ...

    def search(self, conversation: str, question: str, asked_at: str, limit: int) -> Sequence[str]:
        """Ids of turns, best first."""
        ...
