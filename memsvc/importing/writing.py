"""What was read -> a memory of a running service, in requests that can be sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from memsvc.importing.formats import Reading
from memsvc.importing.taking import Report
from memsvc.sdk import Conflict
from memsvc.wire.exchanges import NewExchange, WriteResponse, WriteResult

_AT_ONCE = 100
# A request of so many is distilled within it, where most characters are of one byte.
_CHARS_AT_ONCE = 50_000


class Memory(Protocol):
    """Where exchanges go: a namespace of the SDK's, or what writes as that does."""

    def write(self, batch: list[NewExchange], /) -> WriteResponse:
        """Raises the SDK's Conflict for messages that were erased there, or are stored otherwise."""


def write(memory: Memory, reading: Reading, advance: Callable[[int], None] = lambda _: None) -> Report:
    """Write all exchanges, and say in the report what was stored and what was known before.

    A message that the service refuses because it was erased there, or is stored otherwise, is left out and told; the
    others go on. `advance` is called with the number of messages behind each request. What raises in the middle leaves
    the report as it is by then, and a repetition goes on from there.
    """
    report = reading.report
    for batch in _batches(reading.exchanges):
        count = sum(len(exchange.messages) for exchange in batch)
        for result in _written(memory, batch, report):
            known = len(result.messages) if result.duplicate else _repeated(result)
            report.known += known
            report.stored += len(result.messages) - known
        advance(count)
    return report


def _written(memory: Memory, batch: list[NewExchange], report: Report) -> list[WriteResult]:
    """What the service says of a batch; one with messages that conflict is halved until these stand alone."""
    try:
        return memory.write(batch).results
    except Conflict as conflict:
        ids = [message.id for exchange in batch for message in exchange.messages]
        if not any(repr(message_id) in conflict.detail for message_id in ids):
            raise  # it is not about a message
        if len(ids) > 1:
            return [result for half in _halves(batch) for result in _written(memory, half, report)]
        report.left_out["erased in the memory" if "erased" in conflict.detail else "stored otherwise before"] += 1
        report.taken -= 1
        return []


def _halves(batch: list[NewExchange]) -> tuple[list[NewExchange], list[NewExchange]]:
    if len(batch) > 1:
        return batch[: len(batch) // 2], batch[len(batch) // 2 :]
    messages = batch[0].messages
    first, second = messages[: len(messages) // 2], messages[len(messages) // 2 :]
    return [batch[0].model_copy(update={"messages": first})], [batch[0].model_copy(update={"messages": second})]


def _repeated(result: WriteResult) -> int:
    return len({skip.message_id for skip in result.skipped if skip.reason == "duplicate"})


def _batches(exchanges: Sequence[NewExchange]) -> Iterator[list[NewExchange]]:
    """A request each: neither too many messages nor too many characters."""
    batch: list[NewExchange] = []
    messages = chars = 0
    for exchange in exchanges:
        longer = sum(len(message.content) for message in exchange.messages)
        if batch and (messages + len(exchange.messages) > _AT_ONCE or chars + longer > _CHARS_AT_ONCE):
            yield batch
            batch, messages, chars = [], 0, 0
        batch.append(exchange)
        messages += len(exchange.messages)
        chars += longer
    if batch:
        yield batch
