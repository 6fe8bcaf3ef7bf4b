from __future__ import annotations

import datetime as dt
import threading
import uuid

from memsvc.bootstrap import Service
from memsvc.domain.exchange import NewExchange, NewMessage, WriteReceipt
from memsvc.domain.message import Role
from memsvc.domain.query import Query
from memsvc.settings import RecallSettings
from memsvc.store import cells, feed, namespaces
from tests.serving import apart


def one(message_id: str | None, content: str, session: str = "s") -> NewExchange:
    return NewExchange(None, session, None, (NewMessage(message_id, Role.USER, None, content),))


def write(service: Service, name: str, *messages: NewExchange) -> WriteReceipt:
    """Behind the API, which gives a new name its place where there are several cells."""
    with cells.own(service.tenant_id, name):
        return service.ingest.write(service.tenant_id, name, list(messages))


def test_eight_writers_leave_a_feed_without_holes_and_another_process_finds_each_write_at_once(
    service: Service,
) -> None:
    name = f"feed-{uuid.uuid4().hex[:8]}"
    other = apart(service, RecallSettings())
    now = dt.datetime.now(dt.UTC)
    missed: list[str] = []

    def work(writer: int) -> None:
        for number in range(6):
            word = f"zebra{writer}x{number}"
            receipt = write(service, name, one(f"{writer}-{number}", f"The code word is {word}."))
            found = other.recall(service.tenant_id, name, Query(word, now), 3)
            if found.seq < receipt.seq or not any(word in memory.text for memory in found.memories):
                missed.append(word)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed == []
    with service.database.tenant(service.tenant_id, snapshot=True) as connection:
        space = namespaces.find(connection, service.tenant_id, name)
        assert space is not None
        assert [change.seq for change in feed.changes(connection, space, 0)] == list(range(1, space.head + 1))


def test_writers_of_the_same_ids_at_once_store_them_once(service: Service) -> None:
    name = f"race-{uuid.uuid4().hex[:8]}"
    receipts = []

    def work() -> None:
        receipts.append(write(service, name, one("m1", "Only once."), one("m2", "Also once.")))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receipts) == 6
    assert sum(not result.duplicate for receipt in receipts for result in receipt.results) == 2
    assert len(service.inspect.messages(service.tenant_id, name, 0, 10).messages) == 2
