"""A conversation that was answered or asked again is a tree: the way to one of its leaves is what is read."""

from __future__ import annotations

from collections.abc import Mapping


def way(parents: Mapping[str, str | None], said_at: Mapping[str, float], leaf: object = None) -> list[str]:
    """The nodes from the root to `leaf`; where that is no node, to the leaf that was said last, and of those said at
    the same time to the one with the longest way. A circle is walked once.

    `said_at` (seconds) may lack nodes.
    """
    if isinstance(leaf, str) and leaf in parents:
        return _to(leaf, parents)
    leaves = parents.keys() - {parent for parent in parents.values() if parent is not None}
    if not leaves:
        return []
    # The last word of a branch may have no time; then the last that has one tells how late it was.
    ways = [_to(node, parents) for node in sorted(leaves)]
    return max(ways, key=lambda nodes: (max((said_at[n] for n in nodes if n in said_at), default=0.0), len(nodes)))


def _to(node: str | None, parents: Mapping[str, str | None]) -> list[str]:
    nodes: dict[str, None] = {}
    while node is not None and node in parents and node not in nodes:
        nodes[node] = None
        node = parents[node]
    return list(reversed(nodes))
