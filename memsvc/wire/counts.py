"""What a namespace holds, in numbers."""

from __future__ import annotations

from pydantic import Field

from memsvc.wire.base import NamespaceRef, Response


class TokenStats(Response):
    """How far what was said was compressed, in tokens."""

    verbatim: int = Field(description="Tokens of all messages, word for word.")
    distilled: int = Field(description="Tokens of the units.")
    compression: float | None = Field(description="Distilled over verbatim; null before anything is counted.")


class ModelUsage(Response):
    """What the calls of a language model for one step cost."""

    calls: int = Field(description="How many calls there were.")
    failures: int = Field(description="How many of them gave no reply that could be taken.")
    prompt_tokens: int = Field(
        description="Tokens that the model read, as it counted them; what it had read before not."
    )
    completion_tokens: int = Field(description="Tokens that the model wrote, as it counted them.")
    seconds: float = Field(description="How long the calls took together.")
    tokens_today: int = Field(description="Tokens read and written since the day began (UTC).")


class NamespaceStats(Response):
    """What a namespace holds."""

    namespace: NamespaceRef
    seq: int = Field(description="The number of changes of the namespace so far.")
    sessions: int = Field(description="How many sessions there are.")
    exchanges: int = Field(description="How many exchanges were stored.")
    messages: int = Field(description="How many messages are kept word for word.")
    skipped: dict[str, int] = Field(
        description="Reason -> how many messages, or parts of them, gave no unit; they are kept word for word."
    )
    units: dict[str, int] = Field(description="Units by status, without abstracts, which repeat others.")
    kinds: dict[str, int] = Field(description="Active units by kind.")
    distillers: dict[str, int] = Field(description="Active units by what distilled them.")
    versions: int = Field(description="Versions of units, the current ones included.")
    tokens: TokenStats = Field(description="How far what was said was compressed.")
    jobs: dict[str, int] = Field(description="Background jobs by state.")
    unknown_share: float | None = Field(
        None,
        description="Of the newest 500 active units the share, 0 to 1, of which the encoder does not know half of the "
        "words or more; they have no meaning to be searched by and are found by their words alone. Null where none is "
        "encoded.",
    )
    language_model: dict[str, ModelUsage] = Field(
        default_factory=dict,
        description="Step (refine, summarise, judge, connect, identify, answer, same, plan, chat, read_ahead) -> what "
        "the calls of language models for it cost; of steps that made any.",
    )
