"""What is set for a namespace."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from memsvc.wire.base import Request, Response, example

Secrets = Literal["keep", "mask", "refuse"]
Hemisphere = Literal["northern", "southern"]
LanguageModel = Literal["allowed", "never"]
ReplyShare = Annotated[float, Field(gt=0, le=1)]
Languages = Annotated[list[Annotated[str, Field(min_length=2, max_length=35)]], Field(max_length=20)]
TimeZone = Annotated[str, Field(min_length=1, max_length=64)]
Days = Annotated[float, Field(gt=0, le=36_500)]

_SECRETS = (
    "Whether keys, tokens, passwords, card numbers and IBANs are kept, masked where they would be served, or refused."
)
_RETENTION = "How long what is of which kind is kept, at most one term a kind; none: everything for ever."
_REPLY_SHARE = "Of a long reply's tokens so much is distilled."
_LANGUAGES = (
    "BCP 47 tags of the languages spoken here, the likeliest first: dates are read in these alone, and 03/04 as the "
    "region of the first writes it (en-GB: 3 April). None: each text's own."
)
_TIME_ZONE = "IANA name (Europe/Oslo) by whose clocks moments given in UTC are read: whose yesterday is meant."
_HEMISPHERE = "Whose summer is meant."
_LANGUAGE_MODEL = (
    "never: no language model is given what is said here, neither to answer nor in the background; answers quote "
    "memories, and the chat endpoint refuses the namespace."
)


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


Retention = Annotated[list[RetentionTerm], Field(max_length=7)]


class NewSettings(Request):
    """What is to hold in a namespace. What is not named stays as it is; null: as it is for all of the service."""

    model_config = example(
        {
            "secrets": "mask",
            "time_zone": "Europe/Oslo",
            "retention": [{"kind": "event", "forget_after_days": 365}, {"erase_after_days": 1825}],
        }
    )

    secrets: Secrets | None = Field(None, description=_SECRETS)
    retention: Retention | None = Field(None, description=_RETENTION)
    reply_share: ReplyShare | None = Field(None, description=_REPLY_SHARE)
    languages: Languages | None = Field(None, description=_LANGUAGES)
    time_zone: TimeZone | None = Field(None, description=_TIME_ZONE)
    hemisphere: Hemisphere | None = Field(None, description=_HEMISPHERE)
    language_model: LanguageModel | None = Field(None, description=_LANGUAGE_MODEL)


class NamespaceSettings(Response):
    """What holds in a namespace."""

    secrets: Secrets = Field(description=_SECRETS)
    retention: Retention = Field(description=_RETENTION)
    reply_share: ReplyShare = Field(description=_REPLY_SHARE)
    languages: Languages = Field(description=_LANGUAGES)
    time_zone: TimeZone = Field(description=_TIME_ZONE)
    hemisphere: Hemisphere = Field(description=_HEMISPHERE)
    language_model: LanguageModel = Field(description=_LANGUAGE_MODEL)
    own: list[str] = Field(description="Which of these are set for this namespace; the others hold for all.")
