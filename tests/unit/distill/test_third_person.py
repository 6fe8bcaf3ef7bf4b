"""Statements about the user, in the third person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsvc.distill import resolve
from memsvc.domain.message import Role
from memsvc.domain.third_person import as_first_person, is_about_user


@pytest.mark.parametrize(
    ("said", "own"),
    [
        ("The user moved to Munich.", "I moved to Munich."),
        ("User lives in Oslo.", "I live in Oslo."),
        ("- The user is 34 years old.", "- I am 34 years old."),
        ("The user now works at Acme.", "I now work at Acme."),
        ("The user studies law and watches birds.", "I study law and watches birds."),
        ("The user has moved to Porto.", "I have moved to Porto."),
        ("The user no longer lives in Oslo.", "I no longer live in Oslo."),
        ("The user's favourite colour is green.", "my favourite colour is green."),
        ("The user\u2019s name is Ana.", "my name is Ana."),
        ("User's e-mail is ana@example.org.", "my e-mail is ana@example.org."),
    ],
)
def test_what_is_said_of_the_user_is_read_as_the_user_would_say_it(said: str, own: str) -> None:
    assert is_about_user(said)
    assert as_first_person(said) == own


@pytest.mark.parametrize(
    "said",
    [
        "The user interface has two columns.", "User stories are written on cards.", "The users live in Oslo.",
        "I asked the user about it.", "The user settings are kept.", "Userspace is small.", "She is a power user of vi.",
    ],
)  # fmt: skip
def test_what_only_has_the_word_is_about_no_user(said: str) -> None:
    assert not is_about_user(said)
    assert as_first_person(said) == said


def test_a_name_of_the_speakers_own_is_read_so_too_and_no_other_name() -> None:
    assert as_first_person("Ana lives in Oslo.", "Ana") == "I live in Oslo."
    assert as_first_person("Ana's dog is old.", "Ana") == "my dog is old."
    for other in ("Anastasia lives in Oslo.", "Ben lives in Oslo.", "I met Ana in Oslo."):
        assert as_first_person(other, "Ana") == other


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert isinstance(as_first_person(text, text[:3]), str)


def test_the_user_is_the_speaker_or_the_one_to_whom_an_assistant_speaks() -> None:
    assert resolve.people("The user moved to Munich.", "Ana", ["Ben"]).subject == "Ana"
    assert resolve.people("The user asked you to call.", "Ana", ["Ben"]).subject == "Ana"
    told = resolve.people("The user moved to Munich.", "Assistant", ["Ana"], role=Role.ASSISTANT)
    assert (told.subject, told.persons) == ("Ana", ("Assistant", "Ana"))
    assert resolve.people("The user moved to Munich.", "Assistant", [], role=Role.ASSISTANT).subject == "User"
    two = resolve.people("The user moved to Munich.", "Assistant", ["Ana", "Ben"], role=Role.ASSISTANT)
    assert two.subject == "Assistant"
    assert resolve.people("The user interface moved.", "Assistant", ["Ana"], role=Role.ASSISTANT).subject == "Assistant"
