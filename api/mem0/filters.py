"""mem0's filters: AND, OR and NOT over fields, compared by eq, ne, in, gt, gte, lt, lte, contains, icontains and *."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api.mem0 import scope
from memsvc import errors

Memory = Mapping[str, Any]
_MAX_DEPTH = 20
_MOMENTS = ("created_at", "updated_at", "timestamp", "expiration_date")
_FIELDS = (*scope.FIELDS, *_MOMENTS, "id", "memory_ids", "memory", "text", "categories", "metadata", "keywords")
_METADATA = "metadata."
_HOW = "See https://docs.mem0.ai for the language of filters."


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Any_:
    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class No:
    part: Filter


@dataclass(frozen=True, slots=True)
class Test:
    field: str
    operator: str
    operand: Any


Filter = All | Any_ | No | Test


def parse(given: Any, depth: int = 0) -> Filter:
    """Raises Invalid for what is no filter."""
    if not isinstance(given, dict):
        raise errors.Invalid(f"A filter must be an object, not {type(given).__name__}.", _HOW)
    if depth > _MAX_DEPTH:
        raise errors.Invalid(f"Filters may stand {_MAX_DEPTH} deep in each other.", "Write it flatter.")
    parts: list[Filter] = []
    for name, value in given.items():
        if name in ("AND", "OR", "NOT"):
            listed = value if isinstance(value, list) else [value]
            inner = tuple(parse(item, depth + 1) for item in listed)
            parts.append(All(inner) if name == "AND" else Any_(inner) if name == "OR" else No(Any_(inner)))
        elif name == "metadata" and isinstance(value, dict):
            parts += [part for key, item in value.items() for part in _tests(_METADATA + key, item)]
        elif name in _FIELDS or name.startswith(_METADATA):
            parts += _tests("id" if name == "memory_ids" else name, value)
        else:
            # As the platform does: what is misspelt would pass everything inside NOT.
            raise errors.Invalid(
                f"{name!r} is no field to filter by; there are {', '.join(_FIELDS)}.",
                f'A key of your own is written {{"metadata": {{"{name}": …}}}}.',
            )
    return All(tuple(parts))


def _tests(field: str, value: Any) -> list[Filter]:
    if not isinstance(value, dict):
        return [Test(field, "in" if isinstance(value, list) else "eq", value)]
    unknown = [operator for operator in value if operator not in _OPERATORS]
    if unknown or not value:
        named = repr(unknown[0]) if unknown else "Nothing"
        raise errors.Invalid(
            f"{named} is no comparison for {field}; there are {', '.join(_OPERATORS)}.",
            "A metadata value that is an object itself cannot be compared.",
        )
    for operator, operand in value.items():
        if operator in ("in", "nin") and not isinstance(operand, list):
            raise errors.Invalid(f"`{operator}` on {field} needs a list.", _HOW)
        if field in _MOMENTS and operator in ("gt", "gte", "lt", "lte"):
            moment(operand)
    return [Test(field, operator, operand) for operator, operand in value.items()]


def matches(part: Filter, memory: Memory) -> bool:
    """Whether a memory, in the form that mem0's clients get, passes."""
    return _verdict(part, lambda test: _passes(test, memory)) is True


def possible(part: Filter, ids: Mapping[str, str]) -> bool:
    """Whether some memory of these ids could pass."""
    return _verdict(part, lambda test: _passes(test, ids) if test.field in scope.FIELDS else None) is not False


def owners(part: Filter) -> set[str] | None:
    """The namespaces outside of which nothing passes; None where the filter does not say."""
    if isinstance(part, Test):
        if part.field != "user_id" or part.operator not in ("eq", "in"):
            return None
        names = part.operand if isinstance(part.operand, list) else [part.operand]
        named = [name for name in names if isinstance(name, str)]
        return None if "*" in named else {scope.namespace("user", name) for name in named}
    if isinstance(part, No):
        return None
    known = [owners(item) for item in part.parts]
    if isinstance(part, Any_):
        return None if None in known or not known else set[str]().union(*(item for item in known if item is not None))
    given = [item for item in known if item is not None]
    return given[0].intersection(*given[1:]) if given else None


def entities(part: Filter) -> frozenset[str]:
    """The ids that a filter looks at: user_id, agent_id, app_id, run_id."""
    if isinstance(part, Test):
        return frozenset({part.field} & set(scope.FIELDS))
    if isinstance(part, No):
        return entities(part.part)
    return frozenset[str]().union(*(entities(item) for item in part.parts))


def _verdict(part: Filter, ask: Callable[[Test], bool | None]) -> bool | None:
    """True, False, or None for what cannot be known yet (Kleene's logic)."""
    if isinstance(part, Test):
        return ask(part)
    if isinstance(part, No):
        inner = _verdict(part.part, ask)
        return None if inner is None else not inner
    found = [_verdict(item, ask) for item in part.parts]
    decisive = isinstance(part, Any_)
    if decisive in found:
        return decisive
    return None if None in found else not decisive


def _passes(test: Test, memory: Memory) -> bool:
    value = _value(memory, test.field)
    operand = test.operand
    if test.field in _MOMENTS and test.operator in ("eq", "gt", "gte", "lt", "lte") and operand not in ("*", None):
        return value is not None and _OPERATORS[test.operator](moment(value), moment(operand))
    return _OPERATORS[test.operator](value, operand)


def _value(memory: Memory, field: str) -> Any:
    if field.startswith(_METADATA):
        return (memory.get("metadata") or {}).get(field.removeprefix(_METADATA))
    name = {"text": "memory", "keywords": "memory", "timestamp": "created_at"}.get(field, field)
    return memory.get(name)


def moment(value: Any) -> dt.datetime:
    """An ISO 8601 text or seconds since 1970 as an aware moment. Raises Invalid."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = dt.datetime.fromtimestamp(value, dt.UTC)
        else:
            found = dt.datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        raise errors.Invalid(f"{value!r} is no moment.", "Use ISO 8601 text or seconds since 1970.") from None
    found = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    if not 1000 <= found.year <= 9000:
        raise errors.Invalid(f"{value!r} is too far away.", "Use a moment between the years 1000 and 9000.")
    return found.astimezone(dt.UTC)


def _equal(value: Any, operand: Any) -> bool:
    if operand == "*":
        return value is not None
    return operand in value if isinstance(value, list) and not isinstance(operand, list) else bool(value == operand)


def _among(value: Any, operand: Any) -> bool:
    return any(_equal(value, item) for item in operand)


def _contains(value: Any, operand: Any, fold: Callable[[str], str] = str) -> bool:
    if isinstance(value, list):
        return any(_contains(item, operand, fold) for item in value)
    wanted = operand if isinstance(operand, list) else [operand]
    return value is not None and any(fold(str(item)) in fold(str(value)) for item in wanted)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(value: Any, operand: Any) -> bool:
        try:
            return value is not None and bool(compare(value, operand))
        except TypeError:
            return False

    return holds


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": _equal,
    "ne": lambda value, operand: not _equal(value, operand),
    "in": _among,
    "nin": lambda value, operand: not _among(value, operand),
    "gt": _ordered(lambda value, operand: value > operand),
    "gte": _ordered(lambda value, operand: value >= operand),
    "lt": _ordered(lambda value, operand: value < operand),
    "lte": _ordered(lambda value, operand: value <= operand),
    "contains": _contains,
    "icontains": lambda value, operand: _contains(value, operand, str.casefold),
}
