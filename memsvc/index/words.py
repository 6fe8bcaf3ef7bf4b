"""Text to the terms of the lexical index."""

from __future__ import annotations

import re

import Stemmer

# Function words of English: they carry no topic, and in a small namespace their idf would still be positive.
STOP_WORDS = frozenset(
    [
        "a",
        "about",
        "after",
        "all",
        "also",
        "am",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "because",
        "been",
        "before",
        "being",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "for",
        "from",
        "had",
        "has",
        "have",
        "having",
        "he",
        "her",
        "here",
        "hers",
        "him",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "just",
        "me",
        "more",
        "most",
        "my",
        "no",
        "nor",
        "not",
        "of",
        "on",
        "or",
        "our",
        "out",
        "over",
        "s",
        "same",
        "she",
        "should",
        "so",
        "some",
        "such",
        "t",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "too",
        "up",
        "us",
        "very",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whom",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "d",
        "ll",
        "m",
        "re",
        "ve",
    ]
)
_WORD = re.compile(r"[^\W_]+")
# Scripts that are written without spaces: Thai, Lao, Khmer, Myanmar, Kana, Han.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")
_STEMMER = Stemmer.Stemmer("english", 65_536)


def terms(text: str) -> list[str]:
    """Lower-cased words without stop words; ASCII words stemmed (Snowball English), others as they are.

    Runs of a script without spaces become overlapping pairs of characters, which need no dictionary.
    """
    words = [word for word in _WORD.findall(text.lower()) if word not in STOP_WORDS]
    found: list[str] = []
    plain = [word for word in words if word.isascii()]
    stems = iter(_STEMMER.stemWords(plain))
    for word in words:
        if word.isascii():
            found.append(next(stems))
        elif _UNSPACED.search(word):
            found.extend(_pairs(word))
        else:
            found.append(word)
    return found


def _pairs(word: str) -> list[str]:
    if len(word) == 1:
        return [word]
    return [word[place : place + 2] for place in range(len(word) - 1)]
