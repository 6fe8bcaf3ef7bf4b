"""One quota over all cells: a cell writes within its share of it, and asks home for more where that is used up.

Home gives what nobody has yet, and where that is not enough asks the other cells for what they do not use. Nothing is
held meanwhile: no lock, no connection, no transaction.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from memsvc import errors
from memsvc.domain.cell import Cell
from memsvc.domain.share import Amount, Lacking, Share, enough
from memsvc.services.others import GIVE, GRANT, Others
from memsvc.store import shares
from memsvc.store.database import Database

# Another may take what was given back for this one: it is gathered so often.
_ROUNDS = 3
# Of a tenant one asks at a time: whoever waits finds what the one before got.
_LANES = 64
_T = TypeVar("_T")


class Shares:
    """A write waits `patience_s` at most for others that use up what was granted for it."""

    def __init__(self, database: Database, others: Others, patience_s: float) -> None:
        self._database = database
        self._others = others
        self._cells = others.cells
        self._own = others.cells.name
        self.patience_s = patience_s
        self._lanes = [threading.Lock() for _ in range(_LANES)]

    def more(self, tenant_id: uuid.UUID, need: Amount) -> bool:
        """Let this cell hold so much of the tenant's. False where the quota has no more; raises Unavailable where that
        cannot be known now.
        """
        with self._lanes[tenant_id.int % _LANES]:
            with self._database.tenant(tenant_id) as connection:
                quota = shares.quota_of(connection, tenant_id)
                held = shares.own(connection, tenant_id, self._own)
            is_of_now = quota is not None and held is not None and held.quota_number >= quota.number
            if is_of_now and held is not None and enough(held.amount, need):
                return True
            number = held.number if held is not None else 0
            home = self._cells.home()
            if home.name == self._own:
                return enough(self.grant(tenant_id, self._own, number, need).amount, need)
            found = self._asked(home, tenant_id, number, need)
            if not enough(found.amount, need):
                return False
            with self._database.tenant(tenant_id) as connection:
                shares.take(connection, tenant_id, self._own, number, found)
            return True

    def give(self, tenant_id: uuid.UUID, quota_number: int, most: Amount) -> Share:
        """This cell's share, less what it does not use of what is asked for. Raises NotFound."""
        with self._database.tenant(tenant_id) as connection:
            return shares.give(connection, tenant_id, self._own, quota_number, most)

    def grant(self, tenant_id: uuid.UUID, cell: str, number: int, need: Amount) -> Share:
        """At home: the share of the cell, whose own has this number, with what it needs if there is so much; of less
        than that nothing is granted. Raises Conflict where this is not home, NotFound, and Unavailable where a cell
        does not answer that may have what is lacking.
        """
        self._cells.require_home("Shares are granted")
        cells = {found.name: found for found in self._cells.all()}
        if cell not in cells:
            raise errors.NotFound(f"There is no cell {cell!r}.", "memsvc cells list shows them.")
        gathered, silent = True, list[str]()
        for left in reversed(range(_ROUNDS + 1)):
            with self._database.tenant(tenant_id) as connection:
                found = shares.grant(connection, tenant_id, cell, number, need, cells)
            if isinstance(found, Share):
                return found
            if silent:
                raise errors.Unavailable(
                    f"What is left of the tenant's quota may be in a cell that does not answer: {', '.join(silent)}.",
                    "Send it again in a moment.",
                )
            if not gathered or not left:
                break
            gathered, silent = self._gather(tenant_id, cells, cell, found)
        return Share(Amount(), number, 0)

    def _gather(
        self, tenant_id: uuid.UUID, cells: dict[str, Cell], asking: str, lacking: Lacking
    ) -> tuple[bool, list[str]]:
        """Ask what cells hold of whom it is not known, and the others for what is missing: whether any gave or told
        something, and who does not answer.
        """
        missing, gathered, silent = lacking.missing, False, []
        with self._database.tenant(tenant_id) as connection:
            before = shares.granted(connection, tenant_id)
        for name in sorted(cells, key=lambda name: (name not in lacking.unknown, name)):
            is_known = name not in lacking.unknown
            if is_known and (name == asking or not any(missing) or not any(before[name].amount)):
                continue
            most = missing if name != asking else Amount()
            try:
                told = self._given(cells[name], tenant_id, lacking.quota_number, most)
            except errors.MemsvcError:
                silent.append(name)
                continue
            with self._database.tenant(tenant_id) as connection:
                shares.note(connection, tenant_id, name, told)
            if is_known:
                back = [max(0, was - now) for was, now in zip(before[name].amount, told.amount, strict=True)]
                missing = Amount(*(max(0, lack - got) for lack, got in zip(missing, back, strict=True)))
                gathered = gathered or any(back)
            gathered = gathered or not is_known
        return gathered, silent

    def _given(self, cell: Cell, tenant_id: uuid.UUID, quota_number: int, most: Amount) -> Share:
        if cell.name == self._own:
            return self.give(tenant_id, quota_number, most)
        asked = {"tenant_id": str(tenant_id), "quota_number": quota_number, **most._asdict()}
        return _read(self._others.ask(cell, GIVE, asked))

    def _asked(self, home: Cell, tenant_id: uuid.UUID, number: int, need: Amount) -> Share:
        asked = {"tenant_id": str(tenant_id), "cell": self._own, "number": number, **need._asdict()}
        try:
            return _read(self._others.ask(home, GRANT, asked))
        except errors.Unavailable as error:
            told = "This cell's share of the tenant's quota is used up, and no more can be had now."
            raise errors.Unavailable(f"{told} {error.detail}", error.next_step) from error


def _read(told: Any) -> Share:
    return Share(Amount(told["namespaces"], told["messages"]), told["number"], told["quota_number"])


def kept(given: Shares | None, tenant_id: uuid.UUID, write: Callable[[], _T]) -> _T:
    """What `write` returns: a transaction, which is done again where the cell got more of the quota for it. None is
    the only cell there is.
    """
    if given is None:
        return write()
    give_up = time.monotonic() + given.patience_s
    while True:
        try:
            return write()
        except errors.Short as short:
            if time.monotonic() > give_up:
                raise errors.Unavailable(
                    "Many write at once with the last of the tenant's quota.", "Send it again in a moment."
                ) from short
            if not given.more(tenant_id, Amount(short.namespaces, short.messages)):
                raise
