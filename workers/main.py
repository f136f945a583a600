"""The worker: its whole schedule, its start and its shutdown.

If Redis or PostgreSQL is lost, running jobs roll back, the log receives one line, and the next tick
does their work.
"""

import asyncio
import functools
import json
import logging
import os
import signal
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any, cast

import structlog
from arq import cron
from arq.connections import ArqRedis
from arq.typing import WorkerCoroutine
from arq.worker import Worker
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from live import wake
from models import faults, schema_version
from runtime import clock, senders, services
from runtime.settings import Settings
from workers import alive, jobs, sending

HEARTBEAT = "cb:worker"  # exists while a worker runs; /readyz reads it
_HEARTBEAT_SECONDS = 5
_REBUILD_SECONDS = 60
_SEND_SECONDS = 60
_CLOSE_SECONDS = 5.0  # for the shutdown of jobs and connections
_SHUTDOWN_SECONDS = 15.0  # then the process exits, even if a task ignores its cancellation
_CHECK_SECONDS = 1.0  # between two checks of a service
_REDIS_TIMEOUT_SECONDS = 5.0  # arq sets no timeout on its connections
_BLOCK_SECONDS = 3  # below the response timeout in runtime/services.py

Job = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]


def _tick(job: Job) -> WorkerCoroutine:
    """Ignores that a service is unavailable, which is logged once: the next tick does the work."""

    @functools.wraps(job)
    async def run(ctx: dict[str, Any]) -> None:
        with suppress(faults.UnavailableError, RedisError):
            await job(ctx)

    return cast("WorkerCoroutine", run)


# arq enqueues each tick once for all workers. Locks are in PostgreSQL (models/summaries/hours.py).
SCHEDULE = (
    cron(
        _tick(jobs.rebuild_marked),
        second={0, 20, 40},
        run_at_startup=True,
        timeout=_REBUILD_SECONDS,
    ),
    cron(_tick(jobs.post_closed), second={10, 40}, run_at_startup=True, timeout=30),
    cron(_tick(jobs.settle_checklists), second={3, 18, 33, 48}, run_at_startup=True, timeout=30),
    cron(
        _tick(jobs.send_messages),
        second=set(range(2, 60, 5)),
        run_at_startup=True,
        timeout=_SEND_SECONDS,
    ),
    cron(
        _tick(jobs.evaluate_alerts), second=set(range(4, 60, 10)), run_at_startup=True, timeout=60
    ),
    # Not at startup: early in a slot, the state may lack calls that are still on their way.
    cron(_tick(jobs.sample_channels), second=set(range(6, 60, 10)), timeout=10),
    cron(_tick(jobs.fold_channels), second=25, run_at_startup=True, timeout=50),
    cron(_tick(jobs.sweep_leases), second={5, 15, 25, 35, 45, 55}, timeout=10),
    cron(_tick(jobs.create_partitions), minute={7}, second=0, run_at_startup=True, timeout=60),
    cron(_tick(jobs.remove_old), minute={37}, second=0, timeout=60),
    cron(_tick(jobs.drop_partitions), hour={1}, minute={17}, second=0, timeout=600),
)

# Jobs that also run as soon as the worker is woken, with their timeouts in seconds.
WAKE_JOBS = {
    wake.Work.MARKS: (jobs.rebuild_marked, _REBUILD_SECONDS),
    wake.Work.MESSAGES: (jobs.send_messages, _SEND_SECONDS),
}

log = structlog.get_logger("worker")


def run(settings: Settings, alive_file: Path | None = None) -> None:
    """Runs until SIGINT or SIGTERM. Exits with 1 if the database is newer than this code.

    `alive_file` is passed to `alive.keep_touching`.
    """
    logging.getLogger("arq").setLevel(logging.WARNING)  # otherwise it logs every tick
    try:
        asyncio.run(work(settings, alive_file))
    except schema_version.NewerSchemaError as error:
        log.error("worker exits", problem=str(error))
        raise SystemExit(1) from None


async def work(settings: Settings, alive_file: Path | None) -> None:
    assert settings.database_url is not None
    assert settings.redis_url is not None
    stop = _stop_signal()
    async with services.open_services(
        settings.database_url, settings.redis_url, pool=settings.database_pool
    ) as opened_services:
        tools = jobs.Tools(
            opened_services.redis,
            clock.now,
            settings.records_days,
            settings.partitions_ahead_days,
            sending.Delivery(
                settings.secret_key or "", settings.public_url, senders.create(settings)
            ),
            review_days=settings.review_days,
            channel_minutes_days=settings.channel_minutes_days,
        )
        await _wait_for_schema(stop)
        while not stop.is_set():
            try:
                await _serve(settings.redis_url, tools, stop, alive_file)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("redis unavailable", error=repr(error))
                await _wait_for_redis(opened_services.redis, stop)


