"""The bench of several cells against real servers and services, with tiny sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.bench.cells import run
from eval.bench.cells.run import Sizes

pytestmark = pytest.mark.slow
_TINY = Sizes(
    calls=2, rounds=1, each=1, lines=1, outages=1, outage_s=2.0, moves=1, names=200, idle_s=0.5,
    seeded=8, copies=2, filled=2, listed=100,
)  # fmt: skip


def test_a_request_touches_one_database_and_nothing_is_lost_while_a_cell_is_away_or_a_namespace_moves(
    tmp_path: Path,
) -> None:
    found = run.run(tmp_path, _TINY)
    for seen in found["touched"]["own"].values():
        assert seen["cells"] == 1 and seen["statements_holder"] > 0
    for seen in found["touched"]["handed_on"].values():
        assert seen["cells"] == 2 and seen["statements_others"] == 0
    for part in ("begun", "load"):
        told = found["compared"][part]
        assert told.keys() == {"one", "own", "handed_on", "own_to_one", "handed_on_to_one"}
        for ratios in (told["own_to_one"], told["handed_on_to_one"]):
            assert ratios.keys() >= {"processor_s", "wal_bytes", "statements"}
    assert found["killed"].keys() >= {"before_p95_ms", "meanwhile_p95_ms", "p95_ratio"}
    assert (found["killed"]["lost"], found["killed"]["others_refused"]) == (0, 0)
    assert (found["moved"]["lost"], found["moved"]["twice"]) == (0, 0)
    assert found["moved"]["longest_wait_s"] > 0
    postgres = found["taken"]["postgres"]
    # Of so little the indexes need not have grown.
    assert 0 < postgres["message"]["rows"] < postgres["all"]["rows"]
    assert 0 <= postgres["message"]["indexes"] <= postgres["all"]["indexes"]
    assert found["taken"]["index_bytes_a_unit"] > 0 and found["taken"]["file_bytes_a_unit"] > 0
    assert found["taken"]["bytes_a_name"]["placement"] > 0
    assert 0.1 < found["added"]["share_taken"] < 0.4 and found["added"]["share_elsewhere"] == 0
