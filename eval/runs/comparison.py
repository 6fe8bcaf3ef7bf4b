"""Two runs of answers over the same set, paired by question and contestant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eval.runs import answering


class NotComparable(Exception):
    """The runs have nothing to pair, or are no runs; the message says why."""


def compare(first: Path, second: Path) -> dict[str, Any]:
    """Contestant -> n of paired questions, both mean F1, and the 95 % interval of second minus first.

    Trick questions count as the others do. Raises NotComparable.
    """
    (before, old), (after, new) = _read(first), _read(second)
    if before["data_sha256"] != after["data_sha256"]:
        raise NotComparable(f"{first} and {second} are runs over different data.")
    paired = {name: [key for key in old if key in new and key[1] == name] for name in answering.CONTESTANTS}
    if not any(paired.values()):
        raise NotComparable(f"{first} and {second} have no question in common: use the same --seed and --questions.")
    return {
        "settings_that_differ": {
            name: [before.get(name), after.get(name)]
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        },
        "contestants": {
            name: {
                "n": len(keys),
                "first_f1": round(sum(old[key] for key in keys) / len(keys), 4),
                "second_f1": round(sum(new[key] for key in keys) / len(keys), 4),
                "gain_95": answering.paired_interval([new[key] - old[key] for key in keys]),
            }
            for name, keys in paired.items()
            if keys
        },
    }


def _read(folder: Path) -> tuple[dict[str, Any], dict[tuple[str, str], float]]:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        return manifest, {(r["question"], r["contestant"]): float(r["scores"]["f1"]) for r in records}
    except OSError as error:
        raise NotComparable(f"{folder} holds no run of `memsvc eval answers`: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise NotComparable(
            f"{folder}: a line cannot be read ({error}); run `memsvc eval answers` on it to its end first."
        ) from None
