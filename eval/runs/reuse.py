"""Answers that are given again, measured on paraphrases: how often one is, and how often wrongly.

The model is a server that knows the right answers, so that what is measured is the reuse alone: an answer is wrong
where another one was served than this server would have given. Asked whether two questions ask the same, it says what
`Judge` is: never, which leaves the questions in the same words; always, which shows what stands behind the likeness
alone; what is right, which is the most that a model could bring; or what a language model says.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from eval.runs import asking, judging, service
from eval.sets.paraphrases import Memory, Message
from memsvc.prompts import SAME as ASKED_WHETHER_SAME
from memsvc.sdk import MemoryClient, Namespace

# As a model says that it does not know, in the words that the prompt asks for.
_UNKNOWN = "No information available."
SAME, OTHER, LATER = "same", "other", "later"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what came of it: `group` is the set's kind of question, `relation` how it stands to the one that
    was asked first; `reused` says whether an answer was given again, `wrong` whether it is another than the right one.
    """

    memory: str
    language: str
    group: str
    relation: str
    question: str
    right: str
    answer: str
    reused: bool
    wrong: bool
    before: str | None
    cosine: float | None


Played = Literal["never", "always", "right"]
PLAYED: tuple[Played, ...] = get_args(Played)
Judge = Played | judging.Judge
_ASKED = json.JSONDecoder()
_TIMEOUT_S = 60.0


class NotCompared(Exception):
    """A language model could not say whether two questions ask the same; the message says why."""


class Oracle:
    """An OpenAI-compatible endpoint on loopback that gives the right answers; `asked` counts how often it was asked
    whether two questions ask the same, and `failure` is why a language model that judges could not say it.
    """

    def __init__(self, judge: Judge) -> None:
        self.right: dict[str, str] = {}
        self.asked = 0
        self.failure: Exception | None = None
        self._judge = judge
        oracle = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked = body["messages"][-1]["content"]
                if asked.startswith("{"):
                    oracle.asked += 1
                    return self._reply(oracle.compared(asked, body["max_tokens"]))
                found = max((q for q in oracle.right if asked.endswith(q)), key=len, default=None)
                reply = oracle.right[found] if found is not None else ""
                return self._stream(reply or _UNKNOWN)

            def _reply(self, text: str) -> None:
                told = json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def _stream(self, text: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                parts: Sequence[Mapping[str, Any]] = (
                    {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]},
                    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                    {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}},
                )
                for part in parts:
                    self.wfile.write(f"data: {json.dumps(part)}\n\n".encode())
                self.wfile.write(b"data: [DONE]\n\n")

            def log_message(self, *_: Any) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def compared(self, asked: str, max_tokens: int) -> str:
        """The reply to what is asked about two questions; "" where a model could not give one."""
        if isinstance(self._judge, str):
            pair = _ASKED.raw_decode(asked)[0]
            same = self._judge == "always" or (
                self._judge == "right" and self.right[pair["first"]] == self.right[pair["second"]] != ""
            )
            return json.dumps({"difference": "" if same else "it", "verdict": "same" if same else "different"})
        prompt = ASKED_WHETHER_SAME
        try:
            return self._judge.generate(
                prompt.system, asked, max_tokens=max_tokens, timeout_s=_TIMEOUT_S, schema=prompt.schema,
                opening=prompt.opening,
            ).text  # fmt: skip
        except Exception as error:  # raised where the run is
            self.failure = error
            return ""

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def run(memories: Sequence[Memory], judge: Judge, *, quiet: bool = False) -> tuple[list[Asked], int]:
    """Every question of every memory, on a service of our own whose model's words are served as they come, and how
    often the model was asked to judge. Raises ServiceFailed, and NotCompared when a model that judges failed.
    """
    told = {"MEMSVC_GENERATOR_MODEL": "oracle", "MEMSVC_READER_GROUNDED": "false"}
    with contextlib.closing(Oracle(judge)) as oracle:
        told |= {"MEMSVC_GENERATOR_URL": oracle.url, "MEMSVC_DISTILL_WITH_MODEL": "false"}
        with service.running(None, None, **told) as client, asking.bars(quiet=quiet) as progress:
            found = []
            for memory in progress.track(memories, description="paraphrases"):
                found += list(_of(client, memory, oracle))
                if oracle.failure is not None:
                    raise NotCompared(f"The model could not be asked: {oracle.failure}") from oracle.failure
            return found, oracle.asked


def _of(client: MemoryClient, memory: Memory, oracle: Oracle) -> Iterator[Asked]:
    space = client.namespace(f"paraphrases-{memory.id}")
    _write(client, space, memory.messages)
    oracle.right = dict(memory.answers())
    asked_at = memory.messages[-1].at + dt.timedelta(hours=1)
    for group in memory.questions:
        space.answer(group.asked, asked_at=asked_at, reuse=True)
    for relation in (SAME, OTHER):
        for group in memory.questions:
            wordings = group.same if relation == SAME else [other.text for other in group.other]
            for question in wordings:
                yield _asked(space, memory, group.kind, relation, question, asked_at, oracle)
    if memory.later is None:
        return
    _write(client, space, memory.later.messages)
    oracle.right = dict(memory.answers(later=True))
    kinds = {question: group.kind for group in memory.questions for question in oracle.right}
    for change in memory.later.changes:
        asked_at = memory.later.messages[-1].at + dt.timedelta(hours=1)
        yield _asked(space, memory, kinds[change.text], LATER, change.text, asked_at, oracle)


def _asked(
    space: Namespace, memory: Memory, kind: str, relation: str, question: str, asked_at: dt.datetime, oracle: Oracle
) -> Asked:
    reply = space.answer(question, asked_at=asked_at, reuse=True)
    right, before = oracle.right[question], reply.reused
    wrong = before is not None and reply.answer.strip() != right.strip()
    return Asked(
        memory.id, memory.language, kind, relation, question, right, reply.answer, before is not None, wrong,
        before.question if before else None, before.cosine if before else None,
    )  # fmt: skip


def _write(client: MemoryClient, space: Namespace, messages: Sequence[Message]) -> None:
    for place, message in enumerate(messages):
        space.add(
            message.text, speaker=message.speaker, session_id=message.at.date().isoformat(), occurred_at=message.at,
            id=f"{message.at.isoformat()}-{place}",
        )  # fmt: skip
    asking.settle(client, space)


def rows(found: Sequence[Asked]) -> list[dict[str, Any]]:
    """For each kind of question, and for all: how many of the other wordings had an answer given again (`hits` of
    `same`), how many of the near misses (`other`) and of those whose answer has changed since (`later`) had a wrong
    one, and how many of the other wordings had a wrong one too.
    """
    kinds = [*dict.fromkeys(item.group for item in found), "all"]
    told = []
    for kind in kinds:
        mine = [item for item in found if kind in (item.group, "all")]
        counted: dict[str, Any] = {"kind": kind}
        for relation in (SAME, OTHER, LATER):
            of = [item for item in mine if item.relation == relation]
            counted |= {
                relation: len(of), f"{relation}_reused": sum(item.reused for item in of),
                f"{relation}_wrong": sum(item.wrong for item in of),
            }  # fmt: skip
        told.append(counted)
    return told


def lines(found: Sequence[Asked]) -> list[dict[str, Any]]:
    """Every question to which an answer was given again, for a file."""
    return [asdict(item) for item in found if item.reused]
