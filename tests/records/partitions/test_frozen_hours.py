"""A frozen hour never changes: no record enters or leaves it, in any concurrent order."""

import asyncio
import contextvars
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.billing import rating
from domain.records.verdicts import Verdict
from domain.refusals import Refusal
from live import channels
from models import db
from models.billing import reconciliation
from models.records import call_keys, call_records, held_records, partitions, unrated_calls
from tests.support.outside_connection import connection
from tests.support.records import sample_records
from tests.support.records.frozen import (
    DAY,
    HOUR,
    LATER,
    PARTITION,
    TOMORROW,
    charges,
    frozen_account,
    rebuild,
    until_one_waits,
    verdicts,
)
from tests.support.records.sample_records import (
    NOW,
    SETUP,
    account,
    marked_hours,
    record,
    rows,
    stored_records,
)

pytestmark = pytest.mark.usefixtures("database")


# Entrances ----------------------------------------------------------------------------------------


async def test_a_new_record_of_a_frozen_hour_is_refused_and_the_others_are_accepted() -> None:
    mine = await frozen_account()
    batch = [record("late", 500), record("today", setup_at=LATER)]
    assert await verdicts(mine, *batch) == [Verdict.HOUR_FROZEN, Verdict.ACCEPTED]
    assert await verdicts(mine, *batch) == [Verdict.HOUR_FROZEN, Verdict.DUPLICATE]
    assert await rows("SELECT call_id FROM call_records") == [("today",)]
    claimed = [(call_keys.compute("edge-1", call),) for call in ("first", "today")]
    assert await rows("SELECT call_key FROM record_keys ORDER BY 1") == sorted(claimed)
    assert await marked_hours(mine) == [(1, LATER.replace(minute=0))]


async def test_a_repeat_of_a_record_of_a_frozen_hour_is_still_a_duplicate() -> None:
    mine = await frozen_account()
    repeated = await verdicts(mine, record("late"), record("first"))
    assert repeated == [Verdict.HOUR_FROZEN, Verdict.DUPLICATE]


async def test_a_correction_into_a_frozen_hour_is_refused_and_the_call_stays_in_its_hour() -> None:
    mine = await frozen_account()
    await call_records.insert(mine, [record("moving", setup_at=LATER)], NOW)
    await rebuild()
    before = await charges(mine)
    assert await verdicts(mine, record("moving", revision=1)) == [Verdict.HOUR_FROZEN]
    await rebuild()
    assert await charges(mine) == before
    assert await rows("SELECT setup_at, revision FROM call_records") == [(LATER, 0)]
    assert await rows("SELECT count(*) FROM record_revisions") == [(0,)]


@pytest.mark.parametrize("moved", [timedelta(0), timedelta(days=1)])
async def test_a_correction_of_a_frozen_record_that_still_exists_is_refused(
    moved: timedelta,
) -> None:
    mine = await account()
    await call_records.insert(mine, [record("a"), record("b", leg=1, final=False)], NOW)
    await rebuild()
    await rows("UPDATE hours SET frozen = true")
    for call_id, leg in (("a", 0), ("b", 1)):
        correction = record(call_id, 5, leg=leg, revision=1, setup_at=SETUP + moved, final=not leg)
        assert await verdicts(mine, correction) == [Verdict.HOUR_FROZEN]
    assert len(await stored_records(mine)) == 2
    assert await marked_hours(mine) == []


async def test_a_held_record_of_a_frozen_hour_cannot_be_accepted_and_stays_held() -> None:
    mine = await account()
    await call_records.insert(mine, [record("a"), record("b")], NOW)
    await call_records.insert(mine, [record("a", 99), record("b", 99, setup_at=LATER)], NOW)
    await rebuild()
    await rows("UPDATE hours SET frozen = true")
    await partitions.create_missing([LATER.date()])
    waiting = await held_records.page(mine, held_records.Filter(), None, 10)
    async with db.transaction():
        accepted = await held_records.accept(mine, waiting, NOW)
    assert list(accepted.values()) == [Verdict.HOUR_FROZEN] * 2
    assert await rows("SELECT DISTINCT state FROM record_revisions") == [("HELD",)]
    assert {row[4] for row in (await stored_records(mine)).values()} == {30_000_000}


