"""Which statements a database that is spread over machines can run: what the suite sends is held to it.

Rows are spread by their namespace, and small tables stand on every machine (Citus: distributed and reference tables).
So each statement must say which namespace it means, of every table of a namespace that it names; set nothing for
longer than its transaction; and write nothing that the machines would compute apart. What goes over all namespaces of
a tenant on purpose is listed with its reason.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pglast
from pglast import ast, enums

from memsvc import rooms
from memsvc.store import tables

_OURS = str(rooms.root() / "memsvc") + "/"
# The owner's and the superuser's: they run on each machine by itself.
_OPERATOR = ("store/embedded.py", "store/schema.py", "store/moving.py", "store/carried.py")
SPREAD_BY = {table.name: "namespace_id" for table in tables.NAMESPACE_TABLES} | {
    "namespace": "id", "audit": "tenant_id", "tombstone": "tenant_id",
}  # fmt: skip
_PARTITION = "vectors_"
EVERYWHERE = {"tenant", "api_key", "directory"}

# Place -> why it may look at all namespaces, of a tenant or of all of them. None is in the way of a question, and of a
# write only where the tenant has a quota.
REVIEWED = {
    "store/directory.py:_held": "the list of a tenant's namespaces, a page at a time",
    "store/directory.py:held": "the sizes of all of a tenant's namespaces, for the pages of the admin",
    "store/directory.py:matching": "the names of a tenant's namespaces that fit a pattern",
    "store/directory.py:sessions": "the sessions of a tenant, for the pages of the admin and mem0's lists of all",
    "store/directory.py:exchange": "a client that has the id of an exchange, and nothing else",
    "store/directory.py:namespace_of_unit": "a client that has the id of a memory, and nothing else",
    "store/jobs.py:due": "the dispatcher: whose turn it is",
    "store/jobs.py:census": "the numbers of jobs, for the metrics",
    "store/usage.py:census": "what language models cost, for the metrics",
    "store/jobs.py:find": "a client that has the id of a job, and nothing else",
    "store/jobs.py:listed": "the newest jobs of a tenant",
    "store/jobs.py:prune": "jobs that ended long ago, of a tenant",
    "store/jobs.py:tenants_to_prune": "who has such",
    "store/namespaces.py:by_ids": "the namespaces of a page of changes or jobs",
    "store/namespaces.py:leaving": "what is asked of all of a tenant's namespaces, where there are several cells",
    "store/namespaces.py:lock_all": "the erasure of a tenant",
    "store/secrets.py:of_namespaces": "where secrets stand in the namespaces of a page",
    "store/survivors.py:spaces": "a database that was restored, where something erased may stand anywhere",
    "store/tombstones.py:of_all_tenants": "the operator's: the tombstones of an installation, for a file",
    "store/shares.py:held": "what a tenant holds, where a quota bounds it",
}

_NO_PLACE = "no "
_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%s|%%")


class Violation(AssertionError):
    """A statement that only one machine can run."""


@dataclass
class _Relation:
    """A table or what stands in its place; `column` is what the table is spread by, None where it is not."""

    name: str
    column: str | None
    tied: bool


@dataclass
class _Scope:
    outer: _Scope | None
    relations: dict[str, _Relation] = field(default_factory=dict)

    def find(self, fields: tuple[str, ...]) -> tuple[_Relation, str] | None:
        """Whose column this is, here or further out."""
        *alias, column = fields
        scope: _Scope | None = self
        while scope is not None:
            if alias and alias[-1] in scope.relations:
                return scope.relations[alias[-1]], column
            if not alias and len(scope.relations) == 1:
                return next(iter(scope.relations.values())), column
            scope = scope.outer
        return None


class Gate:
    """`volatile`: the functions that give another value at each call, as the database has them."""

    def __init__(self) -> None:
        self.volatile: frozenset[str] = frozenset()
        self._passed: set[tuple[str, str]] = set()
        self._open = False
        self.violations: list[str] = []

    def ask(self, query: object) -> None:
        """Of a statement that is about to be sent. Raises Violation, and notes it, where the service sends it."""
        place = None if self._open else _place()
        if place is None:
            return
        text = query if isinstance(query, str) else query.decode() if isinstance(query, bytes) else _written(query)
        if (text, place) in self._passed:
            return
        faults = [fault for fault in self.faults(text) if place not in REVIEWED or not fault.startswith(_NO_PLACE)]
        if faults:
            told = f"{place}: {'; '.join(faults)}\n{text}"
            self.violations.append(told)
            raise Violation(told)
        self._passed.add((text, place))

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Everything passes: for a test that takes conditions away."""
        self._open = True
        try:
            yield
        finally:
            self._open = False

    def faults(self, text: str) -> list[str]:
        """What is wrong with a statement of psycopg's form."""
        return list(dict.fromkeys(_Reading(self.volatile).of(text)))


