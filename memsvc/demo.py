"""The small conversation that a new installation can be asked about."""

from __future__ import annotations

import datetime as dt

from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.exchange import NewExchange, NewMessage
from memsvc.domain.message import Role

NAMESPACE = "demo"

_TALKS: tuple[tuple[str, str, tuple[tuple[Role, str | None, str], ...]], ...] = (
    (
        "demo-kitchen",
        "2024-03-04T18:30:00+00:00",
        (
            (Role.USER, "Ana", "I moved from Porto to Berlin last month, and the boxes are still everywhere."),
            (Role.USER, "Ben", "Welcome! Did Miso survive the train ride?"),
            (Role.USER, "Ana", "She slept through it. Cats are better travellers than I am."),
            (Role.USER, "Ben", "We have a team dinner next Friday. Is there anything you do not eat?"),
            (Role.USER, "Ana", "I have been vegetarian since 2019, and walnuts make my throat swell."),
            (Role.USER, "Ben", "Noted, I will ask for the mushroom risotto then."),
        ),
    ),
    (
        "demo-deploy",
        "2024-03-11T09:05:00+00:00",
        (
            (Role.USER, None, "The nightly job died again with `TimeoutError: pool exhausted` in src/jobs/export.py."),
            (
                Role.ASSISTANT,
                None,
                "The pool in src/jobs/export.py is opened per row. Open it once per run; raise pool_size from 5 to 20.",
            ),
            (Role.USER, None, "That fixed it. From now on always run the export with --dry-run first, please."),
        ),
    ),
    (
        "demo-weekend",
        "2024-03-17T20:10:00+00:00",
        (
            (Role.USER, "Ben", "How was the weekend?"),
            (Role.USER, "Ana", "Yesterday I finished the ceramics course and glazed a blue bowl for my sister Rita."),
            (Role.USER, "Ben", "The one who is getting married in June?"),
            (Role.USER, "Ana", "Yes, on the 15th, in Lisbon. I still need a train ticket."),
        ),
    ),
)


def fill(service: Service) -> None:
    """Write the demo, once: its ids are fixed, and what is there already is left alone."""
    try:
        service.ingest.write(service.tenant_id, NAMESPACE, [_exchange(*talk) for talk in _TALKS])
    except errors.Conflict:
        # Somebody writes into `demo`, or it was made by another version or encoder: it is theirs now.
        return


def _exchange(session: str, occurred_at: str, messages: tuple[tuple[Role, str | None, str], ...]) -> NewExchange:
    return NewExchange(
        id=session,
        session_id=session,
        occurred_at=dt.datetime.fromisoformat(occurred_at),
        messages=tuple(
            NewMessage(f"{session}-{number}", role, speaker, content)
            for number, (role, speaker, content) in enumerate(messages, start=1)
        ),
    )
