"""What a key may do in some namespaces alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# What can be granted; `admin` is of the whole account.
SCOPES = ("read", "write", "erase")


@dataclass(frozen=True, slots=True)
class Grant:
    """`namespaces` is a namespace's name, or a pattern in which each `*` stands for any run of characters."""

    namespaces: str
    scopes: tuple[str, ...]

    def covers(self, namespace: str) -> bool:
        """Whether all of the name fits. In time linear in its length for each `*`, whatever the pattern."""
        return fits(self.namespaces, namespace)


def fits(pattern: str, namespace: str) -> bool:
    """Whether all of the name fits the pattern."""
    first, *rest = pattern.split("*")
    if not rest:
        return namespace == first
    *middle, last = rest
    at, end = len(first), len(namespace) - len(last)
    if at > end or not (namespace.startswith(first) and namespace.endswith(last)):
        return False
    for part in middle:
        # The first place is as good as any: it leaves the most behind it.
        place = namespace.find(part, at, end)
        if place < 0:
            return False
        at = place + len(part)
    return True


def read(held: Iterable[Mapping[str, Any]] | None) -> tuple[Grant, ...] | None:
    """Grants from JSON; None where there are none, which is not the same as an empty list."""
    return None if held is None else tuple(Grant(item["namespaces"], tuple(item["scopes"])) for item in held)


def written(grants: Iterable[Grant] | None) -> list[dict[str, Any]] | None:
    """Grants as JSON, their scopes in one order."""
    if grants is None:
        return None
    return [{"namespaces": item.namespaces, "scopes": [s for s in SCOPES if s in item.scopes]} for item in grants]
