"""Everything that is stored of a tenant, to see whether a request changed anything."""

from __future__ import annotations

import uuid

import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.store import tables


def rows(service: Service, tenant_id: uuid.UUID) -> dict[str, list[str]]:
    """Table -> its rows as text, sorted; but for the counts of what was recalled, which reading changes."""
    with service.database.tenant(tenant_id) as connection:
        return {
            table.name: sorted(
                repr(tuple(row))
                for row in connection.execute(
                    sa.select(table).where((table.c.id if table is tables.tenant else table.c.tenant_id) == tenant_id)
                )
            )
            for table in tables.metadata.sorted_tables
            if table not in (tables.unit_access, tables.cell)
        }
