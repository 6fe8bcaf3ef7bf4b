"""The Python client. Needs httpx and pydantic only.

from memsvc.sdk import MemoryClient

with MemoryClient() as client, client.namespace("ana") as memory:
    memory.add("I moved to Berlin.", speaker="Ana", session_id="kitchen")
    print(memory.context("Where does Ana live?").text)
"""

from memsvc.sdk.asynchronous import AsyncMemoryClient, AsyncNamespace
from memsvc.sdk.client import MemoryClient, Namespace
from memsvc.sdk.errors import (
    ApiError,
    BadArgument,
    BadReply,
    Conflict,
    ConnectionFailed,
    Forbidden,
    Invalid,
    MemsvcClientError,
    NotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from memsvc.wire.changes import ChangeResult
from memsvc.wire.exchanges import NewExchange, NewMessage, WriteResponse, WriteResult
from memsvc.wire.keys import AuditEntry, KeyResult
from memsvc.wire.profiles import ProfileResult
from memsvc.wire.questions import ContextResponse, RecallResponse
from memsvc.wire.reads import MessageResult, UnitResult
from memsvc.wire.selections import ErasureReceipt
from memsvc.wire.status import Health
from memsvc.wire.transfer import ImportReceipt

__all__ = [
    "ApiError",
    "AsyncMemoryClient",
    "AsyncNamespace",
    "AuditEntry",
    "BadArgument",
    "BadReply",
    "ChangeResult",
    "Conflict",
    "ConnectionFailed",
    "ContextResponse",
    "ErasureReceipt",
    "Forbidden",
    "Health",
    "ImportReceipt",
    "Invalid",
    "KeyResult",
    "MemoryClient",
    "MemsvcClientError",
    "MessageResult",
    "Namespace",
    "NewExchange",
    "NewMessage",
    "NotFound",
    "ProfileResult",
    "RecallResponse",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "UnitResult",
    "WriteResponse",
    "WriteResult",
]
