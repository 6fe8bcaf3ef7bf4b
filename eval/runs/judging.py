"""Answers judged by a language model: three prompts side by side, and BEAM's rubrics nugget by nugget."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from eval import prompts
from eval.measures import official
from eval.runs import answering, asking
from eval.runs.journal import Journal
from memsvc.prompts import Prompt

_EVENT_ORDERING = "event_ordering"
VERDICTS = {"right": 1.0, "wrong": 0.0}
SCORES = (0, 0.5, 1)
_PAUSES_S = (1.0, 4.0, 16.0)  # before asking again a judge that is busy or away
_OBJECT = re.compile(r"\{[^{}]*\}")


class Reply(Protocol):
    @property
    def text(self) -> str: ...


class Judge(Protocol):
    """The text generators of the service are judges: temperature 0, and a JSON schema where the endpoint knows it."""

    @property
    def name(self) -> str: ...
    def generate(
        self,
        system: str,
        prompt: str,
        *,
        max_tokens: int,
        timeout_s: float,
        schema: Mapping[str, Any] | None = None,
        opening: str = "",
    ) -> Reply: ...


class NotJudged(Exception):
    """The run cannot be judged, or a reply was no verdict; the message says which and what to do."""


def finished(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Summary and records of a run of `eval answers` that has ended. Raises NotJudged."""
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        if any("text" not in record for record in records):
            raise NotJudged(f"{folder} was made by a version that did not keep the questions: run `eval answers` anew.")
    except OSError as error:
        raise NotJudged(
            f"{folder} holds no finished run ({error.strerror}): run `memsvc eval answers --out {folder}` to its end."
        ) from None
    except (ValueError, TypeError) as error:
        raise NotJudged(f"{folder} cannot be read ({error}): run `memsvc eval answers` on it to its end.") from None
    return summary, records


def manifest(summary: Mapping[str, Any], records: Sequence[Mapping[str, Any]], judge: Judge) -> dict[str, Any]:
    """What bears on the verdicts."""
    asked = json.dumps([[prompt.system, prompt.template, prompt.schema] for prompt in prompts.JUDGES])
    told = json.dumps([{name: value for name, value in r.items() if name != "scores"} for r in records])
    return {
        "judge": judge.name, "dataset": summary["dataset"], "reader": summary["reader"], "temperature": 0,
        "prompts": {prompt.name: prompt.version for prompt in prompts.JUDGES},
        "prompts_sha256": hashlib.sha256(asked.encode()).hexdigest(),
        "answers_sha256": hashlib.sha256(told.encode()).hexdigest(),
    }  # fmt: skip


def run(
    records: Sequence[Mapping[str, Any]],
    judge: Judge,
    journal: Journal,
    away: type[Exception],
    *,
    max_tokens: int = 512,
    timeout_s: float = 60.0,
    wait: Callable[[float], None] = time.sleep,
    quiet: bool = False,
) -> None:
    """Judge what the journal lacks, a line for each answer and prompt, or rubric. A judge that raises `away` is asked
    again a few times; its error then ends the run, as does a reply that is no verdict (NotJudged): neither is a zero.
    """
    done = {(line["question"], line["contestant"], line["by"]) for line in journal.records}
    wanted = [(record, by) for record in records for by in _ways(record)]
    with asking.bars(quiet=quiet) as progress:
        judging = progress.add_task("judge", total=len(wanted), completed=len(done))
        for record, by in wanted:
            if (record["question"], record["contestant"], by) not in done:
                place = {name: record[name] for name in ("question", "contestant", "category")}
                ask = _Patient(judge, away, wait, max_tokens, timeout_s)
                try:
                    journal.append(place | {"by": by} | _judged(record, by, ask))
                except NotJudged as error:
                    raise NotJudged(f"{error} (question {record['question']}, {record['contestant']}, {by})") from None
                progress.advance(judging)


