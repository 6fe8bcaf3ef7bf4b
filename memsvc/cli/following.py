"""Ask a running service for a maintenance job and follow it to its end."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from memsvc.cli import connection

_POLL_S = 0.3


def maintain(url: str, namespace: str, kind: str, *, dry_run: bool = False) -> int:
    """The exit status: 0 when the job is done, 1 when it died or was cancelled."""
    console = Console()
    with connection.client(url) as client:
        job = client.namespace(namespace).maintain(kind, dry_run=dry_run)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(f"{kind} {namespace}", total=None)
            while job.state in ("queued", "running"):
                progress.update(task, completed=job.done, total=job.total)
                time.sleep(_POLL_S)
                job = client.job(job.id)
            progress.update(task, completed=job.done, total=job.total or job.done)
    counts = ", ".join(f"{name}: {value}" for name, value in (job.result or {}).items())
    console.print(f"{job.state}. {counts or job.last_error or ''}", markup=False, soft_wrap=True)
    return 0 if job.state == "done" else 1
