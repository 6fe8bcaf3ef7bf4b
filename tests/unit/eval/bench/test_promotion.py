from __future__ import annotations

from typing import Any

import pytest

from eval.bench.capacity.promotion import agreement


def entry(number: int, score: float, near: int | None) -> dict[str, Any]:
    return {"message_id": f"m{number}", "unit_id": f"u{number}", "score": score, "cosine_rank": near}


def test_the_agreement_of_two_rankings_counts_the_nearest_and_the_first_and_compares_scores() -> None:
    one = [entry(1, 0.9, 1), entry(2, 0.8, 2), entry(3, 0.7, None), entry(4, 0.6, 50), entry(5, 0.5, 51)]
    other = [entry(1, 0.88, 1), entry(3, 0.7, None), entry(4, 0.6, 51), entry(6, 0.4, 2), entry(5, 0.4, 50)]
    found = agreement([one, one], [one, other])
    assert found["nearest_50"] == pytest.approx((1 + 1 / 3) / 2)
    assert found["nearest_least"] == pytest.approx(1 / 3)
    assert found["first_10"] == pytest.approx((1 + 4 / 5) / 2)
    assert found["score_apart"] == pytest.approx(0.1)