def summary(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Contestant -> prompt -> n, the share that is right, by category, and the mean of the categories; for rubrics the
    mean over nuggets as they are and as the authors cast them; for the order of events the mean tau, with its n.
    """
    return {
        name: {by: _of(lines, name, by) for by in (*prompts.WAYS, "rubric", "order") if _values(lines, name, by)}
        for name in answering.CONTESTANTS
        if any(line["contestant"] == name for line in lines)
    }


def rows(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and a row for each contestant, in percent but for tau, of a summary with its "verdicts"."""
    columns = {f"right, {by}": (by, "right") for by in prompts.WAYS}
    columns |= {"nuggets": ("rubric", "nuggets"), "nuggets, cast": ("rubric", "nuggets_cast"), "tau": ("order", "tau")}
    known = {
        head: (by, measure)
        for head, (by, measure) in columns.items()
        if any(by in verdicts for verdicts in found["verdicts"].values())
    }
    return ["given", *known], [
        [name, *(_shown(verdicts.get(by, {}).get(measure), measure) for by, measure in known.values())]
        for name, verdicts in found["verdicts"].items()
    ]


def _shown(value: float | None, measure: str) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if measure == "tau" else f"{100 * value:.1f}"


def _ways(record: Mapping[str, Any]) -> Iterator[str]:
    yield from prompts.WAYS
    if record["rubric"]:
        yield "rubric"
        if record["category"] == _EVENT_ORDERING:
            yield "order"


def _judged(record: Mapping[str, Any], by: str, ask: _Patient) -> dict[str, Any]:
    data = {"question": record["text"], "answer": record["answer"]}
    if by == "rubric":
        return {"nuggets": [ask.score(prompts.NUGGET, data | {"demand": demand}) for demand in record["rubric"]]}
    if by == "order":
        events = {str(number): event for number, event in enumerate(record["rubric"], start=1)}
        order = ask.order(prompts.ORDER, data | {"events": events}, len(events))
        return {"tau": official.kendall_tau(order, list(events))}
    if record["gold"] is None:
        return {"right": ask.verdict(prompts.UNSAID[by], data)}
    return {"right": ask.verdict(prompts.SAID[by], data | {"reference": record["gold"]})}


class _Patient:
    """One question to the judge at a time, each reply checked."""

    def __init__(
        self, judge: Judge, away: type[Exception], wait: Callable[[float], None], max_tokens: int, timeout_s: float
    ) -> None:
        self._judge, self._away, self._wait = judge, away, wait
        self._max_tokens, self._timeout_s = max_tokens, timeout_s

    def verdict(self, prompt: Prompt, data: Mapping[str, Any]) -> float:
        return VERDICTS[self._asked(prompt, data, lambda value: isinstance(value, str) and value in VERDICTS)]

    def score(self, prompt: Prompt, data: Mapping[str, Any]) -> float:
        return float(self._asked(prompt, data, lambda value: value in SCORES))

    def order(self, prompt: Prompt, data: Mapping[str, Any], events: int) -> list[str]:
        known = range(1, events + 1)
        schema = copy.deepcopy(prompt.schema)
        assert schema is not None
        schema["properties"]["order"]["items"]["enum"] = list(known)
        told = self._asked(
            dataclasses.replace(prompt, schema=schema), data,
            lambda value: isinstance(value, list) and all(type(item) is int and item in known for item in value),
        )  # fmt: skip
        return [str(number) for number in told]

    def _asked(self, prompt: Prompt, data: Mapping[str, Any], fits: Callable[[Any], bool]) -> Any:
        asked = prompt.ask(data=json.dumps(data, ensure_ascii=False))
        for reminder in ("", "\nNothing but that JSON: no reasons, no other words."):
            reply = self._said(prompt, asked + reminder)
            for told in reversed(_OBJECT.findall(reply)):
                try:
                    value = json.loads(told).get(prompt.reply[0])
                except ValueError:
                    continue
                if not isinstance(value, bool) and fits(value):
                    return value
        raise NotJudged(f"{self._judge.name} gave no verdict twice, but {reply[:200]!r}: judge with another --model")

    def _said(self, prompt: Prompt, asked: str) -> str:
        pauses = iter(_PAUSES_S)
        while True:
            try:
                return self._judge.generate(
                    prompt.system, asked, max_tokens=self._max_tokens, timeout_s=self._timeout_s, schema=prompt.schema,
                    opening=prompt.opening,
                ).text  # fmt: skip
            except self._away:
                pause = next(pauses, None)
                if pause is None:
                    raise
                self._wait(pause)


def _values(lines: Sequence[Mapping[str, Any]], contestant: str, by: str) -> dict[str, list[Any]]:
    """Category -> what was found there."""
    found: dict[str, list[Any]] = {}
    for line in lines:
        if line["contestant"] == contestant and line["by"] == by:
            value = line.get("right", line.get("nuggets", line.get("tau")))
            if value is not None:
                found.setdefault(line["category"], []).append(value)
    return found


def _of(lines: Sequence[Mapping[str, Any]], contestant: str, by: str) -> dict[str, Any]:
    values = _values(lines, contestant, by)
    if by == "rubric":
        casts = {"nuggets": False, "nuggets_cast": True}
        return _figures(values, {name: partial(official.nuggets, cast=cast) for name, cast in casts.items()})
    return _figures(values, {"right" if by in prompts.WAYS else "tau": float})


def _figures(values: Mapping[str, Sequence[Any]], measures: Mapping[str, Callable[[Any], float]]) -> dict[str, Any]:
    figures: dict[str, Any] = {"n": sum(map(len, values.values()))}
    for measure, of in measures.items():
        by_category = {kind: [of(value) for value in found] for kind, found in sorted(values.items())}
        micro, macro = official.micro(by_category), official.macro(by_category)
        assert micro is not None and macro is not None
        figures |= {
            measure: round(micro, 4),
            f"{measure}_macro": round(macro, 4),
            f"{measure}_by_category": {
                kind: {"n": len(found), measure: round(sum(found) / len(found), 4)}
                for kind, found in by_category.items()
            },
        }
    return figures
