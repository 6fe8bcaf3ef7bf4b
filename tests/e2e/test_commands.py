"""The commands that ask a running service, as a person types them and as a script reads them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.cli import app as commands
from memsvc.cli import asking, connection
from memsvc.sdk import Namespace
from memsvc.services.retain import Retain
from memsvc.services.work import Runner
from memsvc.settings import JobSettings
from tests.waiting import LIMIT_S, until

ASKED = ("add", "recall", "context", "answer", "profile", "changes", "status", "tail", "settings")


def run(cli: CliRunner, *arguments: str, given: str | None = None) -> str:
    done = cli.invoke(commands.app, list(arguments), input=given)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout.strip()


def read(cli: CliRunner, *arguments: str) -> Any:
    return json.loads(run(cli, *arguments, "--json"))


def typed(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """As a process of its own, with nothing of memsvc's in the environment but what is given."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("MEMSVC_")}
    command = [sys.executable, "-m", "memsvc.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=bare | environment)


def test_what_is_added_is_recalled_answered_and_put_into_a_context_with_its_source(
    cli: CliRunner, memory: Namespace
) -> None:
    here = ("-n", memory.name)
    told = run(
        cli, "add", "I keep goats near Bergen.", "--speaker", "Nils", "--session", "farm", "--at", "2024-05-08", *here
    )
    assert told.split("\n") == [
        f"Kept word for word in {memory.name}, session farm. 1 statement:",
        "  Nils: I keep goats near Bergen.",
    ]
    first, second = run(cli, "recall", "Where are the goats?", *here).split("\n")[:2]
    assert first == "1. Nils: I keep goats near Bergen."
    assert second.strip().startswith("said 8 May 2024; session farm; u_")
    assert "[1] Nils: I keep goats near Bergen." in run(cli, "context", "Where are the goats?", *here)
    answer = run(cli, "answer", "Where does Nils keep goats?", *here).split("\n")
    assert len(answer) == 3
    assert "goats near Bergen" in answer[0]
    assert answer[1].strip() == "said by Nils on 8 May 2024, session farm"
    nothing = run(cli, "answer", "What is the phone number of the vet?", *here).split("\n")
    assert nothing[1].strip() == "left unanswered; `memsvc recall` shows what comes nearest"


def test_several_namespaces_are_asked_at_once_and_each_memory_says_where_it_is(
    cli: CliRunner, memory: Namespace
) -> None:
    ana, team = f"{memory.name}-ana", f"{memory.name}-team"
    run(cli, "add", "I keep goats near Bergen.", "--speaker", "Ana", "-n", ana)
    run(cli, "add", "Ben feeds the goats in winter.", "--speaker", "Ben", "-n", team)
    for named in (("-n", ana, "--namespace", team), ("-n", f"{memory.name}-*")):
        told = run(cli, "recall", "Who looks after the goats?", *named).split("\n")
        assert {line.strip().partition("; ")[0] for line in told[1::2]} == {ana, team}
        found = read(cli, "recall", "Who looks after the goats?", *named)
        assert {result["namespace"] for result in found["results"]} == {ana, team} == set(found["seq"])
        text = run(cli, "context", "Who looks after the goats?", *named)
        assert f"({ana}) Ana: I keep goats" in text and f"({team}) Ben: " in text


def test_standard_input_is_added_as_it_is_and_what_makes_no_statement_is_said_to_be_kept(
    cli: CliRunner, memory: Namespace
) -> None:
    said = 'I said: "two\n  lines" [red]and[/red] a tab\t.'
    run(cli, "add", "-", "-n", memory.name, given=said)
    assert [message.content for message in memory.messages()] == [said]
    assert "It makes no statement; it is found by its words." in run(cli, "add", "Wow, cool!", "-n", memory.name)
    assert "[red]and[/red]" in run(cli, "recall", "two lines and a tab", "-n", memory.name)


def test_each_command_gives_the_services_reply_as_json(cli: CliRunner, memory: Namespace) -> None:
    here = ("-n", memory.name)
    written = read(cli, "add", "I live in Turku.", "--speaker", "Aino", *here)
    unit = written["results"][0]["units"][0]
    assert read(cli, "recall", "Where does Aino live?", *here)["results"][0]["unit_id"] == unit
    assert "Turku" in read(cli, "context", "Where does Aino live?", *here)["text"]
    assert read(cli, "answer", "Where does Aino live?", *here)["citations"][0]["unit_id"] == unit
    assert read(cli, "changes", *here) == []
    told = read(cli, "status", *here)
    assert (told["health"]["status"], told["namespace"]["messages"]) == ("ready", 1)
    assert isinstance(read(cli, "profile", *here), list)


def test_a_change_is_shown_with_both_sides_and_the_profile_says_what_was_before(
    cli: CliRunner, memory: Namespace, settle: Callable[[], None]
) -> None:
    here = ("-n", memory.name)
    run(cli, "add", "I live in Oslo.", "--speaker", "Ana", "--at", "2024-01-05", *here)
    run(cli, "add", "I moved to Porto.", "--speaker", "Ana", "--at", "2024-04-05", *here)
    settle()
    changed = run(cli, "changes", *here)
    assert "superseded: Ana: I live in Oslo." in changed
    assert "by: Ana: I moved to Porto." in changed
    profile = run(cli, "profile", "Ana", *here)
    assert re.search(r"residence: Porto \(since 5 April 2024; before: Oslo, until 5 April 2024\)", profile)
    was = run(cli, "profile", "Ana", "--as-of", "2024-02-01", *here)
    assert "residence: Oslo" in was and "Porto" not in was
    old = run(cli, "recall", "Where does Ana live?", "--as-of", "2024-02-01", *here)
    assert old.startswith("1. Ana: I live in Oslo.")


def test_an_empty_namespace_is_told_in_words_by_every_command(cli: CliRunner) -> None:
    here = ("-n", "nobody-wrote-here")
    assert run(cli, "status", *here).endswith("nobody-wrote-here: nothing was written yet")
    assert run(cli, "tail", "--no-follow", *here) == ""
    for command in (("recall", "Who?"), ("context", "Who?"), ("answer", "Who?"), ("profile",), ("changes",)):
        done = typed(*command, *here, "--url", os.environ["MEMSVC_URL"], MEMSVC_API_KEY=os.environ["MEMSVC_API_KEY"])
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done
        assert "nobody-wrote-here" in done.stderr


def test_the_tail_begins_with_the_last_messages_and_goes_on_with_what_is_written(
    cli: CliRunner, memory: Namespace, base_url: str, service: Service
) -> None:
    for number in range(30):
        memory.add(f"I counted {number} swans.", session_id=f"s{number % 3}", speaker="Ana")
    shown = run(cli, "tail", "--no-follow", "-k", "4", "-n", memory.name).split("\n")
    assert [line.split("Ana: ")[1] for line in shown] == [f"I counted {number} swans." for number in range(26, 30)]
    assert run(cli, "tail", "--no-follow", "-k", "0", "-n", memory.name) == ""
    command = [sys.executable, "-m", "memsvc.cli", "tail", "-k", "1", "--json", "-n", memory.name, "--url", base_url]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"MEMSVC_API_KEY": service.api_key},
        # As at a terminal: whoever runs the tests in the background may have them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines: list[dict[str, Any]] = []
        reader = threading.Thread(target=lambda: lines.extend(map(json.loads, process.stdout or [])))
        reader.start()
        try:
            until(lambda: lines)
            memory.add("I saw a heron.", session_id="later", speaker="Ana")
            until(lambda: len(lines) > 1)
            process.send_signal(signal.SIGINT)
            assert process.wait(LIMIT_S) == 130
        finally:
            process.kill()
        reader.join()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert [(line["event"], line["content"]) for line in lines] == [
        ("message", "I counted 29 swans."),
        ("message", "I saw a heron."),
    ]


