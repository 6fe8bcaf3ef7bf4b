"""How a statement is asserted: held true, asked, wanted done, supposed, said by another, planned, or true for a while.

Only what is asserted, and lasts, may take the place of something that was true before, so the doubtful is judged by the
harm of an error: a supposition taken for a fact replaces a truth, a fact taken for a supposition only fails to replace
one. The words that mark an assertion are closed tables, one a language (`moods`); marks of punctuation and the dates
that a statement names count in every language.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

from memsvc.distill import moods, moods_cyrillic_and_cjk, moods_english, moods_germanic, moods_romance
from memsvc.domain.message import Role
from memsvc.domain.timespan import Granularity, TimeSpan
from memsvc.domain.unit import Assertion

# Frequent small words that tell one language of the Latin script from the others; cues of the tables are among them.
_VOCABULARY = {
    "en": "the a an i i'm is are was were am my me you your he she it we they of to in on at and or but not "
    "for with this that if "
    "will would can could please until who what when where how do does did have has had be been from by "
    "as said told let going",
    "de": "will werden der die das ein eine einen einem ich bin ist sind war mein meine meinen meinem mir mich "
    "du dein er sie es wir und oder aber nicht für mit "
    "dies dass wenn falls wird werde würde kann bitte bis wer was wann wo wie habe hat haben von zu nach "
    "im am auf sagt sagte laut "
    "stell angenommen kannst könntest zurzeit momentan vorübergehend wäre hätte nach bei seit als",
    "es": "a el la los las un una yo soy es son era mi mis me tú tu te él ella nosotros y o pero no por para "
    "con este esta que si sí de del al en "
    "estoy está voy vamos hasta qué quién cuándo dónde cómo he ha han dijo dice según favor puedes "
    "podrías imagina ojalá se lo le su",
    "fr": "le la les un une je suis est sont j' mon ma mes me moi tu ton il elle nous vous et ou mais ne pas "
    "pour avec ce cette que qu si s de du des au "
    "en dans vais jusqu qui quand où comment j ai a ont dit selon plaît peux pouvez imagine imaginons "
    "aide à chez c d l",
    "pt": "o a os as um uma eu sou é são era meu minha meus me você tu ele ela nós e ou mas não por para com "
    "este esta isto que se de do da dos das no na em "
    "estou está vou vamos até quem quando onde como disse diz segundo favor pode poderia imagine tenho "
    "tem ao",
    "it": "a il lo la gli le un una io sono è ero mio mia miei mi tu lui lei noi e o ma non per con questo "
    "questa che se di del della dei al nel in sto "
    "vado fino chi quando dove come ho ha hanno detto dice secondo favore puoi potresti immagina alla da "
    "dal mettiamo",
    "nl": "de het een ik ben is zijn was mijn me mij je jij jouw hij zij we wij en of maar niet voor met dit "
    "deze dat als zal zou kan "
    "alsjeblieft tot wie wat wanneer waar hoe heb heeft van te naar in op bij zei zegt volgens stel kun "
    "kunt ga gaat gaan woon",
}
_BITS = 6  # of a count: a sentence of up to 63 such words
_MOODS = (
    moods_english.ENGLISH,
    moods_germanic.GERMAN,
    moods_romance.SPANISH,
    moods_romance.FRENCH,
    moods_romance.PORTUGUESE,
    moods_romance.ITALIAN,
    moods_germanic.DUTCH,
)
_VOTES: dict[str, int] = {}
for _place, _words in enumerate(_VOCABULARY.values()):
    for _word in frozenset(_words.split()):
        _VOTES[_word] = _VOTES.get(_word, 0) + (1 << _BITS * _place)

_KANA = re.compile(r"[\u3040-\u30ff]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_RUSSIAN = re.compile(r"[а-яё]")
_NOT_RUSSIAN = re.compile(r"[іїєґўђћљњџјќѓѕһәөүұқғңѣ]")
_GREEK = re.compile(r"[\u0370-\u03ff]")
# A mark of question, then nothing but other marks, emoji and a smile in letters.
_ASKED = re.compile(r"[?\uff1f\u061f\u2047\u203d\u2048\u2049\u037e](?P<rest>\W*(?::[DPp]|xD)?)$")
_CLOSING = frozenset("\"'\u201d\u2019\u00bb\u300d")
_OPENING = frozenset("\"'\u201c\u2018\u00ab\u201e\u300c")
# Asks for a version in another language, whatever the language it is asked in: what follows is a text, not a statement.
_TRANSLATE = re.compile(
    r"(?:bitte |please |por favor,? )?(?:übersetze?n?|traduce|tradúceme|traduci|tradu[iz]s?(?:ez)?"
    r"|traduza|vertaal|перевед(?:и|ите)|翻译|翻訳)"
    r"(?: (?:esto|este|esta|el|la|isto|o|a|questo|il|ce|cet|cette|ça|le|dit|deze|het|de|das|den|die|mir"
    r"|это|этот)\b|:|一下|：|\W*$| .*:)"
)
_SPEAKERS = frozenset(
    """i we you user users who which what that this as ich wir du yo nosotros je nous j eu nós io noi ik wij we
    я мы ты вы benutzer nutzer usuario usuária usuário utilisateur utente gebruiker пользователь 我 我们 你 您 用户
    私 僕 俺 わたし ぼく ユーザー on j'ai j'avais it only nobody is are was were""".split()
)
_DETERMINERS = frozenset("my our his her their the your a an some one both".split())
_PERSONS = frozenset(
    """he she they people everyone everybody someone somebody mom mum dad mother father grandma grandpa doctors experts
    scientists friends""".split()
)
_COUNTS = {
    word: number
    for number, names in enumerate(
        ("a an one", "two couple", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        start=1,
    )
    for word in names.split()
}
_COUNTED = re.compile(r"\b(?P<count>\d{1,3}|[a-z]+) (?:of )?(?P<unit>day|night|week|month|year|decade)s?$")
_DAYS = {"day": 1, "night": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12, "decade": 120}
_END = 60  # characters among which a mark at the end is looked for: a long run of marks would take quadratic time
_DATE_BEHIND = 40  # characters between "until" and the date that ends it


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a statement is asserted; `by` whom a reported one is, as it was written; `until` when a temporary one ends.

    `by` and `until` are None where the words do not say; `until` is aware and the end of the interval that is named.
    """

    assertion: Assertion
    by: str | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    """One sentence as the rules of one language read it: `low` is `plain` in lower case, both without what leads in.

    `live` are the cues that are worth a look.
    """

    mood: moods.Mood
    plain: str
    low: str
    live: Set[moods.Cue]
    times: Sequence[TimeSpan]
    said_at: dt.datetime


