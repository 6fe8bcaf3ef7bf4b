"""The Celery application and its one task.

Celery supervises worker processes and carries wake-ups. What is to be done, and what was done, stands in the job table
alone: a lost message costs a few seconds until the next look, and a repeated one finds nothing to do. Each child looks
for work by itself as well, so that jobs go on while Redis is away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Celery, signals
from kombu.exceptions import OperationalError

from memsvc.services.work import Runner
from memsvc.settings import JobSettings

TASK = "memsvc.run_due"
_QUEUE = "memsvc"


def create(settings: JobSettings) -> Celery:
    """The application: enough to publish. Raises nothing when Redis is away."""
    assert settings.broker_url is not None
    app = Celery("memsvc", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        task_default_queue=_QUEUE,
        task_serializer="json",
        accept_content=["json"],
        # Truth is in PostgreSQL: no result backend, and a lost worker's attempt is counted there. A wake-up is
        # acknowledged before it is worked on: it need not survive, and kombu's restoring of unacknowledged messages
        # takes the whole worker down when Redis goes away at that moment.
        task_ignore_result=True,
        task_acks_late=False,
        worker_enable_remote_control=False,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=settings.stop_s,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": int(2 * settings.timeout_s),
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
        },
    )
    return app


def serve(app: Celery, build: Callable[[], Runner], processes: int) -> None:
    """Run worker processes until SIGTERM or SIGINT. `build` makes each child's runner, after the fork: a fork behind
    the start of OpenMP threads would hang.
    """
    runners: list[Runner] = []

    def start(**_: Any) -> None:
        runner = build()
        runner.start()
        runners.append(runner)

    def stop(**_: Any) -> None:
        for runner in runners:
            runner.stop()

    def ready(sender: Any, **_: Any) -> None:
        # When it starts for the first time, Celery gives up where a child has ended by now: a job may have ended it.
        sender.restart_count += 1

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def run_due() -> None:
        for runner in runners:
            runner.kick()

    signals.worker_ready.connect(ready, weak=False)
    signals.worker_process_init.connect(start, weak=False)
    signals.worker_process_shutdown.connect(stop, weak=False)
    app.worker_main(
        [
            "worker", "--pool=prefork", f"--concurrency={processes}", "--without-gossip", "--without-mingle",
            "--without-heartbeat", "--loglevel=WARNING",
        ]
    )  # fmt: skip


def publish(app: Celery) -> bool:
    """Tell the workers that there is work; False when Redis is away, which they find out by themselves."""
    try:
        app.send_task(TASK, retry=False, expires=60)
    except (OperationalError, OSError, ConnectionError):
        return False
    return True
