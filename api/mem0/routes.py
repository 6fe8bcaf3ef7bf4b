"""The paths of mem0's API that its clients 1.0.x (v1, v2) and 2.x (v1, v3) call; slashes at their ends included."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response

from api import problems
from api.auth import AnyAuthor, AnyCaller, AnyReader
from api.deps import Services
from api.mem0 import absent, bodies, entities
from api.mem0.memories import Memories
from api.mem0.over import Everywhere
from memsvc import errors
from memsvc.wire.base import Text


class Refused(errors.Invalid):
    """As mem0 has it."""

    status = 400


class Route(APIRoute):
    """A route that refuses with 400 what cannot be carried out as it stands."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except errors.Invalid as error:
                raise Refused(error.detail, error.next_step) from error
            except RequestValidationError as error:
                return problems.invalid(error, Refused, "Mend the fields listed under errors; see docs/mem0.md.")

        return answer


# Another product's API: described by its own documentation, not by ours.
router = APIRouter(include_in_schema=False, route_class=Route)


def _memories(caller: AnyCaller, service: Services) -> Memories:
    return Memories(service, caller)


def _read(caller: AnyReader, service: Services) -> Memories:
    return Memories(service, caller)


def _changed(caller: AnyAuthor, service: Services) -> Memories:
    return Memories(service, caller)


Held = Annotated[Memories, Depends(_memories)]
# For what reads and is a POST.
Seen = Annotated[Memories, Depends(_read)]
# For what puts a memory away, as PATCH …/units/{id} does, and is a DELETE.
Changed = Annotated[Memories, Depends(_changed)]
MemoryId = Annotated[Text, Path()]
EntityName = Annotated[bodies.EntityId, Path()]
Page = Annotated[bodies.Page, Query()]
PageSize = Annotated[bodies.PageSize, Query()]


@router.get("/v1/ping/")
def ping(caller: AnyCaller) -> dict[str, Any]:
    """The first call of every client: is the key good? 1.0.x cannot be made without an organisation and a project."""
    return {"status": "ok", "org_id": str(caller.tenant_id), "project_id": "default", "user_email": None}


@router.post("/v1/memories/")
@router.post("/v3/memories/add/")
def add(body: bodies.Add, memories: Held) -> dict[str, Any]:
    return memories.add(body)


@router.get("/v1/event/{event_id}/")
def event(event_id: MemoryId, memories: Held) -> dict[str, Any]:
    return memories.event(event_id)


@router.post("/v1/memories/search/")
def search_plain(body: bodies.Search, memories: Seen) -> list[dict[str, Any]]:
    """As the JavaScript client asks, unless told otherwise."""
    return Everywhere(memories).search(body)


@router.post("/v2/memories/search/")
@router.post("/v3/memories/search/")
def search(body: bodies.Search, memories: Seen) -> dict[str, Any]:
    return {"results": Everywhere(memories).search(body)}


@router.get("/v1/memories/")
def get_all_plain(
    request: Request, memories: Held, body: Annotated[bodies.Asked, Query()]
) -> list[dict[str, Any]] | dict[str, Any]:
    """All of them, or a page where one is asked for."""
    found = Everywhere(memories).listed(body)
    if body.page is None and body.page_size is None:
        return found
    return _page(request, found, body.page or 1, body.page_size or 100)


@router.post("/v2/memories/")
@router.post("/v3/memories/")
def get_all(
    request: Request, body: bodies.Listing, memories: Seen, page: Page = 1, page_size: PageSize = 100
) -> dict[str, Any]:
    return _page(request, Everywhere(memories).listed(body), page, page_size)


def _page(request: Request, found: list[dict[str, Any]], page: int, page_size: int) -> dict[str, Any]:
    start = (page - 1) * page_size
    asked = [(name, value) for name, value in request.query_params.multi_items() if name not in ("page", "page_size")]

    def at(number: int) -> str:
        return f"{request.url.path}?{urlencode([*asked, ('page', number), ('page_size', page_size)])}"

    return {
        "count": len(found),
        "next": at(page + 1) if start + page_size < len(found) else None,
        "previous": at(page - 1) if page > 1 else None,
        "results": found[start : start + page_size],
    }


@router.delete("/v1/memories/")
def delete_all(memories: Held, ids: Annotated[bodies.Scoped, Query()]) -> dict[str, Any]:
    """Erase all of a user, an agent, an app, a run, or of several of them together; `*` is whoever has one."""
    if not ids.ids:
        raise errors.Invalid("delete_all needs to know whose.", "Give user_id, agent_id, app_id or run_id.")
    return {"message": f"Memories deleted successfully! ({Everywhere(memories).delete(ids.ids)})"}


@router.put("/v1/batch/")
def batch_update(body: bodies.BatchUpdate, memories: Held) -> dict[str, Any]:
    """Nothing is changed when one of them is not there, or the key may not change it."""
    for item in body.memories:
        memories.require(item.memory_id, item)
    for item in body.memories:
        memories.update(item.memory_id, item)
    return {"message": f"Successfully updated {len(body.memories)} memories"}


@router.delete("/v1/batch/")
def batch_delete(body: bodies.BatchDelete, memories: Changed) -> dict[str, Any]:
    """Nothing is deleted when one of them is not there, or the key may not change it."""
    ids = list(dict.fromkeys(item.memory_id for item in body.memories))
    for memory_id in ids:
        memories.require(memory_id)
    for memory_id in ids:
        memories.delete(memory_id)
    return {"message": f"Successfully deleted {len(ids)} memories"}


@router.get("/v1/entities/")
def users(memories: Held) -> dict[str, Any]:
    found = Everywhere(memories).users()
    return {"count": len(found), "next": None, "previous": None, "results": found}


@router.delete("/v1/entities/{entity}/{name:path}/")
@router.delete("/v2/entities/{entity}/{name:path}/")
def delete_entity(entity: str, name: EntityName, memories: Held) -> dict[str, Any]:
    Everywhere(memories).delete(entities.named(entity, name))
    return {"message": "Entity deleted successfully!"}


@router.get("/v1/memories/{memory_id}/history/")
def history(memory_id: MemoryId, memories: Held) -> list[dict[str, Any]]:
    return memories.history(memory_id)


@router.get("/v1/memories/{memory_id}/")
def get(memory_id: MemoryId, memories: Held) -> dict[str, Any]:
    return memories.get(memory_id)


@router.put("/v1/memories/{memory_id}/")
def update(memory_id: MemoryId, body: bodies.Update, memories: Held) -> dict[str, Any]:
    return memories.update(memory_id, body)


@router.delete("/v1/memories/{memory_id}/")
def delete(memory_id: MemoryId, memories: Changed, delete_linked: bool = False) -> dict[str, Any]:
    memories.delete(memory_id, linked=delete_linked)
    return {"message": "Memory deleted successfully!"}


def refuse(request: Request, caller: AnyCaller) -> None:
    """What mem0's clients ask for and this service has not."""
    raise absent.refusal(request.scope["route"].path)


for _path in absent.PATHS:
    router.add_api_route(_path, refuse, methods=list(absent.METHODS))
