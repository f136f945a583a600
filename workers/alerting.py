"""Compares all alert rules with what there is to read, and tells what has happened."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from redis.asyncio import Redis

from domain import alerts, facts
from live import news, wake
from models import alerts as stored
from workers import readings

_AT_ONCE = 4  # that are told; more would wait for each other's numbers

log = structlog.get_logger("worker")


async def evaluate(redis: Redis, clock: Callable[[], datetime]) -> None:
    """Of every account; one that fails does not keep the others."""
    for account_id in await stored.accounts_with_rules():
        try:
            await _evaluate(redis, account_id, clock())
        except Exception:
            log.exception("alert rules not evaluated", account=account_id)


async def _evaluate(redis: Redis, account_id: int, now: datetime) -> None:
    rules = await stored.standing(account_id)
    found = await readings.take(redis, account_id, rules, now)
    places = asyncio.Semaphore(_AT_ONCE)
    # Most rules say nothing; what one says is decided anew under its lock.
    await asyncio.gather(
        *(
            _take(redis, rule, read, now, places)
            for rule in rules
            if (read := found.get(rule.id)) and alerts.step(rule.wanted.rule, rule.state, read, now)
        )
    )


async def _take(
    redis: Redis,
    rule: stored.Standing,
    read: alerts.Reading,
    now: datetime,
    places: asyncio.Semaphore,
) -> None:
    about = {"account": rule.account_id, "rule": rule.id}
    try:
        async with places:
            told = await stored.take(rule, read, now)
    except Exception:
        log.exception("alert not told", **about)
        return
    if told is not None:
        log.info("alert", **about, kind=told.kind)
        await news.tell(redis, rule.account_id, told.customer_id, facts.Kind.ALERT, told.number)
        await wake.hint(redis, wake.For.MESSAGES)
