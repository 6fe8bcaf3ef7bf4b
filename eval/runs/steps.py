"""What a language model brings at each step, and what it costs: each step is run on its own copy of the same memory,
which the same questions are asked of, so that steps do not mix; the last copy has them all.
"""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

from eval import measures
from eval.runs import answering, asking, grounding, service
from eval.runs.journal import Journal
from eval.sets.model import Conversation, Dataset, Question
from memsvc.sdk import MemoryClient, Namespace
from memsvc.sdk.errors import MemsvcClientError, NotFound
from memsvc.wire.jobs import JobResult

RECALL, CHANGES, ANSWERS = "recall@10", "changes recognised", "answers, F1"
COSTS = ("calls", "prompt_tokens", "completion_tokens", "seconds", "failures")
# As the sets call questions about what was one way and is another.
_UPDATES = ("knowledge_update", "knowledge-update")
_MAX_TOKENS = 48
_POLL_S = 0.2
# A job that is to wait longer has met a bound of tokens a day, or is one of every day.
_PUT_OFF = dt.timedelta(minutes=10)
_WHY_CHARS = 300
# What no figure hangs on: links with reasons, and names that wait for a person.
_UNMEASURED = frozenset({"connect", "identify"})
# The ranker stays out: the one that is shipped learnt from sets that are measured here.
_PLAIN = {
    "MEMSVC_RECALL_RANKER": "none", "MEMSVC_DISTILL_WITH_MODEL": "false", "MEMSVC_JOB_ATTEMPTS": "2",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """`measured`: what its questions are measured by; `jobs`: the kinds that are asked for, in their order; `queues`:
    whether its service queues a model's work by itself, which judging needs; `plans`: its questions are planned.
    """

    name: str
    title: str
    measured: tuple[str, ...]
    jobs: tuple[str, ...] = ()
    queues: bool = False
    plans: bool = False


OFF = Step("off", "without a model", (RECALL, CHANGES, ANSWERS))
REFINE = Step("refine", "rewriting units", (RECALL,), ("refine",))
SUMMARISE = Step("summarise", "summaries of episodes", (RECALL,), ("summarise",))
# From scratch every pair is looked at again: the doubts that are left are what the model is asked about.
JUDGE = Step("judge", "judging doubts", (RECALL, CHANGES), ("rebuild",), queues=True)
PLAN = Step("plan", "planned searches", (RECALL,), plans=True)
ANSWER = Step("answer", "answers in its words", (ANSWERS,))
ALL = Step(
    "all", "all of them", (RECALL, CHANGES, ANSWERS), (*REFINE.jobs, *SUMMARISE.jobs, *JUDGE.jobs), queues=True,
    plans=True,
)  # fmt: skip
STEPS = (REFINE, SUMMARISE, JUDGE, PLAN, ANSWER, ALL)


@dataclass(frozen=True, slots=True)
class Model:
    """A language model by its name: behind an OpenAI-compatible endpoint, or with `url` None on this machine. `judges`
    is False of one that the service asks for no verdicts.
    """

    name: str
    url: str | None
    judges: bool = True

    def settings(self, *, queues: bool) -> dict[str, str]:
        """Of a service that has it, for what it is asked, or also for what the service queues by itself."""
        told = {"MEMSVC_GENERATOR_MODEL": self.name, "MEMSVC_DISTILL_WITH_MODEL": str(queues).lower()}
        # What is behind an address answers where no reader is set.
        return told | ({"MEMSVC_READER_MODEL": self.name} if self.url is None else {"MEMSVC_GENERATOR_URL": self.url})

    @property
    def left_out(self) -> dict[str, str]:
        """Step -> why it is not run."""
        return {} if self.judges else {JUDGE.name: "The service asks this model for no verdicts: it gives none."}


@dataclass(slots=True)
class Outcome:
    """A line for each question and each conversation of a step that is through; step -> why it was stopped, and what
    it had cost by then.
    """

    lines: list[dict[str, Any]]
    stopped: dict[str, str] = field(default_factory=dict)
    spent: dict[str, dict[str, float]] = field(default_factory=dict)


class Stopped(Exception):
    """A step cannot go on; the message says why."""


def sample(dataset: Dataset, conversations: int | None, per_conversation: int | None, seed: int) -> Dataset:
    """The set's first conversations with so many questions each, drawn by the seed alone, of those that have evidence
    or can be scored.
    """
    chosen = replace(dataset, conversations=dataset.conversations[:conversations])
    drawn = answering.sample(chosen, per_conversation, seed, lambda question: bool(question.evidence))
    return replace(chosen, conversations=tuple(replace(c, questions=tuple(drawn[c.id])) for c in chosen.conversations))


def run(
    dataset: Dataset, model: Model, folder: Path, manifest: Mapping[str, Any] | None = None, *, quiet: bool = False
) -> Outcome:
    """Every step over all questions of the set, on services of our own whose data stay in `folder`: a run that was
    stopped at any point goes on there, and steps that were stopped are tried again. Raises ServiceFailed,
    Stopped where the work without a model cannot be done, and JournalRefused when the folder is that of another
    `manifest`.
    """
    told = dict(manifest or {})
    with contextlib.ExitStack() as stack:
        journal, written, copied = (
            stack.enter_context(Journal(place, told)) for place in (folder, folder / "written", folder / "copied")
        )
        outcome = Outcome(journal.records)
        steps = [step for step in STEPS if step.name not in model.left_out]
        missing = len(copied.records) < len(steps) * len(dataset.conversations)
        if missing or not _is_whole(dataset, OFF, journal):
            with service.running(folder / "data", None, **_PLAIN, MEMSVC_READER_MODEL="none") as client:
                done = {line["conversation"] for line in written.records}
                asking.ingest(dataset, client, written.append, done, quiet=quiet)
                _copy(dataset, client, steps, copied, quiet=quiet)
                _take(_Course(dataset, client, OFF, journal, copied), outcome, quiet=quiet)
        for queues in (False, True):
            left = [step for step in steps if step.queues is queues and not _is_whole(dataset, step, journal)]
            if left:
                with service.running(folder / "data", None, **(_PLAIN | model.settings(queues=queues))) as client:
                    for step in left:
                        _take(_Course(dataset, client, step, journal, copied), outcome, quiet=quiet)
    return outcome


def _copy(dataset: Dataset, client: MemoryClient, steps: Sequence[Step], copied: Journal, *, quiet: bool) -> None:
    """Make the copy of every conversation's memory for every step that has none yet. An abstract is named by its
    namespace: a copy is consolidated anew, before a model is there that would be asked about all that is new in it.
    """
    done = {(line["step"], line["conversation"]) for line in copied.records}
    wanted = [(talk, step) for talk in dataset.conversations for step in steps if (step.name, talk.id) not in done]
    with asking.bars(quiet=quiet) as progress:
        for talk, step in progress.track(wanted, description=f"{dataset.name}: copies"):
            plain = asking.namespace(dataset, talk)
            memory = client.namespace(f"{plain}-{step.name}")
            try:
                memory.stats()
            except NotFound:
                memory.load(client.namespace(plain).export())
            memory.maintain("rebuild")
            _wait(client, memory)
            jobs = [job.id for job in client.jobs(namespace=memory.name)]
            copied.append({"step": step.name, "conversation": talk.id, "jobs": jobs})


def _is_whole(dataset: Dataset, step: Step, journal: Journal) -> bool:
    through = {line["conversation"] for line in journal.records if line["step"] == step.name and "costs" in line}
    return through >= {conversation.id for conversation in dataset.conversations}


@dataclass(slots=True)
class _Course:
    """A step on its way through a set."""

    dataset: Dataset
    client: MemoryClient
    step: Step
    journal: Journal
    copied: Journal

    def lines(self, conversation: Conversation) -> list[dict[str, Any]]:
        place = self.step.name, conversation.id
        return [line for line in self.journal.records if (line["step"], line["conversation"]) == place]

    def name(self, conversation: Conversation) -> str:
        plain = asking.namespace(self.dataset, conversation)
        return plain if self.step is OFF else f"{plain}-{self.step.name}"

    def copying(self, conversation: Conversation) -> set[str]:
        """The jobs that were done when the copy was made."""
        place = self.step.name, conversation.id
        return {
            job for line in self.copied.records if (line["step"], line["conversation"]) == place for job in line["jobs"]
        }


def _take(course: _Course, outcome: Outcome, *, quiet: bool) -> None:
    """Run the step as far as it comes; where it stops, why is told. Raises what stops asking without a model."""
    total = sum(len(conversation.questions) for conversation in course.dataset.conversations)
    with asking.bars(quiet=quiet) as progress:
        bar = progress.add_task(f"{course.dataset.name}: {course.step.title}", total=total)
        try:
            for conversation in course.dataset.conversations:
                _through(course, conversation, progress, bar)
        except (Stopped, MemsvcClientError) as error:
            if course.step is OFF:
                raise
            outcome.stopped[course.step.name] = _in_a_line(str(error))
            outcome.spent[course.step.name] = _spent_so_far(course)


def _through(course: _Course, conversation: Conversation, progress: Progress, bar: TaskID) -> None:
    step, lines = course.step, course.lines(conversation)
    progress.advance(bar, sum("question" in line for line in lines))
    if any("costs" in line for line in lines):
        return
    memory = course.client.namespace(course.name(conversation))
    _work(course, memory, conversation, progress)
    place = {"step": step.name, "conversation": conversation.id}
    asked = {line["question"] for line in lines if "question" in line}
    for question in conversation.questions:
        if question.id not in asked:
            figures = _figures(course.dataset, memory, question, step)
            course.journal.append(place | {"question": question.id, "figures": figures})
            progress.advance(bar)
    _wait(course.client, memory)
    changes = _changes(memory, conversation) if CHANGES in step.measured else {}
    course.journal.append(place | {"changes": changes, "costs": _costs(memory), "jobs": _results(course, memory)})


def _work(course: _Course, memory: Namespace, conversation: Conversation, progress: Progress) -> None:
    """Do the step's jobs, each once, behind those that an earlier run left. Raises Stopped."""
    client, copying = course.client, course.copying(conversation)
    for job in client.jobs(namespace=memory.name, state="dead"):
        client.retry_job(job.id)
    for kind in course.step.jobs:
        bar = progress.add_task(f"{memory.name}: {kind}", total=None)

        def show(job: JobResult, bar: TaskID = bar) -> None:
            progress.update(bar, completed=job.done, total=job.total, description=f"{memory.name}: {job.kind}")

        if not any(job.kind == kind and job.id not in copying for job in client.jobs(namespace=memory.name)):
            memory.maintain(kind)
        _wait(client, memory, show)
        progress.remove_task(bar)


def _wait(client: MemoryClient, memory: Namespace, show: Callable[[JobResult], None] = lambda job: None) -> None:
    """Until the background has done its work, however long a model takes for it. Raises Stopped where it cannot."""
    while True:
        jobs = client.jobs(namespace=memory.name)
        for job in jobs:
            if job.state == "dead":
                raise Stopped(f"{job.kind}: {job.last_error}")
        ahead = [job for job in jobs if job.state in ("queued", "running")]
        late = dt.datetime.now(dt.UTC) + _PUT_OFF
        near = [job for job in ahead if job.state == "running" or job.run_after < late]
        if not near:
            for job in ahead:
                if job.last_error:
                    raise Stopped(f"{job.kind}: {job.last_error}")
            return
        show(next((job for job in near if job.state == "running"), near[-1]))
        time.sleep(_POLL_S)


def _figures(dataset: Dataset, memory: Namespace, question: Question, step: Step) -> dict[str, float]:
    figures = {}
    if RECALL in step.measured and question.evidence:
        found = memory.recall(
            question.text, asked_at=question.asked_at, limit=asking.CUTOFFS[-1], plan=step.plans
        )  # fmt: skip
        figures[RECALL] = measures.recall(asking.sources(found), frozenset(question.evidence), 10)
    if ANSWERS in step.measured and (question.answer is not None or question.category == dataset.adversarial):
        reply = memory.answer(question.text, asked_at=question.asked_at, max_tokens=_MAX_TOKENS, plan=step.plans)
        figures[ANSWERS] = grounding.f1(dataset, question, reply)
    return figures


def _changes(memory: Namespace, conversation: Conversation) -> dict[str, float]:
    """Question about a change -> whether a statement of an earlier message of its evidence was superseded by one of a
    later message; none where the set asks of no changes.
    """
    asked = [q for q in conversation.questions if q.category in _UPDATES and len(q.evidence) > 1]
    if not asked:
        return {}
    said = {turn.id: place for place, turn in enumerate(conversation.turns)}
    ended: set[tuple[str, str]] = set()
    for change in memory.changes():
        if change.kind == "superseded" and change.by is not None:
            earlier, later = (
                {source.message_id for source in memory.sources(unit_id)} for unit_id in (change.unit.id, change.by.id)
            )
            ended |= {(one, other) for one in earlier for other in later if said.get(one, 0) < said.get(other, 0)}
    return {q.id: float(any(one in q.evidence and other in q.evidence for one, other in ended)) for q in asked}


def _costs(memory: Namespace) -> dict[str, float]:
    """Of all calls for the copy, as the service counted them; but for what no figure hangs on."""
    used = [cost for name, cost in memory.stats().language_model.items() if name not in _UNMEASURED]
    return {name: round(sum(float(getattr(usage, name)) for usage in used), 3) for name in COSTS}


def _spent_so_far(course: _Course) -> dict[str, float]:
    """Of the copies that are there; nothing where the service cannot be asked."""
    spent: collections.Counter[str] = collections.Counter()
    for conversation in course.dataset.conversations:
        try:
            spent.update(_costs(course.client.namespace(course.name(conversation))))
        except MemsvcClientError:
            break
    return dict(spent)


def _results(course: _Course, memory: Namespace) -> list[dict[str, Any]]:
    """What came of the jobs that a model worked in and that a figure may hang on, the oldest first."""
    done = course.client.jobs(namespace=memory.name)[::-1]
    return [
        {"kind": job.kind} | job.result
        for job in done
        if job.result and "model" in job.result and job.kind not in _UNMEASURED
    ]


def _in_a_line(why: str) -> str:
    """What a server says of itself goes to a terminal."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in why).split())
    return plain if len(plain) <= _WHY_CHARS else f"{plain[:_WHY_CHARS]}…"


def rows(dataset: Dataset, model: Model, outcome: Outcome) -> list[dict[str, Any]]:
    """A row for each step and what it is measured by: n, `off` and `on` (means, 0 to 1; `on` is None of a step that was
    stopped or left out), the gain with its 95 % interval, paired by question; with the first of a step's rows what it
    cost. Nothing that the set has no questions for.
    """
    found = {step.name: _by_question(outcome.lines, step.name) for step in (OFF, *STEPS)}
    made = []
    for step in (OFF, *STEPS):
        through = _costs_of(outcome.lines, step.name)
        why = outcome.stopped.get(step.name) or model.left_out.get(step.name)
        costs: dict[str, float] | None = outcome.spent.get(step.name, {}) if why else through
        for measure in step.measured:
            off = found[OFF.name].get(measure, {})
            on = {} if why else found[step.name].get(measure, {})
            if off:
                made.append(_row(step, measure, off, on) | {"costs": costs, "stopped": why})
                costs, why = None, None
    return made


def _row(step: Step, measure: str, off: Mapping[Any, float], on: Mapping[Any, float]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "step": step.name, "title": step.title, "measure": measure, "n": len(off), "off": _mean(off.values()),
        "on": None, "gain": None, "gain_95": None,
    }  # fmt: skip
    if step is OFF or not on:
        return row
    gains = [on[key] - value for key, value in off.items() if key in on]
    return row | {"on": _mean(on.values()), "gain": _mean(gains), "gain_95": answering.paired_interval(gains)}


def _by_question(lines: Sequence[Mapping[str, Any]], step: str) -> dict[str, dict[tuple[str, str], float]]:
    """Measure -> conversation and question -> value."""
    found: dict[str, dict[tuple[str, str], float]] = {}
    for line in lines:
        if line["step"] == step:
            for measure, value in line.get("figures", {}).items():
                found.setdefault(measure, {})[line["conversation"], line["question"]] = value
            for question, value in line.get("changes", {}).items():
                found.setdefault(CHANGES, {})[line["conversation"], question] = value
    return found


def _costs_of(lines: Sequence[Mapping[str, Any]], step: str) -> dict[str, float]:
    told = [line["costs"] for line in lines if line["step"] == step and "costs" in line]
    return {name: round(sum(costs[name] for costs in told), 3) for name in COSTS}


def _mean(values: Collection[float]) -> float:
    return round(sum(values) / len(values), 4)
