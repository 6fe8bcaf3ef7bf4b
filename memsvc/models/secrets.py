"""Finds secrets in what is said: keys and tokens by their form, card numbers and IBANs by their check digits, passwords
by the word before them.

Forms of keys are those of `detect-secrets`, compiled into one pattern that begins at the beginning of a token: so a
text is read once, however it is made. Patterns are shared by all threads and hold nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detect_secrets.plugins import (
    aws,
    azure_storage_key,
    discord,
    github_token,
    gitlab_token,
    keyword,
    mailchimp,
    pypi_token,
    sendgrid,
    slack,
    square_oauth,
    stripe,
    telegram_token,
    twilio,
)
from stdnum import iban, luhn


@dataclass(frozen=True, slots=True)
class Secret:
    """Characters [start, end) of a text that are a secret, and what kind of one."""

    start: int
    end: int
    kind: str


_PLUGINS: Sequence[Any] = (
    aws.AWSKeyDetector, azure_storage_key.AzureStorageKeyDetector, discord.DiscordBotTokenDetector,
    github_token.GitHubTokenDetector, gitlab_token.GitLabTokenDetector, mailchimp.MailchimpDetector,
    pypi_token.PypiTokenDetector, sendgrid.SendGridDetector, slack.SlackDetector, square_oauth.SquareOAuthDetector,
    stripe.StripeDetector, telegram_token.TelegramBotTokenDetector, twilio.TwilioKeyDetector,
)  # fmt: skip
# What the plugins do not know yet, or read in quadratic time.
_FORMS = {
    "JSON Web Token": [r"eyJ[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]++){1,2}"],
    "API Key": [
        r"(?=[A-Za-z0-9_-]{3,40}\d)sk-[A-Za-z0-9_-]{32,}+", r"AIza[A-Za-z0-9_-]{35}", r"hf_[A-Za-z0-9]{30,}+",
        r"npm_[A-Za-z0-9]{36}", r"xapp-\d-[A-Za-z0-9]+-\d+-[a-f0-9]+", r"sk_test_[A-Za-z0-9]{24,}+",
    ],
    "GitHub Token": [r"github_pat_[A-Za-z0-9_]{36,}+"],
}  # fmt: skip


def _forms() -> Iterator[tuple[str, str]]:
    for plugin in _PLUGINS:
        # Of AWS the second form is of assignments, which are found by their nouns.
        for form in tuple(plugin.denylist)[: 1 if plugin is aws.AWSKeyDetector else None]:
            yield plugin.secret_type, f"(?i:{form.pattern})" if form.flags & re.IGNORECASE else form.pattern
    for kind, patterns in _FORMS.items():
        yield from ((kind, pattern) for pattern in patterns)


_KINDS = {f"k{number}": kind for number, (kind, _) in enumerate(_forms())}
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:" + "|".join(f"(?P<k{n}>{pattern})" for n, (_, pattern) in enumerate(_forms())) + ")"
)
# No key is shorter, so prose is passed over.
_RUN = re.compile(r"\S{20,}+")
_REST = re.compile(r"[A-Za-z0-9_+/=-]*+")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:[^-]|-(?!----)){0,20000}+-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    # One that was cut off.
    r"|(?:(?:\s|\\n){1,4}[A-Za-z0-9+/=]{16,}+)*+)"
)
_IN_URL = re.compile(r"://[^\s/?#@:]{0,128}:([^\s/?#@]{1,256})@")
_BEARER = re.compile(r"(?i:\bbearer)\s{1,3}([A-Za-z0-9._~+/-]{16,}+=*)")
_CARD = re.compile(r"(?<![\w.+-])[0-9](?:[ -]?[0-9]){12,18}(?![\w-]|\.[0-9])")
_CARDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3[0689]\d{12}|35\d{14}|62\d{14,17}|6(?:011|[3457]\d\d)\d{12}"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?: ?[A-Za-z0-9]){11,30}")
_LEAST_IBAN = 15

# What secrets are called, a language a line. An ending may follow: "şifrem".
_PASSWORDS = (
    "password|passphrase|passcode|passwd|pwd|login code|recovery code|"
    "passwort|kennwort|losungswort|zugangscode|"
    "contraseña|contrasena|clave|"
    "mot de passe|mdp|code secret|"
    "parola d'ordine|parola|"
    "senha|palavra passe|"
    "wachtwoord|toegangscode|"
    "lösenord|passord|adgangskode|kodeord|salasana|"
    "hasło|haslo|heslo|jelszó|jelszo|şifre|"
    "пароль|пароля|паролем|"
    "密码|密碼|口令|パスワード|비밀번호|암호|"
    "كلمة السر|كلمة المرور|पासवर्ड"
)
_KEYS = (
    "api key|api token|access key|access token|auth token|secret key|secret access key|client secret|private key|"
    "refresh token|api schlüssel|clave de api|clé api|chiave api|ключ api|api ключ|api 密钥"
)
_NUMBERS = (
    "pin|pin code|pin number|geheimzahl|cvv|cvc|security code|access code|door code|alarm code|"
    "code pin|código pin|codice pin|пин код|пин|暗証番号"
)
# Of programs; what they name must stand behind a colon or an equals sign.
_IN_CODE = "|".join(keyword.DENYLIST).replace("_?", " ")


def _nouns() -> dict[str, str]:
    """Noun -> "password", "key", "number" or "code"; what is written apart is written together, too."""
    classes = (("code", _IN_CODE), ("password", _PASSWORDS), ("key", _KEYS), ("number", _NUMBERS))
    return {
        noun.replace(" ", between): name
        for name, nouns in classes
        for noun in nouns.split("|")
        for between in (" ", "_", "-", "")
    }


_NOUNS = _nouns()
# The first word of a noun -> the nouns that begin with it: few words are looked for in most texts.
_STEMS = {
    stem: [(noun, name) for noun, name in _NOUNS.items() if noun.startswith(stem)]
    for stem in {re.split("[ _-]", noun)[0] for noun in _NOUNS}
}
_KIND = {"password": "Password", "key": "API Key", "number": "PIN", "code": "Secret Keyword"}
_OPEN, _CLOSE = "\"'`“„«「‘", "\"'`”“»」’"
_VALUE = rf"\*{{0,2}}(?:[{_OPEN}](?P<quoted>[^{_CLOSE}\r\n]{{1,200}})[{_CLOSE}]|(?P<plain>[!-~¡-ӿ]{{3,200}}+))"
# Between the noun and what it is: for what ("to the router"), then a sign or a word that says that it is.
_LINKED = re.compile(
    r"(?i:\w{0,4}?[\"'’`\])*]{0,3}"
    r"(?:\s{1,2}(?:for|to|of|at|on|für|zum|zur|vom|von|de|del|du|da|do|para|pour|per|voor|för|do|для|от|к|за)"
    r"(?:\s[^\s.,;!?:=]{1,30}){1,4}?)?"
    r"\s{0,3}(?P<link>(?P<sign>[:=：＝]=?>?)|[–—-](?=\s)|(?:is|are|was|ist|lautet|war|heißt|es|era|est|è|é|foi|är|er|on"
    r"|jest|to|je|это|be|will be|è:|c'est)\b:?|是|为|為|は|은|는)\*{0,2}"
    r"\s{0,3}(?:(?:now|still|jetzt|nun|ahora|maintenant|adesso|agora|nu|теперь)\s{1,3})?)" + _VALUE
)
# "with the password hunter2"
_BARE = re.compile(r"\w{0,4}?\s{1,3}" + _VALUE)
# Where nothing is counted by it: "pin 100 notes".
_BARE_NUMBER = re.compile(r"\s{1,3}([0-9]{3,12})(?=\s*(?:$|[.,;!?)\r\n](?!\d)))")
_STRONG = re.compile(r"(?=.{0,199}[^\W\d_])(?=.{0,199}\d)[^\s/]{6,}")
_DIGITS = re.compile(r"[0-9](?:[ -]?[0-9]){2,11}")
_SYMBOL = re.compile(r"[!@#$%^&*_+=~?|\\\d]\w|[a-z][A-Z]|\w[!@#$%^&*_+=~?|\\\d]")
# A variable, a call, an address, a placeholder, a length, a file.
_NAMED = re.compile(
    r"[A-Za-z_]+(?:\.[A-Za-z_]+)+\W*|[\w.]+[(\[].*|.*://.*|[^@\s]+@[\w-]+(?:\.[\w-]+)+|[<${%].*|(.)\1*|\d+-[a-z]+"
    r"|(?i:(?:your|my|the|some|example)[_-][a-z_-]*|none|null|true|false|required|optional|string|str|unknown|changed|reset|hidden|redacted|undefined)"
)
_END = re.compile(r"[.,;!?)\]}*\"'`]*\s*(?:$|[\r\n,;])", re.MULTILINE)


def find(text: str) -> list[Secret]:
    """The secrets of a text, in order, none within another."""
    found = sorted(_all(text), key=lambda secret: (secret.start, -secret.end))
    kept: list[Secret] = []
    for secret in found:
        if not kept or secret.start >= kept[-1].end:
            kept.append(secret)
        elif secret.end > kept[-1].end:
            kept[-1] = Secret(kept[-1].start, secret.end, kept[-1].kind)
    return kept


def find_said(
    content: str, caption: str | None, metadata: Mapping[str, Any] | None
) -> list[tuple[tuple[str, ...], Secret]]:
    """The secrets of a message, each with its place: ("content",), ("caption",), ("metadata", "note")."""
    return list(find_in({"content": content, "caption": caption or "", "metadata": metadata or {}}))


def find_named(name: str, text: str) -> list[Secret]:
    """The secrets of a text that is called so: the whole of it where it is called a password."""
    return find(text) or _named(name, text)


def find_in(value: object, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Secret]]:
    """The secrets of every text in a JSON value, each with its place: the names and numbers that lead to it. What a
    text is called tells what it is: {"password": "…"}.
    """
    if isinstance(value, str):
        yield from ((place, secret) for secret in find_named(place[-1] if place else "", value))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from find_in(item, (*place, str(name)))
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for number, item in enumerate(value):
            yield from find_in(item, (*place, str(number)))


def _named(name: str, value: str) -> list[Secret]:
    before = f"{name}="
    if len(value) > 200 or not _names(name):
        return []
    return [Secret(s.start - len(before), s.end - len(before), s.kind) for s in find(before + value)
            if s.start >= len(before)]  # fmt: skip


def _names(name: str) -> bool:
    small = lowered(name)
    return any(noun in small for noun in _NOUNS)


def _all(text: str) -> Iterator[Secret]:
    for run in _RUN.finditer(text):
        for match in _TOKEN.finditer(text, run.start(), run.end()):
            rest = _REST.match(text, match.end())
            yield Secret(match.start(), rest.end() if rest else match.end(), _KINDS[match.lastgroup or ""])
        if "://" in run[0]:
            yield from (Secret(*match.span(1), "Password") for match in _IN_URL.finditer(text, *run.span()))
    if "PRIVATE KEY" in text:
        yield from (Secret(*match.span(), "Private Key") for match in _PRIVATE_KEY.finditer(text))
    yield from (Secret(*match.span(1), "Bearer Token") for match in _BEARER.finditer(text))
    for match in _CARD.finditer(text):
        digits = re.sub(r"[ -]", "", match[0])
        if _CARDS.fullmatch(digits) and luhn.is_valid(digits):
            yield Secret(*match.span(), "Card Number")
    for match in _IBAN.finditer(text):
        yield from _iban(text, match)
    yield from _said(text)


def _iban(text: str, match: re.Match[str]) -> Iterator[Secret]:
    """The longest beginning that is one: words may follow."""
    for end in range(match.end(), match.start() + _LEAST_IBAN - 1, -1):
        if text[end - 1] != " " and not text[end : end + 1].isalnum() and iban.is_valid(text[match.start() : end]):
            yield Secret(match.start(), end, "IBAN")
            return


def _said(text: str) -> Iterator[Secret]:
    """What stands behind a word for a secret and is said to be it."""
    small = lowered(text)
    for noun, name in (item for stem, nouns in _STEMS.items() if stem in small for item in nouns):
        begin = small.find(noun)
        while begin >= 0:
            end = begin + len(noun)
            if not (noun[0].isascii() and text[begin - 1 : begin].isalnum()):
                secret = _behind(text, end, name)
                if secret is not None:
                    yield secret
            begin = small.find(noun, end)


def _behind(text: str, end: int, name: str) -> Secret | None:
    match = _LINKED.match(text, end)
    sign = bool(match and match["sign"])
    if match is None or (name == "code" and not sign):
        if name == "number":  # "the PIN 8830"
            match = _BARE_NUMBER.match(text, end)
            return Secret(*match.span(1), _KIND[name]) if match else None
        match = _BARE.match(text, end) if name == "password" else None
        group = match and (match.lastgroup or "plain")
        if match is None or group is None or not _STRONG.fullmatch(match[group].strip("*.,;!?)")):
            return None
    group = match.lastgroup or "plain"
    start, stop = match.span(group)
    if name == "number":
        digits = _DIGITS.match(text, start)
        is_number = digits is not None and not re.match(r"\w|[.,]\d", text[digits.end() : digits.end() + 2])
        return Secret(start, digits.end(), _KIND[name]) if digits and is_number else None
    value = text[start:stop].rstrip(".,;:!?)]}>*\"'`").lstrip("*\"'`")
    start = text.index(value, start)
    secret = Secret(start, start + len(value), _KIND[name])
    if len(value) < 4 or _NAMED.fullmatch(value):
        return None
    if name in ("key", "code"):
        return secret if len(value) >= 8 and (group == "quoted" or re.search(r"\d", value)) else None
    if group == "quoted" or _SYMBOL.search(value):
        return secret
    # A plain word is one where nothing follows it: "Password: please send it" is a wish.
    return secret if sign and _END.match(text, secret.end) else None


def lowered(text: str) -> str:
    """In small letters, each character in its place."""
    whole = text.lower()
    if len(whole) == len(text):
        return whole
    return "".join(small if len(small := character.lower()) == 1 else character for character in text)
