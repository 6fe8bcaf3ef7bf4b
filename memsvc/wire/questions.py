"""A question, and the memories that bear on it: recall and context."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from memsvc.wire.base import (
    Degraded,
    Head,
    Id,
    Metadata,
    Moment,
    Named,
    Question,
    Request,
    Response,
    Timings,
    example,
)
from memsvc.wire.reads import SourceRef, UnitKind, ValidTo


class RecallFilter(Request):
    """Only what passes all of these. An empty list leaves everything in."""

    sessions: list[Named] = Field(
        default_factory=list, max_length=1_000, description="Only what was said in one of these sessions."
    )
    speakers: list[Named] = Field(
        default_factory=list,
        max_length=1_000,
        description="Only what one of these said; other declared names of a person count too.",
    )
    roles: list[Literal["user", "assistant", "system", "tool"]] = Field(
        default_factory=list, max_length=4, description="Only what was said in one of these roles."
    )
    since: Moment | None = Field(
        None, description="Only what was said then or later; ISO 8601, without an offset read as UTC."
    )
    until: Moment | None = Field(None, description="Only what was said before then; ISO 8601, likewise.")
    kinds: list[UnitKind] = Field(
        default_factory=list, max_length=20, description="Only memory units of one of these kinds."
    )
    persons: list[Named] = Field(
        default_factory=list, max_length=1_000, description="Only memory units about one of these persons."
    )
    metadata: Metadata = Field(
        default_factory=dict,
        description="Only messages stored with each of these keys with this value, and perhaps others; at most 16,384 "
        "characters as JSON.",
    )


class Asked(Request):
    """A question, and which memories may answer it."""

    query: Question = Field(
        description="The question in words; not blank, without NUL. Of more than 8,192 characters the last ones count, "
        "at most 1,000,000 are taken."
    )
    asked_at: Moment | None = Field(
        None,
        description="When the question is asked: relative dates in it are read against that. ISO 8601 between the "
        "years 1000 and 9000, without an offset read as UTC. Null: at `as_of`, or now.",
    )
    as_of: Moment | None = Field(None, description="Asks what was so at that moment. Null: what is so.")
    known_at: Moment | None = Field(None, description="Only what had been recorded by that moment. Null: everything.")
    only: RecallFilter | None = Field(None, description="Only what passes these filters. Null: everything.")
    min_trust: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="Only what is trusted at least so far, 0 to 1."
    )
    sweep: bool = Field(
        False,
        description="The memories are spread over messages, matters and sessions instead of the best alone, for "
        'questions like "summarise …", "list all …", "in which order …", "how many …".',
    )


class Planned(Request):
    """Whether a language model helps to look a question up."""

    plan: bool = Field(
        False,
        description="The language model, where one is configured, makes up to three searches of the question, looks at "
        "what they found, and searches once more for what is missing. `plan` of the reply tells what it did; without a "
        "model the question is looked up as it stands.",
    )


class PlanSearch(Response):
    """One search of a plan."""

    words: str = Field(description="What was searched for.")
    persons: list[str] = Field(description="Whom it is about, by the model.")
    since: dt.datetime | None = Field(description="The beginning of the time that it is about; null: none is named.")
    until: dt.datetime | None = Field(description="The end of that time, which is no part of it; null: likewise.")
    by: Literal["question", "plan", "reflection"] = Field(
        description="What made it: the question as it was asked, the plan, or the look at what had been found."
    )
    found: int = Field(description="How many memories it found.")
    new: int = Field(description="How many of them no search before it had found.")


class PlanTold(Response):
    """How a question was looked up with a plan."""

    searches: list[PlanSearch] = Field(description="The searches in their order, the question itself first.")
    ended: Literal["done", "no model", "not allowed", "no time left", "no tokens left", "failed", "unreadable"] = Field(
        description="Why no more was searched for: `done`; `no model` is configured; `not allowed`: the namespace "
        "keeps language models out; `no time left` or `no tokens left` of what the operator set; `failed`: the model "
        "did not answer; `unreadable`: its reply held no searches. What was found until then is served."
    )
    calls: int = Field(description="How often the model was asked.")
    prompt_tokens: int = Field(description="How many tokens it read, by its own count.")
    completion_tokens: int = Field(description="How many tokens it wrote, by its own count.")
    took_ms: float = Field(description="How long the plan with its searches took.")


PLAN: Final = Field(None, description="How it was looked up, where `plan` asked for one; else null.")


class RecallAsked(Asked):
    """What a question for memories in a list says beside the question."""

    limit: Annotated[int, Field(ge=1, le=200)] | None = Field(
        10,
        description="At most so many. Null: those that are worth showing, spread as in a sweep: 3 to 20, of a sweep up "
        "to 50.",
    )
    trace: bool = Field(False, description="Tells what each stage of the search saw.")
    explain: Id | None = Field(
        None, description="The id of a unit or a message: the trace tells how it fared, found or not."
    )


class RecallRequest(RecallAsked, Planned):
    """A question for memories in a list."""

    model_config = example({"query": "What instrument does Caroline play?", "limit": 5})


class RecallResult(Response):
    """One ranked memory."""

    unit_id: str | None = Field(description="The id of the memory unit; null: a message that is kept verbatim only.")
    text: str = Field(description="The memory in words, to be read on its own.")
    kind: str = Field(
        description="The unit's kind: fact, event, preference, instruction, state, artefact; or `message`."
    )
    score: float = Field(description="The higher, the better; comparable within one reply only.")
    status: str = Field(description="`active`, or `superseded`: it was so until `valid_to`.")
    sources: list[SourceRef] = Field(description="The messages that it was made from.")
    t_mention: dt.datetime = Field(description="When it was said.")
    t_start: dt.datetime | None = Field(description="The beginning of the time that it speaks of; null: it names none.")
    t_end: dt.datetime | None = Field(description="The end of that time, which is no part of it; null: it names none.")
    valid_to: ValidTo = None
    superseded_by: str | None = Field(None, description="The id of the unit that took its place; null: none did.")
    doubted_by: str | None = Field(
        None, description="The id of a later unit that may have ended it, where it is asked how things are; else null."
    )


class Support(Response):
    """How far the first results bear the question."""

    answerable: float = Field(
        description="Abstain by this: the probability, 0 to 1, that they answer it, where every second question can be "
        "answered; 0 when nothing was found."
    )
    coverage: float = Field(
        description="The share of the question's words, by rarity, that one of the first three has, 0 to 1; what "
        "nobody ever said counts as the rarest."
    )
    cosine: float = Field(description="The best likeness in meaning of the first three, a cosine.")
    speaker: bool | None = Field(
        description="Whether the one person that the question names said one of them; null when it names none."
    )


class RecallResponse(Response):
    """The memories that bear on the question."""

    seq: Head
    support: Support = Field(description="How far they bear it.")
    results: list[RecallResult] = Field(description="The best first, or spread as in a sweep.")
    timings_ms: Timings
    trace: dict[str, Any] | None = Field(
        None, description="What each stage saw; only where `trace` or `explain` asked for it."
    )
    degraded: Degraded = None
    plan: PlanTold | None = PLAN


class Budgeted(Asked):
    """A question for memories as a text of a size."""

    budget_tokens: Annotated[int, Field(ge=16, le=32_768)] | None = Field(
        1_024,
        description="At most so many tokens. Null: what is worth showing, spread as in a sweep, in at most 3,000.",
    )


class ContextRequest(Budgeted, Planned):
    """A question for memories as a text for a prompt."""

    model_config = example({"query": "What instrument does Caroline play?", "budget_tokens": 512})

    pinned: bool = Field(
        False,
        description="The text begins with what holds whatever is asked: what is so of the persons, how they want "
        "things, and the standing instructions, oldest first, in at most a third of the budget. As long as that, the "
        "filters and the budget are the same, so are its bytes, whatever the question.",
    )
    since_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None,
        description="The `pinned_sha256` of an earlier reply whose pinned part is still in the prompt: while it is the "
        "same, the text has only what goes behind it. With `pinned` alone.",
    )

    @model_validator(mode="after")
    def _pins(self) -> ContextRequest:
        if self.since_sha256 is not None and not self.pinned:
            raise ValueError("since_sha256 is about the pinned part; send pinned: true with it")
        return self


class PassageResult(Response):
    """What stands behind one number of the text: the statements of one message that were taken."""

    text: str = Field(description="The passage in words, without its number.")
    unit_id: str | None = Field(None, description="The id of the best unit in it; null: a message word for word.")
    unit_ids: list[str] = Field(default_factory=list, description="The ids of the units in it, in their order.")
    sources: list[SourceRef] = Field(description="The messages that it was made from.")


class ContextResponse(Response):
    """Memories as a text for a prompt, with its sources."""

    seq: Head
    text: str = Field(
        description="The passages in time order within the budget, a pinned part first; [n] is the n-th of `passages`."
    )
    tokens: int = Field(description="How many tokens the text has.")
    prefix_sha256: str = Field(
        description="SHA-256 of the text's bytes, in hex. A prompt that begins with the text and ends with the "
        "question has the same prefix as long as this is the same, so that a model server's prefix cache is hit."
    )
    passages: list[PassageResult] = Field(
        description="What stands behind each number, from 1; those of a pinned part first, even where it is left out."
    )
    pinned_sha256: str | None = Field(
        None,
        description="SHA-256 of the pinned part's bytes, in hex; that of nothing where nothing is pinned. Null: it was "
        "not asked for.",
    )
    pinned_tokens: int | None = Field(None, description="How many tokens the pinned part has. Null: likewise.")
    pinned_chars: int | None = Field(
        None,
        description="The text's first so many characters (Unicode code points) are the pinned part; 0 where it is left "
        "out or there is none. Null: likewise.",
    )
    pinned_unchanged: bool | None = Field(
        None,
        description="Whether the pinned part is that of `since_sha256`, and is left out of the text. Null: none "
        "was sent.",
    )
    support: Support = Field(description="How far they bear the question.")
    timings_ms: Timings
    degraded: Degraded = None
    plan: PlanTold | None = PLAN
