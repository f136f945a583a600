"""Reads the current values for many alert rules at once, as of one instant."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from redis.asyncio import Redis

from domain.alerting import evaluation
from domain.alerting.evaluation import METRIC, Metric, Reading, Scope
from live import channels, recovery
from models.alerting.alert_states import ActiveRule
from models.billing import ledger
from models.directory import switch_reports
from models.records import ended_calls

# Live state is not used for this long after a snapshot is requested; by then it has arrived.
REPAIR_GRACE = timedelta(seconds=30)
_MAX_CONCURRENT_READS = 20  # of live states in Redis
_LIVE_METRICS = (Metric.CHANNELS, Metric.CPS)

# The other metrics are computed from ended calls (`evaluation.compute_reading`).
PRESENT_METRICS = frozenset({Metric.BALANCE, *_LIVE_METRICS})

Readings = dict[int, Reading]  # by the rule's id


async def read_all(
    redis: Redis, account_id: int, rules: Sequence[ActiveRule], now: datetime
) -> Readings:
    """The readings of rules, by the rule's id. Rules without a reading are missing.

    Runs a fixed number of statements, and one Redis call per customer with a rule on live channels.
    """
    by_metric = defaultdict[bool, list[ActiveRule]](list)
    for rule in rules:
        by_metric[METRIC[rule.definition.metric].is_sampled].append(rule)
    present_rules = by_metric[False]
    result = await _sampled(account_id, by_metric[True], now)
    result |= await _balances(
        account_id, [r for r in present_rules if r.definition.metric is Metric.BALANCE]
    )
    result |= await _live(
        redis, account_id, [r for r in present_rules if r.definition.metric in _LIVE_METRICS], now
    )
    return result


async def _balances(account_id: int, rules: Sequence[ActiveRule]) -> Readings:
    if not rules:
        return {}
    balances = await ledger.balances(account_id, {rule.subject_id for rule in rules})
    return {rule.id: Reading(balances[rule.subject_id]) for rule in rules}


async def _sampled(account_id: int, rules: Sequence[ActiveRule], now: datetime) -> Readings:
    result: Readings = {}
    for scope in Scope:
        in_scope = [rule for rule in rules if rule.definition.scope is scope]
        if not in_scope:
            continue
        sums = await ended_calls.sum_periods(
            account_id,
            scope,
            {rule.subject_id for rule in in_scope},
            {_minutes(rule) for rule in in_scope},
            {_minutes(r) for r in in_scope if r.definition.metric is Metric.CONSECUTIVE_FAILURES},
            now,
        )
        for rule in in_scope:
            calls = sums.get((_minutes(rule), rule.subject_id), evaluation.EndedCalls())
            result[rule.id] = evaluation.compute_reading(rule.definition.metric, calls)
    return result


def _minutes(rule: ActiveRule) -> int:
    assert rule.definition.sample_minutes is not None  # set for sampled metrics
    return rule.definition.sample_minutes


async def _live(
    redis: Redis, account_id: int, rules: Sequence[ActiveRule], now: datetime
) -> Readings:
    if not rules:
        return {}
    states = await _read_channels(redis, account_id, {rule.customer_id for rule in rules})
    # No reading, because a switch has not corrected the state yet.
    if await switch_reports.is_snapshot_wanted(account_id, now - REPAIR_GRACE):
        return {}
    result: Readings = {}
    for rule in rules:
        state = states[rule.customer_id]
        if not state.complete:
            continue
        if rule.definition.metric is Metric.CPS:
            result[rule.id] = Reading(Decimal(str(state.cps)))
        elif rule.carrier_id is not None:
            result[rule.id] = Reading(Decimal(dict(state.by_carrier).get(rule.carrier_id, 0)))
        else:
            result[rule.id] = Reading(Decimal(state.in_use))
    return result


async def _read_channels(
    redis: Redis, account_id: int, customers: Iterable[int | None]
) -> dict[int | None, channels.Channels]:
    """The live state by customer; None is the account."""
    slots = asyncio.Semaphore(_MAX_CONCURRENT_READS)

    async def read_one(customer_id: int | None) -> channels.Channels:
        async with slots:
            return await recovery.read(redis, account_id, customer_id, switch_reports)

    customer_ids = list(customers)
    result = await asyncio.gather(*(read_one(customer_id) for customer_id in customer_ids))
    return dict(zip(customer_ids, result, strict=True))
