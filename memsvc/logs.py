"""Logs: one JSON object a line on standard error, or words for a terminal. Ids, counts and times, never content.

An error is told with its type and the lines of code it went through; neither its local variables, which may hold what
was said, nor the values of a database statement.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import traceback
from typing import Any

import structlog

from memsvc.settings import LogSettings

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _StandardError(io.TextIOBase):
    """Where lines go. One for which there is no room (a full disk) is lost: what it tells of must go on."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


_STANDARD_ERROR: Any = _StandardError()


def configure(settings: LogSettings) -> None:
    """For the whole process; called once, before anything is started."""
    logging.getLogger("uvicorn.error").addFilter(_without_error)
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=True)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_content,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
        # Asked for at each line: whoever replaces sys.stderr for a while takes it away again.
        logger_factory=lambda *_: structlog.PrintLogger(_STANDARD_ERROR),
        cache_logger_on_first_use=False,
    )


def _without_error(record: logging.LogRecord) -> bool:
    """The server's own note of an error that has been told already, without its text."""
    record.exc_info, record.exc_text = None, None
    return True


def without_content(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Turn an error into its type and its places in the code: its text may quote what it was about."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        event["error_type"] = type(error).__name__
        event["error_at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]]
    return event
