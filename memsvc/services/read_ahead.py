"""Let the reader read an episode before the next question about it: a job.

What it read is stored under the namespace's lock, and only when the words are still the same: an erasure that came
first leaves nothing behind, and one that comes later removes it: at once in its own process, in others within a minute
(`erased_elsewhere`).
"""

from __future__ import annotations

from memsvc.domain.usage import READ_AHEAD
from memsvc.reader.lazy import LazyReader
from memsvc.services import costs, episode_context
from memsvc.services.work import Lease


class ReadAhead:
    def __init__(self, reader: LazyReader, budget_tokens: int) -> None:
        self._reader = reader
        self._budget_tokens = budget_tokens

    def run(self, lease: Lease) -> None:
        """The job's handler: the episode that its payload names, if it is still there."""
        episode_id = str(lease.job.payload.get("episode", ""))
        with lease.reading() as (connection, space):
            before = episode_context.of(connection, space, episode_id, self._budget_tokens)
            about = episode_context.medoid(connection, space, episode_id)
        spent = costs.Spent()
        made = self._reader.get().prepare(before[0].text, before[1], about=about) if before else None
        if made is not None:
            spent.told(made[1].length, 0)
            costs.note(lease, READ_AHEAD, spent)
        with lease.transaction() as (connection, space):
            now = episode_context.of(connection, space, episode_id, self._budget_tokens)
            kept = made is not None and now == before
            if made is not None and before is not None and kept:
                self._reader.get().keep(before[1], *made, seq=space.head)
            lease.finish(connection, {"tokens": made[1].length if made and kept else 0})
