"""What a statement must say so that a database that is spread over machines can run it; `statements` holds the whole
suite to it.
"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from memsvc import rooms
from memsvc.bootstrap import Service
from tests import statements
from tests.statements import Gate, Violation

_SAID = "FROM message WHERE message.tenant_id = %(tenant)s::UUID"


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT message.id {_SAID} AND message.namespace_id = %(space)s::UUID FOR UPDATE",
        "SELECT name FROM directory WHERE tenant_id = %s AND name = %s",
        "SELECT now() - message.recorded_at AS age FROM message WHERE message.namespace_id = %s",
        "SELECT u.id FROM unit u LEFT JOIN message m ON m.namespace_id = u.namespace_id AND m.id = u.id"
        " WHERE u.namespace_id = %s AND NOT EXISTS (SELECT 1 FROM link WHERE link.namespace_id = u.namespace_id)",
        "WITH page AS (SELECT id, namespace_id FROM unit WHERE namespace_id = %s LIMIT 5)"
        " SELECT m.id FROM page JOIN message m ON m.namespace_id = page.namespace_id",
        "INSERT INTO unit (tenant_id, namespace_id, id) SELECT r.tenant_id, r.namespace_id, r.id"
        " FROM json_populate_recordset(NULL::public.unit, %s) AS r ON CONFLICT DO NOTHING",
        "SET LOCAL app.tenant = 'x'",
        "SELECT 'a%%' AS text",
    ],
)
def test_what_names_its_namespace_passes(gate: Gate, service: Service, statement: str) -> None:
    assert gate.faults(statement) == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (f"SELECT message.id {_SAID}", "no namespace_id of message"),
        (f"SELECT message.id {_SAID} AND (message.namespace_id = %(a)s OR message.seq > 5)", "no namespace_id"),
        (f"SELECT message.id {_SAID} AND message.namespace_id <> %(a)s", "no namespace_id"),
        ("SELECT n.head FROM namespace n WHERE n.name = %s FOR UPDATE", "no id of namespace"),
        (
            "SELECT n.head FROM namespace n JOIN directory d ON d.namespace_id = n.id WHERE d.name = %s",
            "no id of namespace",
        ),
        ("SELECT u.id FROM unit u, message m WHERE u.namespace_id = %s AND m.id = u.id", "no namespace_id of message"),
        (
            "SELECT 1 FROM unit u WHERE u.namespace_id = %s AND EXISTS (SELECT 1 FROM link WHERE link.src = u.id)",
            "no namespace_id of link",
        ),
        ("WITH a AS (SELECT id FROM unit WHERE seq > 3) SELECT id FROM a", "no namespace_id of unit"),
        ("UPDATE job SET state = 'done' WHERE id = %s", "no namespace_id of job"),
        ("DELETE FROM link USING unit WHERE unit.namespace_id = %s AND link.src = unit.id", "no namespace_id of link"),
        ("INSERT INTO unit (tenant_id, id) VALUES (%s, %s)", "no namespace_id of unit"),
        (
            "INSERT INTO job (namespace_id, id) VALUES (%s, %s) ON CONFLICT (tenant_id, id) DO NOTHING",
            "a conflict without namespace_id of job",
        ),
        ("UPDATE job SET run_after = clock_timestamp() WHERE namespace_id = %s", "clock_timestamp()"),
        ("SELECT gen_random_uuid(), id FROM unit WHERE namespace_id = %s", "gen_random_uuid()"),
        ("SET app.tenant = 'x'", "outlives its transaction"),
        ("LISTEN changes", "ListenStmt"),
        ("CREATE TEMPORARY TABLE here (id text)", "CreateStmt"),
    ],
)
def test_what_only_one_machine_can_run_is_told(gate: Gate, service: Service, statement: str, told: str) -> None:
    assert any(told in fault for fault in gate.faults(statement)), gate.faults(statement)


def test_a_statement_that_the_service_sends_past_the_rule_fails_where_it_is_sent(gate: Gate, service: Service) -> None:
    code = "def look(connection):\n    return connection.exec_driver_sql('SELECT id FROM unit WHERE seq > 3').all()\n"
    planted: dict[str, Any] = {}
    exec(compile(code, str(rooms.root() / "memsvc" / "store" / "planted.py"), "exec"), planted)
    with service.database.tenant(service.tenant_id) as connection:
        with pytest.raises(Violation, match=r"store/planted.py:look: no namespace_id of unit"):
            planted["look"](connection)
        # What a test looks up is its own affair.
        connection.execute(sa.text("SELECT id FROM unit WHERE seq > 3"))
    assert "planted" in gate.violations.pop()


def test_what_is_reviewed_is_still_there() -> None:
    assert statements.stale(statements.REVIEWED) == []
