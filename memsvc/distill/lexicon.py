"""Closed word lists of English that several rules share."""

from __future__ import annotations

import functools
import re

import regex

# With combining marks: the vowels of Devanagari, Arabic and Thai end no word.
WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['\u2019][\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that carry no topic of their own.
FUNCTION = _words(
    """a about above after again all almost along already also although always am among an and another any anyone
    anything are around as at away back be because been before being below between both but by can can't could
    couldn't did didn't do does doesn't doing don't down during each either else enough even ever every everyone
    everything few first for from further get gets getting go goes going gone got had hadn't has hasn't have haven't
    having he he's her here here's hers herself him himself his how i i'd i'll i'm i've if in instead into is isn't it
    it's its itself just keep kind last least less let let's like little look looking lot lots made make makes making
    many may maybe me might mine more most much must my myself near need never next no nor not nothing now of off often
    on once one only onto or other our ours out over own perhaps put quite rather really right said same say saying see
    seem seemed seems several shall she she's should shouldn't since so some someone something soon still such take
    taking than that that's the their theirs them themselves then there there's these they they're thing things think
    this those though thought through time to together too toward try trying two under until up upon us use used using
    very want wanted was wasn't way we we'd we'll we're we've well went were weren't what what's when where which while
    who who's whole whom whose why will with without won't would wouldn't yes yet you you'd you'll you're you've your
    yours yourself know known knew come came coming day today being done give given much lately definitely actually
    probably totally bit sure"""
)

# What people say to be in touch rather than to tell something.
PHATIC = _words(
    """ah aha ahh alright amazing amen appreciate appreciated awesome aww beautiful best bet bye care catch
    cheers congrats congratulations cool cute dear excellent excited exactly fab fantastic fine fun glad good goodbye
    goodnight gosh great haha hahaha happy hear hello hey hi hmm hope hoping hugs huh impressive incredible indeed
    inspiring interesting kidding later lol lovely luck man morning my nah nice night no oh ok okay perfect pleasure
    proud right sorry sounds sound stunning super sweet talk thank thanks thx true ugh uh um understood
    welcome wish wonderful
    woo    wow yay yeah yep yes yup you absolutely agree agreed evening afternoon afternoon weekend doing been new up
    deserve deserved glad kind keep"""
)

_EMPTY = FUNCTION | PHATIC

# What a sentence that only keeps in touch is made of: greeting, thanks, praise and assent, and what joins them.
_TELLING = _words(
    "new been doing keep up luck man deserve deserved best evening weekend afternoon hope hoping talk care catch"
)
RITUAL = (PHATIC - _TELLING) | _words(
    """a an and are at be bit by all as always definitely do for have hear how is it it's its much my of one please
    really right same so such sure that that's the there these they're this to too totally very well what what's who
    with you you're your yourself i'm i actually probably honestly then"""
)
# Phrases of the same kind whose words tell something elsewhere: "take care", but "take one of these".
SET_PHRASE = re.compile(
    r"\b(?:good (?:evening|afternoon|day|luck)|(?<!i )have an? (?:nice|good|great|lovely|wonderful) "
    r"(?:day|one|time|evening|weekend|afternoon|night|trip|morning)|hear from you|"
    r"what an? (?:nice |good |great |lovely |wonderful )?day|"
    r"(?:nice|great|lovely|good|a pleasure) (?:to (?:meet|see)|meeting|seeing|talking (?:to|with)) you|take care|"
    r"(?:see|catch|talk to|speak to) (?:you|ya)(?: all| both)?(?: (?:later|soon|then|around|tomorrow))?|"
    r"of course|(?:what's|what is) (?:up|going on|new)|how(?:'s| is) it going|how are you doing|right (?:on|now)|"
    r"thanks a lot|many thanks|(?<!i )got (?:it|you)|no (?:problem|worries)|bye (?:for )?now|come on|"
    r"keep it up)\b"
)

DECISION = re.compile(
    r"\b(?:decided?|prefer|switched|because|fixed|never|always|from now on|going to|plan(?:ning|ned)? to|"
    r"chose|chosen|agreed to|promised?|no longer|instead of)\b",
    re.IGNORECASE,
)
FIRST_PERSON = re.compile(r"\b(?:i|i'm|i've|i'd|i'll|my|we|we're|we've|our)\b", re.IGNORECASE)
DIGIT = re.compile(r"\d")


def words(text: str) -> list[str]:
    """Lower-cased words with their apostrophes."""
    return [word.replace("\u2019", "'") for word in WORD.findall(text.lower())]


@functools.lru_cache(maxsize=256)
def _calls(names: frozenset[str]) -> re.Pattern[str] | None:
    """Short forms of the names, as one calls somebody: "Mel" for "melanie"; whole names are known as words."""
    forms = {name[:length].capitalize() for name in names if len(name) > 3 for length in range(3, len(name))}
    return re.compile(rf"\b(?:{'|'.join(sorted(forms, key=len, reverse=True))})(?=\W*(?:[!?.,]|$))") if forms else None


def without_calls(text: str, names: frozenset[str]) -> str:
    """The text without short forms of the (lower-cased) names where they call somebody: at a stop or a comma."""
    pattern = _calls(names)
    return pattern.sub("", text) if pattern else text


def content_words(text: str) -> list[str]:
    """Words that tell something: neither function words nor phatic ones, contractions counted by their head."""
    return [word for word in words(text) if word not in _EMPTY and word.partition("'")[0] not in _EMPTY]