@pytest.mark.parametrize(
    ("arguments", "environment", "hint"),
    [
        (["recall", "x"], {}, "Set MEMSVC_API_KEY"),
        (["recall", "x"], {"MEMSVC_API_KEY": "a-wrong-key"}, "The API key is not known"),
        (["recall", "x", "--url", "http://127.0.0.1:9"], {"MEMSVC_API_KEY": "a-wrong-key"}, "memsvc serve"),
        (["keys", "list", "--url", "http://127.0.0.1:9"], {"MEMSVC_API_KEY": "a-wrong-key"}, "memsvc serve"),
        (["recall", "x", "--url", "nonsense"], {"MEMSVC_API_KEY": "a-wrong-key"}, "Use one like http://"),
        (["recall", "x", "--as-of", "yesterday"], {"MEMSVC_API_KEY": "a-wrong-key"}, "2024-05-08"),
        (["add", "  "], {"MEMSVC_API_KEY": "a-wrong-key"}, "Give the words"),
        (["add", "x", "--role", "king"], {"MEMSVC_API_KEY": "a-wrong-key"}, "'user', 'assistant'"),
        (["recall", "x", "-n", "a b"], {"MEMSVC_API_KEY": "a-wrong-key"}, "The API key is not known"),
        (["recall"], {}, "Missing argument"),
        (["recal", "x"], {}, "recall"),
        (["serve", "--port", "99999"], {}, "MEMSVC_PORT: Input should be less than or equal to 65535"),
        (["serve"], {"MEMSVC_JOB_LEASE_S": "soon"}, "MEMSVC_JOB_LEASE_S: Input should be a valid"),
        (["import", "/no/such/file", "--namespace", "x"], {}, "does not exist"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_to_type_and_without_a_traceback(
    base_url: str, tmp_path: Path, arguments: list[str], environment: dict[str, str], hint: str
) -> None:
    done = typed(*arguments, **{"MEMSVC_URL": base_url, "MEMSVC_DATA_DIR": str(tmp_path)} | environment)
    assert done.returncode == 2, done
    assert hint in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_name_that_no_namespace_can_have_is_told_in_words(base_url: str, service: Service) -> None:
    done = typed("recall", "x", "-n", "a b", MEMSVC_URL=base_url, MEMSVC_API_KEY=service.api_key)
    assert done.returncode == 2
    assert "A namespace has at most 128 letters, digits and marks of ._:@+~-" in done.stderr
    assert "a b" not in done.stdout


def test_the_key_that_a_service_made_is_used_on_its_machine_and_sent_nowhere_else(
    base_url: str, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "api-key").write_text(service.api_key)
    done = typed("status", "--url", base_url, MEMSVC_DATA_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "is ready" in done.stdout
    monkeypatch.delenv("MEMSVC_API_KEY", raising=False)
    monkeypatch.setenv("MEMSVC_DATA_DIR", str(tmp_path))
    assert connection.key("http://[::1]:8377") == connection.key("http://localhost") == service.api_key
    for elsewhere in ("http://example.com", "http://127.0.0.1.example.com", "http://10.0.0.1:8377", "nonsense"):
        with pytest.raises(errors.Invalid, match="no API key"):
            connection.key(elsewhere)
    monkeypatch.setenv("MEMSVC_API_KEY", "the-one-that-is-set")
    assert connection.key("http://example.com") == connection.key(base_url) == "the-one-that-is-set"


def test_every_command_says_what_it_does_and_those_that_ask_have_json() -> None:
    root: Any = typer.main.get_command(commands.app)
    for name, command in root.commands.items():
        assert command.help, name
        assert command.rich_help_panel, name
    for name in ASKED:
        assert "--json" in {option for parameter in root.commands[name].params for option in parameter.opts}, name


def test_a_moment_without_an_offset_is_utc() -> None:
    assert str(asking.moment("2024-05-08")) == "2024-05-08 00:00:00+00:00"
    assert str(asking.moment("2024-05-08T18:00+02:00")) == "2024-05-08 18:00:00+02:00"
    assert asking.moment(None) is None


def test_what_should_not_happen_is_told_in_two_lines_and_its_place_on_demand(tmp_path: Path) -> None:
    code = "from memsvc import cli\nfrom memsvc.cli import asking\nasking.connection = None\ncli.main()"
    command = [sys.executable, "-c", code, "recall", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "MEMSVC_TRACEBACK=1" in done.stderr
    told = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        env=os.environ | {"MEMSVC_TRACEBACK": "1"},
    )
    assert "Traceback" in told.stderr


def test_a_reader_that_closes_the_pipe_is_no_error(base_url: str, memory: Namespace, service: Service) -> None:
    memory.write(
        [{"session_id": "s", "messages": [{"role": "user", "content": f"Row {n}. {'x' * 900}"} for n in range(300)]}]
    )
    command = f"{sys.executable} -m memsvc.cli tail --no-follow -k 300 -n {memory.name} --url {base_url} | head -n 1"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, timeout=LIMIT_S,
        env=os.environ | {"MEMSVC_API_KEY": service.api_key},
    )  # fmt: skip
    assert "Row 0" in done.stdout
    assert done.stderr == ""


def test_what_holds_in_a_namespace_is_shown_set_and_looked_after(
    service: Service, cli: CliRunner, memory: Namespace
) -> None:
    here = ("-n", memory.name)
    memory.add("I live in Oslo.", session_id="s", speaker="Ana")
    told = run(cli, "settings", *here).split("\n")
    assert "time_zone: UTC (not set here)" in told
    assert told[-1] == "retention: everything for ever"
    terms = '[{"kind": "event", "forget_after_days": 30}, {"erase_after_days": 365}]'
    run(cli, "settings", *here, "--set", "time_zone=Europe/Oslo", "--set", f"retention={terms}")
    assert run(cli, "settings", *here).split("\n")[-2:] == [
        "retention of event: forgotten after 30 days", "retention of everything else: erased after 365 days"
    ]  # fmt: skip
    assert read(cli, "settings", *here, "--unset", "retention")["own"] == ["time_zone"]
    runner = Runner(service.database, {"retain": Retain(service.erase).run}, JobSettings(poll_s=0.05))
    runner.start()
    try:
        tried = run(cli, "retain", *here, "--dry-run")
    finally:
        runner.stop()
    assert all(part in tried for part in ("done.", "dry_run: True", "forgotten: 0", "erased: 0")), tried


@pytest.mark.parametrize(
    ("wrong", "told"), [("colour=red", "There are: secrets, retention"), ("secrets", "FIELD=VALUE")]
)
def test_a_setting_that_is_none_is_told_with_those_there_are(cli: CliRunner, wrong: str, told: str) -> None:
    done = cli.invoke(commands.app, ["settings", "--set", wrong])
    assert done.exit_code != 0
    assert isinstance(done.exception, errors.Invalid)
    assert told in f"{done.exception} {done.exception.next_step}"
