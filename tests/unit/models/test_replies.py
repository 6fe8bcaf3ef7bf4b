from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.models import replies


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Sure!\n```json\n{"a": [1, 2]}\n```\nAnything else? {"a": 2}', {"a": [1, 2]}),
        ('[as you asked] {"a": 1}', {"a": 1}),
        ('{"a": [1, 2,], }', {"a": [1, 2]}),
        ('{"a": [{"b": 1}, {"b": 2}, {"b": "thr', {"a": [{"b": 1}, {"b": 2}]}),
        ("{\u201ca\u201d: \u201cb\u201d}", {"a": "b"}),
        ('{"a": "she said \u201chi\u201d"}', {"a": "she said \u201chi\u201d"}),
        ('[{"a": "}"}, {"a": "cut', [{"a": "}"}]),
        ('{"a": 1}' + "x" * replies.MAX_CHARS, {"a": 1}),
    ],
)
def test_the_first_value_of_a_sloppy_reply_is_read(reply: str, value: Any) -> None:
    assert replies.value(reply) == value


def test_a_caller_who_wants_an_object_is_given_none_of_the_lists_before_it() -> None:
    assert replies.value('Of [1] and [2]: {"a": 1}', "{") == {"a": 1}
    assert replies.value('Of [1] and [2]: {"a": 1}') == [1]


@pytest.mark.parametrize("reply", ["", "No.", "{", '{"a": "cut', "[" * 100_000, "{" * 100_000, '{"a": 1 "b": 2}'])
def test_a_reply_without_a_value_says_what_it_is(reply: str) -> None:
    with pytest.raises(replies.Unreadable, match="no JSON in"):
        replies.value(reply)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    ).filter(lambda value: isinstance(value, dict | list)),
    st.text(alphabet="abc .:`\n", max_size=20),
)
def test_what_is_good_json_comes_out_as_it_is_wherever_it_begins(value: Any, before: str) -> None:
    for is_ascii in (True, False):
        assert replies.value(before + json.dumps(value, ensure_ascii=is_ascii) + " That is all.") == value


def test_what_no_database_holds_is_taken_out_of_a_line() -> None:
    assert replies.one_line("Ana\x00 took \ud800\n  Miso.") == "Ana took ? Miso."
