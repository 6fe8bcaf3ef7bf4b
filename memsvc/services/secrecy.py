"""What a namespace does about secrets: keep them, hide them in all that it serves, or take none in.

They are hidden behind as many marks as they have characters, so that every place in a text stays right. What is made
of a message may say its secret again without the words that told what it is: so the secrets of a namespace are looked
for in every text of it, and what any text tells by itself is hidden too.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.models.secrets import find_in, find_named, find_said, lowered
from memsvc.store import secrets, together
from memsvc.store.secrets import Place

KEEP, MASK, REFUSE = "keep", "mask", "refuse"
_MARK = "*"
# A shorter one may be any word or number: it is hidden in what comes from its message alone.
_LEAST = 6
# Of a secret of several words or lines, what tells it by itself.
_LEAST_LINE = 16
_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True, slots=True)
class Near(Generic[_T]):
    """A value that says itself not what it was made of: the unit or the message `ref`."""

    ref: str
    value: _T


class Veil:
    """Hides secrets in whatever is served: texts, values of the domain, JSON. `said` are (message, secret), `citing`
    (unit, message). Without either nothing is hidden that a text does not tell by itself.
    """

    def __init__(self, said: Iterable[tuple[str, str]] = (), citing: Iterable[tuple[str, str]] = ()) -> None:
        everywhere: set[str] = set()
        near: dict[str, set[str]] = {}
        for message_id, secret in said:
            long, short = _parts(lowered(secret))
            everywhere |= long
            near.setdefault(message_id, set()).update(short)
        for unit_id, message_id in citing:
            near.setdefault(unit_id, set()).update(near.get(message_id, ()))
        self._everywhere = sorted(everywhere, key=len, reverse=True)
        self._near = {ref: frozenset(short) for ref, short in near.items() if short}

    def __call__(self, value: _T) -> _T:
        """The same with every secret hidden. What names a row, fields `id` and `…_id`, stays."""
        return cast(_T, self._hidden(value, frozenset(), ""))

    def _hidden(self, value: Any, near: frozenset[str], name: str) -> Any:
        if isinstance(value, str):
            return value if isinstance(value, enum.Enum) else self._text(value, near, name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            near = near.union(*self._shorts(value))
            held = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
            fresh = {
                name: hidden
                for name, item in held
                if not _names(name) and (hidden := self._hidden(item, near, name)) is not item
            }
            return dataclasses.replace(value, **fresh) if fresh else value
        if isinstance(value, Mapping):
            near = near.union(*self._shorts(value))
            # What leads to a value of the domain is its id.
            fresh = {
                key if dataclasses.is_dataclass(item) else self._hidden(key, near, ""):
                self._hidden(item, near, str(key)) for key, item in value.items()
            }  # fmt: skip
            return fresh if fresh != value else value
        if isinstance(value, list | tuple):
            items = [self._hidden(item, near, name) for item in value]
            return type(value)(items) if any(a is not b for a, b in zip(items, value, strict=True)) else value
        return value

    def _text(self, text: str, near: frozenset[str], name: str) -> str:
        spans = [(secret.start, secret.end) for secret in find_named(name, text)]
        small = lowered(text)
        for secret in self._everywhere:
            begin = small.find(secret)
            while begin >= 0:
                spans.append((begin, begin + len(secret)))
                begin = small.find(secret, begin + len(secret))
        for short in near:
            if short in small:
                spans += [match.span() for match in re.finditer(rf"(?<!\w){re.escape(short)}(?!\w)", small)]
        if not spans:
            return text
        letters = list(text)
        for start, end in spans:
            letters[start:end] = _MARK * (end - start)
        return "".join(letters)

    def _shorts(self, value: Any) -> Iterator[frozenset[str]]:
        """The short secrets of the messages and units that a value names."""
        if self._near:
            yield from (self._near[ref] for ref in _refs(value) if ref in self._near)


class _Bare(Veil):
    def __call__(self, value: _T) -> _T:
        return value


_BARE = _Bare()
_SAID = [together.Prepared(secrets.said(together.PLACE)), together.Prepared(secrets.citing(together.PLACE))]


def veil(connection: sa.Connection, space: Namespace) -> Veil:
    """What hides the secrets of the namespace as it stands in this transaction; nothing does where it keeps them."""
    if not hides(space):
        return _BARE
    said, citing = together.ask(connection, _SAID, together.given(space))
    return veil_of(space, said, citing)


def veils(connection: sa.Connection, tenant_id: uuid.UUID, spaces: Sequence[Namespace]) -> dict[uuid.UUID, Veil]:
    """As `veil`, by id, of namespaces of one tenant; as many statements for fifty as for one."""
    hidden = {space.id: space for space in spaces if hides(space)}
    found = {space_id: (list[tuple[str, str]](), list[tuple[str, str]]()) for space_id in hidden}
    if hidden:
        for n, rows in enumerate(secrets.of_namespaces(connection, tenant_id, list(hidden))):
            for space_id, message_or_unit, other in rows:
                found[space_id][n].append((message_or_unit, other))
    made = {space_id: veil_of(hidden[space_id], *given) for space_id, given in found.items()}
    return {space.id: made.get(space.id, _BARE) for space in spaces}


def hides(space: Namespace) -> bool:
    """Whether its secrets are hidden."""
    return space.secrets != KEEP


def veil_of(space: Namespace, said: Iterable[tuple[str, str]], citing: Iterable[tuple[str, str]]) -> Veil:
    """As `veil`, of secrets that were read before."""
    return Veil([(message_id, words) for message_id, words in said if words], citing) if hides(space) else _BARE


def places(content: str, caption: str | None, metadata: Mapping[str, Any] | None) -> tuple[Place, ...]:
    """Where secrets stand in a message."""
    return tuple(Place(path, s.start, s.end, s.kind) for path, s in find_said(content, caption, metadata))


def refuse(space: Namespace, given: object, what: str) -> None:
    """Raises Invalid where the namespace takes no secrets, and `given`, a JSON value, holds one; `what` it is, in
    words: "The record".
    """
    if space.secrets == REFUSE:
        for path, secret in find_in(given):
            refuse_found(space, [Place(path, secret.start, secret.end, secret.kind)], what)


def refuse_found(space: Namespace, found: Iterable[Place], what: str) -> None:
    """Raises Invalid where the namespace takes no secrets, and one was found."""
    for place in found:
        if space.secrets == REFUSE:
            # A name on the way to it may be one itself.
            field = ".".join(Veil()(name) for name in place.path)
            raise errors.Invalid(
                f"{what} holds a secret: {field}, characters {place.start} to {place.end} ({place.kind}).",
                f"Take it out and send the rest again: {space.name} takes no secrets. Nothing was stored.",
            )


def _parts(secret: str) -> tuple[set[str], set[str]]:
    """What is hidden everywhere of a secret, and what only near its message: short ones, and parts of it that stand
    alone in keywords.
    """
    whole = {secret, re.sub(r"[\s-]", "", secret)}
    if len(pieces := secret.split()) > 1:
        whole |= {piece for piece in pieces if len(piece) >= _LEAST_LINE}
    words = {word for word in re.findall(r"\w+", secret) if len(word) >= 3 and re.search(r"\d", word)}
    return {part for part in whole if len(part) >= _LEAST}, {part for part in whole | words if part}


def _refs(value: Any) -> Iterator[str]:
    """The texts among a value's own fields, those in its lists of texts, and the messages among its `sources`."""
    given = value if isinstance(value, Mapping) else {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    for name, item in given.items():
        if isinstance(item, str):
            yield item
        elif isinstance(item, list | tuple):
            yield from (part for part in item if isinstance(part, str))
            if name == "sources":
                yield from (s["message_id"] if isinstance(s, Mapping) else s.message_id for s in item)


def _names(name: str) -> bool:
    return name == "id" or name.endswith("_id")