def _stop_signal() -> asyncio.Event:
    """Set by SIGINT or SIGTERM. The process then exits in time, even if a service hangs."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def on_signal() -> None:
        log.info("worker stops on a signal")
        stop.set()
        loop.call_later(_SHUTDOWN_SECONDS, _exit_now)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    return stop


def _exit_now() -> None:
    """Exits immediately. PostgreSQL rolls back the open transactions."""
    log.error("worker exits: a service does not respond")
    os._exit(1)


async def _pause(stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_CHECK_SECONDS):
            await stop.wait()


async def _wait_for_schema(stop: asyncio.Event) -> None:
    """Waits until the database has the schema that this code needs. Raises NewerSchemaError."""
    logged: str | None = None
    while not stop.is_set():
        with suppress(*faults.UNAVAILABLE_ERRORS):
            problem = (await schema_version.require_not_newer()).problem
            if problem is None:
                return
            if problem != logged:
                log.warning("worker waits for the schema", problem=problem)
            logged = problem
        await _pause(stop)


async def _wait_for_redis(redis: Redis, stop: asyncio.Event) -> None:
    while not stop.is_set():
        with suppress(RedisError, OSError):
            await redis.ping()
            log.warning("redis available again")
            return
        await _pause(stop)


async def _serve(
    redis_url: str, tools: jobs.Tools, stop: asyncio.Event, alive_file: Path | None
) -> None:
    """Runs the schedule until `stop` is set. Raises RedisError or OSError once Redis is lost."""
    worker = _worker(redis_url, tools)
    tasks = [
        asyncio.create_task(worker.async_run()),
        *(asyncio.create_task(_run_when_woken(tools.redis, tools, work)) for work in WAKE_JOBS),
        asyncio.create_task(alive.keep_touching(alive_file)),
        asyncio.create_task(stop.wait()),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            for task in done:
                task.result()
    finally:
        await _close(worker, tasks)


def _worker(redis_url: str, tools: jobs.Tools) -> Worker:
    pool = ConnectionPool.from_url(
        redis_url,
        socket_timeout=_REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=_REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),  # `work` waits until Redis is available again
    )
    for job in SCHEDULE:
        job.next_run = None  # otherwise arq runs ticks missed since the last worker of this process
    return Worker(
        cron_jobs=SCHEDULE,
        redis_pool=ArqRedis(pool, job_serializer=_to_json, job_deserializer=json.loads),
        ctx={"tools": tools},
        handle_signals=False,
        job_serializer=_to_json,
        job_deserializer=json.loads,
        timezone=UTC,
        keep_result=0,
        log_results=False,
        health_check_interval=_HEARTBEAT_SECONDS,
        health_check_key=HEARTBEAT,
    )


def _to_json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, default=repr).encode()


async def _run_when_woken(redis: Redis, tools: jobs.Tools, work: wake.Work) -> None:
    """Runs the job right after a commit. If the wake-up is lost, the schedule finds the work."""
    job, seconds = WAKE_JOBS[work]
    while True:
        if await wake.wait_for(redis, _BLOCK_SECONDS, work):
            try:
                await asyncio.wait_for(job({"tools": tools}), seconds)
            except (faults.UnavailableError, RedisError):
                pass  # the next tick does the work
            except Exception:
                log.exception("job failed; the next tick tries again", what=work)


async def _close(worker: Worker, tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancels the running jobs. Their transactions roll back, and their marks remain."""
    all_tasks = [*tasks, *worker.tasks.values()]
    for task in all_tasks:
        task.cancel()
        task.add_done_callback(_ignore)
    await asyncio.wait(all_tasks, timeout=_CLOSE_SECONDS)
    with suppress(RedisError, OSError, TimeoutError):  # without Redis, the key expires
        async with asyncio.timeout(_CLOSE_SECONDS):
            await worker.pool.delete(HEARTBEAT)
    with suppress(RedisError, OSError, TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await worker.pool.aclose(close_connection_pool=True)


def _ignore(task: asyncio.Task[Any]) -> None:
    """Retrieves the exception, because asyncio logs exceptions that were never retrieved."""
    if not task.cancelled():
        task.exception()
