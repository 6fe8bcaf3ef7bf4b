"""Where namespaces are, in an installation of several cells: what the cells ask the home cell."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import Author, Caller
from api.deps import NamespaceName, Services
from memsvc import errors
from memsvc.services.cells import Cells
from memsvc.wire import placements as wire

# Of no use to a client, so that the description of the API leaves it out.
router = APIRouter(prefix="/v1/placements", include_in_schema=False)


@router.get("/{namespace}", response_model=wire.Placement)
def found(namespace: NamespaceName, caller: Caller, service: Services) -> wire.Placement:
    """The cell that has the namespace, or had it when it was erased; 404 where none ever did."""
    cell = _cells(service).placed(caller.tenant_id, namespace)
    if cell is None:
        raise errors.NotFound(f"No cell has a namespace {namespace!r}.", "Its first write makes it.")
    return wire.Placement(cell=cell.name)


@router.put("/{namespace}", response_model=wire.Placement)
def put(namespace: NamespaceName, caller: Author, service: Services) -> wire.Placement:
    """The cell that has the namespace; one that is nowhere is given a place."""
    return wire.Placement(cell=_cells(service).place(caller.tenant_id, namespace).name)


def _cells(service: Services) -> Cells:
    assert service.cells is not None  # else this is not served
    return service.cells
