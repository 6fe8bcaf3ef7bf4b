"""How near messages are to a question while some of them wait for the vectors of their words in context."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memsvc.index.closeness import measured

NOT_YET = float("nan")


def nearness(statements: list[float], own: list[float], every: list[float]) -> NDArray[np.float64]:
    """Of messages with one statement each."""
    count = len(statements)
    rows = np.zeros((count, 8), dtype=np.float32)
    parts = np.arange(count), np.arange(count), np.array(statements), rows, np.array(own), np.array(every)
    return measured(count, *parts).dense()


def test_what_waits_for_its_vectors_stands_where_it_will_stand_with_them() -> None:
    whole = nearness([0.7, 0.68, 0.5, 0.4], [0.6, 0.58, 0.4, 0.3], [0.5, 0.48, 0.3, 0.2])
    half = nearness([0.7, 0.68, 0.5, 0.4], [0.6, NOT_YET, 0.4, NOT_YET], [0.5, NOT_YET, 0.3, NOT_YET])
    assert np.allclose(half, whole)


def test_while_nothing_has_its_vectors_statements_alone_decide() -> None:
    nothing = [NOT_YET] * 3
    assert nearness([0.7, 0.5, 0.4], nothing, nothing).tolist() == [0.7, 0.5, 0.4]


def test_a_message_of_which_nothing_has_a_vector_has_no_likeness_among_others_that_have() -> None:
    assert np.isnan(nearness([0.7, NOT_YET], [0.6, NOT_YET], [0.5, NOT_YET])[1])
