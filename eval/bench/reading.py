"""What reading ahead saves: time to the first token, cold and cached, by length of the memories."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.progress import track

from eval.bench import keeping, peak
from eval.sets.model import Conversation, Question, Turn
from memsvc.models.local import SMALL_MODEL, LocalGenerator
from memsvc.reader.asked import Place
from memsvc.reader.disk import CacheFolder
from memsvc.reader.evict import Method
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
_DAY = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)
_ORDER = re.compile(r"for (\d+) euros, order (\d+)")


def run(
    conversations: Sequence[Conversation],
    texts: Sequence[str],
    model: str | None,
    models: Path,
    sizes: Sequence[int] = SIZES_TOKENS,
    *,
    kept_tokens: int = 2_000,
    peak_tokens: int = 8_000,
    peak_ratios: Sequence[int] = keeping.RATIOS,
    questions: int = 12,
    quiet: bool = False,
) -> dict[str, Any]:
    """Three tables. "rows", by size, over five questions: medians in ms, bytes of the cache in memory and on disk, the
    seconds that reading ahead took, after how many questions it has paid, and whether cold and cached answers are the
    same. "bounded": what is left of the conversations' first `kept_tokens` (see eval.bench.keeping). "peaks": memory
    while `peak_tokens` are read (see eval.bench.peak).
    """
    generator = LocalGenerator(model or SMALL_MODEL, device=None, dtype="auto", threads=1, folder=models)
    rows = _first_tokens(generator, texts, sizes, quiet=quiet)
    loaded, tokenizer = generator.weights()
    histories = [keeping.history(c, tokenizer, kept_tokens, questions) for c in conversations]
    bounded = keeping.run(histories, generator, quiet=quiet) if len(rows) == len(sizes) else []
    room = getattr(loaded.config, "max_position_embeddings", peak_tokens)
    long = _memories(itertools.islice(itertools.cycle(texts), peak_tokens), tokenizer, 2 * peak_tokens)
    ways: list[tuple[Method | None, int]] = [(None, 1), *(("patched", ratio) for ratio in peak_ratios)]
    peaks = peak.rows(model or SMALL_MODEL, models, long, min(peak_tokens, room - 256), ways)
    state = Reader(generator, CacheFolder(models, 0), 0).state()
    return {"model": state, "rows": rows, "bounded": bounded, "peaks": peaks}


def _first_tokens(
    generator: LocalGenerator, texts: Sequence[str], sizes: Sequence[int], *, quiet: bool
) -> list[dict[str, Any]]:
    """A row per size; none from the first one on for which the model's cache is not trusted."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="memsvc-reader-") as folder:
        caches = CacheFolder(Path(folder), 2**40)
        reader = Reader(generator, caches, 2**40)
        _, tokenizer = generator.weights()
        for size in track(sizes, description="reading", disable=quiet):
            place = Place(uuid.uuid4(), uuid.uuid4(), "ep", ())
            memories = _memories(texts, tokenizer, size)
            cold = [reader.answer(question, memories, max_tokens=_TOKENS) for question in _QUESTIONS]
            start = time.perf_counter()
            made = reader.prepare(memories, place)
            build_s = time.perf_counter() - start
            if made is None:
                break
            reader.keep(place, *made)
            warm = [reader.answer(question, memories, place=place, max_tokens=_TOKENS) for question in _QUESTIONS]
            first = [statistics.median(a.timings_ms["first_token"] for a in found) for found in (cold, warm)]
            saves = first[0] > first[1]
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
                    "paid_after_questions": round(1e3 * build_s / (first[0] - first[1]), 1) if saves else None,
                    "same_answers": [a.text for a in cold] == [a.text for a in warm],
                }
            )
            reader.discard(place.namespace_id)
    return rows


def made_up(texts: Sequence[str]) -> Conversation:
    """The bench's own talk as a conversation, with questions for the numbers in it."""
    turns, asked = [], []
    for number, text in enumerate(texts):
        found = _ORDER.search(text)
        assert found is not None, "the texts are those of the bench"
        turns.append(Turn(f"t{number}", "s", "user", "Ana", text, None, _DAY))
        wanted = f"How many euros was order {found.group(2)}?"
        asked.append(Question(f"q{number}", wanted, found.group(1), (f"t{number}",), "", _DAY))
    return Conversation("made up", tuple(turns), tuple(asked))


def _memories(texts: Iterable[str], tokenizer: Any, size: int) -> str:
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
