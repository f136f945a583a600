"""Compares all alert rules with what there is to read, and tells what has happened."""

from collections.abc import Callable
from datetime import datetime

import structlog
from redis.asyncio import Redis

from domain import alerts, facts
from live import news, wake
from models import alerts as stored
from workers import readings

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
    for rule in rules:
        read = found.get(rule.id)
        # Most rules say nothing; what one says is decided anew under its lock.
        if read and alerts.step(rule.wanted.rule, rule.state, read, now):
            await _take(redis, rule, read, now)


async def _take(redis: Redis, rule: stored.Standing, read: alerts.Reading, now: datetime) -> None:
    about = {"account": rule.account_id, "rule": rule.id}
    try:
        told = await stored.take(rule, read, now)
    except Exception:
        log.exception("alert not told", **about)
        return
    if told is not None:
        log.info("alert", **about, kind=told.kind)
        await news.tell(redis, rule.account_id, told.customer_id, facts.Kind.ALERT, told.number)
        await wake.hint(redis, wake.For.MESSAGES)