async def test_an_hour_without_calls_is_not_frozen_and_accepts_late_records_exactly() -> None:
    mine = await frozen_account()
    batch = [record("other", customer_id=2), record("next", setup_at=SETUP + timedelta(hours=1))]
    assert await verdicts(mine, *batch) == [Verdict.ACCEPTED] * 2
    assert await partitions.drop_before(TOMORROW) == []
    await rebuild()
    assert set((await charges(mine)).values()) == {Decimal("0.3")}
    assert await partitions.drop_before(TOMORROW) == [DAY]
    assert await verdicts(mine, record("again", customer_id=2)) == [Verdict.HOUR_FROZEN]


async def test_a_call_of_a_frozen_hour_cannot_be_rated() -> None:
    mine = await account()
    await call_records.insert(mine, [record("unrated", charge=None, rated_by=None)], NOW)
    await rebuild()
    [call] = await unrated_calls.lock_earliest(mine, unrated_calls.Filter(1), 2)
    await rows("UPDATE hours SET frozen = true")
    with pytest.raises(Refusal) as error:
        async with db.transaction():
            await unrated_calls.store_rates(
                mine, 1, [(call, rating.charge_by_switch(0, Decimal(1), None))], NOW
            )
    assert error.value.code == "HOUR_FROZEN"
    assert await rows("SELECT charge FROM call_records") == [(None,)]


async def test_a_refused_end_still_closes_its_call_in_the_live_count(
    switch: Any, redis: Redis
) -> None:
    await switch.send(switch.start(), switch.end("earlier"))
    await rebuild(switch.now)
    await rows("UPDATE hours SET frozen = true")
    before = await channels.read(redis, switch.account_id, None)
    answer = await switch.send(switch.end())
    assert [error["code"] for error in answer["refused"]] == ["HOUR_FROZEN"]
    after = await channels.read(redis, switch.account_id, None)
    assert (before.in_use, after.in_use) == (1, 0)


# Races --------------------------------------------------------------------------------------------


async def test_a_drop_waits_for_a_concurrent_insert_and_the_day_stays(database: str) -> None:
    mine = await account()
    await call_records.insert(mine, [record("first")], NOW)
    await rebuild()
    async with (
        connection(database) as other,
        connection(database) as watcher,
    ):
        async with other.transaction():
            await other.execute(
                'INSERT INTO call_records SELECT (jsonb_populate_record(r, \'{"call_id": "b"}\''
                ")).* FROM call_records r"
            )
            dropping = asyncio.create_task(partitions.drop_before(TOMORROW))
            await until_one_waits(watcher, dropping)
            await other.execute(
                "INSERT INTO hour_marks (account_id, customer_id, hour, marked_at)"
                " VALUES ($1, 1, $2, $2)",
                *(mine, HOUR),
            )
        assert await dropping == []
    assert await rows("SELECT DISTINCT frozen FROM hours") == [(False,)]
    await rebuild()
    assert await charges(mine) == {(1, HOUR): Decimal("0.6")}


async def test_an_insert_concurrent_with_a_freeze_is_refused(database: str) -> None:
    mine = await account()
    await call_records.insert(mine, [record("first"), record("moving", setup_at=LATER)], NOW)
    await rebuild()
    for late in (record("late"), record("moving", revision=1)):
        async with (
            connection(database) as other,
            connection(database) as watcher,
        ):
            async with other.transaction():
                await other.execute(f"LOCK TABLE {PARTITION} IN EXCLUSIVE MODE")
                await other.execute("UPDATE hours SET frozen = true WHERE hour = $1", HOUR)
                inserting = asyncio.create_task(call_records.insert(mine, [late], NOW))
                await until_one_waits(watcher, inserting)
            assert (await inserting).verdicts == [Verdict.HOUR_FROZEN]
        await rows("UPDATE hours SET frozen = false")
    assert len(await stored_records(mine)) == 2
    assert await marked_hours(mine) == []


