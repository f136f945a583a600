"""Records that prevent the removal of an account's day, for how long, and the cost of dropping a
day."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.billing import rating
from domain.records.verdicts import Verdict
from models import db
from models.records import call_records, held_records, partitions, quarantine_store, unrated_calls
from tests.support.records.frozen import DAY, LATER, TOMORROW, rebuild, verdicts
from tests.support.records.sample_records import NOW, SETUP, account, record, rows
from workers import jobs

pytestmark = pytest.mark.usefixtures("database")


async def two_accounts() -> tuple[int, int]:
    """Each with a rebuilt call of the day."""
    mine, theirs = await account(), await account()
    for account_id in (mine, theirs):
        await call_records.insert(account_id, [record("first")], NOW)
    await rebuild()
    return mine, theirs


async def kept_accounts() -> list[int]:
    return [id for (id,) in await rows("SELECT DISTINCT account_id FROM call_records ORDER BY 1")]


async def test_a_held_record_keeps_the_day_for_only_its_account_and_a_limited_time() -> None:
    mine, theirs = await two_accounts()
    await call_records.insert(mine, [record("first", 99)], NOW)
    assert await partitions.drop_before(TOMORROW, NOW - timedelta(days=1)) == []
    assert await kept_accounts() == [mine]
    assert await rows("SELECT account_id FROM hours WHERE frozen") == [(theirs,)]
    assert await verdicts(theirs, record("late")) == [Verdict.HOUR_FROZEN]
    assert await verdicts(mine, record("late")) == [Verdict.ACCEPTED]
    await rebuild()
    assert await partitions.drop_before(TOMORROW, NOW + timedelta(seconds=1)) == [DAY]
    [waiting] = await held_records.page(mine, held_records.Filter(), None, 10)
    assert waiting.counted is None
    async with db.transaction():
        assert await held_records.accept(mine, [waiting], NOW) == {
            waiting.id: Verdict.RECORD_ARCHIVED
        }


async def test_an_unrated_call_keeps_the_day_for_only_its_account_until_it_is_rated() -> None:
    mine, theirs = await two_accounts()
    await call_records.insert(mine, [record("unrated", charge=None, rated_by=None)], NOW)
    await rebuild()
    for _ in range(2):
        assert await partitions.drop_before(TOMORROW, NOW + timedelta(days=999)) == []
        assert await kept_accounts() == [mine]
    assert await rows("SELECT account_id FROM hours WHERE frozen") == [(theirs,)]
    async with db.transaction():
        [call] = await unrated_calls.lock_earliest(mine, unrated_calls.Filter(1), 2)
        await unrated_calls.store_rates(
            mine, 1, [(call, rating.charge_by_switch(0, Decimal(1), None))], NOW
        )
    await rebuild()
    assert await partitions.drop_before(TOMORROW) == [DAY]


async def test_a_held_record_keeps_both_days_between_which_it_would_move_its_call() -> None:
    mine = await account()
    await call_records.insert(mine, [record("a"), record("b", setup_at=LATER)], NOW)
    await call_records.insert(mine, [record("a", 99, setup_at=LATER)], NOW)
    await rebuild()
    assert await partitions.drop_before(TOMORROW + timedelta(days=1), NOW) == []
    [waiting] = await held_records.page(mine, held_records.Filter(), None, 10)
    async with db.transaction():
        assert await held_records.accept(mine, [waiting], NOW) == {waiting.id: Verdict.CORRECTED}
    await rebuild()
    assert len(await partitions.drop_before(TOMORROW + timedelta(days=1), NOW)) == 2


async def test_a_record_in_quarantine_keeps_the_day_for_only_its_account(
    switch: Any, redis: Redis
) -> None:
    mine, theirs = switch.account_id, await account()
    setup = switch.now - timedelta(days=2)
    after = (setup + timedelta(days=1)).date()
    for account_id in (mine, theirs):
        await call_records.insert(account_id, [record("first", setup_at=setup)], switch.now)
    await rebuild(switch.now)
    await switch.send(switch.end("late", setup_at=setup.isoformat(), customer="nobody"))
    assert await partitions.drop_before(after, switch.now) == []
    assert await kept_accounts() == [mine]
    await rows("UPDATE quarantine SET state = 'DISCARDED'")
    tools = jobs.Tools(redis, lambda: switch.now, 1, 1, review_days=1)
    await rows("UPDATE quarantine SET state = 'OPEN'")
    await jobs.drop_partitions({"tools": tools})
    assert await kept_accounts() == [mine]
    await rows("UPDATE quarantine SET received_at = received_at - interval '25 hours'")
    await jobs.drop_partitions({"tools": tools})
    assert await kept_accounts() == []
    [item] = await quarantine_store.page(mine, quarantine_store.Filter(), None, 10)
    assert (item.code, str(item.message)[:36]) == (
        *("HOUR_FROZEN", "The records of this hour are no long"),
    )


async def test_the_cost_of_freezing_and_dropping_a_day_does_not_depend_on_other_days(
    database: str,
) -> None:
    """The rows of `hours` that are read to drop a day, among 200 days and among 1,200."""
    read = []
    for history in (200, 1_000):
        mine = await account()
        first = SETUP + timedelta(days=len(read))
        await call_records.insert(mine, [record("a", setup_at=first)], NOW)
        await rebuild()
        await rows(
            "INSERT INTO hours (account_id, customer_id, hour, version, attempts, answered,"
            " talk_us, billed_seconds, charge, unrated, rebuilt_at)"
            " SELECT $1, c, date_trunc('day', $2::timestamptz) + h * interval '1 hour', 1, 1, 1, 1,"
            " 1, 1, 0, $2 FROM generate_series(2, 5) c, generate_series(0, $3 - 1) h",
            *(mine, first, history * 24),
        )
        await rows("VACUUM ANALYZE hours")
        before = await reads_of_hours(database)
        assert len(await partitions.drop_before(first.date() + timedelta(days=1))) == 1
        after = await reads_of_hours(database)
        read.append({name: after[name] - before[name] for name in after})
        await rows("UPDATE hours SET frozen = true")
    assert [scans["seq_scan"] for scans in read] == [0, 0]
    assert [scans["rows"] for scans in read] == [read[0]["rows"]] * 2
    assert read[0]["rows"] <= 4 * (4 * 24 + 1)  # listed, looked at twice, and changed


async def reads_of_hours(database: str) -> dict[str, int]:
    """Since the creation of the database; a session reports its reads when it ends."""
    await db.close_database()
    await db.open_database(database)
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    async with asyncio.timeout(20):
        while await rows(others) != [(0,)]:
            await db.close_database()
            await db.open_database(database)
    ((scans, tuples),) = await rows(
        "SELECT t.seq_scan, sum(pg_stat_get_tuples_returned(i.indexrelid))::bigint"
        " FROM pg_stat_user_tables t JOIN pg_index i ON i.indrelid = t.relid"
        " WHERE t.relname = 'hours' GROUP BY 1"
    )
    return {"seq_scan": scans, "rows": tuples}
