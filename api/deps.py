"""What routes share: the services, and the checked parts of a path."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from memsvc.bootstrap import Service
from memsvc.wire import base


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Services = Annotated[Service, Depends(_service)]
NamespaceName = Annotated[
    str,
    Path(
        pattern=base.NAMESPACE_PATTERN,
        description="A memory space: a user, an agent, a team. Its first write makes it. At most 128 letters, digits "
        "and ._:@+~- and no mark at its beginning.",
    ),
]
MessageId = Annotated[base.Id, Path(description="The id of a message, as given to or by a write.")]
UnitId = Annotated[base.Id, Path(description="The id of a memory unit, as given by a write or a recall.")]
# Of what is given in pages.
Cursor = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before; none: the first page.")
]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