async def test_an_insert_concurrent_with_a_drop_is_refused(database: str) -> None:
    mine = await account()
    await call_records.insert(mine, [record("first")], NOW)
    await rebuild()
    async with (
        connection(database) as other,
        connection(database) as watcher,
    ):
        async with other.transaction():
            await other.execute("LOCK TABLE ONLY call_records IN ACCESS EXCLUSIVE MODE")
            await other.execute("UPDATE hours SET frozen = true")
            await other.execute(f"DROP TABLE {PARTITION}")
            inserting = asyncio.create_task(call_records.insert(mine, [record("late")], NOW))
            await until_one_waits(watcher, inserting)
        assert (await inserting).verdicts == [Verdict.HOUR_FROZEN]
    assert await rows("SELECT count(*) FROM call_records") == [(0,)]


async def test_no_drop_happens_between_a_record_and_the_creation_of_its_partition(
    database: str,
) -> None:
    mine = await account()
    await partitions.drop_before(TOMORROW)
    async with (
        connection(database) as other,
        connection(database) as watcher,
    ):
        await other.execute(
            "CREATE SEQUENCE attempts;"
            "CREATE FUNCTION wait_for_attempt() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_advisory_xact_lock(nextval(''attempts'')); RETURN NULL; END';"
            "CREATE TRIGGER attempt BEFORE INSERT ON record_keys"
            " EXECUTE FUNCTION wait_for_attempt();"
            "SELECT pg_advisory_lock(2)"
        )
        inserting = asyncio.create_task(call_records.insert(mine, [record("first")], NOW))
        await until_one_waits(watcher, inserting)
        assert await partitions.drop_before(TOMORROW) == []
        await other.execute("SELECT pg_advisory_unlock(2)")
        assert (await inserting).verdicts == [Verdict.ACCEPTED]
    assert await marked_hours(mine) == [(1, HOUR)]


async def test_a_drop_waits_for_transactions_that_keep_the_partition(database: str) -> None:
    await partitions.create_missing([DAY])
    async with connection(database) as watcher:
        async with db.transaction() as conn:
            assert await partitions.ensure_until_commit(conn, [DAY]) == []
            dropping = asyncio.create_task(
                partitions.drop_before(TOMORROW), context=contextvars.Context()
            )
            await until_one_waits(watcher, dropping)
        assert await dropping == [DAY]


@pytest.mark.parametrize("seed", range(3))
async def test_after_any_concurrent_operations_each_accepted_call_is_in_its_hour(seed: int) -> None:
    """Inserts, corrections between days, rebuilds and drops run concurrently, twice; then all
    numbers agree."""
    mine, order = await account(), random.Random(seed)
    await sample_records.customer(mine, "acme")
    ((customer,),) = await rows("SELECT id FROM customers")
    spoken: dict[str, list[Verdict]] = {}

    def some(call: int, revision: int) -> Any:
        setup = SETUP + timedelta(days=order.choice([-1, 0, 1]), hours=order.randrange(3))
        return record(
            f"call-{call}", 1 + revision, revision=revision, customer_id=customer, setup_at=setup
        )

    async def client(calls: range) -> None:
        for call in calls:
            for revision in range(order.randint(1, 3)):
                results = await verdicts(mine, some(call, revision))
                spoken.setdefault(f"call-{call}", []).extend(results)

    async def worker(inserting: "asyncio.Future[Any]") -> None:
        while not inserting.done():
            await rebuild()
            await partitions.drop_before(TOMORROW)

    for first in (0, 40):
        inserting = asyncio.gather(
            *(client(range(n, n + 10)) for n in range(first, first + 40, 10))
        )
        await asyncio.gather(inserting, worker(inserting))
        await rebuild()
        await partitions.drop_before(TOMORROW)
    start = datetime.combine(DAY - timedelta(days=2), datetime.min.time(), UTC)
    proof = await reconciliation.reconcile(
        mine, customer, start, start + timedelta(days=6), NOW + timedelta(days=9)
    )
    assert proof.differences == []
    accepted_count = sum(
        Verdict.ACCEPTED in verdicts_of_call for verdicts_of_call in spoken.values()
    )
    assert accepted_count == proof.rows.calls
    assert {Verdict.HOUR_FROZEN, Verdict.ACCEPTED} <= {
        verdict for verdicts_of_call in spoken.values() for verdict in verdicts_of_call
    }
