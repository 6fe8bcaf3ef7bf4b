from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.distill import layout, segment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I met Dr. Smith at 2 p.m. today. It went well!", ["I met Dr. Smith at 2 p.m. today.", "It went well!"]),
        ("Use v1.2.3 of src/a.py. Then run it.", ["Use v1.2.3 of src/a.py.", "Then run it."]),
        ("It costs 3.50 euros, e.g. for two. Fine?", ["It costs 3.50 euros, e.g. for two.", "Fine?"]),
        ("Wait... what? No way!!", ["Wait...", "what?", "No way!!"]),
        ('He said "stop." Then he left.', ['He said "stop."', "Then he left."]),
        ("one line\nanother line", ["one line", "another line"]),
        ("\u6771\u4eac\u3078\u884c\u3063\u305f\u3002\u697d\u3057\u304b\u3063\u305f\uff01", ["\u6771\u4eac\u3078\u884c\u3063\u305f\u3002", "\u697d\u3057\u304b\u3063\u305f\uff01"]),
        ("Am 3. Mai war ich da. Der 2. Platz ist gut.", ["Am 3. Mai war ich da.", "Der 2. Platz ist gut."]),
        ("I have 3. Maybe more.", ["I have 3.", "Maybe more."]),
        ("\u092e\u0948\u0902 \u0930\u0939\u0924\u093e \u0939\u0942\u0901\u0964 \u091a\u093e\u092f\u0964", ["\u092e\u0948\u0902 \u0930\u0939\u0924\u093e \u0939\u0942\u0901\u0964", "\u091a\u093e\u092f\u0964"]),
        (
            "This line was broken by a mail program for its width, which\nis no end of a sentence. Bye.",
            ["This line was broken by a mail program for its width, which\nis no end of a sentence.", "Bye."],
        ),
        ("", []),
        ("   \n ", []),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str]) -> None:
    assert [sentence.text for sentence in segment.sentences(text)] == expected


@settings(max_examples=300, derandomize=True)
@given(st.text(alphabet=st.sampled_from("ab .!?\n\u3002\"')0A`"), max_size=60))
def test_offsets_point_at_the_text_and_nothing_but_space_is_left_out(text: str) -> None:
    found = segment.sentences(text)
    assert all(text[s.start : s.end] == s.text for s in found)
    assert "".join("".join(s.text for s in found).split()) == "".join(text.split())


def test_a_code_block_that_is_never_closed_reaches_to_the_end() -> None:
    (block,) = segment.fences("See:\n```python\ndef f(): ...\n")
    assert (block.language, block.code) == ("python", "def f(): ...\n")


@pytest.mark.parametrize("unit", [".", "a", "`", "a. ", "\n", "```", '"'])
def test_a_megabyte_of_anything_is_cut_in_linear_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    start = time.process_time()
    spans = [(block.start, block.end) for block in segment.fences(text)]
    for begin, end in segment.outside(text, spans):
        for block in layout.blocks(text, begin, end):
            segment.sentences(text, block.start, block.end)
    assert time.process_time() - start < 120  # this process's own seconds; quadratic work would take hours
