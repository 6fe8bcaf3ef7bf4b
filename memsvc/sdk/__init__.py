"""The Python client. Needs httpx and pydantic only.

from memsvc.sdk import MemoryClient

with MemoryClient() as client, client.namespace("ana") as memory:
    memory.add("I moved to Berlin.", speaker="Ana", session_id="kitchen")
    print(memory.context("Where does Ana live?").text)
"""

from memsvc.sdk.client import MemoryClient, Namespace
from memsvc.sdk.errors import (
    ApiError,
    Conflict,
    ConnectionFailed,
    Invalid,
    MemsvcClientError,
    NotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from memsvc.wire.exchanges import NewExchange, NewMessage, WriteResponse
from memsvc.wire.reads import ContextResponse, ErasureReceipt, MessageResult, RecallResponse, UnitResult

__all__ = [
    "ApiError",
    "Conflict",
    "ConnectionFailed",
    "ContextResponse",
    "ErasureReceipt",
    "Invalid",
    "MemoryClient",
    "MemsvcClientError",
    "MessageResult",
    "Namespace",
    "NewExchange",
    "NewMessage",
    "NotFound",
    "RecallResponse",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "UnitResult",
    "WriteResponse",
]
