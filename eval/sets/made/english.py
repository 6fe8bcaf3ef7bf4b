"""The rules for English."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import re
from collections.abc import Iterator, Sequence

from eval.sets.made.facts import Draft, Fact
from eval.sets.made.topics import ENGLISH
from eval.sets.made.wordings import ENGLISH as WORDINGS
from eval.sets.model import Turn

_SENTENCE = re.compile(r"(?<=[.!?])[\"”]?\s+")
_OFTEN = r"(?: (?:also|really|just|recently|always|usually|often|especially|currently|even|still))*"
_I = rf"\b(?:I|we|We){_OFTEN}"
_AM = rf"\b(?:I'm|I am|I was|I've been|I have been|We're|we're|we are){_OFTEN}"
# An object ends where the sentence goes on to something else.
_ENDS = (
    "and but because so or which that when while with where who since as today yesterday recently lately for after "
    "before during from by if every these this last alone together now in at on like especially"
)
_OBJECT, _PLACE = (
    r"(?! (?:this|that|these|those|it|about|you|your|to)\b) (?P<what>[\w'’-]+(?: [\w'’-]+){0,6}?)"
    rf"(?=[.,!?;:()]| (?:{'|'.join(ends.split())})\b|$)"
    for ends in (_ENDS, f"{_ENDS} to")
)
_LONGER = r" (?P<what>[\w'’-]+(?: [\w'’-]+){1,8}?)(?=[.,!?;:()]| (?:and|but|because|so|which|that|when|while)\b|$)"
# What is meant to be done in the talk itself is no plan.
_NOT = r"(?! (?:ask|share|talk|chat|tell|try|hear|know|say|discuss|thank|see if|make sure|be)\b)"
# Anything that was done, by its ending.
_PAST = r"(?! (?:wanted|learned)\b)(?= \w+(?:ed|ought|ent|ade|ot|aw)\b)"
# Frame -> what a user says.
_SAID: Sequence[tuple[str, re.Pattern[str]]] = [
    (frame, re.compile(words + span))
    for frame, words, span in (
        ("place:went", rf"{_I} (?:went|traveled|travelled|came|have been) to(?: the| a| an| my)?", _PLACE),
        ("place:went", rf"{_I} visited(?: the| a| an)?", _PLACE),
        ("place:want", rf"{_I} (?:want|plan|hope|wanted|would like) to (?:go to|visit|travel to)", _PLACE),
        ("action:learn", rf"(?:{_I} learned|{_AM} (?:learning|studying|practicing))(?: how)?(?: to)?", _OBJECT),
        ("action:watch", rf"(?:{_I} (?:watched|saw)|{_AM} watching)", _OBJECT),
        ("action:read", rf"(?:{_I} read|{_AM} reading)", _OBJECT),
        ("action:buy", rf"{_I} (?:bought|purchased)", _OBJECT),
        ("action:make", rf"{_I} (?:made|cooked|wrote|painted|baked)", _OBJECT),
        ("action:try", rf"{_I} (?:ate|tried|tasted|drank)", _OBJECT),
        (
            "action:join",
            rf"{_I} (?:attended|joined|participated in|took part in|(?:signed up|registered) for)",
            _OBJECT,
        ),
        ("action:meet", rf"{_I} (?:met|encountered|ran into|faced)", _OBJECT),
        ("action:prepare", rf"{_AM} preparing(?: for)?", _OBJECT),
        ("mind:like", rf"{_I} (?:like|love|enjoy|prefer)(?: to)?", _OBJECT),
        ("mind:plan", rf"(?:{_I} (?:plan|want|wanted|decided|hope|intend)|{_AM} (?:planning|going)) to{_NOT}", _LONGER),
        ("mind:plan", rf"{_AM} (?:considering|thinking of|thinking about|planning on)", _LONGER),
        ("mind:felt", rf"(?:{_I} (?:feel|felt)|{_AM} feeling)(?! (?:that|like|good|the|it|much|better)\b)", _OBJECT),
        ("mind:fear", rf"{_AM}(?: \w+)? (?:worried|afraid|nervous|concerned) (?:about|of|that)", _LONGER),
        ("action:do", rf"\b(?:[Tt]oday|[Yy]esterday|This morning),? (?:I|we){_PAST}", _LONGER),
    )
]
_ADVICE = re.compile(
    r"\b(?:(?:[Yy]ou (?:can|could|should|might|may)|(?:suggest|recommend)(?: that)? you)"
    r"(?: also| first| try| to| consider)*(?! (?:enjoy|want|see|be|feel|like|have|need|achieve)\b)"
    rf"|try|suggest|recommend)(?! could\b){_LONGER}"
)
_NUMBER = re.compile(
    r"\b(?:\d+|two|three|four|five|six|seven|eight|ten|twenty|thirty|several|half an) "
    r"(?P<unit>minutes|hours?|days|weeks|months|years|kilometers|meters)\b"
)
# What can be called something, by the frame's name for it: the nouns of questions, and the words in messages.
_CALLED = {
    "movie": (("movie", "film"), "movie movies film films"), "book": (("book", "novel"), "book books novel novels"),
    "song": (("song",), "song songs"), "game": (("game",), "game games"), "article": (("article",), "article articles"),
    "show": (("show", "series", "program"), "show shows series program programs drama dramas"),
    "saying": (("saying",), "saying quote"),
}  # fmt: skip
_CALLED_BY = {form: noun for noun, (_, forms) in _CALLED.items() for form in forms.split()}
_TITLE = re.compile(r"[\"“](?P<what>[A-Z0-9][^\"”]{1,60}?)[.,!?]?[\"”]")
_EMPTY = frozenset(
    """it that them you this these those something anything things a the an to of lot very so too more some really good
    great much well not be do go have my your i me what like any all about them. better bit little quite nice many in on
    up out there here try one other others trying doing being such also with for and movie film book books
    problem problems issue issues activities dishes people class article novel topics new certain related popular
    methods ways way time kinds types place places fullest""".split()
)
# A span with these is a clause that goes on, no answer.
_SELF = frozenset(("i", "i've", "i'm", "you", "we", "them", "it"))
_WORD = re.compile(r"[A-Za-z0-9][\w'’-]*")
_TOPIC_BY = {form: name for name, topic in ENGLISH.items() for form in topic.forms}


def facts(turns: Sequence[Turn]) -> list[Fact]:
    """All that can be asked for by a frame."""
    found: dict[tuple[str, str, str], Fact] = {}
    for before, turn in zip((None, *turns), turns, strict=False):
        asked = before.text if before is not None and before.session_id == turn.session_id else ""
        for frame, span in _spans(turn, asked):
            answer = span.strip(" '’-.")
            words = [word.lower() for word in _WORD.findall(answer)]
            if not set(words) - _EMPTY or not _SELF.isdisjoint(words):
                continue
            # What was asked names what an answer is about; the answer itself says more than that.
            about = topics(turn.text if turn.role == "user" else asked) - topics(answer)
            about = frozenset(topic for topic in about if not topic.startswith(frame.split(":")[1]))
            found.setdefault((frame, turn.id, answer), Fact(frame, turn, answer, about))
    return list(found.values())


def _spans(turn: Turn, asked: str) -> Iterator[tuple[str, str]]:
    """Frames and what was said in them."""
    for sentence in _SENTENCE.split(turn.text):
        for match in _TITLE.finditer(sentence):
            words = [word.lower() for word in _WORD.findall(sentence[: match.start()])][::-1]
            words += [word.lower() for word in _WORD.findall(sentence[match.end() :])]
            words += [word.lower() for word in _WORD.findall(asked)]
            noun = next((_CALLED_BY[word] for word in words if word in _CALLED_BY), None)
            # What the user has just named is not recommended to them.
            if noun is not None and (turn.role == "user" or match["what"] not in asked):
                yield f"{'title' if turn.role == 'user' else 'recommended'}:{noun}", match["what"]
        if sentence.endswith("?"):
            continue
        if turn.role != "user":
            advised = _ADVICE.search(sentence)
            if advised and "?" in asked:
                yield "advice:do", advised["what"]
            continue
        for frame, rule in _SAID:
            said = rule.search(sentence)
            if said is not None:
                yield frame, said["what"]
        counted = _NUMBER.search(sentence)
        if counted is not None:
            yield f"action:{'far' if counted['unit'].endswith('meters') else 'long'}", counted[0]


def topics(text: str) -> frozenset[str]:
    """The topics of the list that a text names."""
    words = (found.lower() for found in _WORD.findall(_TITLE.sub("", text)))
    return frozenset(_TOPIC_BY[word] for word in words if word in _TOPIC_BY)


def holds(text: str, span: str) -> bool:
    """Whether a span stands in a text as whole words, whatever the case."""
    return re.search(rf"(?<!\w){re.escape(span)}(?!\w)", text, re.IGNORECASE) is not None


def on_day(day: dt.date, rng: random.Random) -> str:
    """The words for a day."""
    ending = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}.get(day.day, "th")
    ways = (f"{day.day} {day:%B}", f"{day:%B} {day.day}{ending}", f"{day:%B} {day.day}", f"{day.day} {day:%B %Y}")
    return f"on {rng.choice(ways)}"


def about(topic: str, rng: random.Random, day: dt.date | None = None) -> str:
    """The words for a talk about a topic."""
    ways = ("when we talked about {}", "when {} came up", "when our talk was about {}")
    words = rng.choice(ways).format(rng.choice(ENGLISH[topic].names))
    return f"{words} {on_day(day, rng)}" if day else words


def named(topic: str, person: str | None, rng: random.Random) -> str:
    """A question for all that the user said of a topic."""
    return rng.choice(WORDINGS["topic"]).format(topic=rng.choice(ENGLISH[topic].names), **_who(person))


def wording(frame: str, person: str | None, when: str, rng: random.Random) -> str:
    """A question of this frame."""
    kind, _, what = frame.partition(":")
    template = rng.choice(WORDINGS.get(frame) or WORDINGS[kind])
    noun = rng.choice(_CALLED[what][0]) if what in _CALLED else what
    if when and rng.random() < 0.2:
        text = template.format(noun=noun, when="", **_who(person))
        return f"{when[0].upper()}{when[1:]}, {text[0].lower()}{text[1:]}"
    return template.format(noun=noun, when=f" {when}" if when else "", **_who(person))


def _who(person: str | None) -> dict[str, str]:
    if person is None:
        return {"I": "I", "have": "have", "was": "was", "my": "my", "me": "me"}
    return {"I": person, "have": "has", "was": "was", "my": f"{person}'s", "me": person}


# Questions of the assistant that ask for nothing in particular, or whose object stands in what was said before.
_VAGUE = re.compile(
    r"^how (?:was|are|about)|think$|troubles"
    r"|\b(?:anything|assist|help|talk about|chat about|this|that|these|it|them|one|other|bothering|call)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"(?:^|(?<=[,;] )|(?<=\. ))(?P<asks>(?:what|which|where|when|how|why|who)\b[^?.!]*)\?", re.IGNORECASE
)
# One of two questions in a sentence is enough.
_SECOND = re.compile(r",? and (?=(?:what|which|where|when|how|why|who|did|do|is|are)\b)")
_DROPPED = re.compile(
    r"(?<!most) \b(?:usually|recently|interesting|specific|currently|in general|next time|beautiful)\b"
)
_TURNED = (
    ("are you", "am I", "is {}"), ("do you", "do I", "does {}"), ("have you", "have I", "has {}"),
    ("were you", "was I", "was {}"), ("your", "my", "{}'s"), ("you're", "I'm", "{} is"), ("did you", "did I", "did {}"),
    ("for you", "for me", "for {}"), ("to you", "to me", "to {}"), ("on you", "on me", "on {}"), ("you", "I", "{}"),
)  # fmt: skip
_SWAPPED = {
    "movie": "film", "like": "enjoy", "travel": "go", "kind": "sort", "type": "kind", "think": "say", "watch": "see",
}  # fmt: skip


def replies(turns: Sequence[Turn], person: str, rng: random.Random) -> list[Draft]:
    """The assistant's questions, asked again of the user's answers."""
    drafts = []
    for asking, answering in itertools.pairwise(turns):
        if (asking.role, answering.role) != ("assistant", "user") or asking.session_id != answering.session_id:
            continue
        answer = _SENTENCE.split(answering.text)[0].rstrip(".!")
        for match in _ASKS.finditer(asking.text):
            asked = _SECOND.split(match["asks"])[0]
            if _VAGUE.search(asked) or "you" not in asked.lower() or len(answer.split()) < 4 or "?" in answer:
                continue
            third = rng.random() < 0.25
            drafts.append(Draft(_turned(asked, person if third else None, rng), (answer,), (answering.id,), "reply"))
            break
    return drafts


def _turned(asked: str, person: str | None, rng: random.Random) -> str:
    """A question to "you", asked by "I" or about a person, in slightly other words."""
    text = _DROPPED.sub("", asked)
    for word, other in _SWAPPED.items():
        if rng.random() < 0.5:
            text = re.sub(rf"\b{word}(s?)\b(?! to)", rf"{other}\1", text)
    for you, first, third in _TURNED:
        text = re.sub(rf"\b{you}\b", first if person is None else third.format(person), text, flags=re.IGNORECASE)
    return f"{text[0].upper()}{text[1:].strip()}?"
