"""What tells nothing by itself: greetings, thanks, back-channel. Nothing is lost here: the verbatim log keeps and finds
every word.

A sentence keeps in touch when it is made of the closed words for it alone. Any other word, a digit, a name, another
language makes it a statement.
"""

from __future__ import annotations

import re

from memsvc.distill import artefacts, lexicon
from memsvc.domain import served
from memsvc.domain.message import Message

# A sentence this long says something, whatever its words.
_MAX_PHATIC_WORDS = 16
# What is said of oneself only to be in touch; anything else of the form "I …" is a statement.
_POLITE = re.compile(
    r"(?:(?:aw+|oh|wow|yeah|yes|hey|well|so|and|but|haha|ok|okay|no),? )*"
    r"(?:i(?:'m| am) (?:(?:so|really|very|just) )*(?:glad|happy|sorry|proud|excited|here)"
    r"(?: (?:to hear (?:that|it|this)|(?:for|of|about) (?:you|that|it|this)|it \w+|you \w+ (?:it|that)|to help))?|"
    r"i can't (?:even )?(?:imagine|agree more)|"
    r"i (?:(?:totally|completely|really|so|do|can) )*(?:agree|see|know|hear you|understand|imagine|hope so|"
    r"think so|guess so|bet|get it|appreciate (?:it|that|you))(?: (?:too|right|more|what you mean|how you feel))?|"
    r"we should|let's do it)(?: (?:too|so much|a lot|right))?",
)
_ANSWERS = frozenset(
    "yes yeah yep yup no nope nah ok okay sure right exactly absolutely definitely agreed true false maybe probably "
    "never always sometimes often course correct indeed neither both none fine good great got".split()
)
_WHO = frozenset("who who's whose whom which".split())
_GREETING = frozenset(
    "hi hello hey thanks thank thx welcome bye congrats congratulations cheers haha hahaha lol".split()
)
# "Amazing!", "So lovely!"; behind "that's" it is praise of what was said before the question.
_PRAISE_WORDS = 2
_OWN_SUBJECT = frozenset("i i'm i've i'd i'll we we're we've we'd we'll my our".split())
# Words for what was named before.
_POINTING = frozenset(
    "it it's its them they they're this that that's those these one ones few both there then so too either any some he "
    "she him her his their same more another".split()
)


def reason_to_skip(message: Message) -> str | None:
    """Why a message as a whole gives no unit: "empty", or "served" when all it holds is context that this service
    served; None when it may give one.
    """
    if message.caption and message.caption.strip():
        return None
    if not message.content.strip():
        return "empty"
    return None if served.without(message.content).strip() else "served"


def may_answer(text: str, question: str, names: frozenset[str]) -> bool:
    """Whether a sentence may be the answer to a question: assent, refusal, a mark that stands for them, praise where
    the question is how something is, a name where it is who.
    """
    said = lexicon.words(text)
    if not said or any(word in _ANSWERS for word in said):
        return True
    asks = set(lexicon.words(question))
    if "how" in asks and len(said) <= _PRAISE_WORDS and not _GREETING & set(said):
        return any(word in lexicon.PHATIC for word in said)
    return bool(_WHO & asks) and all(word in names for word in said)


def still_answers(text: str) -> bool:
    """Whether a later statement of a message may still answer the question before it: not where the speaker begins anew
    as a subject and points to nothing that was named before.
    """
    said = lexicon.words(text)
    return not _OWN_SUBJECT & set(said[:1]) or bool(_POINTING & set(said))


def is_phatic(text: str, names: frozenset[str]) -> bool:
    """Whether a sentence only keeps in touch. `names` are the participants' lower-cased words, which call somebody."""
    if len(text) > 16 * _MAX_PHATIC_WORDS:
        return False
    text = lexicon.without_calls(text, names)
    said = lexicon.words(text)
    if not said:
        return not any(map(str.isalnum, text))  # only marks or emoji
    if len(said) > _MAX_PHATIC_WORDS or artefacts.find(text):
        return False
    rest = " ".join(word for word in said if word not in names)
    if _POLITE.fullmatch(rest):
        return True
    rest = lexicon.SET_PHRASE.sub("", rest)
    return all(word in lexicon.RITUAL or word.partition("'")[0] in names for word in rest.split())
