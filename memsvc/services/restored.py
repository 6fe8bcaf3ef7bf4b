"""A database that was restored from a backup: what the journal says was erased since is erased again, before anything
is served.
"""

from __future__ import annotations

import collections
import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from memsvc.services.erase import Erase
from memsvc.store import tombstones
from memsvc.store.database import Database
from memsvc.store.journal import Journal, Noted

_log = structlog.get_logger("memsvc.restored")


@dataclass(frozen=True, slots=True)
class Compared:
    """Digests that the journal has, those of other installations among them, those that the database lacked; and what
    stood of these, by kind.
    """

    noted: int
    foreign: int
    lacked: int
    stood: dict[str, int] = field(default_factory=dict)


class Restored:
    def __init__(self, database: Database, erase: Erase, journal: Journal) -> None:
        self._database = database
        self._erase = erase
        self._journal = journal

    def compare(self, files: Sequence[Path] | None = None, *, dry_run: bool = False) -> Compared:
        """Erase again what stands in the database though these files, or those of the journal's own folder, say that
        it was erased. Costs little where nothing does.

        Raises Invalid for a damaged file; Unavailable and StorageFull.
        """
        noted: dict[uuid.UUID, list[Noted]] = collections.defaultdict(list)
        for each in self._journal.read(files):
            noted[each.tenant_id].append(each)
        count = foreign = lacked = 0
        stood: collections.Counter[str] = collections.Counter()
        for tenant_id, erasures in noted.items():
            own = self._own(tenant_id, erasures)
            count += sum(len(each.at) for each in erasures)
            foreign += sum(len(each.at) for each in erasures) - sum(len(each.at) for each in own)
            lacks = self._lacked(tenant_id, own, confirms=files is None and not dry_run)
            lacked += len(lacks)
            if lacks:
                stood.update(self._erase.again(tenant_id, lacks, dry_run=dry_run))
        if lacked and not dry_run:
            _log.warning("erased again", lacked=lacked, **stood)
        return Compared(count, foreign, lacked, dict(stood))

    def _own(self, tenant_id: uuid.UUID, erasures: Iterable[Noted]) -> list[Noted]:
        """Those of this installation: a tenant's id follows from its name, and others may have one of that name."""
        with self._database.tenant(tenant_id) as connection:
            since, _ = tombstones.moment(connection, tenant_id)
        return [each for each in erasures if since is not None and dt.datetime.fromisoformat(each.since) == since]

    def _lacked(self, tenant_id: uuid.UUID, own: Sequence[Noted], *, confirms: bool) -> dict[bytes, dt.datetime]:
        """Digest -> when it was erased, of those that the database lacks."""
        at: dict[bytes, str] = {}
        for each in own:
            if each.stands:
                for digest, time in each.at.items():
                    at[digest] = max(time, at.get(digest, time))
        with self._database.tenant(tenant_id) as connection:
            gone = tombstones.missing(connection, tenant_id, at)
            left = [each for each in own if not each.stands]
            committed = [each for each in left if not tombstones.missing(connection, tenant_id, each.at)]
        for each in committed if confirms else ():
            self._journal.confirm(each)
        return {digest: dt.datetime.fromisoformat(at[digest]) for digest in gone}
