from __future__ import annotations

from memsvc.distill import information, trim
from memsvc.distill.outline import Piece, settle
from memsvc.models import tokens


def test_longer_words_tell_more_than_function_words() -> None:
    assert information.idf("the") == 0
    assert information.idf("great") < information.idf("cat") < information.idf("psychology") == 1


def test_settling_keeps_the_budget_prefers_what_is_new_and_keeps_the_order() -> None:
    pieces = [
        Piece(0, 1, "The museum opens at nine.", False),
        Piece(1, 2, "The museum opens at nine in the morning.", False),
        Piece(2, 3, "Let me know if you need anything else from me today.", False),
        Piece(3, 4, "Bring the tripod and the telescope.", False),
    ]
    kept = settle(pieces, set(), 22, tokens.count)
    assert [piece.start for piece in kept] == sorted(piece.start for piece in kept)
    assert sum(tokens.count(piece.text) + 1 for piece in kept) <= 22
    assert pieces[3] in kept
    assert pieces[2] not in kept


def test_settling_always_keeps_one_piece() -> None:
    assert len(settle([Piece(0, 1, "A sentence that is longer than any budget.", False)], set(), 1, tokens.count)) == 1


def test_fillers_go_and_what_weighs_stays() -> None:
    assert trim.filler("Wow, thanks! I really love the old harbour.") == "I love the old harbour."
    for kept in (
        "What kind of music?",
        "I did not really like it.",
        "We saw the Super Bowl.",
        "Yes, I did.",
        "The very first one.",
    ):
        assert trim.filler(kept) == kept


def test_a_caption_says_what_is_shown_and_markdown_loses_its_marks() -> None:
    assert trim.caption("a photo of a blue bowl") == "a blue bowl"
    assert trim.markup("### 2. **Watch** the `pool`") == "Watch the pool"
    assert trim.markup("|---|---|") == ""
