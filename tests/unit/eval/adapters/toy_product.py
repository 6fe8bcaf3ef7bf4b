"""A product for the tests: it ranks turns by the words that they share with the question, and is noisy about it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar


class Words:
    REQUIREMENTS: ClassVar[Sequence[str]] = ()
    OPTIONAL: ClassVar[Sequence[str]] = ()

    def __init__(self, folder: Path) -> None:
        (folder / "touched").write_text("its own folder")
        self._turns: dict[str, list[Mapping[str, Any]]] = {}

    def about(self) -> str:
        return "words in common"

    def add(self, conversation: str, turns: Sequence[Mapping[str, Any]]) -> None:
        print("noise on the standard output")  # noqa: T201
        self._turns[conversation] = list(turns)

    def search(self, conversation: str, question: str, asked_at: str, limit: int) -> list[str]:
        if "break" in question:
            raise RuntimeError("the shelf is broken")
        if "die" in question:
            os._exit(3)
        asked = set(question.lower().split())
        said = {turn["id"]: len(asked & set(turn["text"].lower().split())) for turn in self._turns[conversation]}
        return [*sorted(said, key=lambda turn: -said[turn]), "no turn of this conversation"][:limit]


class Packed(Words):
    """The same with a requirement, which the test sets."""

    REQUIREMENTS = (os.environ.get("TOY_WHEEL", ""),)
    OPTIONAL = ("/nowhere/at-all.whl",)

    def about(self) -> str:
        import toy_shelf  # type: ignore[import-not-found]

        return str(toy_shelf.NAME)
