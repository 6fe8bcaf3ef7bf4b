"""Text to the terms of the lexical index, in any script.

The same words must come out of a short question and of a long message although the language of neither is known for
sure. So the script decides where it can, and where it cannot, in Latin, a word has a term that any text gives it (its
English stem, without accents) beside the stem of the language that its text seems to be in.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator

import regex
import Stemmer

from memsvc.index import languages

_ASCII_WORD = re.compile(r"[^\W_]+", re.ASCII)
# With combining marks, without which the vowels of Devanagari, Arabic or Thai would end a word.
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*")
# What is not seen: joiners, soft hyphens, marks of direction, variation selectors. The non-joiner stays where Persian
# sets it between a word and its suffix.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180e\u200b\u200d-\u200f\u202a-\u202e\u2060-\u2064\u20e3\ufe00-\ufe0f\ufeff]"
    "|\u200c(?![\u0600-\u06ff])"
)
# Normalisation would write these signs (trade mark, service mark) as letters of the word before.
_SIGNS = re.compile("[\u2120\u2122]")
# Beyond ASCII and the signs of English typography (quotes, dashes, arrows, most emoji) there may be letters.
_BEYOND = re.compile(
    r"[^\x00-\x7f\u00a0\u00a3-\u00a7\u00ab\u00b0\u00b1\u00b7\u00bb\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u22ff"
    r"\u2500-\u2765\ufe0f\U0001f300-\U0001faff]"
)

_RUN = regex.compile(
    r"(?P<han>\p{Han}[\p{Han}\p{M}]*)"
    r"|(?P<kana>[\p{Hiragana}\p{Katakana}\u30fc][\p{Hiragana}\p{Katakana}\u30fc\p{M}]*)"
    r"|(?P<hangul>[\p{Hangul}][\p{Hangul}\p{M}]*)"
    r"|(?P<unspaced>[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}][\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{M}]*)"
    r"|(?P<spaced>[^\p{Han}\p{Hiragana}\p{Katakana}\u30fc\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+)"
)
# A letter with its marks; the sign that stacks a consonant below (Khmer, Burmese) takes that consonant with it.
_CLUSTER = regex.compile(r"\P{M}(?:[\u17d2\u1039]\P{M}|\p{M})*")
# A cluster of so many signs is a syllable, and often a word.
_SYLLABLE = 4
_ALPHABET = regex.compile(
    r"(?P<latin>\p{Latin})|(?P<russian>\p{Cyrillic})|(?P<greek>\p{Greek})|(?P<armenian>\p{Armenian})"
    r"|(?P<arabic>\p{Arabic})|(?P<hindi>\p{Devanagari})|(?P<tamil>\p{Tamil})|(?P<hebrew>\p{Hebrew})"
)
# Characters of Chinese and Japanese that say nothing alone; in pairs they do.
_HAN_FUNCTION = frozenset(
    "\u7684\u4e86\u662f\u5728\u6211\u4f60\u4ed6\u5979\u5b83\u4eec\u548c\u4e0e\u6709\u4e0d\u4e5f\u90fd\u5f88\u5c31"
    "\u8fd9\u90a3\u4ec0\u4e48\u54ea\u8c01\u5417\u5462\u5427\u7740\u8fc7\u5f97\u628a\u88ab\u8ddf\u5bf9\u4e2a\u4e00"
    "\u5011\u8207\u9019\u9ebc\u8ab0\u55ce\u904e\u5c0d\u500b\u8457\u4f55\u79c1"
)

# What is often left unwritten: the dots of \u0451, signs of stress, the dot for foreign sounds below a letter of Hindi.
_OPTIONAL = {
    "russian": regex.compile(r"(?<=\u0435)\u0308|[\u0300\u0301]"),
    "hindi": regex.compile(r"\u093c"),
}
_MARK = regex.compile(r"\p{M}")
_VOWEL_SIGNS = regex.compile(r"[\p{M}\u0640]")
_ALEF = str.maketrans("\u0623\u0625\u0622\u0671", "\u0627\u0627\u0627\u0627")
# Letters whose stroke is no combining mark.
_STROKES = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ħ": "h"})


def terms(text: str) -> list[str]:
    """The words of a text as its index knows them, in order, without function words.

    English words are their Snowball stems. Words of other languages give their own stem and up to two forms beside it:
    without accents, and with them where the stem has lost them. Scripts without spaces give pairs of characters, which
    need no dictionary.
    """
    ascii_only = text.isascii() or _BEYOND.search(text) is None
    plain = text.lower() if ascii_only else _plain(text)
    words = (_ASCII_WORD if ascii_only else _WORD).findall(plain)
    language = languages.tell(words, plain)
    stop_words = languages.stop_words(language)
    words = [word for word in words if word not in stop_words]
    if language is not None:
        return [term for word in words for term in _forms(word, language)]
    stems = iter(_english().stemWords([word for word in words if word.isascii()]))
    if ascii_only:
        return list(stems)
    found: list[str] = []
    for word in words:
        if word.isascii():
            found.append(next(stems))
        else:
            found.extend(_forms(word, None))
    return found


def _plain(text: str) -> str:
    """One form for all ways to write the same: NFKC, case folded, without what is not seen."""
    composed = unicodedata.normalize("NFKC", _UNSEEN.sub("", _SIGNS.sub(" ", text)))
    # Case folding takes letters apart: the dotted capital I of Turkish into i and a dot, which is an i.
    return unicodedata.normalize("NFKC", composed.casefold()).replace("i\u0307", "i")


def _english() -> Stemmer.Stemmer:
    return languages.stemmer("english")


def _forms(word: str, language: str | None) -> Iterator[str]:
    """The terms of one word: of each of its runs of a script by the habits of that script."""
    if word.isascii():
        yield from _latin(word, language)
        return
    for run in _RUN.finditer(word):
        part = run.group()
        match run.lastgroup:
            case "han":
                yield from _pairs(part)
                yield from (sign for sign in part if len(part) > 1 and sign not in _HAN_FUNCTION)
            case "hangul":
                yield from _hangul(part)
            case "kana":
                yield from _pairs(part)
            case "unspaced":
                yield from _pairs(part)
                yield from (cluster for cluster in _CLUSTER.findall(part) if len(cluster) >= _SYLLABLE)
            case _:
                yield from _spaced(part, language)


def _pairs(run: str) -> list[str]:
    """Overlapping pairs of letters with their marks; a single one gives itself."""
    clusters = _CLUSTER.findall(run)
    return ["".join(pair) for pair in itertools.pairwise(clusters)] or clusters


def _hangul(word: str) -> list[str]:
    """Pairs of syllables, since particles follow their noun without a space: the last of three or more is mostly one
    and in no pair, and of two the first may be the noun.
    """
    return [word, word[0]] if len(word) == 2 else _pairs(word[:-1] if len(word) > 2 else word)


def _spaced(word: str, language: str | None) -> Iterable[str]:
    """A word of an alphabet: its script says how it is stemmed, for Latin the language that its text is in."""
    alphabet = _ALPHABET.search(word)
    match alphabet and alphabet.lastgroup:
        case None:
            return (word,)
        case "latin":
            return _latin(word, language)
        case "hebrew":
            return (_VOWEL_SIGNS.sub("", word),)
        case "arabic":
            return (_arabic(word, language),)
        case name:
            stem = languages.stemmer(name).stemWord
            return dict.fromkeys(
                (stem(word), stem(_without(_OPTIONAL[name], word)) if name in _OPTIONAL else stem(word))
            )


def _latin(word: str, language: str | None) -> Iterable[str]:
    """The stem of its language; the English stem without accents, which a text of unknown language gives it too; and
    the word with its accents where the stem has none, so that schon and schön stay two words.
    """
    bare = word if word.isascii() else _bare(word)
    stem = word if language is None else languages.stemmer(language).stemWord(word)
    exact = (word,) if bare != word and stem.isascii() else ()
    return dict.fromkeys((stem, _english().stemWord(bare), *exact))


def _arabic(word: str, language: str | None) -> str:
    """Vowel signs and the stretching stroke are left out, the forms of alef are one."""
    bare = _VOWEL_SIGNS.sub("", word).translate(_ALEF)
    stem: str = languages.stemmer("persian" if language == "persian" else "arabic").stemWord(bare)
    return stem


def _bare(word: str) -> str:
    """Without accents."""
    return _without(_MARK, word.translate(_STROKES))


def _without(marks: regex.Pattern[str], word: str) -> str:
    return unicodedata.normalize("NFC", marks.sub("", unicodedata.normalize("NFD", word)))
