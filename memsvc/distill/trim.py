"""Shorter sentences in their surviving words: fillers go, nothing is put in their place or reordered.

Each list holds English words only, so that other languages pass unchanged.
"""

from __future__ import annotations

import re

# "Yes" and "no" stay: they answer.
_LEAD = re.compile(
    r"^(?:(?:oh|ooh|wow|whoa|yeah|yep|haha|well|so|hey|hi|hello|and|but|also|plus|anyway|by the way|btw|honestly|"
    r"actually|you know|i mean|thanks(?: a lot| so much)?|thank you(?: so much)?|sure|ok(?:ay)?|cool|nice|great|"
    r"awesome|aww?|ugh|hmm+|no problem|no worries|of course|absolutely|definitely|certainly|exactly|totally)"
    r"(?:,? [A-Z]\w{1,20})?[,!.]+\s+)+",
    re.IGNORECASE,
)
# In lower case only: "Super Bowl" is a name. What weakens a claim ("I think", "kind of") stays.
_FILLER = re.compile(
    r"\b(?:really|just|very|totally|definitely|actually|honestly|basically|literally|super|truly|by the way),? (?=\w)"
)
_CAPTION = re.compile(
    r"^(?:an? )?(?:photo|photography|photograph|picture|image|close[- ]up)(?: of)? (?=\w)", re.IGNORECASE
)
# "just one", "very first", "really not": here the word weighs.
_WEIGHTY = re.compile(
    r"\b(?:just|very|really|kind of|sort of) (?:one|once|two|first|last|same|not|\d)|not (?:really|very|actually)",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"\*\*|__|(?<![\w*])\*(?=\w)|(?<=\w)\*(?![\w*])|^#{1,6}\s+(?:\d{1,2}[.)]\s+)?|"
    r"^\s*(?:[-*+\u2022]|\d{1,3}[.)])\s+|`"
)
_RULE = re.compile(r"^[\s|:=_*-]+$")


def filler(sentence: str) -> str:
    """The sentence without leading interjections and without fillers inside."""
    if not sentence.isascii() and not any(char.isascii() and char.isalpha() for char in sentence):
        return sentence
    short = _LEAD.sub("", sentence)
    return short if _WEIGHTY.search(short) else _FILLER.sub("", short)


def caption(text: str) -> str:
    """What an image shows, without saying that it is one."""
    return _CAPTION.sub("", " ".join(text.split()))


def markup(line: str) -> str:
    """A line of Markdown without its marks; empty for a rule or a table's border."""
    return "" if _RULE.match(line) else _MARKUP.sub("", line).strip()
