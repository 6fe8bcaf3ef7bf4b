"""Statements about the user that name the user, as agents write them down: "The user moved to Munich"."""

from __future__ import annotations

import re

# "The user interface has two columns" is about no person.
_THINGS = (
    r"(?!\s+(?:interfaces?|stor(?:y|ies)|ids?|names?|tables?|accounts?|agents?|groups?|guides?|manuals?|models?|inputs?|"
    r"data|experiences?|settings?|sessions?|profiles?|roles?|rights|permissions?|spaces?|bases?|types?|flows?|objects?|"
    r"records?|fields?|requests?|events?|tests?|friendly|defined|facing)\b)"
)
_USER = rf"(?i:the\s+user|(?<!\w)user){_THINGS}"
_ABOUT = re.compile(rf"^\W*{_USER}(?='s?\b|\s+\w)")
_IRREGULAR = {
    "is": "am",
    "has": "have",
    "was": "was",
    "does": "do",
    "doesn't": "don't",
    "isn't": "am not",
    "goes": "go",
}
_ADVERBS = r"(?:(?:now|just|also|really|recently|finally|currently|actually|always|usually|still|no\s+longer)\s+)*"


def is_about_user(text: str) -> bool:
    """Whether the statement's subject is the user, by that word."""
    return bool(_ABOUT.match(text.replace("\u2019", "'")))


def as_first_person(text: str, name: str = "") -> str:
    """The statement as the user would make it, for rules that know the first person: "The user's dog lives here" as
    "my dog lives here", "The user lives here" as "I live here"; also where it calls the user by `name`. Others stay.
    """
    plain = text.replace("\u2019", "'")
    called = rf"(?:{_USER}|(?<!\w){re.escape(name)})" if name else _USER
    owned = re.sub(rf"^(\W*){called}'s?\b", r"\1my", plain)
    return re.sub(rf"^(\W*){called}\s+({_ADVERBS})([\w']+)", _first, owned)


def _first(match: re.Match[str]) -> str:
    before, adverbs, verb = match.groups()
    return f"{before}I {adverbs}{_IRREGULAR.get(verb, _bare(verb))}"


def _bare(verb: str) -> str:
    """Without the ending of the third person: lives, studies, watches."""
    if verb.endswith("ies") and len(verb) > 4:
        return verb[:-3] + "y"
    if re.search(r"(?:sh|ch|ss|x)es$", verb):
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith(("ss", "us")) else verb
