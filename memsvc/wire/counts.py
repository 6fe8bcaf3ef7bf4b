"""What a namespace holds, in numbers."""

from __future__ import annotations

from memsvc.wire.base import Response


class TokenStats(Response):
    """`compression` is distilled over verbatim; null before anything is counted."""

    verbatim: int
    distilled: int
    compression: float | None


class NamespaceStats(Response):
    """What a namespace holds. `skipped`: reason -> messages that gave no unit (they are kept word for word);
    `units` by status, without abstracts, which repeat others; `kinds` and `distillers` of the active ones; `versions`
    counts the current ones too.
    `unknown_share`: of the newest 500 active units those of which the encoder does not know half of the words or more,
    0 to 1; they have no meaning to be searched by and are found by their words alone. Null where none is encoded.
    """

    namespace: str
    seq: int
    sessions: int
    exchanges: int
    messages: int
    skipped: dict[str, int]
    units: dict[str, int]
    kinds: dict[str, int]
    distillers: dict[str, int]
    versions: int
    tokens: TokenStats
    jobs: dict[str, int]
    unknown_share: float | None = None
