"""What is set for a namespace."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from memsvc.wire.base import Request, Response, example

Secrets = Annotated[
    Literal["keep", "mask", "refuse"],
    Field(
        description="Whether keys, tokens, passwords, card numbers and IBANs are kept, masked where they would be "
        "served, or refused."
    ),
]
Hemisphere = Annotated[Literal["northern", "southern"], Field(description="Whose summer is meant.")]
LanguageModel = Annotated[
    Literal["allowed", "never"],
    Field(
        description="never: no language model is given what is said here, neither to answer nor in the background; "
        "answers quote memories, and the chat endpoint refuses the namespace."
    ),
]
ReplyShare = Annotated[
    float, Field(gt=0, le=1, description="Of a long reply's tokens so much is distilled; 0.13 where nothing is set.")
]
Languages = Annotated[
    list[Annotated[str, Field(min_length=2, max_length=35)]],
    Field(
        max_length=20,
        description="BCP 47 tags of the languages spoken here, the likeliest first: dates are read in these alone, and "
        "03/04 as the region of the first writes it (en-GB: 3 April).",
    ),
]
TimeZone = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="IANA name (Europe/Oslo) by whose clocks moments given in UTC are read: whose yesterday is meant.",
    ),
]
Days = Annotated[float, Field(gt=0, le=36_500, description="Days since it was said; null: for ever.")]


class RetentionTerm(Request):
    """How long what is of one kind is kept."""

    kind: Literal["fact", "event", "preference", "instruction", "state", "artefact"] | None = Field(
        None,
        description="Of a memory; null: every kind without a term of its own, and what was said without giving one.",
    )
    forget_after_days: Days | None = Field(
        None, description="Then the memory is put away: kept, no longer recalled, restorable. Null: never."
    )
    erase_after_days: Days | None = Field(
        None,
        description="Then what was said is erased for good, once all that was made of it has come so far. Null: never.",
    )


Retention = Annotated[list[RetentionTerm], Field(max_length=7, description="At most one term a kind; none: for ever.")]


class NewSettings(Request):
    """What is to hold in a namespace. What is not named stays as it is; null: as it is for all of the service."""

    model_config = example(
        {
            "secrets": "mask",
            "time_zone": "Europe/Oslo",
            "retention": [{"kind": "event", "forget_after_days": 365}, {"erase_after_days": 1825}],
        }
    )

    secrets: Secrets | None = None
    retention: Retention | None = None
    reply_share: ReplyShare | None = None
    languages: Languages | None = None
    time_zone: TimeZone | None = None
    hemisphere: Hemisphere | None = None
    language_model: LanguageModel | None = None


class NamespaceSettings(Response):
    """What holds in a namespace."""

    secrets: Secrets
    retention: Retention
    reply_share: ReplyShare
    languages: Languages
    time_zone: TimeZone
    hemisphere: Hemisphere
    language_model: LanguageModel
    own: list[str] = Field(description="Which of these are set for this namespace; the others hold for all.")