class _Reading:
    def __init__(self, volatile: frozenset[str]) -> None:
        self._volatile = volatile
        self._spread = False
        self._functions: list[str] = []
        self._faults: list[str] = []

    def of(self, text: str) -> list[str]:
        plain = _PLACEHOLDER.sub(lambda found: "%" if found.group() == "%%" else "$1", text)
        for statement in pglast.parse_sql(plain):
            self._statement(statement.stmt)
        if self._spread:
            told = sorted(set(self._functions) & self._volatile)
            self._faults += [f"{name}() gives each machine another value" for name in told]
        return self._faults

    def _statement(self, node: Any) -> None:
        match node:
            case ast.SelectStmt() | ast.InsertStmt() | ast.UpdateStmt() | ast.DeleteStmt():
                self._query(node, None, frozenset())
            case ast.VariableSetStmt():
                if not node.is_local:
                    self._faults.append("a setting outlives its transaction")
            case ast.TransactionStmt() | ast.VariableShowStmt():
                pass
            case _:
                self._faults.append(f"{type(node).__name__} is for one machine")

    def _query(self, node: Any, outer: _Scope | None, named: frozenset[str]) -> None:
        """`named` are the queries that stand before it, by WITH."""
        if isinstance(node, ast.SelectStmt) and node.op != enums.SetOperation.SETOP_NONE:
            named = self._with(node, outer, named)
            self._query(node.larg, outer, named)
            self._query(node.rarg, outer, named)
            return
        named = self._with(node, outer, named)
        scope = _Scope(outer)
        conditions: list[Any] = [getattr(node, "whereClause", None)]
        held: list[Any] = []
        if isinstance(node, ast.InsertStmt):
            self._insert(node)
        elif isinstance(node, ast.UpdateStmt | ast.DeleteStmt):
            self._from(node.relation, scope, named, conditions, held)
        for item in getattr(node, "fromClause", None) or getattr(node, "usingClause", None) or ():
            self._from(item, scope, named, conditions, held)
        self._tie(scope, conditions)
        for relation in scope.relations.values():
            if relation.column and not relation.tied:
                self._faults.append(f"{_NO_PLACE}{relation.column} of {relation.name}")
        for inner in held:
            self._query(inner, scope, named)
        skipped = {"withClause", "fromClause", "usingClause", "relation"}
        for part in node:
            if part not in skipped:
                self._expression(getattr(node, part), scope, named)
        for condition in conditions[1:]:
            self._expression(condition, scope, named)

    def _with(self, node: Any, outer: _Scope | None, named: frozenset[str]) -> frozenset[str]:
        for one in node.withClause.ctes if getattr(node, "withClause", None) else ():
            self._query(one.ctequery, outer, named)
            named |= {one.ctename}
        return named

    def _insert(self, node: ast.InsertStmt) -> None:
        column = self._column_of(node.relation.relname)
        columns = {target.name for target in node.cols or ()}
        if column and column not in columns:
            self._faults.append(f"no {column} of {node.relation.relname}")
        conflict = node.onConflictClause
        keys = {one.name for one in conflict.infer.indexElems or ()} if conflict and conflict.infer else set()
        if column and keys and column not in keys:
            self._faults.append(f"a conflict without {column} of {node.relation.relname}")

    def _from(self, item: Any, scope: _Scope, named: frozenset[str], conditions: list[Any], held: list[Any]) -> None:
        match item:
            case ast.RangeVar():
                alias = item.alias.aliasname if item.alias else item.relname
                column = None if item.relname in named else self._column_of(item.relname)
                tied = item.relname not in EVERYWHERE and column is None
                scope.relations[alias] = _Relation(item.relname, column, tied)
            case ast.JoinExpr():
                self._from(item.larg, scope, named, conditions, held)
                self._from(item.rarg, scope, named, conditions, held)
                conditions.append(item.quals)
            case ast.RangeSubselect():
                scope.relations[item.alias.aliasname] = _Relation("", None, tied=True)
                held.append(item.subquery)  # what it lacks is told there
            case ast.RangeFunction():
                if item.alias:
                    scope.relations[item.alias.aliasname] = _Relation("", None, tied=True)
                self._expression(item.functions, scope, named)
            case _:
                self._faults.append(f"{type(item).__name__} is not read")

    def _column_of(self, table: str) -> str | None:
        column = "namespace_id" if table.startswith(_PARTITION) else SPREAD_BY.get(table)
        self._spread = self._spread or column is not None
        return column

    def _tie(self, scope: _Scope, conditions: list[Any]) -> None:
        pairs = [pair for condition in conditions for pair in _equal(condition)]
        going = True
        while going:
            going = False
            for left, right in (*pairs, *((right, left) for left, right in pairs)):
                found = _column(left, scope)
                if found is None or found[0].tied or found[1] != found[0].column:
                    continue
                other = _column(right, scope)
                if _is_value(right) or (other is not None and other[0].tied and _is_place(*other)):
                    found[0].tied = going = True

    def _expression(self, node: Any, scope: _Scope, named: frozenset[str]) -> None:
        if isinstance(node, tuple):
            for part in node:
                self._expression(part, scope, named)
        elif isinstance(node, ast.SelectStmt):
            if node.valuesLists or node.targetList or node.op:
                self._query(node, scope, named)
        elif isinstance(node, ast.Node):
            if isinstance(node, ast.FuncCall):
                self._functions.append(node.funcname[-1].sval)
            for part in node:
                self._expression(getattr(node, part), scope, named)


