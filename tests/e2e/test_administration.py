from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memsvc.bootstrap import Service
from memsvc.cli import app as commands
from memsvc.sdk import Forbidden, MemoryClient, Namespace, Unauthorized
from memsvc.store import keys


def run(cli: CliRunner, *arguments: str) -> str:
    done = cli.invoke(commands.app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def test_a_key_is_made_listed_rotated_and_revoked_from_the_command_line(
    cli: CliRunner, service: Service, base_url: str, memory: Namespace
) -> None:
    memory.add("I row.", session_id="s")
    old = run(cli, "keys", "create", "--scope", "read", "--label", "reader")
    new = run(cli, "keys", "rotate", keys.key_id(old), "--grace-hours", "1")
    assert keys.key_id(new) in run(cli, "keys", "list")
    for key in (old, new):
        with MemoryClient(base_url, key, max_retries=0) as client:
            client.namespace(memory.name).recall("row")
    run(cli, "keys", "revoke", keys.key_id(new))
    assert keys.authenticate(service.database, new) is None
    refused = cli.invoke(commands.app, ["keys", "revoke", "nobody"])
    assert refused.exit_code == 2
    assert "no key 'nobody'" in " ".join(refused.stderr.split())


def test_a_key_with_grants_is_made_and_listed_from_the_command_line(
    cli: CliRunner, base_url: str, memory: Namespace
) -> None:
    memory.add("I row.", session_id="s")
    made = run(cli, "keys", "create", "--grant", f"{memory.name}=read", "--grant", "team-*=read,write")
    (line,) = (line for line in run(cli, "keys", "list").splitlines() if line.startswith(keys.key_id(made)))
    assert line.split("\t")[1] == f"{memory.name}=read team-*=read,write"
    with MemoryClient(base_url, made, max_retries=0) as client:
        client.namespace(memory.name).recall("row")
        with pytest.raises(Forbidden):
            client.namespace("elsewhere").recall("row")
    for given in (
        [],
        ["--scope", "read", "--grant", "a=read"],
        ["--grant", "a"],
        ["--grant", "a="],
        ["--grant", "=read"],
    ):
        refused = cli.invoke(commands.app, ["keys", "create", *given])
        assert refused.exit_code != 0, given


def test_a_namespace_goes_to_a_file_and_back(
    cli: CliRunner, memory: Namespace, client: MemoryClient, tmp_path: Path
) -> None:
    memory.add("I play the oboe.", session_id="s")
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    run(cli, "export", memory.name, "--out", str(first))
    assert "message: 1" in run(cli, "import", str(first), "--namespace", f"{memory.name}-copy")
    run(cli, "export", f"{memory.name}-copy", "--out", str(second))
    assert first.read_bytes() == second.read_bytes()
    assert "oboe" in client.namespace(f"{memory.name}-copy").recall("oboe").results[0].text
    first.write_bytes(first.read_bytes()[:-20])
    refused = cli.invoke(commands.app, ["import", str(first), "--namespace", "cut"])
    assert refused.exit_code == 2


def test_chats_of_another_program_are_imported_and_a_repetition_changes_nothing(
    cli: CliRunner, memory: Namespace, tmp_path: Path
) -> None:
    path = tmp_path / "memories.json"
    path.write_text(json.dumps([{"id": f"a{n}", "memory": f"Ana has {n} bees.", "user_id": "ana"} for n in range(150)]))
    command = ("import", str(path), "--namespace", memory.name, "--format", "mem0")
    assert run(cli, *command) == "messages: 150, known before: 0"
    assert run(cli, *command) == "messages: 150, known before: 150"
    assert len(list(memory.messages())) == 150
    assert memory.recall("How many bees? 149").results[0].sources[0].message_id == "a149"


def test_a_wrong_key_is_told(cli: CliRunner, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMSVC_API_KEY", "wrong-key-123")
    refused = cli.invoke(commands.app, ["keys", "list"])
    assert refused.exit_code == 2
    assert "API key" in refused.stderr
    with MemoryClient(base_url, "wrong-key-123", max_retries=0) as client, pytest.raises(Unauthorized):
        client.namespace("x").stats()
