"""A worker killed while it notifies many alerts neither loses nor repeats one."""

import asyncio
from collections import Counter
from datetime import timedelta

from redis.asyncio import Redis

from domain.alerting import alert_rules
from domain.facts import Kind
from models import fact_log
from models.alerting import rule_store
from models.records import partitions
from runtime import clock
from tests.support.alerting.alert_account import ASR, NOW, Account, rows
from tests.support.programs import Program

MANY = 400


async def fact_count(account: Account) -> int:
    return await fact_log.last_number(account.id, None, Kind.ALERT)


async def more_than(account: Account, count: int) -> None:
    async with asyncio.timeout(40):
        while await fact_count(account) <= count:  # noqa: ASYNC110 - it is seen from outside
            await asyncio.sleep(0.005)


async def test_killing_a_worker_neither_loses_nor_repeats_an_alert(
    database: str, redis: Redis, worker: Program
) -> None:
    worker.stop()
    account, now = await Account.create(), clock.now()
    await partitions.ensure_period(now.date() - timedelta(days=1), now.date())
    await account.call((now - NOW).total_seconds(), code=503)
    values = alert_rules.validate(ASR)
    for _ in range(MANY):
        await rule_store.insert(account.id, values, customer_id=None, carrier_id=None, now=now)
    kills = 0
    for enough in (0, 40, 80):
        worker.start()
        await more_than(account, enough)
        worker.kill()
        kills += await fact_count(account) < MANY
    assert kills  # else it was never killed in their midst
    worker.start()
    await more_than(account, MANY - 1)
    told_of = Counter(
        rule for (rule,) in await rows("SELECT subject_id FROM facts WHERE kind = 'ALERT'")
    )
    assert len(told_of) == MANY
    assert set(told_of.values()) == {1}
    counts = await rows("SELECT count(*), count(DISTINCT detail->>'title') FROM messages")
    assert counts == [(MANY, 1)]
    assert await rows("SELECT count(*), count(DISTINCT rule_id) FROM alerts") == [(MANY, MANY)]
