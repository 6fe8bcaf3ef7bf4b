"""Where namespaces are, in an installation of several cells: this cell, the others, and the home cell's word on it."""

from __future__ import annotations

import threading
import time
import uuid

from memsvc import errors
from memsvc.domain.cell import Cell, chosen
from memsvc.store import cells, namespaces
from memsvc.store.database import Database

# A cell that was added is used so soon.
_REMEMBER_S = 2.0


class Cells:
    """`name` is that of this cell."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self.name = name
        self._listed: tuple[float, list[Cell]] = (-_REMEMBER_S, [])
        self._lock = threading.Lock()

    def all(self) -> list[Cell]:
        """By name. Raises Unavailable where this one is not among them: its copy of home's tables is not there yet."""
        with self._lock:
            at, found = self._listed
            if time.monotonic() - at >= _REMEMBER_S:
                with self._database.tenant(uuid.UUID(int=0)) as connection:
                    found = cells.listed(connection)
                self._listed = time.monotonic(), found
        if all(cell.name != self.name for cell in found):
            raise errors.Unavailable(
                f"This cell, {self.name!r}, is not among the installation's.", "Add it with memsvc cells add."
            )
        return found

    def own(self) -> Cell:
        return next(cell for cell in self.all() if cell.name == self.name)

    def home(self) -> Cell:
        return next(cell for cell in self.all() if cell.is_home)

    def named(self, name: str) -> Cell | None:
        return next((cell for cell in self.all() if cell.name == name), None)

    def require_home(self, what: str) -> None:
        """Raises Conflict where this is not home. `what` is the beginning of the sentence."""
        if not self.own().is_home:
            home = self.home()
            raise errors.Conflict(f"{what} in the home cell, {home.name!r}.", f"It is at {home.url}.")

    def placed(self, tenant_id: uuid.UUID, name: str) -> Cell | None:
        """Where the namespace is, as far as is known here; for sure where this is home."""
        with self._database.tenant(tenant_id) as connection:
            found = cells.placed(connection, tenant_id, name)
        return self.named(found) if found else None

    def place(self, tenant_id: uuid.UUID, name: str) -> Cell:
        """Where the namespace is, or a new one is to be. Raises Conflict where this is not home."""
        self.require_home("Places are given")
        with self._database.tenant(tenant_id) as connection:
            found = cells.placed(connection, tenant_id, name)
            if found is None:
                cell = chosen(self.all(), tenant_id, name)
                if cell is None:
                    raise errors.Unavailable("No cell takes new namespaces.", "The operator can open or add one.")
                found = cells.place(connection, tenant_id, name, cell.name)
        cell = self.named(found)
        if cell is None:
            raise errors.Unavailable(f"The cell {found!r} is not known here yet.", "Try again shortly.")
        return cell

    def has(self, tenant_id: uuid.UUID, name: str) -> bool:
        """Whether this cell has the namespace."""
        try:
            with namespaces.opened(self._database, tenant_id, name) as (_, space):
                return space is not None
        except errors.Elsewhere:
            return False
