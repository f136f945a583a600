"""The values that rules are compared with: ended calls, balances and the live state."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from domain.alerting import evaluation
from domain.alerting.alert_rules import RuleDefinition
from domain.alerting.evaluation import NON_FAILURE_CODES, Metric, Operator, Reading, Scope
from domain.records import calls
from live import channels, recovery
from models import db
from models.alerting import alert_states
from models.directory import switch_reports, switches
from models.records import partitions
from runtime import clock
from tests.support.alerting.alert_account import ASR, NOW, Account, after
from tests.support.own_redis import own_redis
from workers import alerting, jobs, readings

WITHOUT_SAMPLE: dict[str, Any] = {
    "sample_minutes": None,
    "operator": Operator.ABOVE,
    "reset_threshold": Decimal(40),
}

FEW = replace(ASR, metric=Metric.CHANNELS, sample_minutes=None, threshold=Decimal(5))


@pytest.fixture
async def account(database: str) -> Account:
    return await Account.create()


async def read(account: Account, redis: Redis, at: float = 0) -> dict[int, Reading]:
    standing = await alert_states.active_rules(account.id)
    return await readings.read_all(redis, account.id, standing, after(at))


def sampled(metric: Metric, minutes: int, scope: Scope = Scope.ACCOUNT) -> RuleDefinition:
    return replace(ASR, metric=metric, sample_minutes=minutes, scope=scope)


SAMPLED = [measure.metric for measure in evaluation.METRICS if measure.is_sampled]


async def test_a_call_longer_than_48_hours_is_not_part_of_a_reading(
    account: Account, redis: Redis
) -> None:
    today = NOW.date()
    await partitions.ensure_period(today - timedelta(days=3), today)
    rule = await account.rule(sampled(Metric.ACD, 5))
    for hours in (47, 49):
        await account.call(-1, talk=hours * 3600)
    assert (await read(account, redis))[rule] == Reading(Decimal(47 * 3600), 1)


async def test_readings_of_calls_equal_a_count_of_each_call(account: Account, redis: Redis) -> None:
    """All metrics, scopes and two periods together; legs that failed over count only for their
    carrier."""
    chance = random.Random(7)
    calls: list[dict[str, Any]] = []
    for number in range(120):
        talk = chance.choice([None, None, 3.5, 40.0])
        call: dict[str, Any] = {
            "ended": -chance.uniform(0.1, 400) - number / 1e4,
            "customer": chance.randrange(2),
            "carrier": chance.randrange(2),
            "final": chance.random() < 0.7,
            "talk": talk,
            "code": 200 if talk else chance.choice([404, 486, 503, 302, 480, None]),
            "rang": chance.choice([None, 2.0, 5.25]),
            "offered": chance.choice([0.0, 1.5]),
        }
        calls.append(call)
        await account.call(**call)
    definitions: dict[int, tuple[Metric, int, dict[str, int]]] = {}
    for metric in SAMPLED:
        for minutes in (2, 6):
            for about in ({}, {"customer": 0}, {"customer": 1}, {"carrier": 0}, {"carrier": 1}):
                rule = await account.rule(sampled(metric, minutes), **about)
                definitions[rule] = metric, minutes, about
    values = await read(account, redis)
    assert values.keys() == definitions.keys()
    for rule, (metric, minutes, about) in definitions.items():
        expected = expected_reading(calls, metric, minutes, about)
        assert values[rule] == expected, (metric, minutes, about)


def expected_reading(
    calls: list[dict[str, Any]], metric: Metric, minutes: int, about: dict[str, int]
) -> Reading:
    of_carrier = "carrier" in about
    matches = [
        call
        for call in sorted(calls, key=lambda one: -one["ended"])  # the last to end first
        if -call["ended"] <= 60 * minutes
        and (of_carrier or call["final"])
        and all(call[name] == value for name, value in about.items())
    ]
    talks = [call["talk"] for call in matches if call["talk"]]
    rang = [
        call["rang"] - (call["offered"] if of_carrier else 0)
        for call in matches
        if call["rang"] is not None
    ]
    attempts = [call for call in matches if call["code"] != 302]
    good = [call for call in attempts if call["code"] in (200, 480, 486)]
    in_a_row = next(
        (n for n, call in enumerate(matches) if call["talk"] or call["code"] in NON_FAILURE_CODES),
        len(matches),
    )
    value, samples = {
        Metric.ASR: (100 * len(talks) / max(1, len(matches)), len(matches)),
        Metric.ACD: (sum(talks) / max(1, len(talks)), len(talks)),
        Metric.PDD: (1000 * sum(rang) / max(1, len(rang)), len(rang)),
        Metric.NER: (100 * len(good) / max(1, len(attempts)), len(attempts)),
        Metric.CONSECUTIVE_FAILURES: (in_a_row, len(matches)),
    }[metric]
    return Reading(Decimal(f"{value:.4f}"), samples)


async def test_the_period_of_a_reading_ends_now_and_lasts_the_minutes_of_the_rule(
    account: Account, redis: Redis
) -> None:
    rule = await account.rule(sampled(Metric.ASR, 1))
    for ended in (-61, -60, -30, 0, 5):
        await account.call(ended, talk=1)
    assert (await read(account, redis))[rule].samples == 2  # at the instant itself, not yet
    assert (await read(account, redis, 6))[rule].samples == 3


async def test_without_calls_there_is_no_reading_and_no_alert(
    account: Account, redis: Redis
) -> None:
    for metric in SAMPLED:
        await account.rule(sampled(metric, 5))
    assert set((await read(account, redis)).values()) == {Reading(None, 0)}
    await alerting.evaluate(redis, lambda: NOW)
    assert await account.told() == []


async def test_balance_readings_equal_the_balances_shown(account: Account, redis: Redis) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO ledger_entries"
            " (account_id, customer_id, kind, cause, amount, currency, at)"
            " SELECT $1, $2, kind, kind, amount, 'EUR', $3"
            " FROM (VALUES ('PAYMENT', 100.25), ('CHARGE', 7), ('TAX', 0.000001)) e (kind, amount)",
            account.id,
            account.customers[0],
            NOW,
        )
        await conn.execute(
            "INSERT INTO hours (account_id, customer_id, hour, version, attempts, answered,"
            " talk_us, billed_seconds, charge, unrated, rebuilt_at)"
            " VALUES ($1, $2, $3, 1, 1, 1, 1, 1, 3.5, 0, $3)",
            account.id,
            account.customers[0],
            NOW.replace(minute=0),
        )
    balance = replace(ASR, metric=Metric.BALANCE, scope=Scope.CUSTOMER, sample_minutes=None)
    first, second = await account.rule(balance, customer=0), await account.rule(balance, customer=1)
    values = await read(account, redis)
    assert values == {first: Reading(Decimal("89.749999")), second: Reading(Decimal(0))}


async def active(redis: Redis, account: Account) -> None:
    """A switch that is active now, on a Redis that has lost nothing."""
    await recovery.recover(redis, account.id, switch_reports, NOW)
    await switches.find_or_register(account.id, ["edge-1"], NOW)
    await switch_reports.record_activity(account.id, ["edge-1"], ["edge-1"], clock.now())


async def start(redis: Redis, account: Account, call: str, customer: int, carrier: int) -> None:
    event = calls.LiveEvent(
        type=calls.EventType.START,
        switch="edge-1",
        call_id=call,
        leg=0,
        customer_id=account.customers[customer],
        carrier_id=account.carriers[carrier],
        at=NOW,
        setup_at=NOW,
        final=True,
        event_number=None,
        lease_seconds=3600,
    )
    await channels.apply(redis, account.id, [event], NOW)


async def test_channel_readings_are_the_active_calls_per_account_customer_and_carrier(
    account: Account, redis: Redis
) -> None:
    await active(redis, account)
    for number, (customer, carrier) in enumerate([(0, 0), (0, 1), (1, 1)]):
        await start(redis, account, f"call-{number}", customer, carrier)
    up = replace(ASR, metric=Metric.CHANNELS, **WITHOUT_SAMPLE)
    expected = {
        await account.rule(up): 3,
        await account.rule(replace(up, scope=Scope.CUSTOMER), customer=0): 2,
        await account.rule(replace(up, scope=Scope.CUSTOMER), customer=1): 1,
        await account.rule(replace(up, scope=Scope.CARRIER), carrier=0): 1,
        await account.rule(replace(up, scope=Scope.CARRIER), carrier=1): 2,
    }
    per_second = await account.rule(replace(up, metric=Metric.CPS))
    values = await read(account, redis)
    assert values.pop(per_second).value is not None
    assert {rule: reading.value for rule, reading in values.items()} == expected


async def test_a_live_state_under_repair_gives_no_reading_for_half_a_minute(
    account: Account, redis: Redis
) -> None:
    """A switch that never sends a snapshot silences nothing."""
    rule = await account.rule(FEW)
    await active(redis, account)
    await switches.find_or_register(account.id, ["edge-1"], NOW)
    assert rule in await read(account, redis)
    await switch_reports.request_snapshots(account.id, {"edge-1": "UNKNOWN"}, NOW)
    assert await read(account, redis, 29) == {}
    assert rule in await read(account, redis, 31)
    await switch_reports.clear_snapshot_requests(account.id, ["edge-1"], NOW)
    assert rule in await read(account, redis, 5)


async def report(redis: Redis, account: Account) -> None:
    """A snapshot of the switch, without calls."""
    snapshot = calls.Snapshot("edge-1", NOW, None, [], 3600)
    await channels.apply_snapshot(redis, account.id, snapshot, NOW)
    await switch_reports.clear_snapshot_requests(account.id, ["edge-1"], NOW)


async def has_reading(account: Account, redis: Redis, rule: int) -> None:
    """Once 10 seconds of attempts are complete again."""
    async with asyncio.timeout(30):
        while rule not in await read(account, redis):  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.2)


async def test_an_emptied_redis_gives_no_reading_until_the_switch_has_reported(
    account: Account, redis: Redis
) -> None:
    """It has no active calls; that is no reading, before any switch has reported."""
    rule = await account.rule(FEW)
    await active(redis, account)
    await start(redis, account, "call", 0, 0)
    assert (await read(account, redis))[rule].value == 1
    await redis.flushdb()
    assert await read(account, redis) == await read(account, redis, 3600) == {}
    await report(redis, account)
    await has_reading(account, redis, rule)
    assert (await read(account, redis))[rule].value == 0


async def test_a_redis_that_returns_with_an_old_state_gives_no_reading(
    account: Account,
) -> None:
    rule = await account.rule(FEW)
    async with own_redis() as own, Redis.from_url(own.url) as redis:
        await active(redis, account)
        assert rule in await read(account, redis)
        await own.save()
        own.kill()
        await own.start()
        assert await read(account, redis) == await read(account, redis, 3600) == {}
        await report(redis, account)
        await has_reading(account, redis, rule)


# The job -----------------------------------------------------------------------------------------


def job(redis: Redis, seconds: float) -> Callable[[], Awaitable[None]]:
    tools = jobs.Tools(redis, lambda: after(seconds), records_days=2, partitions_ahead_days=3)
    return lambda: jobs.evaluate_alerts({"tools": tools})


async def test_a_rule_that_fails_does_not_stop_the_evaluation_of_others(
    account: Account, redis: Redis
) -> None:
    other = await Account.create()
    first, second = await account.rule(customer=0), await other.rule(customer=0)
    for account_to_read in (account, other):
        await account_to_read.call(-5, code=503)
    async with db.connection() as conn:
        await conn.execute("UPDATE alert_rules SET metric = 'NONSENSE' WHERE id = $1", first)
    await job(redis, 0)()
    assert await other.told() == [(1, "RAISED")]
    assert (await other.seen(second)).state.raised_at == NOW
    async with db.connection() as conn:
        await conn.execute("UPDATE alert_rules SET metric = 'ASR' WHERE id = $1", first)
    await job(redis, 10)()
    assert await account.told() == [(1, "RAISED")]


async def test_an_evaluation_without_redis_logs_no_error(
    account: Account,
) -> None:
    await account.rule(FEW)
    async with own_redis() as own, Redis.from_url(own.url) as redis:
        own.kill()
        with capture_logs() as logs:
            await job(redis, 0)()
        assert logs == []


async def test_rules_are_evaluated_at_least_every_15_seconds() -> None:
    from workers import main

    [tick] = [job for job in main.SCHEDULE if job.name == "cron:evaluate_alerts"]
    assert isinstance(tick.second, set)
    seconds = sorted(tick.second)
    gaps = [b - a for a, b in zip(seconds, [*seconds[1:], seconds[0] + 60], strict=True)]
    assert max(gaps) <= 15
    assert tick.minute is tick.hour is None
    assert timedelta(seconds=max(gaps)) < timedelta(seconds=15)
