"""Evaluates all alert rules and notifies their recipients."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain import facts
from domain.alerting import evaluation
from live import fact_signals, wake
from models import faults
from models.alerting import alert_states
from workers import readings

_MAX_CONCURRENT_RULES = 4  # more would wait for each other's fact numbers

log = structlog.get_logger("worker")


async def evaluate(redis: Redis, clock: Callable[[], datetime]) -> None:
    """Evaluates the rules of every account. A failing account does not delay the others."""
    for account_id in await alert_states.accounts_with_rules():
        try:
            await _evaluate(redis, account_id, clock())
        except (faults.UnavailableError, RedisError):  # logged once; the next tick does the work
            return
        except Exception:
            log.exception("alert rules not evaluated", account=account_id)


async def _evaluate(redis: Redis, account_id: int, now: datetime) -> None:
    rules = await alert_states.active_rules(account_id)
    values = await readings.read_all(redis, account_id, rules, now)
    slots = asyncio.Semaphore(_MAX_CONCURRENT_RULES)
    # Most readings cause no transition. `_apply` decides again under the rule's lock.
    await asyncio.gather(
        *(
            _apply(redis, rule, reading, now, slots)
            for rule in rules
            if (reading := values.get(rule.id))
            and evaluation.evaluate(rule.definition.rule, rule.state, reading, now)
        )
    )


async def _apply(
    redis: Redis,
    rule: alert_states.ActiveRule,
    reading: evaluation.Reading,
    now: datetime,
    slots: asyncio.Semaphore,
) -> None:
    context = {"account": rule.account_id, "rule": rule.id}
    try:
        async with slots:
            event = await alert_states.apply_reading(rule, reading, now)
    except faults.UnavailableError:
        return
    except Exception:
        log.exception("alert not stored", **context)
        return
    if event is not None:
        log.info("alert", **context, kind=event.kind)
        await fact_signals.publish(
            redis, rule.account_id, event.customer_id, facts.Kind.ALERT, event.number
        )
        await wake.hint(redis, wake.Work.MESSAGES)
