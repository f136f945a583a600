"""What alert rules are compared with: readings of many rules at once, all as of one instant."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from redis.asyncio import Redis

from domain import alerts
from domain.alerts import MEASURE, Metric, Reading, Scope
from live import channels
from models import ended, ledger, switches
from models.alerts import Standing

# How long a live picture that is being repaired is not believed; a switch that can mend it has
# done so by then.
REPAIRED_WITHIN = timedelta(seconds=30)
_AT_ONCE = 20  # live pictures read from Redis
_LIVE = (Metric.CHANNELS, Metric.CPS)

# Of the moment; all others are taken from calls that ended (`alerts.reading`).
OF_THE_MOMENT = frozenset({Metric.BALANCE, *_LIVE})

Readings = dict[int, Reading]  # by the rule's id


async def take(redis: Redis, account_id: int, rules: Sequence[Standing], now: datetime) -> Readings:
    """A few statements and, for each customer whose channels are watched, one call of Redis,
    however many rules. Of a rule that is left out there is nothing to say."""
    by_metric = defaultdict[bool, list[Standing]](list)
    for rule in rules:
        by_metric[MEASURE[rule.wanted.metric].sampled].append(rule)
    moment = by_metric[False]
    found = await _sampled(account_id, by_metric[True], now)
    found |= await _balances(account_id, [r for r in moment if r.wanted.metric is Metric.BALANCE])
    found |= await _live(redis, account_id, [r for r in moment if r.wanted.metric in _LIVE], now)
    return found


async def _balances(account_id: int, rules: Sequence[Standing]) -> Readings:
    if not rules:
        return {}
    known = await ledger.balances(account_id, {rule.subject_id for rule in rules})
    return {rule.id: Reading(known[rule.subject_id]) for rule in rules}


async def _sampled(account_id: int, rules: Sequence[Standing], now: datetime) -> Readings:
    found: Readings = {}
    for scope in Scope:
        of_scope = [rule for rule in rules if rule.wanted.scope is scope]
        if not of_scope:
            continue
        read = await ended.in_periods(
            account_id,
            scope,
            {rule.subject_id for rule in of_scope},
            {_minutes(rule) for rule in of_scope},
            {_minutes(r) for r in of_scope if r.wanted.metric is Metric.CONSECUTIVE_FAILURES},
            now,
        )
        for rule in of_scope:
            of_rule = read.get((_minutes(rule), rule.subject_id), alerts.Ended())
            found[rule.id] = alerts.reading(rule.wanted.metric, of_rule)
    return found


def _minutes(rule: Standing) -> int:
    assert rule.wanted.sample_minutes is not None  # of what is sampled
    return rule.wanted.sample_minutes


async def _live(
    redis: Redis, account_id: int, rules: Sequence[Standing], now: datetime
) -> Readings:
    if not rules:
        return {}
    pictures = await _pictures(redis, account_id, {rule.customer_id for rule in rules})
    if not await _is_whole(redis, account_id, now):
        return {}
    found: Readings = {}
    for rule in rules:
        picture = pictures[rule.customer_id]
        if rule.wanted.metric is Metric.CPS:
            found[rule.id] = Reading(Decimal(str(picture.cps)))
        elif rule.carrier_id is not None:
            found[rule.id] = Reading(Decimal(dict(picture.by_carrier).get(rule.carrier_id, 0)))
        else:
            found[rule.id] = Reading(Decimal(picture.in_use))
    return found


async def _is_whole(redis: Redis, account_id: int, now: datetime) -> bool:
    """Whether the picture just read may be believed. An emptied Redis has no calls up before any
    switch has spoken, thus before a snapshot is wanted."""
    repaired = now - REPAIRED_WITHIN
    if await channels.kept_since(redis, account_id, now) > repaired:
        return False
    return not await switches.repairing(account_id, repaired)


async def _pictures(
    redis: Redis, account_id: int, customers: Iterable[int | None]
) -> dict[int | None, channels.Channels]:
    """Of customers, and (None) of the account."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(customer_id: int | None) -> channels.Channels:
        async with places:
            return await channels.read(redis, account_id, customer_id)

    wanted = list(customers)
    found = await asyncio.gather(*(one(customer_id) for customer_id in wanted))
    return dict(zip(wanted, found, strict=True))