def judge(text: str, *, role: Role, is_peer_talk: bool, times: Sequence[TimeSpan], said_at: dt.datetime) -> Judgement:
    """How one sentence or clause, without its speaker's name, is asserted.

    `times` are the intervals it names, `said_at` (aware) is when it was said. The first that fits: question, request,
    hypothetical, reported, temporary, planned, asserted. What an assistant or a tool writes is never a request; a
    request in question form is one to an assistant, between people it is a question.
    """
    plain = text.replace("\u2019", "'").strip()
    low = plain.lower()
    if len(low) != len(plain):  # a letter whose small form is two: positions would not fit
        plain = low
    if " Will" in plain:  # a name within a sentence, not the verb
        low = low[:1] + plain[1:].replace(" Will", " Bill").lower()
    words = frozenset(moods.WORD.findall(low))
    readings = [_reading(mood, plain, low, words, times, said_at) for mood in _spoken(low, words)]
    directed = role in (Role.USER, Role.SYSTEM)
    if _asks(plain) or any(_has(each, each.mood.question) for each in readings):
        wanted = directed and not is_peer_talk and any(_has(each, each.mood.asks) for each in readings)
        return Judgement(_once(readings)) if wanted else Judgement(Assertion.QUESTION)
    if directed and (_TRANSLATE.match(low) or any(_has(each, each.mood.request) for each in readings)):
        return Judgement(_once(readings))
    if any(_unreal(each) for each in readings):
        return Judgement(Assertion.HYPOTHETICAL)
    for rule in (_reported, _temporary):
        for each in readings:
            judgement = rule(each)
            if judgement is not None:
                return judgement
    if any(_has(each, each.mood.planned) for each in readings) or _ahead(readings, low, times, said_at):
        return Judgement(Assertion.PLANNED)
    return Judgement(Assertion.ASSERTED)


