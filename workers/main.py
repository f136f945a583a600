"""The worker: the whole schedule on one page, and what makes it run and end.

It ends, with an error, as soon as Redis is lost; whoever supervises it starts it again. It
survives the loss of PostgreSQL: jobs fail, are logged, and the next tick does their work.
"""

import asyncio
import json
import logging
import os
import signal
from datetime import UTC
from typing import Any

import structlog
from arq import cron
from arq.connections import RedisSettings, create_pool
from arq.worker import Worker
from redis.asyncio import Redis
from redis.exceptions import RedisError

from live import wake
from runtime import clock, senders, services
from runtime.settings import Settings
from workers import jobs, sending

HEARTBEAT = "cb:worker"  # there while a worker lives; what /readyz looks for
_BEAT_SECONDS = 5
_REBUILD_SECONDS = 60
_SEND_SECONDS = 60
_WAIT_SECONDS = 5.0  # how long the end waits for what it closes
_END_SECONDS = 15.0  # how long it takes at most, whatever does not let itself be cancelled
_CONNECT_SECONDS = 15.0  # arq, which tries again itself, knows no time-out for Redis's answer
_BLOCK_SECONDS = 3  # less than Redis has for an answer: see runtime/services.py

# arq enqueues a tick once among all workers. No lock of ours lies in Redis: see models/hours.py.
SCHEDULE = (
    cron(jobs.rebuild_marked, second={0, 20, 40}, run_at_startup=True, timeout=_REBUILD_SECONDS),
    cron(jobs.post_closed, second={10, 40}, run_at_startup=True, timeout=30),
    cron(jobs.settle_checklists, second={3, 18, 33, 48}, run_at_startup=True, timeout=30),
    cron(
        jobs.send_messages, second=set(range(2, 60, 5)), run_at_startup=True, timeout=_SEND_SECONDS
    ),
    cron(jobs.evaluate_alerts, second=set(range(4, 60, 10)), run_at_startup=True, timeout=60),
    cron(jobs.sweep_leases, second={5, 15, 25, 35, 45, 55}, timeout=10),
    cron(jobs.make_partitions, minute={7}, second=0, run_at_startup=True, timeout=60),
    cron(jobs.remove_old, minute={37}, second=0, timeout=60),
    cron(jobs.drop_partitions, hour={1}, minute={17}, second=0, timeout=600),
)

# What is also done at once when there is word of it, and within how many seconds.
WHEN_TOLD = {
    wake.For.MARKS: (jobs.rebuild_marked, _REBUILD_SECONDS),
    wake.For.MESSAGES: (jobs.send_messages, _SEND_SECONDS),
}

log = structlog.get_logger("worker")


def run(settings: Settings) -> None:
    """Works until it is told to stop (SIGINT, SIGTERM). Exits with 1 when Redis is lost."""
    logging.getLogger("arq").setLevel(logging.WARNING)  # else a line for every tick
    try:
        asyncio.run(work(settings))
    except (RedisError, OSError) as error:
        log.error("worker ends: a service is lost", error=repr(error))
        raise SystemExit(1) from error


async def work(settings: Settings) -> None:
    assert settings.database_url is not None
    assert settings.redis_url is not None
    async with services.open_services(
        settings.database_url, settings.redis_url, pool=settings.database_pool
    ) as opened:
        tools = jobs.Tools(
            opened.redis,
            clock.now,
            settings.records_days,
            settings.partitions_ahead_days,
            sending.Post(settings.secret_key or "", settings.public_url, senders.of(settings)),
            review_days=settings.review_days,
        )
        async with asyncio.timeout(_CONNECT_SECONDS):
            worker = await _worker(settings.redis_url, tools)
        try:
            await _until_one_ends(
                asyncio.create_task(worker.async_run()),
                *(asyncio.create_task(_when_told(opened.redis, tools, what)) for what in WHEN_TOLD),
                asyncio.create_task(_told_to_stop()),
            )
        finally:
            await _close(worker)


async def _worker(redis_url: str, tools: jobs.Tools) -> Worker:
    redis_settings = RedisSettings.from_dsn(redis_url)
    pool = await create_pool(redis_settings, job_serializer=_to_json, job_deserializer=json.loads)
    return Worker(
        cron_jobs=SCHEDULE,
        redis_pool=pool,
        ctx={"tools": tools},
        handle_signals=False,
        job_serializer=_to_json,
        job_deserializer=json.loads,
        timezone=UTC,
        keep_result=0,
        log_results=False,
        health_check_interval=_BEAT_SECONDS,
        health_check_key=HEARTBEAT,
    )


def _to_json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, default=repr).encode()


async def _when_told(redis: Redis, tools: jobs.Tools, what: wake.For) -> None:
    """At once after a commit; the schedule finds what a lost token told of."""
    job, seconds = WHEN_TOLD[what]
    while True:
        if await wake.woken(redis, _BLOCK_SECONDS, what):
            try:
                await asyncio.wait_for(job({"tools": tools}), seconds)
            except Exception:
                log.exception("what was told of is not done; the next tick tries again", what=what)


async def _told_to_stop() -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await told.wait()
    log.info("worker ends as told")


async def _until_one_ends(*tasks: asyncio.Task[None]) -> None:
    """Ends the others, and raises what the one raised.

    arq may go on waiting for a silent Redis though it is cancelled, and `asyncio.run` for arq:
    nobody would start a worker again that never ends.
    """
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    asyncio.get_running_loop().call_later(_END_SECONDS, _end_now)
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending, timeout=_WAIT_SECONDS)
    for task in done:
        task.result()


def _end_now() -> None:
    """Transactions under way roll back, as at any kill."""
    log.error("worker ends: something still waits for a service that is silent")
    os._exit(1)


async def _close(worker: Worker) -> None:
    """Jobs under way are cancelled: their transactions roll back, their marks stay."""
    for task in worker.tasks.values():
        task.cancel()
    if worker.tasks:
        await asyncio.wait(worker.tasks.values(), timeout=_WAIT_SECONDS)
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            await worker.pool.delete(HEARTBEAT)
            await worker.pool.aclose()
    except (RedisError, OSError):
        pass  # it is gone; there is nothing to tidy
