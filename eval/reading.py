"""What reading ahead saves: time to the first token, cold and cached, by length of the memories."""

from __future__ import annotations

import re
import statistics
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import track

from memsvc.models.local import SMALL_MODEL, LocalGenerator
from memsvc.reader.asked import Place
from memsvc.reader.disk import CacheFolder
from memsvc.reader.evict import METHODS, Method
from memsvc.reader.reader import Reader

SIZES_TOKENS = (500, 1_000, 2_000, 4_000)
_QUESTIONS = (
    "Who bought the kettle in Porto?",
    "What was repaired in Oslo?",
    "How many euros did the tent cost?",
    "Where was the violin lost?",
    "Which order was the last one?",
)
_TOKENS = 8
_BOUNDED_TOKENS = 2_000
_RATIOS = (2, 4, 6)
_NEEDLES = 12
_ORDER = re.compile(r"for (\d+) euros, order (\d+)")


def run(
    texts: Sequence[str], model: str | None, models: Path, sizes: Sequence[int] = SIZES_TOKENS, *, quiet: bool = False
) -> dict[str, Any]:
    """A row per size, over five questions: medians in ms, bytes of the cache in memory and on disk, the seconds that
    reading ahead took, after how many questions it has paid, and whether cold and cached answers are the same.
    """
    generator = LocalGenerator(model or SMALL_MODEL, device=None, dtype="auto", threads=1, folder=models)
    rows = []
    with tempfile.TemporaryDirectory(prefix="memsvc-reader-") as folder:
        caches = CacheFolder(Path(folder), 2**40)
        reader = Reader(generator, caches, 2**40)
        state = reader.state()
        _, tokenizer = generator.weights()
        for size in track(sizes, description="reading", disable=quiet):
            place = Place(uuid.uuid4(), uuid.uuid4(), "ep", ())
            memories = _memories(texts, tokenizer, size)
            cold = [reader.answer(question, memories, max_tokens=_TOKENS) for question in _QUESTIONS]
            start = time.perf_counter()
            made = reader.prepare(memories, place)
            build_s = time.perf_counter() - start
            if made is None:
                break  # the model's cache is not trusted: the state says so
            reader.keep(place, *made)
            warm = [reader.answer(question, memories, place=place, max_tokens=_TOKENS) for question in _QUESTIONS]
            first = [statistics.median(a.timings_ms["first_token"] for a in found) for found in (cold, warm)]
            written = sum(a.completion_tokens for a in cold + warm) or 1
            rows.append(
                {
                    "prefix_tokens": made[1].length,
                    "cold_first_token_ms": round(first[0], 1),
                    "cached_first_token_ms": round(first[1], 1),
                    "ratio": round(first[0] / first[1], 1),
                    "ms_per_token": round(sum(a.timings_ms["writing"] for a in cold + warm) / written, 1),
                    "memory_bytes": made[1].nbytes,
                    "disk_bytes": sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()),
                    "read_ahead_s": round(build_s, 2),
                    "paid_after_questions": round(build_s / max(1e-9, (first[0] - first[1]) / 1e3), 1),
                    "same_answers": [a.text for a in cold] == [a.text for a in warm],
                }
            )
            reader.discard(place.namespace_id)
        bounded = _bounded(texts, generator, quiet=quiet)
    return {"model": state, "rows": rows, "bounded": bounded}


def _bounded(texts: Sequence[str], generator: LocalGenerator, *, quiet: bool) -> list[dict[str, Any]]:
    """A row per way of keeping less: mean log-likelihood, in nats a token, of what is asked for, whose memories lie all
    over the text; bytes kept and seconds to read.
    """
    _, tokenizer = generator.weights()
    memories = _memories(texts, tokenizer, _BOUNDED_TOKENS)
    lines = memories.split("\n")
    asked = []
    for line in lines[:: max(1, len(lines) // _NEEDLES)]:
        found = _ORDER.search(line)
        assert found is not None, "the texts are those of the bench"
        asked.append((f"How many euros was order {found.group(2)}?", found.group(1)))
    rows: list[dict[str, Any]] = []
    ways: list[tuple[Method | None, int]] = [(None, 1), *((method, ratio) for ratio in _RATIOS for method in METHODS)]
    for method, ratio in track(ways, description="keeping less", disable=quiet):
        with tempfile.TemporaryDirectory(prefix="memsvc-reader-") as folder:
            kept = None if method is None else _BOUNDED_TOKENS // ratio
            reader = Reader(generator, CacheFolder(Path(folder), 2**40), 2**40, kept, method or "patched")
            place = Place(uuid.uuid4(), uuid.uuid4(), "ep", ())
            start = time.perf_counter()
            made = reader.prepare(memories, place, about=lines[len(lines) // 2])
            build_s = time.perf_counter() - start
            if made is None:
                return rows
            reader.keep(place, *made)
            values = [reader.log_likelihood(question, memories, answer, place=place) for question, answer in asked]
            rows.append(
                {
                    "method": method or "all", "ratio": ratio, "questions": len(asked),
                    "log_likelihood": round(statistics.mean(values), 3), "bytes": made[1].nbytes,
                    "read_s": round(build_s, 2),
                }
            )  # fmt: skip
    return rows


def _memories(texts: Sequence[str], tokenizer: Any, size: int) -> str:
    """So many lines that they are about `size` tokens of this model."""
    lines: list[str] = []
    count = 0
    for number, text in enumerate(texts, start=1):
        line = f"[{number}] Ana: {text}"
        count += len(tokenizer(line + "\n", add_special_tokens=False)["input_ids"])
        if count > size:
            break
        lines.append(line)
    return "\n".join(lines)