def _reading(
    mood: moods.Mood, plain: str, low: str, words: frozenset[str], times: Sequence[TimeSpan], said_at: dt.datetime
) -> _Said:
    match = mood.lead.match(low)
    start = match.end() if match else 0
    return _Said(mood, plain[start:], low[start:], moods.live(mood, words), times, said_at)


def _has(said: _Said, cues: moods.Cues) -> bool:
    return moods.first(cues, said.low, said.live) is not None


def _spoken(low: str, words: frozenset[str]) -> tuple[moods.Mood, ...]:
    """The languages the words may be of: by script, else those that most small words speak for, else English."""
    if not low.isascii():
        if _KANA.search(low):
            return (moods_cyrillic_and_cjk.JAPANESE,)
        if _HAN.search(low):
            return (moods_cyrillic_and_cjk.CHINESE,)
        if _RUSSIAN.search(low):
            return () if _NOT_RUSSIAN.search(low) else (moods_cyrillic_and_cjk.RUSSIAN,)
    total = 0
    for word in words:
        total += _VOTES.get(word, 0)
    if not total:
        return _MOODS[:1]
    votes = [(total >> _BITS * place) & ((1 << _BITS) - 1) for place in range(len(_MOODS))]
    most = max(votes)
    return tuple(mood for mood, count in zip(_MOODS, votes, strict=True) if count == most)


def _asks(plain: str) -> bool:
    """Whether the speaker asks: a mark at the end, unless it stands in somebody else's quoted question."""
    if plain.isascii() and "?" not in plain:
        return False
    if "\u055e" in plain:  # Armenian sets it over the last vowel of the word that is asked about
        return True
    if plain.startswith("\u00bf"):  # a Spanish question that was cut off before its end
        return True
    if plain.endswith(";") and _GREEK.search(plain):
        return True
    match = _ASKED.search(plain[-_END:])
    if match is None:
        return False
    return _CLOSING.isdisjoint(match["rest"]) or plain[:1] in _OPENING


def _once(readings: Sequence[_Said]) -> Assertion:
    """A request, unless it is to hold from now on."""
    lasts = any(_has(each, each.mood.lasting) for each in readings)
    return Assertion.ASSERTED if lasts else Assertion.REQUEST


def _unreal(said: _Said) -> bool:
    low = said.low
    for each in said.mood.real:
        if each in said.live:
            low = each.pattern.sub(",", low)
    return moods.first(said.mood.unreal, low, said.live) is not None


def _reported(said: _Said) -> Judgement | None:
    """Whose words they are. The speaker's own ("I said"), and a note about "the user", are the speaker's assertion."""
    for each in said.mood.reported:
        match = each.look(said.low) if each in said.live else None
        if match is None:
            continue
        group = next((name for name, value in match.groupdict().items() if value), None)
        if group is None:
            return Judgement(Assertion.REPORTED)
        by = said.plain[match.start(group) : match.end(group)].strip(" \"'")
        names = by.lower().split()
        if not names or not _SPEAKERS.isdisjoint(names):
            continue
        if said.mood is moods_english.ENGLISH and not _is_somebody(by.split()):
            continue
        return Judgement(Assertion.REPORTED, by=by)
    return None


def _is_somebody(words: Sequence[str]) -> bool:
    """English: a name, a pronoun, or a noun behind its article; not any words that stand before "said"."""
    if any(word.endswith("n't") for word in words):
        return False
    if words[0].lower() in _DETERMINERS:
        return len(words) > 1
    if words[0].lower() in _PERSONS:
        return True
    return all(word[0].isupper() or word == "and" for word in words)


