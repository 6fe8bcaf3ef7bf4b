"""Whose matter a statement is, by its first words: of somebody else's nothing of mine is ended."""

from __future__ import annotations

import pytest

from memsvc.consolidate import whose


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("I live in Turin.", "My aunt lives in Bari."),
        ("My car is a Lada.", "My neighbour's car is a Dacia now."),
        ("I'm a plumber.", "Our youngest son is a baker."),
        ("Mein Büro ist in Ulm.", "Meine Schwester hat ihr Büro in Jena."),
        ("J'habite à Lille.", "Mon frère habite à Metz."),
        ("Vivo en Cádiz.", "Mi hermana vive en Vigo."),
        ("Я живу в Омске.", "Мой брат живёт в Твери."),
        ("我住在西安。", "我姐姐住在大连。"),
        ("私は京都に住んでいます。", "妹は奈良に住んでいます。"),
    ],
)
def test_what_is_so_of_somebody_else_is_told_from_what_is_so_of_oneself(mine: str, theirs: str) -> None:
    assert whose.differs(mine, theirs)
    assert whose.differs(theirs, mine)
    assert not whose.differs(mine, mine)
    assert not whose.differs(theirs, theirs)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("My aunt lives in Bari.", "My aunt moved to Bologna."),
        ("My aunt lives in Bari.", "Guess what, it is Bologna that my aunt lives in now."),
        ("I live in Turin.", "I moved to Bari, where I knew nobody but my aunt."),
        ("My landlord is Mr. Rossi.", "Since May it is Mrs. Verdi whom I pay the rent."),
        ("Son bureau est à Lille.", "Il travaille à Metz maintenant."),
        ("Ich esse nicht viel.", "Inzwischen esse ich viel."),
        ("我姐姐住在大连。", "上个月我姐姐搬到了青岛。"),
    ],
)
def test_the_same_persons_matter_in_other_words_is_the_same_persons(earlier: str, later: str) -> None:
    assert not whose.differs(earlier, later)
