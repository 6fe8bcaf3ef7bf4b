"""What is a secret, where it begins and ends, and what is none."""

from __future__ import annotations

import base64
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from memsvc.models import secrets

BODY = "\n".join(["MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgHcTz6sE2I2yPB"] * 6)
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----"
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"1234567890"}', b"0123456789abcdef0123")
)
# Put together, so that no scanner takes this file for a leak.
KEYS = {
    "GitHub Token": "ghp_" + "a1B2" * 9,
    "AWS Access Key": "AKIA" + "IOSFODNN7EXAMPLE",
    "Slack Token": "xoxb-" + "123456789012-123456789012-abcdefABCDEF",
    "Stripe Access Key": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "API Key": "sk-proj-" + "abc123def456ghi789jkl012mno345pqr",
    "JSON Web Token": JWT,
    "Private Key": PEM,
    "Card Number": "4111 1111 1111 1111",
    "IBAN": "GB82 WEST 1234 5698 7654 32",
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("text", ["{}", "I use {} for this.", "token={}", "a\n{}\nb", '{{"v": "{}"}}'])
def test_a_key_is_one_secret_from_its_first_character_to_its_last(kind: str, text: str) -> None:
    said = text.format(KEYS[kind])
    assert [(said[s.start : s.end], s.kind) for s in secrets.find(said)] == [(KEYS[kind], kind)]


@pytest.mark.parametrize(
    ("said", "secret"),
    [
        ("my password is hunter2", "hunter2"), ("My PIN is 4711.", "4711"), ("PIN: 4711", "4711"),
        ("Passwort: Geheim!99", "Geheim!99"), ("Mein Passwort lautet Sommer!23", "Sommer!23"),
        ("la contraseña es Abc123", "Abc123"), ("mon mot de passe est soleil42", "soleil42"),
        ("il codice PIN è 9812", "9812"), ("a senha é gato2020", "gato2020"), ("het wachtwoord is Kaas99", "Kaas99"),
        ("hasło to Kot1234", "Kot1234"), ("мой пароль: qwerty7", "qwerty7"), ("мой пароль hunter2", "hunter2"),
        ("密码是hunter2", "hunter2"), ("密码：abc12345 谢谢", "abc12345"), ("パスワードはhunter2です", "hunter2"),
        ("şifrem: kedi1234", "kedi1234"), ("the wifi password for the cabin is Tr0ub4dor&3, ok?", "Tr0ub4dor&3"),
        ("my password is now Winter2024", "Winter2024"), ('my netflix password is "tiger lily"', "tiger lily"),
        ("Password: swordfish", "swordfish"), ('password = "swordfish"', "swordfish"), ("**PIN:** 4711", "4711"),
        ('{"password": "hunter2"}', "hunter2"), ("db_password='s3cret'", "s3cret"),
        ("API_KEY=abcd1234efgh", "abcd1234efgh"), ("Authorization: Bearer abcdefghijklmnop1234", "abcdefghijklmnop1234"),
        ("postgres://ana:s3cr3t@db.example.com/x", "s3cr3t"), ("IBAN DE89370400440532013000", "DE89370400440532013000"),
        ("it is 5500-0000-0000-0004", "5500-0000-0000-0004"),
    ],
)  # fmt: skip
def test_what_is_said_to_be_a_secret_is_one_in_many_languages(said: str, secret: str) -> None:
    assert [said[s.start : s.end] for s in secrets.find(said)] == [secret]


@pytest.mark.parametrize(
    "said",
    [
        "my password is too long to remember", "I forgot my password, is that bad?", "The password is wrong.",
        "Password: please reset it", "my password is 8 characters", "the password is case-sensitive",
        "password = os.environ['X']", "password=args.password", "password: <your password>", "api_key: required",
        "the token is a JWT", "const apiKey = 'YOUR_API_KEY';", "the pin is 12mm long", "My PIN has 4 digits",
        "The secret is 100g butter", "call me at +49 170 1234567890", "order 1234567890123456", "at 1700000000000",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "msg_0123456789abcdef0123456789abcdef",
        "https://example.com/a?id=123e4567-e89b-12d3-a456-426614174000", "the password is *******", "",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_secret_is_none(said: str) -> None:
    assert secrets.find(said) == []


def test_a_value_is_a_secret_where_its_name_says_so() -> None:
    value = {"note": "I row.", "password": "swordfish", "all": [{"pin": "4711"}, "my password is hunter2"]}
    found = {path: (s.start, s.end) for path, s in secrets.find_in(value)}
    assert found == {("password",): (0, 9), ("all", "0", "pin"): (0, 4), ("all", "1"): (15, 22)}


def test_places_are_right_behind_letters_that_grow_when_they_are_made_small() -> None:
    said = "İİİ Password: swordfish"
    assert [said[s.start : s.end] for s in secrets.find(said)] == ["swordfish"]


@pytest.mark.parametrize(
    "part",
    ["eyJ", "eyJ-", "eyJ.", "sk-", "://a:", "1 ", "DE89 ", "-----BEGIN PRIVATE KEY-----", "xoxb-1-", "'`\"", "password",
     "password to a a a ", "İ", "glagent-", "bearer ", "AA00 A ", "password is "],
)  # fmt: skip
def test_hostile_texts_are_read_and_secrets_in_them_do_not_overlap(part: str) -> None:
    """Each would hold up a pattern that may begin anywhere and runs to the end: the run of the tests shows it."""
    text = part * (100_000 // len(part))
    found = secrets.find(text)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))


def test_threads_share_the_detector() -> None:
    texts = [f"my password is hunter{number}" for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(secrets.find, texts))
    assert [text[s.start : s.end] for text, (s,) in zip(texts, found, strict=True)] == [t[15:] for t in texts]


def test_a_number_right_behind_its_name_is_one_where_nothing_is_counted_by_it() -> None:
    said = "Den Tresor öffnet die PIN 8830."
    assert [said[s.start : s.end] for s in secrets.find(said)] == ["8830"]
    assert secrets.find("Please pin 100 notes to the board.") == []
