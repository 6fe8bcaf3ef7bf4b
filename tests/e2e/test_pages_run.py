"""What the pages tell people to type does what they say it does; what cannot be typed here says why."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from memsvc.store import keys, tenants
from tests.unit.importing import test_chatgpt
from tests.unit.importing.files import write, zipped
from tests.waiting import LIMIT_S

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
COMMANDS = ("sh", "bash", "python")
# Lines that a test leaves out of what it types, and why.
LEFT_OUT = {
    r"make |pip ": "sets the machine up; tests/e2e/test_wheel.py installs the package",
    r"memsvc scrub": "locks the tables of every other test; tests/integration/test_embedded.py scrubs",
    r"memsvc reencode": "follows a job to its end, which no test's service runs; tests/integration/test_reencoding.py",
    r"memsvc retain": "likewise; tests/e2e/test_commands.py looks after retention",
}
_LEFT_OUT = re.compile("|".join(LEFT_OUT))
_SETS = "measures published or recorded sets for minutes or hours; tests/unit/eval and tests/e2e/test_evaluation.py"
_OWN = "another PostgreSQL than the tests have; tests/integration/test_restored.py dumps and restores"
_CELLS = "several machines; tests/e2e/test_cells_by_hand.py and tests/integration/test_replicas.py set them up"
_MODEL = "needs a language model that replies"
_SERVES = "serves until it is stopped"
# (page, how a block of it begins) -> why nobody types it here. Its Python is looked at all the same.
NOT_RUN = {
    ("docs/agents.md", "import asyncio"): f"{_MODEL}; tests/integration/test_openai_agents.py runs an agent",
    ("docs/agents.md", "from openai import OpenAI"): f"{_MODEL}; tests/integration/test_chat.py chats",
    ("docs/distillation.md", 'pip install "memsvc[server,generator]"'): f"{_MODEL}, and {_SERVES}",
    ("docs/evaluation.md", "memsvc eval locomo"): _SETS,
    ("docs/evaluation.md", "memsvc eval train"): _SETS,
    ("docs/evaluation.md", "memsvc eval answers"): _SETS,
    ("docs/evaluation.md", "MEMSVC_GENERATOR_API_KEY=… memsvc eval judge"): _SETS,
    ("docs/evaluation.md", "MEMSVC_GENERATOR_API_KEY=… memsvc eval steps"): f"{_MODEL}, and published sets; "
    "tests/e2e/test_eval_steps.py plays one",
    ("docs/how-to/change-the-models.md", 'pip install "memsvc[server,encoders]"'): f"fetches a model, and {_SERVES}",
    ("docs/how-to/change-the-models.md", "MEMSVC_GENERATOR_URL="): f"{_MODEL}, and {_SERVES}",
    ("docs/how-to/use-a-language-model.md", "MEMSVC_GENERATOR_MODEL=qwen3"): f"{_MODEL}, and {_SERVES}",
    ("docs/how-to/use-a-language-model.md", "MEMSVC_GENERATOR_MODEL=Qwen"): f"{_MODEL}, and {_SERVES}",
    ("docs/how-to/use-a-language-model.md", "MEMSVC_GENERATOR_MODEL=any"): f"{_MODEL}, and {_SERVES}",
    ("docs/how-to/use-a-language-model.md", "MEMSVC_GENERATOR_MODEL=gpt"): f"{_MODEL}, and {_SERVES}",
    ("docs/how-to/use-a-language-model.md", "MEMSVC_GENERATOR_MODEL=claude"): f"{_MODEL}, and {_SERVES}",
    (
        "docs/how-to/settle-names.md",
        "memsvc distill",
    ): f"{_MODEL}; tests/integration/test_proposed_aliases.py plays one",
    ("docs/how-to/settle-names.md", "for proposal in"): f"{_MODEL}; likewise",
    ("docs/how-to/give-answers-again.md", "memsvc eval reuse"): f"{_MODEL}; tests/e2e/test_eval_reuse.py plays one",
    ("docs/how-to/give-answers-again.md", "MEMSVC_READER_REUSE=true MEMSVC_READER_EXAMPLES"): "half an hour of a model",
    ("docs/how-to/run-behind-nginx.md", "MEMSVC_ALLOWED_HOSTS="): f"{_SERVES}; tests/e2e/test_front.py runs nginx",
    ("docs/how-to/run-several-processes.md", "export MEMSVC_DATABASE_URL="): f"{_SERVES}; tests/e2e/test_servers.py",
    ("docs/operations.md", "pg_dump --format"): _OWN,
    ("docs/operations.md", "BIN=$(python"): _OWN,
    ("docs/operations.md", "dropdb memsvc"): _OWN,
    ("docs/operations.md", "python - <<'END'"): _OWN,
    ("docs/operations.md", "memsvc erasures apply"): _OWN,
    ("docs/reader.md", "memsvc eval grounding --data eval"): _SETS,
    ("docs/reader.md", "memsvc eval grounding --data locomo10.json"): _SETS,
    ("docs/retrieval.md", "memsvc eval support"): _SETS,
    ("docs/retrieval.md", "memsvc eval retrieval"): _SETS,
    ("docs/scale.md", "pg_basebackup"): _CELLS,
    ("docs/scale.md", "cat > cells.json"): _CELLS,
    ("memsvc/consolidate/judge.md", "memsvc eval pairs"): _SETS,
    ("memsvc/retrieval/ranker.md", "memsvc eval train"): _SETS,
}
# What is in the memory before a page's first block: (namespace, speaker, words).
SAID = {
    "docs/how-to/give-answers-again.md": [("ana", "Ana", "I live in Oslo.")],
    "docs/how-to/use-a-language-model.md": [("ana", "Ben", "I moved before the wedding.")],
    "docs/rest.md": [("ana", "Ana", "I play the oboe.")],
    "docs/reader.md": [("me", "Ana", "I am allergic to walnuts.")],
    "docs/security.md": [("me", "Ana", "I am allergic to walnuts.")],
    "docs/retrieval.md": [("ana", "Ana", "I bought a canoe."), ("team-hive", "Ben", "I look after the beehive.")],
}


@dataclass(frozen=True)
class Block:
    page: str
    kind: str
    text: str

    @property
    def why_not(self) -> str | None:
        """Why it is not run, if it is named."""
        return next((why for (page, begins), why in NOT_RUN.items() if self._is(page, begins)), None)

    def _is(self, page: str, begins: str) -> bool:
        return self.page == page and self.text.startswith(begins)

    @property
    def typed(self) -> str:
        """Its lines but for those that are left out."""
        if self.kind == "python":
            return self.text
        return "".join(line for line in self.text.splitlines(keepends=True) if not _LEFT_OUT.match(line))


def _blocks() -> dict[str, list[Block]]:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("memsvc/**/*.md")]
    found = {}
    for page in sorted(pages):
        name = page.relative_to(ROOT).as_posix()
        found[name] = [Block(name, kind, textwrap.dedent(text)) for _, kind, text in _FENCE.findall(page.read_text())]
    return found


BLOCKS = _blocks()
RUN = [
    page for page, blocks in BLOCKS.items()
    if any(one.kind in COMMANDS and one.why_not is None and one.typed.strip() for one in blocks)
]  # fmt: skip


def plain(words: str) -> str:
    """Without what differs from day to day."""
    words = re.sub(r"\d{1,2} [A-Z][a-z]+ \d{4}", "DAY", words)
    return re.sub(r"\d+%", "…%", words)


def settle(service: Service, tenant_id: uuid.UUID) -> None:
    for _ in range(3):
        with service.database.tenant(tenant_id) as connection:
            connection.execute(sa.text("UPDATE job SET run_after = now() WHERE state = 'queued'"))
        service.runner.run_due()


def test_every_block_that_is_not_run_and_every_line_that_is_left_out_is_there() -> None:
    every = [one for blocks in BLOCKS.values() for one in blocks if one.kind in COMMANDS]
    assert len(every) > 50
    lost = [
        name for name in NOT_RUN
        if len([one for one in every if one.page == name[0] and one.text.startswith(name[1])]) != 1
    ]  # fmt: skip
    assert lost == []
    lines = [line for one in every if one.why_not is None for line in one.text.splitlines()]
    assert [words for words in LEFT_OUT if not any(re.match(words, line) for line in lines)] == []


@pytest.mark.parametrize("page", [page for page, blocks in BLOCKS.items() if any(b.kind == "python" for b in blocks)])
def test_the_python_of_a_page_is_python_and_what_it_takes_from_memsvc_is_there(page: str) -> None:
    for block in BLOCKS[page]:
        if block.kind != "python":
            continue
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "memsvc":
                module = importlib.import_module(node.module or "")
                for name in node.names:
                    found = hasattr(module, name.name) or importlib.util.find_spec(f"{node.module}.{name.name}")
                    assert found, (block.text, name.name)


@pytest.mark.parametrize("page", [page for page, blocks in BLOCKS.items() if any(b.kind == "json" for b in blocks)])
def test_the_json_of_a_page_is_json(page: str) -> None:
    for block in BLOCKS[page]:
        if block.kind == "json":
            json.loads(block.text)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the files that pages speak of, and a command `memsvc` as a package installs it."""
    folder = tmp_path / "typed"
    folder.mkdir()
    zipped(folder / "chatgpt-export.zip", {"conversations-000.json": [test_chatgpt.BEES], "chat.html": "<html>"})
    for name in ("WhatsApp Chat with Ana.txt", "exports/WhatsApp Chat with Ben.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        write(folder / name, "15/03/2024, 18:22 - Ana: I play the oboe.\n15/03/2024, 18:23 - Ben: I repair clocks.\n")
    write(folder / "chat.json", [{"role": "user", "content": "I moved to Porto."}])
    command = tmp_path / "bin" / "memsvc"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m memsvc.cli "$@"\n')
    command.chmod(0o755)
    return folder


@pytest.mark.parametrize("page", RUN)
def test_what_the_page_says_to_type_works_and_answers_as_shown(
    page: str, service: Service, base_url: str, files: Path
) -> None:
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    key, _ = keys.create(service.database, tenant_id, ["admin"], "reader of the pages", "operator")
    mem0 = Path(sys.prefix) / "mem0" / "2.2.1"
    environment = os.environ | {
        "MEMSVC_URL": base_url, "MEMSVC_API_KEY": key, "PATH": f"{files.parent / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{mem0}" if page == "docs/mem0.md" else str(ROOT),
        "MEM0_TELEMETRY": "False", "MEM0_DIR": str(files),
    }  # fmt: skip
    with MemoryClient(base_url, key, timeout_s=LIMIT_S) as client:
        for namespace, speaker, words in SAID.get(page, []):
            client.namespace(namespace).add(words, speaker=speaker, session_id="before")
    printed, ran = "", 0
    for block in BLOCKS[page]:
        settle(service, tenant_id)
        if block.kind == "text" and ran:
            shown = plain(block.text).strip()
            pattern = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", shown))
            assert re.search(pattern, plain(printed), re.DOTALL), printed
            printed = ""
        if block.kind not in COMMANDS or block.why_not is not None or not block.typed.strip():
            continue
        typed = block.typed.replace("http://127.0.0.1:8377", base_url).replace("YOUR KEY", key)
        shell = shutil.which("bash")
        assert shell is not None
        done = subprocess.run(
            [sys.executable, "-c", typed] if block.kind == "python" else [shell, "-ec", typed],
            env=environment, cwd=files, capture_output=True, text=True, check=False, timeout=LIMIT_S,
        )  # fmt: skip
        assert done.returncode == 0, (typed, done.stdout, done.stderr)
        told = re.findall(r"^ *print\(.*\)  # (.+)$", block.text, re.MULTILINE) if block.kind == "python" else []
        assert [words for words in told if words not in done.stdout.splitlines()] == [], done.stdout
        printed += done.stdout
        ran += 1
    assert ran
