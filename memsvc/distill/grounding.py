"""What of a language model's notes is believed: words that were quoted where they stand, and nothing that was not said.

A note stands on words of its own message. What others said may only lend it names, and only where they are trusted as
much, so that words which are no statement but orders to the model reach no statement of another message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import regex

from memsvc.distill import dates, lexicon, segment
from memsvc.domain.locale import HERE, Locale
from memsvc.domain.message import Message
from memsvc.domain.timespan import TimeSpan
from memsvc.domain.unit import MemoryUnit, Source

# Of a note's content words so many must have been said: a note that says more is an invention without a name in it.
_SAID_SHARE = 0.5
# Of a note's content words so many stand in one that says the same already.
_SAME_SHARE = 0.8
_STEM_CHARS = 5
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"[A-Z\u00c0-\u00de][\w'\u2019-]+")
# What turns a sentence round, in the languages that statements are made in.
DENIAL = regex.compile(
    r"\b(?:no|not|never|none|nothing|nobody|cannot|without|\w+n['\u2019]t|nicht|kein\w*|nie|niemals|nichts|ohne"
    r"|niet|geen|nooit|niets|zonder"
    r"|ne|pas|jamais|rien|aucune?|sans|nunca|nada|ning[uú]n\w*|sin|non|mai|niente|senza|n[aã]o|sem|не|нет|никогда)\b"
    r"|[不没沒無无]|ない|ません",
    regex.IGNORECASE,
)
_ENDS = " \t\n.,;:!?\u2026\"'\u201c\u201d\u201e\u2018\u2019"
_APOSTROPHES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})


def place(quote: str, message: Message) -> Source | None:
    """Where the quoted words stand in the message, but for case, spaces and the form of quotation marks; the whole
    caption's place for words of a caption. None where they do not stand there, or tell nothing by themselves.
    """
    words = quote.translate(_APOSTROPHES).strip(_ENDS).split()
    if not words:
        return None
    pattern = re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE)
    found = pattern.search(message.content.translate(_APOSTROPHES))
    if found and (lexicon.content_words(found.group()) or not message.content.replace(found.group(), "").strip(_ENDS)):
        return Source(message.id, found.start(), found.end())
    if message.caption and lexicon.content_words(quote) and pattern.search(message.caption.translate(_APOSTROPHES)):
        return Source(message.id, 0, 0)
    return None


def lenders(message: Message, before: Sequence[Message]) -> list[Message]:
    """Those of the messages before it that may lend it a name: they are trusted as much."""
    return [said for said in before if said.origin.trust >= message.origin.trust]


def times_of(message: Message, draft: MemoryUnit | None, locale: Locale = HERE) -> list[TimeSpan]:
    """The intervals that the rules read in the message, and in the draft, whose dates are resolved."""
    found = list(dates.find(message.text, message.occurred_at, locale=locale))
    if draft is not None:
        found += dates.find(draft.text, message.occurred_at, locale=locale)
        found += [draft.time] if draft.time else []
    return found


def ungrounded(
    text: str, message: Message, before: Sequence[Message], draft: MemoryUnit | None, locale: Locale = HERE
) -> str | None:
    """Why a note of this message is not believed, None when it is: it must say something, its numbers and half of its
    words must stand in the message or the draft, its names there or in what was said before by who may lend it one,
    and its dates must be those that the rules read.
    """
    times = times_of(message, draft, locale)
    own = f"{message.name}: {message.text} {draft.text if draft else ''} {' '.join(map(dates.describe, times))}"
    lent = (f"{said.name}: {said.text}" for said in lenders(message, before))
    reason = unsaid(text, own, " ".join([own, *lent]))
    if reason is None and not all(
        _agrees(span, times) for span in dates.find(text, message.occurred_at, locale=locale)
    ):
        return "a time was not said"
    return reason


def is_turned(text: str, message: Message, quoted: Sequence[Source]) -> bool:
    """Whether a note denies what the sentences that it quotes say, or says what they deny: "she eats meat" does not
    stand on the word "meat" of "I don't eat meat". Where one of them is both, it is turned whichever it is.
    """
    told = [
        sentence.text
        for sentence in segment.sentences(message.content)
        if any(source.start < sentence.end and sentence.start < source.end for source in quoted)
    ] or [message.text]
    return any(denies(sentence) is not denies(text) for sentence in told)


def turns(text: str, notes: Sequence[str]) -> bool:
    """Whether a sentence of the text denies what the note that shares most words with it says, or the other way
    round.
    """
    known = [(_stems(lexicon.words(note)), denies(note)) for note in notes]
    for sentence in segment.sentences(text):
        own = _stems(lexicon.content_words(sentence.text))
        most = max((len(own & stems) for stems, _ in known), default=0)
        if most and all(len(own & stems) < most or denied is not denies(sentence.text) for stems, denied in known):
            return True
    return False


def is_named(name: str, notes: Sequence[str], shown: str) -> bool:
    """Whether a name is of the notes, which were shown so: all of its content words stand there, its names and numbers
    as they are, and it denies none of them.
    """
    stems = _stems(lexicon.words(shown))
    is_said = all(word[:_STEM_CHARS] in stems for word in lexicon.content_words(name))
    return is_said and unsaid(name, shown, shown) is None and not turns(name, notes)


def denies(text: str) -> bool:
    """Whether something in it turns it round."""
    return DENIAL.search(text) is not None


def unsaid(text: str, own: str, around: str) -> str | None:
    """What `text` says that was not said, None when there is nothing: its numbers must stand in `own`, half of its
    content words too, and its names in `around`.
    """
    numbers = set(_NUMBER.findall(own))
    for number in _NUMBER.findall(text):
        if number not in numbers and number.rstrip(".,:") not in numbers:
            return "a number was not said"
    known = set(lexicon.words(around))
    for match in _NAME.finditer(text):
        words = lexicon.words(match.group())
        starts = not text[: match.start()].rstrip(" \"'(") or text[: match.start()].rstrip()[-1:] in ".!?:"
        if any(_bare(word) not in known and word not in known for word in words) and not (
            starts and words[0] in lexicon.FUNCTION
        ):
            return "a name was not said"
    content = lexicon.content_words(text)
    if not content:
        return "it says nothing"
    stems = _stems(lexicon.words(own))
    if sum(word[:_STEM_CHARS] in stems for word in content) < _SAID_SHARE * len(content):
        return "words were not said"
    return None


def is_said_by(text: str, others: Sequence[str]) -> bool:
    """Whether one of the others has about all of the content words of the text."""
    wanted = _stems(lexicon.content_words(text))
    return any(len(wanted & _stems(lexicon.words(other))) >= _SAME_SHARE * len(wanted) for other in others)


def borrowed(text: str, own: str, before: Sequence[Message]) -> list[Source]:
    """The sentences of messages before it that lend the text a name which `own` has not, the nearest first."""
    known = set(lexicon.words(own))
    missing = {
        word for match in _NAME.finditer(text) for word in lexicon.words(match.group()) if _bare(word) not in known
    }
    found = []
    for said in reversed(before):
        speaker = set(lexicon.words(said.name))
        for sentence in segment.sentences(said.content):
            lent = missing & set(lexicon.words(sentence.text)) - speaker
            if lent:
                found.append(Source(said.id, sentence.start, sentence.end))
                missing -= lent
    return found


def meets(one: Source, other: Source) -> bool:
    """Whether both stand on characters of the other; those of a caption share it whole."""
    if one.message_id != other.message_id:
        return False
    return one == other or max(one.start, other.start) < min(one.end, other.end)


def _agrees(span: TimeSpan, times: Sequence[TimeSpan]) -> bool:
    """Whether one of the times holds it, or lies in it."""
    return any(
        (one.start <= span.start and span.end <= one.end) or (span.start <= one.start and one.end <= span.end)
        for one in times
    )


def _stems(words: Sequence[str]) -> set[str]:
    return {word[:_STEM_CHARS] for word in words}


def _bare(word: str) -> str:
    return word.removesuffix("'s")