def _equal(condition: Any) -> Iterator[tuple[Any, Any]]:
    """What must be equal where the condition holds."""
    match condition:
        case ast.BoolExpr(boolop=enums.BoolExprType.AND_EXPR):
            for part in condition.args:
                yield from _equal(part)
        case ast.A_Expr(kind=enums.A_Expr_Kind.AEXPR_OP) if condition.name[-1].sval == "=":
            yield _bare(condition.lexpr), _bare(condition.rexpr)


def _bare(node: Any) -> Any:
    while isinstance(node, ast.TypeCast):
        node = node.arg
    return node


def _is_value(node: Any) -> bool:
    return isinstance(node, ast.ParamRef | ast.A_Const)


def _column(node: Any, scope: _Scope) -> tuple[_Relation, str] | None:
    if not isinstance(node, ast.ColumnRef) or not all(isinstance(part, ast.String) for part in node.fields):
        return None
    return scope.find(tuple(part.sval for part in node.fields))


def _is_place(relation: _Relation, column: str) -> bool:
    """Of a query in a table's place any column will do: what it lacks is told there."""
    return relation.column is None or relation.column == column


def _place() -> str | None:
    """Where the service sends what is about to be sent: file and function; None where somebody else does."""
    frame: Any = sys._getframe(3)  # behind `ask` and who calls it
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_OURS):
            file = name.removeprefix(_OURS)
            passes_on = file in ("store/together.py", "store/database.py", "store/tables.py")
            if not passes_on and not frame.f_code.co_name.startswith("<"):
                return None if file in _OPERATOR else f"{file}:{frame.f_code.co_name}"
        elif "/site-packages/" not in name and "/lib/python" not in name:
            return None
        frame = frame.f_back
    return None


def _written(query: Any) -> str:
    """Of a statement that psycopg puts together."""
    return str(query.as_string(None))


def stale(reviewed: Mapping[str, str]) -> list[str]:
    """Places that are not there any more."""
    found = []
    for place in reviewed:
        file, _, function = place.partition(":")
        path = Path(_OURS) / file
        if not path.exists() or f"def {function}(" not in path.read_text():
            found.append(place)
    return found
