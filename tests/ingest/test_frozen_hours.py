"""A frozen hour never changes again: no record enters or leaves it, in whatever order they meet."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import made
import pytest
from made import NOW, SETUP, account, marked, record, rows, stored
from redis.asyncio import Redis

from domain import rating
from domain import reconciliation as rules
from domain.refusals import Refusal
from domain.revisions import Verdict
from ingest import pipeline
from live import channels
from models import db, held, hours, partitions, quarantine, reconciliation, records, unrated
from workers import jobs

pytestmark = pytest.mark.usefixtures("database")
HOUR = SETUP.replace(minute=0)
DAY = SETUP.date()
TOMORROW = DAY + timedelta(days=1)
LATER = SETUP + timedelta(days=1)
PARTITION = partitions.name(DAY)


async def rebuild(now: datetime = NOW) -> None:
    for hour in await hours.marked(1_000):
        await hours.rebuild(*hour, now)


async def frozen_account(*first: Any) -> int:
    """An account whose day was dropped after these records, by default one of customer 1."""
    mine = await account()
    await records.insert(mine, first or [record("first")], NOW)
    await rebuild()
    assert await partitions.drop_before(TOMORROW) == [DAY]
    return mine


async def verdicts(mine: int, *batch: Any) -> list[Verdict]:
    return list((await records.insert(mine, batch, NOW)).verdicts)


async def charges(mine: int) -> dict[tuple[int, datetime], Decimal]:
    return {
        (customer, hour): charge
        for customer, hour, charge in await rows(
            "SELECT customer_id, hour, charge FROM hours WHERE account_id = $1", mine
        )
    }


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    other = await asyncpg.connect(url)
    try:
        yield other
    finally:
        await other.close()


async def until_one_waits(connection: asyncpg.Connection, task: "asyncio.Task[Any]") -> None:
    """Until somebody waits for a lock in this database."""
    waiting = (
        "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        " WHERE d.datname = current_database() AND NOT l.granted)"
    )
    async with asyncio.timeout(20):
        while not await connection.fetchval(waiting):
            assert not task.done(), task.result()
            await asyncio.sleep(0.005)


# Entrances ----------------------------------------------------------------------------------------


async def test_a_new_record_of_a_frozen_hour_is_refused_and_the_others_are_taken() -> None:
    mine = await frozen_account()
    batch = [record("late", 500), record("today", setup_at=LATER)]
    assert await verdicts(mine, *batch) == [Verdict.HOUR_FROZEN, Verdict.ACCEPTED]
    assert await verdicts(mine, *batch) == [Verdict.HOUR_FROZEN, Verdict.DUPLICATE]
    assert await rows("SELECT call_id FROM call_records") == [("today",)]
    assert await rows("SELECT call_id FROM record_keys ORDER BY 1") == [("first",), ("today",)]
    assert await marked(mine) == [(1, LATER.replace(minute=0))]


async def test_a_repeat_of_a_record_of_a_frozen_hour_is_still_a_duplicate() -> None:
    mine = await frozen_account()
    repeated = await verdicts(mine, record("late"), record("first"))
    assert repeated == [Verdict.HOUR_FROZEN, Verdict.DUPLICATE]


async def test_a_correction_into_a_frozen_hour_is_refused_and_its_hour_keeps_the_call() -> None:
    mine = await frozen_account()
    await records.insert(mine, [record("moving", setup_at=LATER)], NOW)
    await rebuild()
    before = await charges(mine)
    assert await verdicts(mine, record("moving", revision=1)) == [Verdict.HOUR_FROZEN]
    await rebuild()
    assert await charges(mine) == before
    assert await rows("SELECT setup_at, revision FROM call_records") == [(LATER, 0)]
    assert await rows("SELECT count(*) FROM record_revisions") == [(0,)]


@pytest.mark.parametrize("moved", [timedelta(0), timedelta(days=1)])
async def test_a_correction_of_a_frozen_record_that_is_still_there_is_refused(
    moved: timedelta,
) -> None:
    mine = await account()
    await records.insert(mine, [record("a"), record("b", leg=1, final=False)], NOW)
    await rebuild()
    await rows("UPDATE hours SET frozen = true")
    for call_id, leg in (("a", 0), ("b", 1)):
        correction = record(call_id, 5, leg=leg, revision=1, setup_at=SETUP + moved, final=not leg)
        assert await verdicts(mine, correction) == [Verdict.HOUR_FROZEN]
    assert len(await stored(mine)) == 2
    assert await marked(mine) == []


async def test_a_held_content_of_a_frozen_hour_cannot_be_accepted_and_stays_held() -> None:
    mine = await account()
    await records.insert(mine, [record("a"), record("b")], NOW)
    await records.insert(mine, [record("a", 99), record("b", 99, setup_at=LATER)], NOW)
    await rebuild()
    await rows("UPDATE hours SET frozen = true")
    await partitions.make([LATER.date()])
    waiting = await held.page(mine, held.Filter(), None, 10)
    async with db.transaction():
        accepted = await held.accept(mine, waiting, NOW)
    assert list(accepted.values()) == [Verdict.HOUR_FROZEN] * 2
    assert await rows("SELECT DISTINCT state FROM record_revisions") == [("HELD",)]
    assert {row[4] for row in (await stored(mine)).values()} == {30_000_000}


async def test_an_hour_without_calls_is_not_frozen_and_takes_late_records_exactly() -> None:
    mine = await frozen_account()
    batch = [record("other", customer_id=2), record("next", setup_at=SETUP + timedelta(hours=1))]
    assert await verdicts(mine, *batch) == [Verdict.ACCEPTED] * 2
    assert await partitions.drop_before(TOMORROW) == []
    await rebuild()
    assert set((await charges(mine)).values()) == {Decimal("0.3")}
    assert await partitions.drop_before(TOMORROW) == [DAY]
    assert await verdicts(mine, record("again", customer_id=2)) == [Verdict.HOUR_FROZEN]


# Races --------------------------------------------------------------------------------------------


async def test_a_drop_waits_for_an_insert_under_way_and_the_day_stays(database: str) -> None:
    mine = await account()
    await records.insert(mine, [record("first")], NOW)
    await rebuild()
    async with connected(database) as other, connected(database) as watcher:
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


async def test_an_insert_that_meets_a_freeze_under_way_is_refused(database: str) -> None:
    mine = await account()
    await records.insert(mine, [record("first"), record("moving", setup_at=LATER)], NOW)
    await rebuild()
    for late in (record("late"), record("moving", revision=1)):
        async with connected(database) as other, connected(database) as watcher:
            async with other.transaction():
                await other.execute(f"LOCK TABLE {PARTITION} IN EXCLUSIVE MODE")
                await other.execute("UPDATE hours SET frozen = true WHERE hour = $1", HOUR)
                inserting = asyncio.create_task(records.insert(mine, [late], NOW))
                await until_one_waits(watcher, inserting)
            assert (await inserting).verdicts == [Verdict.HOUR_FROZEN]
        await rows("UPDATE hours SET frozen = false")
    assert len(await stored(mine)) == 2
    assert await marked(mine) == []


async def test_an_insert_that_meets_a_drop_under_way_is_refused(database: str) -> None:
    mine = await account()
    await records.insert(mine, [record("first")], NOW)
    await rebuild()
    async with connected(database) as other, connected(database) as watcher:
        async with other.transaction():
            await other.execute("LOCK TABLE ONLY call_records IN ACCESS EXCLUSIVE MODE")
            await other.execute("UPDATE hours SET frozen = true")
            await other.execute(f"DROP TABLE {PARTITION}")
            inserting = asyncio.create_task(records.insert(mine, [record("late")], NOW))
            await until_one_waits(watcher, inserting)
        assert (await inserting).verdicts == [Verdict.HOUR_FROZEN]
    assert await rows("SELECT count(*) FROM call_records") == [(0,)]


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_meets_whatever_each_accepted_call_is_in_its_hour(seed: int) -> None:
    """Inserts, corrections between days, rebuilds and drops at once, twice, then all agrees."""
    mine, order = await account(), random.Random(seed)
    await made.customer(mine, "acme")
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
                found = await verdicts(mine, some(call, revision))
                spoken.setdefault(f"call-{call}", []).extend(found)

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
    counted = sum(Verdict.ACCEPTED in said for said in spoken.values())
    assert counted == proof.rows.calls
    assert {Verdict.HOUR_FROZEN, Verdict.ACCEPTED} <= {
        one for said in spoken.values() for one in said
    }


# What keeps a day ---------------------------------------------------------------------------------


async def two_accounts() -> tuple[int, int]:
    """Each with a rebuilt call of the day."""
    mine, theirs = await account(), await account()
    for one in (mine, theirs):
        await records.insert(one, [record("first")], NOW)
    await rebuild()
    return mine, theirs


async def kept_accounts() -> list[int]:
    return [id for (id,) in await rows("SELECT DISTINCT account_id FROM call_records ORDER BY 1")]


async def test_a_held_record_keeps_the_day_for_its_account_only_and_only_for_a_time() -> None:
    mine, theirs = await two_accounts()
    await records.insert(mine, [record("first", 99)], NOW)
    assert await partitions.drop_before(TOMORROW, NOW - timedelta(days=1)) == []
    assert await kept_accounts() == [mine]
    assert await rows("SELECT account_id FROM hours WHERE frozen") == [(theirs,)]
    assert await verdicts(theirs, record("late")) == [Verdict.HOUR_FROZEN]
    assert await verdicts(mine, record("late")) == [Verdict.ACCEPTED]
    await rebuild()
    assert await partitions.drop_before(TOMORROW, NOW + timedelta(seconds=1)) == [DAY]
    [waiting] = await held.page(mine, held.Filter(), None, 10)
    assert waiting.counts is None
    async with db.transaction():
        assert await held.accept(mine, [waiting], NOW) == {waiting.id: Verdict.RECORD_ARCHIVED}


async def test_a_call_without_a_rate_keeps_the_day_for_its_account_only_until_it_is_rated() -> None:
    mine, theirs = await two_accounts()
    await records.insert(mine, [record("unrated", charge=None, rated_by=None)], NOW)
    await rebuild()
    for _ in range(2):
        assert await partitions.drop_before(TOMORROW, NOW + timedelta(days=999)) == []
        assert await kept_accounts() == [mine]
    assert await rows("SELECT account_id FROM hours WHERE frozen") == [(theirs,)]
    async with db.transaction():
        [call] = await unrated.first(mine, unrated.Filter(1), 2)
        await unrated.rate(mine, 1, [(call, rating.by_switch(0, Decimal(1), None))], NOW)
    await rebuild()
    assert await partitions.drop_before(TOMORROW) == [DAY]


async def test_a_call_of_a_frozen_hour_is_not_rated() -> None:
    mine = await account()
    await records.insert(mine, [record("unrated", charge=None, rated_by=None)], NOW)
    await rebuild()
    [call] = await unrated.first(mine, unrated.Filter(1), 2)
    await rows("UPDATE hours SET frozen = true")
    with pytest.raises(Refusal) as caught:
        async with db.transaction():
            await unrated.rate(mine, 1, [(call, rating.by_switch(0, Decimal(1), None))], NOW)
    assert caught.value.code == "HOUR_FROZEN"
    assert await rows("SELECT charge FROM call_records") == [(None,)]


async def test_a_refused_end_still_closes_its_call_in_the_live_count(
    switch: Any, redis: Redis
) -> None:
    await switch.send(switch.start(), switch.end("earlier"))
    await rebuild(switch.now)
    await rows("UPDATE hours SET frozen = true")
    before = await channels.read(redis, switch.account_id, None)
    answer = await switch.send(switch.end())
    assert [one["code"] for one in answer["refused"]] == ["HOUR_FROZEN"]
    after = await channels.read(redis, switch.account_id, None)
    assert (before.in_use, after.in_use) == (1, 0)


async def test_a_held_record_keeps_the_days_it_would_move_its_call_between() -> None:
    mine = await account()
    await records.insert(mine, [record("a"), record("b", setup_at=LATER)], NOW)
    await records.insert(mine, [record("a", 99, setup_at=LATER)], NOW)
    await rebuild()
    assert await partitions.drop_before(TOMORROW + timedelta(days=1), NOW) == []
    async with db.transaction():
        [waiting] = await held.page(mine, held.Filter(), None, 10)
        assert await held.accept(mine, [waiting], NOW) == {waiting.id: Verdict.CORRECTED}
    await rebuild()
    assert len(await partitions.drop_before(TOMORROW + timedelta(days=1), NOW)) == 2


async def test_a_record_in_quarantine_keeps_the_day_for_its_account_only_and_says_when_not(
    switch: Any, redis: Redis
) -> None:
    mine, theirs = switch.account_id, await account()
    setup = switch.now - timedelta(days=2)
    after = (setup + timedelta(days=1)).date()
    for one in (mine, theirs):
        await records.insert(one, [record("first", setup_at=setup)], switch.now)
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
    [item] = await quarantine.page(mine, quarantine.Filter(), None, 10)
    assert (item.code, str(item.message)[:36]) == (
        *("HOUR_FROZEN", "The records of this hour are no long"),
    )


async def test_a_day_is_frozen_and_dropped_at_a_cost_that_other_days_do_not_change(
    database: str,
) -> None:
    """The rows of `hours` that are read to drop a day, among 200 days and among 1,200."""
    read = []
    for history in (200, 1_000):
        mine = await account()
        first = SETUP + timedelta(days=len(read))
        await records.insert(mine, [record("a", setup_at=first)], NOW)
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
    assert [one["seq_scan"] for one in read] == [0, 0]
    assert [one["rows"] for one in read] == [read[0]["rows"]] * 2
    assert read[0]["rows"] <= 4 * (4 * 24 + 1)  # listed, looked at twice, and changed


async def reads_of_hours(database: str) -> dict[str, int]:
    """Since the database was made; a session reports what it has read when it ends."""
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
    ((scans, fetched),) = await rows(
        "SELECT t.seq_scan, sum(pg_stat_get_tuples_returned(i.indexrelid))::bigint"
        " FROM pg_stat_user_tables t JOIN pg_index i ON i.indrelid = t.relid"
        " WHERE t.relname = 'hours' GROUP BY 1"
    )
    return {"seq_scan": scans, "rows": fetched}


# From end to end ----------------------------------------------------------------------------------


async def test_calls_that_come_after_their_day_was_dropped_never_change_what_is_billed(
    redis: Redis,
) -> None:
    """Records are kept 30 days, a day is dropped, and the setting is raised to 90."""
    mine = await account()
    customer = await made.customer(mine, "acme")
    old, now = SETUP, SETUP + timedelta(days=32)
    recent = now - timedelta(hours=5)

    def end(call_id: str, setup: datetime, charge: str, **more: Any) -> bytes:
        said = {"type": "end", "switch": "edge-1", "call_id": call_id, "customer": "acme"}
        times = dict.fromkeys(("setup_at", "answer_at", "end_at"), setup.isoformat())
        numbers = {"source": "+441632960000", "destination": "+15550100", "charge": charge}
        return json.dumps(said | times | numbers | more).encode()

    async def prove() -> rules.Proof:
        await rebuild(now)
        start, end = HOUR - timedelta(hours=2), now.replace(minute=0)
        return await reconciliation.reconcile(mine, customer, start, end, now)

    kept_30, kept_90 = pipeline.Pipeline(redis, 30), pipeline.Pipeline(redis, 90)
    await kept_30.take_calls(mine, [end("billed", old, "1.00")], old + timedelta(hours=1))
    await kept_30.take_calls(mine, [end("current", recent, "7.00")], now)
    await rebuild(now)
    tools = jobs.Tools(redis, lambda: now, records_days=30, partitions_ahead_days=1)
    await jobs.drop_partitions({"tools": tools})
    assert DAY not in await partitions.existing()
    before = await charges(mine)

    late = [end("late", old, "5.00"), end("current", old, "7.00", correction=True)]
    answer = await kept_90.take_calls(mine, late, now)
    assert [one["code"] for one in answer["refused"]] == ["HOUR_FROZEN", "HOUR_FROZEN"]
    assert await rows("SELECT code, state, setup_at FROM quarantine") == [
        ("HOUR_FROZEN", "OPEN", old),
        ("HOUR_FROZEN", "OPEN", old),
    ]
    proof = await prove()
    assert proof.differences == []
    assert await charges(mine) == before == {(customer, HOUR): 1, (customer, hour_of(recent)): 7}
    assert (proof.rows.charge, proof.records.charge, proof.frozen_hours) == (8, 7, 1)

    await put_by_hand(mine, customer, "by hand", old)
    details = [str(one.detail) for one in (await prove()).differences]
    assert "records charge 5, rows 1" in details
    assert any("rows differ from the records in" in detail for detail in details)
    await rows("DELETE FROM call_records WHERE call_id = 'by hand'")
    await rows("INSERT INTO hour_marks VALUES ($1, 999, $2, $3, $3)", mine, customer, HOUR)
    start, end_ = HOUR, HOUR + timedelta(hours=1)
    tampered = await reconciliation.reconcile(mine, customer, start, end_, now)
    assert [str(one.detail)[:29] for one in tampered.differences] == [
        "the hour is frozen, and marke"
    ]


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


async def put_by_hand(mine: int, customer: int, call_id: str, setup: datetime) -> None:
    await partitions.make([setup.date()])
    await rows(
        "INSERT INTO call_records (account_id, customer_id, setup_at, switch, call_id, leg,"
        " revision, carrier_id, final, source, destination, offered_at, answer_at, end_at, talk_us,"
        " rated_by, charge) VALUES ($1, $2, $3, 'edge-1', $4, 0, 0, 0, true, '', '', $3, $3, $3, 0,"
        " 'SWITCH', 5)",
        *(mine, customer, setup, call_id),
    )
