"""Let a language model read what was said, window by window of a session: a job. What it says of a rule-made unit is a
new version over it, and what no rule made is a unit beside them.

The model is never waited for by a write, and never asked inside a transaction. What it cannot be asked, what cannot be
read and what is not grounded leaves the rule-made unit as it is, and the job's result counts it with the reason. What
it was asked of each message is kept as a digest, so that it is not asked the same again.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from memsvc.distill import grounding, refine, window
from memsvc.distill.build import Setting
from memsvc.distill.compose import PRECEDING_MESSAGES
from memsvc.distill.refine import Grounded, NotGrounded
from memsvc.distill.window import SHOWN_CHARS, Window
from memsvc.domain import proposition
from memsvc.domain.exchange import Namespace
from memsvc.domain.locale import HERE, Locale
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import MemoryUnit, Status
from memsvc.models import tokens
from memsvc.models.encoder import TextEncoder
from memsvc.models.generator import Generated
from memsvc.models.replies import Unreadable
from memsvc.prompts import REFINE
from memsvc.services import follow_ups, secrecy, writing
from memsvc.services.causes import is_by_rule
from memsvc.services.costs import Asking
from memsvc.services.ingest import ending, require_encoder
from memsvc.services.work import Lease
from memsvc.store import asked, exchanges, jobs, units
from memsvc.store.units import StoredUnit

KIND = "refine"
CAUSE = "rewritten by a model"
FOUND = "found by a model"

Counts = collections.Counter[str]


@dataclasses.dataclass(slots=True)
class _Course:
    """How far a job is: `passed` of `total` messages, in the session behind `last`."""

    total: int
    passed: int
    last: str | None
    counts: Counts


@dataclasses.dataclass(frozen=True, slots=True)
class _Talk:
    """A session as a model may read it: its messages, and by message id its place, the rules' drafts, if it is asked
    about, and the texts of its other units. `gone` are the drafts that a model has rewritten meanwhile.
    """

    messages: Sequence[Message]
    places: Mapping[str, int]
    drafts: Mapping[str, Sequence[MemoryUnit]]
    texts: Mapping[str, list[str]]
    names: tuple[str, ...]
    is_peer_talk: bool
    namespace_id: str
    locale: Locale
    gone: set[str] = dataclasses.field(default_factory=set)

    def left(self, message: Message) -> list[MemoryUnit]:
        """The drafts of the message that stand."""
        return [unit for unit in self.drafts[message.id] if unit.id not in self.gone]

    def setting(self, message: Message) -> Setting:
        """What the message is distilled against."""
        place = self.places[message.id]
        recent = tuple(self.messages[max(0, place - PRECEDING_MESSAGES) : place])
        others = tuple(name for name in self.names if name != message.name)
        return Setting(
            message, recent, others, self.names, self.is_peer_talk, self.namespace_id, tokens.count, self.locale
        )


@dataclasses.dataclass(slots=True)
class _Made:
    """What comes of a window: rule-made units with their next versions, units beside them with the numbers of their
    messages, and the window as far as the reply goes.
    """

    window: Window
    rewritten: list[tuple[MemoryUnit, MemoryUnit]] = dataclasses.field(default_factory=list)
    found: list[tuple[int, MemoryUnit]] = dataclasses.field(default_factory=list)
    counts: Counts = dataclasses.field(default_factory=collections.Counter)


class Refine:
    def __init__(self, encoder: TextEncoder, model: Asking, *, locale: Locale = HERE) -> None:
        self._encoder = encoder
        self._model = model
        self._locale = locale

    def run(self, lease: Lease) -> None:
        """The job's handler, over the messages of the change range in its payload, or over all. Raises GeneratorFailed,
        to be tried again from the window that it came to, and GeneratorRefused.
        """
        payload = lease.job.payload
        after, to = int(payload.get("after", 0)), int(payload.get("to", 2**62))
        with lease.reading() as (connection, space):
            require_encoder(space, self._encoder.name)
            wanted: dict[str, set[str]] = {}
            for message in exchanges.between(connection, space, after, to):
                wanted.setdefault(message.session_id, set()).add(message.id)
        last = payload.get("last_session")
        ahead = sorted(session for session in wanted if last is None or session > last)
        total = sum(map(len, wanted.values()))
        counts = collections.Counter({str(k): int(v) for k, v in payload.get("counts", {}).items()})
        course = _Course(total, total - sum(len(wanted[session]) for session in ahead), last, counts)
        for session in ahead:
            self._session(lease, session, wanted[session], course)
        with lease.transaction() as (connection, locked):
            if counts["rewritten"] or counts["found"]:
                follow_ups.consolidation(connection, locked, locked.head)
            each = round(counts["tokens"] / counts["messages"], 1) if counts["messages"] else 0
            lease.finish(connection, dict(counts) | {"tokens_per_message": each, "model": self._model.name})

    def _session(self, lease: Lease, session: str, wanted: set[str], course: _Course) -> None:
        talk, known = self._read(lease, session, wanted)
        passed, begin = 0, (0, 0)
        while seen := window.following(talk.messages, begin, talk.drafts, tokens.count, self._model.max_tokens):
            made = self._ask(lease, seen, talk)
            passed += sum(message.id in wanted for message in talk.messages[begin[0] : made.window.end[0]])
            begin = made.window.end
            self._store(lease, session, talk, made, course, passed)
        course.counts["asked before"] += known
        course.passed += len(wanted)
        course.last = session
        with lease.transaction() as (connection, _):
            self._advance(connection, lease, course, 0)

    def _advance(self, connection: sa.Connection, lease: Lease, course: _Course, passed: int) -> None:
        """Note how far the job is: `passed` messages into the session behind the last one."""
        progress = dict(lease.job.payload) | {"last_session": course.last, "counts": dict(course.counts)}
        jobs.advance(connection, lease.job, course.passed + passed, course.total, progress)

    def _read(self, lease: Lease, session: str, wanted: set[str]) -> tuple[_Talk, int]:
        """The session, and how many of its messages are not asked about since a model was asked the same before."""
        with lease.reading() as (connection, space):
            # What a model is told is served.
            veil = secrecy.veil(connection, space)
            locale = space.settings.locale(self._locale)
            messages = [
                dataclasses.replace(said, occurred_at=locale.local(said.occurred_at))
                for said in veil(exchanges.of_session(connection, space, session))
            ]
            names = tuple(exchanges.participants(connection, space, session))
            ids = [message.id for message in messages if message.id in wanted]
            by_message = units.of_messages(connection, space, ids)
            found = veil(units.by_id(connection, space, {ref for refs in by_message.values() for ref in refs}))
            digests = asked.of(connection, space, ids)
        drafts: dict[str, list[MemoryUnit]] = {}
        texts: dict[str, list[str]] = {}
        known = 0
        for message in messages:
            here = sorted((found[ref] for ref in set(by_message.get(message.id, ()))), key=lambda item: item.seq)
            texts[message.id] = [item.unit.text for item in here if not _is_draft(item, message)]
            made = [item.unit for item in here if _is_draft(item, message)]
            if made and digests.get(message.id) == window.digest(message, made, self._model.name):
                known += 1
            elif made:
                drafts[message.id] = made
        peers = not any(message.role is Role.ASSISTANT for message in messages) and len(names) > 1
        places = {message.id: place for place, message in enumerate(messages)}
        return _Talk(messages, places, drafts, texts, names, peers, str(space.id), locale), known

    def _ask(self, lease: Lease, seen: Window, talk: _Talk) -> _Made:
        """What the model makes of a window, as far as its reply can be read and believed."""
        reply = self._model.ask(lease, REFINE, window.prompt(seen))
        made = _Made(seen)
        made.counts.update(calls=1, tokens=reply.prompt_tokens + reply.completion_tokens)
        try:
            notes = refine.parse(reply.text)
        except Unreadable:
            reason = "unreadable reply" if reply.stopped == "end" else f"unreadable reply, out of {reply.stopped}"
            made.counts.update({reason: 1, "kept": len(seen.drafts), "messages": len(seen.done)})
            return made
        made.window = _reached(seen, notes, reply)
        made.counts["messages"] += len(made.window.done)
        believed = _believed(notes, made, talk)
        for number in made.window.asked:
            self._of_message(number, [one for one in believed if one.of == number], made, talk)
        return made

    def _of_message(self, number: int, believed: Sequence[Grounded], made: _Made, talk: _Talk) -> None:
        message = made.window.shown[number - 1]
        setting = talk.setting(message)
        left = {unit.id: unit for unit in made.window.of(number)}
        texts = talk.texts[message.id]
        further: list[Grounded] = []
        for one in believed:
            if one.draft is None or left.pop(one.draft.id, None) is None:
                further.append(one)
                continue
            unit = refine.rewritten(one, one.draft, made.window, setting, self._model.name)
            made.rewritten.append((one.draft, unit))
            texts.append(unit.text)
        made.counts["kept"] += len(left)
        # A draft that was rewritten may have said more than what is in its place now.
        ended = talk.gone | {draft.id for draft, _ in made.rewritten}
        stand = [unit.text for unit in talk.drafts[message.id] if unit.id not in ended]
        for one in further:
            if grounding.is_said_by(one.note.text, [*texts, *stand]):
                made.counts["left out: it was said already"] += 1
                continue
            made.found.append((number, refine.fresh(one, made.window, setting, self._model.name)))
            texts.append(one.note.text)

    def _store(self, lease: Lease, session: str, talk: _Talk, made: _Made, course: _Course, passed: int) -> None:
        """What comes of a window, and that it was asked about, in one transaction."""
        fresh = [unit for _, unit in made.rewritten] + [unit for _, unit in made.found]
        vectors = dict(zip((unit.id for unit in fresh), writing.encode(self._encoder, fresh), strict=True))
        ends = {message.id: message.expires_at for message in made.window.shown}
        counts = collections.Counter(made.counts)
        with lease.transaction() as (connection, locked):
            require_encoder(locked, self._encoder.name)
            heard = set(exchanges.ids_of_session(connection, locked, session))
            current = units.by_id(connection, locked, [unit.id for unit in fresh])
            batch = writing.Batch(connection, locked)
            for draft, unit in made.rewritten:
                now = current.get(unit.id)
                if now is None or now.unit.version != draft.version or not _stands(unit, heard):
                    counts["changed meanwhile"] += 1
                    continue
                batch.replace(now, unit, CAUSE, vectors[unit.id])
                counts["rewritten"] += 1
                talk.gone.add(unit.id)
            for number, unit in made.found:
                if unit.id in current or not _stands(unit, heard):
                    counts["left out: it was said already" if unit.id in current else "changed meanwhile"] += 1
                    continue
                exchange = made.window.shown[number - 1].exchange_id
                batch.insert(ending(unit, ends), exchange, session, vectors[unit.id], FOUND)
                counts["found"] += 1
            batch.commit()
            self._note_asked(connection, locked, talk, made.window, heard)
            course.counts.update(counts)
            self._advance(connection, lease, course, passed)

    def _note_asked(
        self, connection: sa.Connection, locked: Namespace, talk: _Talk, seen: Window, heard: set[str]
    ) -> None:
        """Keep what was asked, of each message with the drafts that are left of it: so they stand from now on."""
        messages = [seen.shown[number - 1] for number in seen.done]
        digests = {
            message.id: window.digest(message, talk.left(message), self._model.name)
            for message in messages
            if message.id in heard
        }
        asked.put(connection, locked, digests)


def _reached(seen: Window, notes: Sequence[refine.Note], reply: Generated) -> Window:
    """The window as far as a reply that was cut off has come: what is behind is asked about again, and so is the
    message that it was cut off in, unless it is the first.
    """
    drafted = {n: draft.of for n, draft in enumerate(seen.drafts, start=1)}
    told = sorted({note.of or drafted.get(note.n or 0, 0) for note in notes} & set(seen.asked))
    if reply.stopped == "end" or not told:
        return seen
    is_whole = {n for n, of in drafted.items() if of == told[-1]} <= {note.n for note in notes}
    return seen.up_to(told[-1] if is_whole or len(told) == 1 else told[-2])


def _believed(notes: Sequence[refine.Note], made: _Made, talk: _Talk) -> list[Grounded]:
    """Those that are grounded. The others are counted with the reason, and so are drafts without a note."""
    believed = []
    refused: dict[int, str] = {}
    setting = talk.setting(made.window.shown[-1])
    drafts = range(1, len(made.window.drafts) + 1)
    for note in notes:
        try:
            believed.append(refine.ground(note, made.window, setting))
        except NotGrounded as error:
            if note.n is not None and note.n in drafts:
                refused[note.n] = str(error)
            else:
                made.counts[f"left out: {error}"] += 1
    told = {one.note.n for one in believed}
    made.counts.update(f"kept: {refused.get(n, 'no note')}" for n in drafts if n not in told)
    return believed


def _stands(unit: MemoryUnit, heard: set[str]) -> bool:
    """Whether the messages that a model quoted are still there."""
    return all(source.message_id in heard for source in unit.sources)


def _is_draft(item: StoredUnit, message: Message) -> bool:
    """A rule-made unit of this message, of what is shown of it; what a person or a model wrote stays, what a person
    pinned, and a correction, which ends what stands behind its words.
    """
    unit = item.unit
    if unit.pinned or not unit.sources or proposition.is_correction(unit.text, unit.core_end):
        return False
    made_here = unit.sources[0].message_id == message.id and unit.sources[0].start < SHOWN_CHARS
    return made_here and is_by_rule(item) and unit.status is Status.ACTIVE
