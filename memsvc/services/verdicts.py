"""Let a language model say whether one statement ends another where the learned judge leaves a doubt: a job, pair by
pair. What it said is stored, and a consolidation behind it goes by that.

One pair a call, so that words which are no statement but orders to the model can reach the verdict on their own pair
at most. A reply is believed where it quotes both statements. What comes late, cannot be read or quotes nothing leaves
the judge's verdict as it is: the job's result counts it, and the pair is not asked about again before a rebuild.
"""

from __future__ import annotations

import collections
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.judgement import Judgement, digest
from memsvc.models import replies
from memsvc.models.generator import Generated, GeneratorLate
from memsvc.prompts import JUDGE
from memsvc.services import follow_ups, secrecy, writing
from memsvc.services.costs import Asking
from memsvc.services.work import Lease
from memsvc.store import exchanges, jobs, judgements, units
from memsvc.store.units import StoredUnit

KIND = "judge"
# So many pairs a job asks about; a further job takes the rest, behind what was queued meanwhile.
_AT_ONCE = 50
# Shorter quotes stand in any text.
_LEAST_QUOTE = 4
_SOURCES = 3
_CHARS = 600
# As the prompt asks for them.
VERDICTS = _ENDS, _BOTH, _UNCLEAR = "ends", "both hold", "unclear"
_REPLACES = {_ENDS: True, _BOTH: False}


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two: its unit, and the characters that it was made from."""

    unit_id: str
    day: str
    statement: str
    sources: tuple[str, ...]

    def as_data(self) -> Mapping[str, object]:
        return {"said_on": self.day, "statement": self.statement[:_CHARS], "from": list(self.sources)}

    def has(self, quote: object) -> bool:
        """Whether the quote stands here, but for case and spaces."""
        plain = _plain(quote) if isinstance(quote, str) else ""
        return len(plain) >= _LEAST_QUOTE and any(plain in _plain(text) for text in (self.statement, *self.sources))


class Verdicts:
    def __init__(self, model: Asking) -> None:
        self._model = model

    def run(self, lease: Lease) -> None:
        """The job's handler, over the pairs (earlier, later) of unit ids in its payload. Raises GeneratorFailed, to be
        tried again from the pair that it came to, and GeneratorRefused.
        """
        job = lease.job
        pairs = [(str(earlier), str(later)) for earlier, later in job.payload.get("pairs", [])]
        ahead, rest = pairs[:_AT_ONCE], pairs[_AT_ONCE:]
        counts = collections.Counter({str(k): int(v) for k, v in job.payload.get("counts", {}).items()})
        for number, (earlier, later) in enumerate(ahead, start=1):
            made = self._judge(lease, earlier, later, counts)
            with lease.transaction() as (connection, locked):
                if made is not None:
                    _keep(connection, locked, made, counts)
                progress = dict(job.payload) | {"pairs": pairs[number:], "counts": dict(counts)}
                jobs.advance(connection, job, number, len(ahead), progress)
        with lease.transaction() as (connection, locked):
            if rest:
                jobs.enqueue(connection, locked, KIND, f"{KIND}:{uuid.uuid4()}", {"pairs": rest})
            lease.finish(connection, dict(counts) | {"model": self._model.name})

    def _judge(self, lease: Lease, earlier: str, later: str, counts: collections.Counter[str]) -> Judgement | None:
        """None where there is nothing to ask: one of the two is gone, or they were judged as they are."""
        with lease.reading() as (connection, space):
            found = units.by_id(connection, space, [earlier, later])
            if len(found) < 2:
                return None
            texts = digest(found[earlier].unit.text, found[later].unit.text)
            # What a model is told is served.
            shown = secrecy.veil(connection, space)(found)
            one, other = _side(connection, space, shown[earlier]), _side(connection, space, shown[later])
            if judgements.holds(connection, space, earlier, later, texts):
                return None
        replaces = self._ask(lease, one, other, counts)
        return Judgement(earlier, later, texts, replaces, JUDGE.said_by(self._model.name))

    def _ask(self, lease: Lease, earlier: _Side, later: _Side, counts: collections.Counter[str]) -> bool | None:
        """Whether the later one ends the earlier, as far as the reply can be read and believed."""
        told = json.dumps({"earlier": earlier.as_data(), "later": later.as_data()}, ensure_ascii=False, indent=1)
        try:
            reply = self._model.ask(lease, JUDGE, JUDGE.ask(statements=told))
        except GeneratorLate:
            counts["no verdict: late"] += 1
            return None
        value = _read(reply)
        if value is None:
            counts["no verdict: late" if reply.stopped == "time" else "no verdict: unreadable"] += 1
            return None
        if value["verdict"] == _UNCLEAR:
            counts["no verdict: unclear"] += 1
            return None
        if not (earlier.has(value.get("earlier_quote")) and later.has(value.get("later_quote"))):
            counts["no verdict: not grounded"] += 1
            return None
        counts[str(value["verdict"])] += 1
        return _REPLACES[value["verdict"]]


def _keep(connection: sa.Connection, locked: Namespace, made: Judgement, counts: collections.Counter[str]) -> None:
    """Store what was said, if the two stand as they were asked about, and let a consolidation see it."""
    now = units.by_id(connection, locked, [made.earlier, made.later])
    if len(now) < 2 or made.digest != digest(now[made.earlier].unit.text, now[made.later].unit.text):
        counts["changed meanwhile"] += 1
        return
    judgements.put(connection, locked, made)
    if made.replaces is not None:
        batch = writing.Batch(connection, locked)
        batch.look_again(made.later)
        follow_ups.consolidation(connection, locked, batch.commit())


def _side(connection: sa.Connection, space: Namespace, stored: StoredUnit) -> _Side:
    sources = stored.unit.sources[:_SOURCES]
    said = secrecy.veil(connection, space)(
        exchanges.by_id(connection, space, {source.message_id for source in sources})
    )
    words = (said[source.message_id].message.content[source.start : source.end][:_CHARS] for source in sources)
    return _Side(stored.unit.id, stored.unit.t_mention.date().isoformat(), stored.unit.text, tuple(words))


def _read(reply: Generated) -> dict[str, Any] | None:
    """The reply's object, None where it has no verdict of ours."""
    try:
        value = replies.value(reply.text, "{")
    except replies.Unreadable:
        return None
    known = isinstance(value, dict) and value.get("verdict") in VERDICTS
    return value if known else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
