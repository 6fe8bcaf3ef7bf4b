"""What stands behind a statement's words to make it readable apart from its talk, and the proposition that both make.

A statement that is not understood alone carries the sentence before it: `(re: Did it rain?)` the question that it
answers, `(corrects: The dentist is on [Monday → Tuesday] at 9.)` the speaker's own sentence with what it replaces
there. The words stay as they were said; what they assert with that sentence is only judged by, and never served.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_BEHIND = re.compile(r" \((?P<sort>re|corrects): (?P<sentence>.*?)\)(?: \([^()]*: [^()]*\d\))?$", re.DOTALL)
_ANSWERS = "(re: "
_SWAP = re.compile(r"\[([^\[\]]+) \u2192 ([^\[\]]+)\]")
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_MARKS = "?\uff1f\u061f\u037e\u055e \"'\u201d\u2019*_"
# Words of assent, and what may stand beside one: an answer made of nothing else says yes to what was asked.
_YES = frozenset(
    """yes yeah yep yup sure ok okay absolutely definitely exactly correct right agreed confirmed perfect ja jawohl jep
    genau gerne gern klar passt einverstanden bestätigt richtig sí si vale claro perfecto correcto adelante hazlo
    confirmado oui ouais volontiers parfait exact vas-y sì certo perfetto esatto confermo sim perfeito correto pode
    graag prima akkoord klopt да конечно давай давайте верно хорошо ладно""".split()
)
_BESIDE = frozenset(
    """please thanks thank you very much that's that is do it go ahead good great fine sounds works for me of course
    bitte danke sehr gut mach das machen wir alles natürlich por favor gracias eso de acuerdo está bien muy merci s'il
    te vous plaît plait bien sûr c'est ça bon d'accord grazie per favore va bene sicuro facciamo obrigado obrigada isso
    com certeza bem pode ser alsjeblieft alstublieft goed doe maar dat dank je wel is goed пожалуйста спасибо так
    сделай сделайте это natuurlijk""".split()
)
_YES_PHRASE = re.compile(
    r"(?i)(?:(?:sounds|looks) (?:good|great|fine|right|perfect)|that (?:works|sounds good)|please do|go ahead|do it|"
    r"of course|fine by me|mach das|alles klar|natürlich|de acuerdo|por supuesto|está bien|d'accord|bien sûr|ça marche|"
    r"va bene|d'accordo|certamente|com certeza|está bem|doe maar|goed|dat is goed|natuurlijk)\b"
)
_YES_UNSPACED = re.compile(
    "(?:好(?:的|啊|呀|吧)?|是(?:的|啊)?|对(?:的|啊)?|對|可以|行|没问题|沒問題|嗯|没错|当然|请(?:吧)?|麻烦(?:你|您)了?|谢谢(?:你|您)?|謝謝|"
    "はい|ええ|うん|そうです|そう|もちろん(?:です)?|いいです(?:ね|よ)|いいよ|それで|お願い(?:します|いたします)?|了解(?:です)?|"
    "ありがとう(?:ございます)?|ぜひ|[\\s，,、。.！!～~])+"
)
_THANKS_ONLY = re.compile("(?:谢谢(?:你|您)?|謝謝|ありがとう(?:ございます)?|[\\s，,、。.！!～~])*")


def corrects(sentence: str, swaps: Sequence[tuple[int, int, str]]) -> str:
    """The context of a correction: `sentence` with each of `swaps`, (start, end, what stands there instead)."""
    shown = sentence
    for start, end, instead in sorted(swaps, reverse=True):
        shown = f"{shown[:start]}[{shown[start:end]} \u2192 {instead}]{shown[end:]}"
    return f"(corrects: {shown})"


def answers(question: str) -> str:
    """The context of an answer: the question."""
    return f"{_ANSWERS}{question})"


def is_correction(text: str, core_end: int) -> bool:
    """Whether a unit's text is a correction of the sentence behind its words."""
    behind = _BEHIND.match(text[core_end:])
    return behind is not None and behind["sort"] == "corrects" and _SWAP.search(behind["sentence"]) is not None


def stated(text: str, core_end: int) -> str:
    """What a unit's words assert together with the sentence behind them, "" where the words do by themselves: of a
    correction that sentence with the new value, of an assent what it says yes to.
    """
    behind = _BEHIND.match(text[core_end:])
    if behind is None:
        return ""
    if behind["sort"] == "corrects":
        sentence = behind["sentence"].partition(f" {_ANSWERS}")[0]
        return _SWAP.sub(r"\2", sentence) if _SWAP.search(sentence) else ""
    own = text[:core_end].partition(": ")[2]
    return agreed(behind["sentence"]) if is_assent(own) else ""


def agreed(question: str) -> str:
    """What an assent to the question says, for judging: its words without the mark."""
    return f"{question.rstrip(_MARKS)}."


def is_assent(text: str) -> bool:
    """Whether it says yes and nothing else."""
    plain = text.strip().replace("\u2019", "'")
    if _YES_UNSPACED.fullmatch(plain):
        return not _THANKS_ONLY.fullmatch(plain)
    words = [word.lower() for word in _WORD.findall(plain)]
    if not words or "?" in plain or not all(word in _YES or word in _BESIDE for word in words):
        return False
    return any(word in _YES for word in words) or _YES_PHRASE.match(plain) is not None
