from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.models import tokens

_TOKENIZER = tokens.minilm_tokenizer()
_PIECES = st.one_of(
    st.sampled_from(
        ["the ", "Unaffordable", "[CLS]", "[sep]", "[10] ", "##ing", "x" * 101, "don't", "3.14", "café", "山"]
    ),
    st.text(min_size=0, max_size=4),
    st.text("aZ09 \t\n\r\x1c\x7f.,'[]#-_~^`|$+<=>@%*/\\\"{}", max_size=6),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(_PIECES, max_size=8).map("".join))
def test_a_text_has_as_many_tokens_as_the_tokenizer_makes_of_it(text: str) -> None:
    assert tokens.count(text) == len(_TOKENIZER.encode(text, add_special_tokens=False).ids)


@pytest.mark.parametrize("text", ["I live in Oslo, and I row on Mondays.", "Ana: yes; no (maybe) [1] a_b, 20 May"])
def test_words_that_are_one_token_are_counted_without_the_tokenizer(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = tokens.count(text)
    monkeypatch.setattr(tokens, "_counter", lambda: pytest.fail("was asked"))
    assert tokens.count(text) == expected
