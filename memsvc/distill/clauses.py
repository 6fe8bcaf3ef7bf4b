"""A sentence to its clauses: coordinated predicates with their own verbs become statements of their own.

"I live in Madrid with Karl and work at La Paz" tells two things, and the one may change without the other. Words stay
the speaker's own: the second clause takes the subject with it. Where the cut is not certain there is none.
"""

from __future__ import annotations

import functools
import re

Spans = tuple[tuple[int, int], ...]

# What may begin a clause of its own: a subject that is a pronoun or begins with a possessive.
_SUBJECTS = (
    "i|i'm|i've|i'd|i'll|we|we're|we've|we'd|we'll|he|he's|she|she's|they|they're|they've|it's|my|our|his|her|their|"
    "ich|wir|mein|meine|unser|unsere|yo|nosotros|mi|mis|nuestro|nuestra|je|j'ai|nous|mon|ma|mes|notre|eu|n\u00f3s|meu|"
    "minha|io|noi|mio|mia|ik|wij|mijn|\u044f|\u043c\u044b|\u043c\u043e\u0439|\u043c\u043e\u044f|\u043c\u043e\u0438"
)
_AND = r"and|but|so|und|aber|y|pero|et|mais|e|ma|mas|en|maar|\u0438|\u043d\u043e"
_JOINT = re.compile(rf"(?:[,;]\s+|\s+)(?:{_AND})\s+(?:then\s+|also\s+|now\s+)?|;\s+", re.IGNORECASE)
_SUBJECT = re.compile(rf"(?:{_SUBJECTS})(?![\w'])", re.IGNORECASE)
_PERSONAL = frozenset(
    "i we he she they ich wir yo nosotros je nous eu n\u00f3s io noi ik wij \u044f \u043c\u044b".split()
)
# A clause that hangs on another is not cut: what follows may hang on it too.
_HANGING = re.compile(
    r"\b(?:if|when|while|because|although|though|unless|whether|that|which|who|whom|where|since|before|after|until|"
    r"wenn|weil|dass|ob|si|cuando|porque|que|quand|parce|quando|perch\u00e9|als|omdat)\b|"
    r"\b(?:\u0435\u0441\u043b\u0438|\u043a\u043e\u0433\u0434\u0430|\u0447\u0442\u043e)\b",
    re.IGNORECASE,
)
_BE = frozenset("am are is was were 'm 're 's".split())
_AUXILIARY = frozenset(
    "have has had will would can could should must may might do does did don't doesn't didn't won't can't couldn't "
    "'ve 'll 'd".split()
)
_ADVERB = frozenset("also always usually often sometimes never now still currently both just really only".split())
# Frequent verbs, base form and irregular past; those behind the bar are nouns as well and need a sign of what follows.
_REGULAR, _AMBIGUOUS = (
    frozenset(part.split())
    for part in (
        "live stay move rent own have am attend teach learn speak take make eat keep go get sell buy bring give "
        "meet see wear grow write read drive raise earn adopt marry graduate join start finish stop quit switch "
        "swim sing play hate prefer enjoy avoid collect bake volunteer manage lead belong suffer smoke weigh "
        "become began begin become came come lost lose won win found find left leave met married moved|"
        "work study run love like walk travel plan need hope drink cook dance sleep water paint visit call train "
        "book ride want use help share practice exercise hike".split("|")
    )
)
_PAST = {
    "went": "go", "got": "get", "had": "have", "took": "take", "made": "make", "ate": "eat", "kept": "keep",
    "sold": "sell", "bought": "buy", "brought": "bring", "gave": "give", "met": "meet", "saw": "see", "wore": "wear",
    "grew": "grow", "wrote": "write", "drove": "drive", "taught": "teach", "spoke": "speak", "swam": "swim",
    "sang": "sing", "led": "lead", "became": "become", "began": "begin", "came": "come", "lost": "lose", "won": "win",
    "found": "find", "left": "leave", "ran": "run", "drank": "drink", "slept": "sleep", "rode": "ride", "quit": "quit",
    "read": "read",
}  # fmt: skip
_SIGN = re.compile(
    r"(?:as|at|in|for|from|with|on|to|by|about|a|an|the|my|our|his|her|their|it|them|him|every|twice|daily|part|full|"
    r"remotely|night|nights|two|three|\d)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


def split(text: str) -> list[Spans]:
    """The spans of `text` that each clause is made of: its subject, where that stands in another clause, and its own.

    One clause gives the whole text.
    """
    whole: list[Spans] = [((0, len(text)),)]
    if len(text) < 16 or text.rstrip().endswith(("?", "\uff1f")):
        return whole
    cuts: list[Spans] = []
    begin = 0
    carried: Spans = ()
    for joint in _JOINT.finditer(text):
        left, right = text[begin : joint.start()], text[joint.end() :]
        if _HANGING.search(left):
            break
        if _SUBJECT.match(right):
            if not (_is_clause(left, bool(carried)) and _is_clause(right, False)):
                continue
            subject: Spans = ()
        else:
            found = _shared_subject(text, begin, joint.start(), joint.end(), carried)
            if found is None:
                continue
            subject = found
        cuts.append((*carried, (begin, joint.start())))
        begin, carried = joint.end(), subject
    return [*cuts, (*carried, (begin, len(text)))] if cuts else whole


def _is_clause(text: str, has_subject: bool) -> bool:
    """Whether a subject and a verb stand at its beginning, told by a list or, behind a personal pronoun, by place."""
    words = _words(text)
    if len(words) < 3 and not (has_subject and len(words) == 2):
        return False
    if has_subject or words[0].partition("'")[0] in _PERSONAL:
        return has_subject or words[1] not in ("and", "und", "y", "et", "e", "en", "\u0438")
    return any(word in _BE or word in _AUXILIARY or _verb_form(word) is not None for word in words[1:5])


def _shared_subject(text: str, begin: int, end: int, after: int, carried: Spans) -> Spans | None:
    """The spans of the subject that the clause from `after` shares with text[begin:end], None where it has none."""
    words = list(_WORD.finditer(text, begin, end))
    following = list(_WORD.finditer(text, after, min(len(text), after + 80)))
    while following and following[0].group().lower() in _ADVERB:
        del following[0]
    if not words or len(following) < 2:
        return None
    second = _verb_form(following[0].group().lower())
    if second is None:
        return None
    word = following[0].group().lower()
    if _base(word) in _AMBIGUOUS and not _SIGN.match(text, following[1].start()):
        return None
    if carried:
        return carried
    start, end = _subject_span(words, second)
    return ((start, end),) if end else None


def _subject_span(words: list[re.Match[str]], second: str) -> tuple[int, int]:
    """The characters of the subject, with its auxiliary where the verb in the form `second` stands behind that; (0, 0)
    where a verb of this form does not go with what the clause begins with.
    """
    start = words[0].start()
    first, *rest = (word.group().lower().replace("\u2019", "'") for word in words[:4])
    head, _, contracted = first.partition("'")
    if head not in ("i", "we", "they", "he", "she"):
        return 0, 0
    named = f"'{contracted}" if contracted else next((word for word in rest if word not in _ADVERB), "")
    behind = words[0] if contracted else words[min(1 + (rest[:1] != [named]), len(words) - 1)]
    alone = start, start + len(head)
    if named in _BE:
        return (start, behind.end()) if second == "ing" else alone
    if named in _AUXILIARY:
        return (start, behind.end()) if second in ("base", "past") else (0, 0)
    return alone if second != "ing" and _verb_form(named) == second else (0, 0)


def _words(text: str) -> list[str]:
    return [match.group().lower().replace("\u2019", "'") for match in _WORD.finditer(text[:120])]


@functools.lru_cache(maxsize=4096)
def _verb_form(word: str) -> str | None:
    """base, s, past or ing for a verb of the lists; None for any other word."""
    if word in _PAST:
        return "past"
    base = _base(word)
    if base is None:
        return None
    if word == base:
        return "base"
    return "ing" if word.endswith("ing") else "past" if word.endswith("ed") else "s"


def _base(word: str) -> str | None:
    if word in _REGULAR or word in _AMBIGUOUS:
        return word
    if word in _PAST:
        return _PAST[word]
    for ending, instead in (("ies", "y"), ("ied", "y"), ("es", ""), ("s", ""), ("ed", ""), ("ed", "e"), ("d", ""),
                            ("ing", ""), ("ing", "e")):  # fmt: skip
        if word.endswith(ending):
            stem = word[: -len(ending)] + instead
            if stem in _REGULAR or stem in _AMBIGUOUS:
                return stem
            if len(stem) > 3 and stem[-1] == stem[-2] and (stem[:-1] in _REGULAR or stem[:-1] in _AMBIGUOUS):
                return stem[:-1]
    return None