def _temporary(said: _Said) -> Judgement | None:
    until = moods.first(said.mood.until, said.low, said.live)
    if until is not None:
        rest = said.low[until.end() :]
        if rest.startswith(("now", "nu toe", "ora", "agora", "présent", "maintenant")):
            return Judgement(Assertion.TEMPORARY, until=said.said_at)
        return Judgement(Assertion.TEMPORARY, until=_end_behind(until, said))
    stay = moods.first(said.mood.stay, said.low, said.live)
    if stay is None:
        return None
    counted = stay.groupdict().get("while")
    if counted:
        return Judgement(Assertion.TEMPORARY, until=_end_of_while(counted, stay, said))
    around = [span for span in said.times if span.start <= said.said_at < span.end and _is_wide(span)]
    return Judgement(Assertion.TEMPORARY, until=around[0].end if around else None)


def _is_wide(span: TimeSpan) -> bool:
    """Whether "this week" is named, rather than a range that was counted back from now."""
    return span.granularity is not Granularity.RANGE or span.phrase.lower().startswith("this")


def _end_behind(until: re.Match[str], said: _Said) -> dt.datetime | None:
    """The end of the first interval whose words stand behind "until"; they may begin with it."""
    found: list[tuple[int, dt.datetime]] = []
    for span in said.times:
        phrase = span.phrase.lower()
        place = said.low.find(phrase, max(0, until.end() - 12))
        if place >= 0 and until.end() < place + len(phrase) and place - until.end() <= _DATE_BEHIND:
            found.append((place, span.end))
    return min(found)[1] if found else None


def _end_of_while(counted: str, stay: re.Match[str], said: _Said) -> dt.datetime | None:
    """Start and duration: the start is the interval named beside it, or now for what is so now."""
    match = _COUNTED.search(counted)
    if match is None:
        return None
    word = match["count"]
    count = int(word) if word.isdigit() else _COUNTS.get(word)
    if count is None:
        return None
    beside = [
        span for span in said.times if counted not in span.phrase.lower() and not span.phrase.lower().startswith("for ")
    ]
    if beside:
        return _later(beside[0].start, count, match["unit"])
    now = re.search(
        r"\b(?:i'm|i am|we're|we are|he's|she's|they're|is) (?!going|gonna|moving|leaving|flying)", stay.group()
    )
    return _later(said.said_at, count, match["unit"]) if now else None


def _later(start: dt.datetime, count: int, unit: str) -> dt.datetime | None:
    if unit in _DAYS:
        return start + dt.timedelta(days=count * _DAYS[unit])
    total = start.year * 12 + start.month - 1 + count * _MONTHS[unit]
    year, month = divmod(total, 12)
    if year > 9998:
        return None
    first = start.replace(year=year, month=month + 1, day=1)
    return min(first + dt.timedelta(days=start.day - 1), _month_end(first))


def _month_end(first: dt.datetime) -> dt.datetime:
    """The same hour of the last day of the month that begins on `first`."""
    following = (first + dt.timedelta(days=32)).replace(day=1)
    return following - dt.timedelta(days=1)


def _ahead(readings: Sequence[_Said], low: str, times: Sequence[TimeSpan], said_at: dt.datetime) -> bool:
    """Whether all that it dates lies on later days, and it tells neither what was nor what is so with a date ahead.

    "The deadline is 12 April" and "my passport expires in 2030" hold now; "I start at Google on Monday" does not yet.
    """
    if not times or any(span.start.astimezone(said_at.tzinfo).date() <= said_at.date() for span in times):
        return False
    place = low.find(times[0].phrase.lower())
    before = low[:place] if place >= 0 else low
    for each in readings:
        settled, lasting = each.mood.fixture[:1], each.mood.fixture[1:]
        if moods.first(settled, before, each.live) or _has(each, lasting) or _has(each, each.mood.past):
            return False
    return True
