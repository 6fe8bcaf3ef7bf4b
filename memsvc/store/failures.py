"""What a failure of the database means to who waits for the answer: by its SQLSTATE, and by when it came."""

from __future__ import annotations

import re

import sqlalchemy as sa

from memsvc import errors

NOTHING = "Try again shortly; nothing was stored."
_UNREACHABLE = "The database cannot be reached."
_CROWDED = "The database has no free connection."
_CLOSING = "The database is being stopped or started."
_LATE = "The database did not get it done in the time that it is given."
_ROOM = "Make room on the disk of the database, then send it again; nothing was stored."
_CROSSED = "The database gave way to another transaction."
_SENTENCES = {
    "40001": (_CROSSED, NOTHING),
    "40P01": (_CROSSED, NOTHING),
    "53200": ("The database is out of memory.", NOTHING),
    "53300": (_CROWDED, NOTHING),
    "55P03": ("Something in the database stayed locked for too long.", NOTHING),
    "57014": (_LATE, NOTHING),
    "57P01": (_CLOSING, NOTHING),
    "57P02": (_CLOSING, NOTHING),
    "57P03": (_CLOSING, NOTHING),
    "25P03": (_LATE, NOTHING),
    "25P04": (_LATE, NOTHING),
    "25006": (
        "The database takes no writes: it is read-only.",
        "Point the service at the primary, or let the database take writes again; nothing was stored.",
    ),
}
# A connection that is refused carries no SQLSTATE, only the server's words.
_NO_SLOT = re.compile(r"too many (clients|connections)|connection slots")


def meant(error: sa.exc.DBAPIError, *, committing: bool) -> errors.Unavailable | None:
    """The error to tell; None for one that is the program's own. `committing`: it came while a transaction that may
    have written was committed, so that a broken connection leaves open whether it was.
    """
    if committing and error.connection_invalidated:
        return errors.OutcomeUnknown(
            "The connection to the database broke while it stored: it is not known whether this was stored.",
            "Send it again with the same ids or Idempotency-Key: it will not be stored twice.",
        )
    state = getattr(error.orig, "sqlstate", None)
    if state == "53100":
        return errors.StorageFull("The database has no room left on its disk.", _ROOM)
    if state in _SENTENCES:
        return errors.Unavailable(*_SENTENCES[state])
    if not isinstance(error, sa.exc.OperationalError) and not error.connection_invalidated:
        return None
    if state is None or error.connection_invalidated or state.startswith("08"):
        crowded = state is None and _NO_SLOT.search(str(error.orig))
        return errors.Unavailable(_CROWDED if crowded else _UNREACHABLE, NOTHING)
    return errors.Unavailable(f"The database could not do it (SQLSTATE {state}).", NOTHING)
