"""What routes share: the services, and the checked parts of a path."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request

from memsvc.bootstrap import Service
from memsvc.wire import base


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Services = Annotated[Service, Depends(_service)]
NamespaceName = Annotated[
    str, Path(pattern=base.NAMESPACE_PATTERN, description="A memory space: a user, an agent, a team.")
]
MessageId = Annotated[base.Id, Path()]
UnitId = Annotated[base.Id, Path()]
