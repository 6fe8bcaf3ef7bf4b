"""What a bounded cache still knows: gold answers, and needles by depth, for each way to keep less of a history."""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rank_bm25
from rich.progress import track

from eval import measures
from eval.measures import official
from eval.sets.model import Conversation
from memsvc.models.local import LocalGenerator
from memsvc.reader.asked import Place
from memsvc.reader.disk import CacheFolder
from memsvc.reader.evict import METHODS, Method
from memsvc.reader.reader import Reader

RATIOS = (2, 4, 6)
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_DOORS = (("green", "7314"), ("blue", "2965"), ("red", "8401"), ("white", "5578"), ("brown", "1690"))
_ANSWER_TOKENS = 16
# "patched" with a share for each layer; the exponent is about EpiCache's.
LAYERED, _EXPONENT = "patched, by layer", 2.0


@dataclass(frozen=True, slots=True)
class History:
    """Lines of talk, with a needle at each of DEPTHS, and questions (text, answer) that lines of it hold."""

    lines: tuple[str, ...]
    asked: tuple[tuple[str, str], ...]


def history(conversation: Conversation, tokenizer: Any, tokens: int, questions: int) -> History:
    """The conversation's beginning of about so many tokens, and questions whose evidence lies in it, evenly chosen."""
    lines: list[str] = []
    inside: set[str] = set()
    count = 0
    for turn in conversation.turns:
        line = f"({turn.occurred_at:%d %B %Y}) {turn.words}"
        count += len(tokenizer(line, add_special_tokens=False)["input_ids"])
        if count > tokens:
            break
        lines.append(line)
        inside.add(turn.id)
    usable = [q for q in conversation.questions if q.answer and q.evidence and inside.issuperset(q.evidence)]
    chosen = usable[:: max(1, len(usable) // questions)][:questions]
    return History(tuple(_with_needles(lines)), tuple((q.text, q.answer or "") for q in chosen))


def run(histories: Sequence[History], generator: LocalGenerator, *, quiet: bool = False) -> list[dict[str, Any]]:
    """A row for each way: everything read; each method at each of RATIOS, and "patched" with a budget for each layer;
    as much text as that, chosen for each question by BM25 and read when it is asked; nothing. Means over the questions
    of all histories: log-likelihood in nats a token, token F1; needles found at each of DEPTHS; bytes; seconds to read
    a history.
    """
    ways: list[tuple[str, int]] = [("all", 1), ("nothing", 1)]
    ways += [(method, ratio) for ratio in RATIOS for method in (*METHODS, LAYERED, "text")]
    rows = []
    for way, ratio in track(ways, description="keeping less", disable=quiet):
        measured = [_measure(way, ratio, history, generator) for history in histories]
        asked = [figures for of_one in measured for figures in of_one["asked"]]
        by_depth = zip(*(of_one["needles"] for of_one in measured), strict=True)
        rows.append(
            {
                "method": way, "ratio": ratio, "questions": len(asked),
                "log_likelihood": round(statistics.mean(value for value, _ in asked), 3),
                "f1": round(statistics.mean(value for _, value in asked), 3),
                "needles": [round(statistics.mean(at), 2) for at in by_depth],
                "bytes": round(statistics.mean(m["bytes"] for m in measured)),
                "read_s": round(statistics.mean(m["read_s"] for m in measured), 2),
            }
        )  # fmt: skip
    return rows


def _measure(way: str, ratio: int, history: History, generator: LocalGenerator) -> dict[str, Any]:
    _, tokenizer = generator.weights()
    text = _numbered(history.lines)
    size = len(tokenizer(text, add_special_tokens=False)["input_ids"])
    with tempfile.TemporaryDirectory(prefix="memsvc-reader-") as folder:
        method: Method = way if way in METHODS else "patched"
        kept = size // ratio if way in (*METHODS, LAYERED) else None
        exponent = _EXPONENT if way == LAYERED else 0.0
        reader = Reader(generator, CacheFolder(Path(folder), 2**40), 2**40, kept, method, exponent)
        place: Place | None = Place(uuid.uuid4(), uuid.uuid4(), "ep", ())
        start = time.perf_counter()
        held = 0
        if way in ("nothing", "text"):
            place = None
        else:
            assert place is not None
            made = reader.prepare(text, place, about=history.lines[len(history.lines) // 2])
            assert made is not None, "the model's cache is not trusted"
            reader.keep(place, *made)
            held = made[1].nbytes
        read_s = time.perf_counter() - start

        def given(question: str) -> str:
            if way == "nothing":
                return ""
            return _numbered(_best(history.lines, question, size // ratio, tokenizer)) if way == "text" else text

        asked = [
            (
                reader.log_likelihood(question, given(question), answer, place=place),
                official.token_f1(_said(reader, question, given(question), place), answer),
            )
            for question, answer in history.asked
        ]
        needles = [
            float(code in _said(reader, f"What is the code of the {door} door?", given(f"code {door} door"), place))
            for door, code in _DOORS
        ]
    return {"asked": asked, "needles": needles, "bytes": held, "read_s": read_s}


def _said(reader: Reader, question: str, memories: str, place: Place | None) -> str:
    return reader.answer(question, memories, place=place, max_tokens=_ANSWER_TOKENS, timeout_s=600.0).text


def _best(lines: Sequence[str], question: str, tokens: int, tokenizer: Any) -> list[str]:
    """The lines that BM25 ranks first and that fit into `tokens`, in their order."""
    found = rank_bm25.BM25Okapi([measures.content_tokens(line) or ["-"] for line in lines])
    scores = found.get_scores(measures.content_tokens(question))
    chosen: list[int] = []
    spent = 0
    for place in sorted(range(len(lines)), key=lambda place: (-scores[place], place)):
        cost = len(tokenizer(lines[place] + "\n[99] ", add_special_tokens=False)["input_ids"])
        if spent + cost <= tokens:
            chosen.append(place)
            spent += cost
    return [lines[place] for place in sorted(chosen)]


def _with_needles(lines: Sequence[str]) -> list[str]:
    found = list(lines)
    for depth, (door, code) in sorted(zip(DEPTHS, _DOORS, strict=True), reverse=True):
        found.insert(round(depth * len(lines)), f"Note: the code of the {door} door is {code}.")
    return found


def _numbered(lines: Sequence[str]) -> str:
    return "\n".join(f"[{number}] {line}" for number, line in enumerate(lines, start=1))
