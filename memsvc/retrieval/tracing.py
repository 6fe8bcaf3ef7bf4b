"""A recall that explains itself: what each stage saw, and how one unit or message fared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memsvc.domain.query import Analysis
from memsvc.domain.ranking import Candidate, Ranked, Scored
from memsvc.retrieval import features, ranker


def trace(asked: Analysis, scored: Sequence[Scored], ranked: Sequence[Ranked], limit: int) -> dict[str, Any]:
    """The analysis, every candidate's ranks and scores in both arms, the parts of its score, and the final order.

    `features` are what the learned ranker sees of the first candidates, in the order of `feature_names`.
    """
    arms = {item.candidate.message_id: item.candidate for item in scored}
    first = scored[: ranker.FIRST]
    rows = features.matrix(asked, first).tolist() if first else []
    return {
        "analysis": {
            "speakers": list(asked.speakers),
            "times": [
                {"phrase": span.phrase, "start": span.start.isoformat(), "end": span.end.isoformat()}
                for span in asked.times
            ],
            "asks_history": asked.asks_history,
            "asks_assistant": asked.asks_assistant,
        },
        "candidates": len(scored),
        "feature_names": list(features.NAMES),
        "features": [
            {"message_id": item.candidate.message_id, "values": [round(value, 5) for value in row]}
            for item, row in zip(first, rows, strict=True)
        ],
        "ranking": [
            {
                "rank": rank,
                "returned": rank <= limit,
                "unit_id": entry.unit_id,
                "message_id": entry.message_id,
                "score": entry.score,
                "parts": entry.parts,
                "bm25": arms[entry.message_id].lexical,
                "bm25_rank": arms[entry.message_id].lexical_rank,
                "cosine": arms[entry.message_id].dense,
                "cosine_rank": arms[entry.message_id].dense_rank,
            }
            for rank, entry in enumerate(ranked, start=1)
        ],
    }


def explain(wanted: str, everything: Sequence[Candidate], traced: dict[str, Any], per_arm: int) -> dict[str, Any]:
    """Why the unit or message `wanted` stands where it stands, or why it does not stand anywhere. `everything` are all
    messages with their exact scores and ranks.
    """
    for entry in traced["ranking"]:
        if wanted in (entry["unit_id"], entry["message_id"]):
            where = f"rank {entry['rank']}"
            return {"id": wanted, "why": where if entry["returned"] else f"{where}, behind the limit", **entry}
    for candidate in everything:
        if wanted == candidate.message_id or wanted in {unit for unit, _ in candidate.units}:
            ranks = {
                "bm25": candidate.lexical, "bm25_rank": candidate.lexical_rank,
                "cosine": candidate.dense, "cosine_rank": candidate.dense_rank,
            }  # fmt: skip
            return {"id": wanted, "why": f"not among the best {per_arm} of either arm"} | ranks
    return {
        "id": wanted,
        "why": "shares no word and no meaning with the question, does not pass the filters, was not so or not known at "
        "the moment asked about, was put away or merged, or is not in this namespace",
    }
