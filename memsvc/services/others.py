"""The other cells' services, as this one asks them: with the operator's key, for any tenant."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Mapping
from typing import Any

import httpx

from memsvc import errors
from memsvc.domain.cell import Cell
from memsvc.services.cells import Cells
from memsvc.settings import CellSettings

# Where cells ask each other; `api.routes.cells` answers. None of them asks another one before it answers, but GRANT.
GRANT, GIVE = "/v1/cells/grant", "/v1/cells/give"
SPACES, NAMES, MEMORIES = "/v1/cells/spaces", "/v1/cells/names", "/v1/cells/memories"
# Asked of at once.
_THREADS = 8


class Others:
    """`key` is the operator's, which all cells take."""

    def __init__(self, cells: Cells, key: str, settings: CellSettings) -> None:
        self.cells = cells
        self._timeout = httpx.Timeout(settings.patience_s, connect=settings.connect_timeout_s)
        self._client = httpx.Client(headers={"Authorization": f"Bearer {key}"})
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, "cells")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def ask(self, cell: Cell, path: str, asked: Mapping[str, Any], timeout: httpx.Timeout | None = None) -> Any:
        """What the cell replies to this JSON, as JSON. Raises what it refused with where that is the caller's fault,
        and Unavailable where it does not answer, or cannot.
        """
        try:
            reply = self._client.post(f"{cell.url.rstrip('/')}{path}", json=asked, timeout=timeout or self._timeout)
            told = reply.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _silent(cell, type(error).__name__) from error
        if reply.status_code == 200:
            return told
        detail = told.get("detail") if isinstance(told, dict) else None
        if reply.status_code == errors.Invalid.status and detail:
            raise errors.Invalid(detail, told.get("next_step") or "")
        raise _silent(cell, detail or str(reply.status_code))

    def all(
        self, path: str, asked: Mapping[str, Any], *, is_long: bool = False
    ) -> tuple[dict[str, Any], list[errors.Unavailable]]:
        """What each of the others replies, by its name, and why some do not; what `is_long` takes as long as it takes.
        Raises Invalid where one refuses so.
        """
        own = self.cells.name
        timeout = httpx.Timeout(None, connect=self._timeout.connect) if is_long else None
        begun = {
            cell.name: self._threads.submit(self.ask, cell, path, asked, timeout)
            for cell in self.cells.all()
            if cell.name != own
        }
        found, silent = {}, []
        for name, reply in begun.items():
            try:
                found[name] = reply.result()
            except errors.Unavailable as error:
                silent.append(error)
        return found, silent


def _silent(cell: Cell, why: str) -> errors.Unavailable:
    return errors.Unavailable(f"The cell {cell.name!r} does not answer ({why}).", "Send it again in a moment.")
