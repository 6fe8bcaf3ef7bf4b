"""Answers that are given again, measured on a paraphrased talk with each of the models that are played."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from eval.report import reuse as reported
from eval.runs import reuse, service
from eval.sets import paraphrases
from memsvc.models.endpoint import EndpointGenerator
from memsvc.prompts import SAME
from tests import replay
from tests.unit.models.test_generator import answers, says


@pytest.fixture(scope="module")
def measured() -> dict[reuse.Played, tuple[list[reuse.Asked], int]]:
    memories = [memory for memory in paraphrases.read("reporting") if memory.later][:1]
    return {judge: reuse.run(memories, judge, quiet=True) for judge in reuse.PLAYED}


def test_without_a_model_that_tells_questions_apart_only_the_same_words_are_answered_again(
    measured: dict[reuse.Played, tuple[list[reuse.Asked], int]],
) -> None:
    found, asked = measured["never"]
    assert not any(item.wrong for item in found)
    assert not any(item.reused for item in found)
    assert asked > 0


def test_with_one_that_is_always_right_other_words_are_and_no_near_miss(
    measured: dict[reuse.Played, tuple[list[reuse.Asked], int]],
) -> None:
    found, _ = measured["right"]
    assert [item for item in found if item.wrong] == []
    assert any(item.reused for item in found if item.relation == reuse.SAME)
    assert all(item.cosine is not None and item.before for item in found if item.reused)


def test_likeness_alone_answers_at_least_as_often_and_the_table_has_a_row_of_each(
    measured: dict[reuse.Played, tuple[list[reuse.Asked], int]],
) -> None:
    most, right = (sum(item.reused for item in measured[judge][0]) for judge in ("always", "right"))
    assert most >= right > 0
    judges = {judge: {"asked": asked, "rows": reuse.rows(found)} for judge, (found, asked) in measured.items()}
    result = {"part": "reporting", "set": "paraphrases", "memories": 1, "judges": judges}
    shown = io.StringIO()
    reported.table(result, Console(file=shown, width=200))
    for judge, (found, asked) in measured.items():
        (row,) = [line for line in reported.markdown(result).splitlines() if line.startswith(f"| {_TITLES[judge]} |")]
        of = [item for item in found if item.relation == reuse.SAME]
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1:4] == [str(len(of)), str(sum(i.reused for i in of)), str(sum(i.wrong for i in of))]
        assert cells[-1] == str(asked)
        assert _TITLES[judge] in shown.getvalue()


def test_a_language_model_tells_questions_apart_as_it_does_in_the_service(
    measured: dict[reuse.Played, tuple[list[reuse.Asked], int]],
) -> None:
    memories = [memory for memory in paraphrases.read("reporting") if memory.later][:1]
    with replay.playing(says(json.dumps({"difference": "", "verdict": "same"}))) as endpoint:
        model = EndpointGenerator(endpoint.url, "agrees", "key", tries=1)
        assert reuse.run(memories, model, quiet=True) == measured["always"]
        assert {body["messages"][0]["content"] for body in endpoint.requests} == {SAME.system}
        assert len(endpoint.requests) == measured["always"][1]
        endpoint.behave = answers(401, b"no")
        with pytest.raises(reuse.NotCompared, match="401"):
            reuse.run(memories, model, quiet=True)


def test_what_is_asked_waits_until_the_background_has_done_its_work() -> None:
    memory = paraphrases.read("reporting")[0]
    with service.running() as client:
        space = client.namespace("waited-for")
        reuse._write(client, space, memory.messages)
        states = [job.state for job in client.jobs(namespace=space.name)]
    assert states
    assert not {"queued", "running"} & set(states)


def test_a_model_that_cannot_be_asked_is_told_in_a_line() -> None:
    unset = {name: value for name, value in os.environ.items() if not name.startswith("MEMSVC_")}
    cases: list[tuple[list[str], dict[str, str], str]] = [
        (["--generator-url", "http://127.0.0.1:1/v1"], {}, "without a model"),
        (["--generator", "big"], {"MEMSVC_READER_MODEL": "smollm2"}, "Unset it"),
        (["--part", "both"], {}, "reporting"),
    ]  # fmt: skip
    for options, more, told in cases:
        command = [sys.executable, "-m", "memsvc.cli", "eval", "reuse", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=unset | more)
        assert done.returncode == 2, options
        assert told in " ".join(done.stderr.split()), options
        assert "Traceback" not in done.stderr, options


_TITLES = {
    "never": "the same words alone", "always": "whatever reads alike", "right": "a model that is always right",
}  # fmt: skip
