"""The number of partitions that a statement locks if there are 400 of them. All of PostgreSQL
shares the lock table: if it is full, every statement fails."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette

from domain.alerting import evaluation
from domain.identity import callers
from domain.identity.callers import Kind, Role
from domain.records import call_filters
from domain.records.verdicts import Verdict
from domain.summaries.rebuild_order import Place
from models import db
from models.billing import reconciliation
from models.records import (
    call_keys,
    call_list,
    call_lookup,
    call_records,
    ended_calls,
    held_records,
    partitions,
    quarantine_store,
    record_store,
    unrated_calls,
)
from models.summaries import hours, marks
from resolvers.live import window_filling
from resolvers.records import held_records as review_held
from resolvers.records import quarantine
from resolvers.records import unrated_calls as unrated
from runtime import clock
from tests.support import outside_connection
from tests.support.records import sample_records
from tests.support.records.posting import Switch

DAYS, MOST = 400, 10
# PostgreSQL's lock table has space for 64 locks of each connection.
AT_ONCE, MOST_LOCKS = 30, 64
_LOCKED = """
SELECT l.pid, count(DISTINCT l.relation) AS partitions FROM pg_locks l
JOIN pg_inherits i ON i.inhrelid = l.relation AND i.inhparent = 'call_records'::regclass
WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY 1
"""
_LOCKS = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE d.datname = current_database()
"""
# asyncpg prepares statements that it never runs, to find the types of columns that it copies to.
_RUN = "SELECT statement FROM pg_prepared_statements WHERE generic_plans + custom_plans > 0"


@pytest.fixture
async def days(database: str) -> None:
    """400 partitions, the last of them tomorrow's."""
    last = clock.now().date() + timedelta(days=1)
    for back in range(0, DAYS, 50):  # each transaction locks the partitions that it creates
        await partitions.ensure_period(
            last - timedelta(days=back + 49), last - timedelta(days=back)
        )


class Statements:
    """The statements on call records, by every connection of the pool, when they were prepared."""

    def __init__(self) -> None:
        self.texts: set[str] = set()

    async def collect(self) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(10):
                conn = await stack.enter_async_context(db.connection())
                rows = await conn.fetch(_RUN)
                self.texts |= {row["statement"] for row in rows}
        self.texts = {text for text in self.texts if "call_records" in text and "pg_" not in text}


async def locked_by(outside: Any, statement: str) -> int:
    """The partitions that its generic plan locks, which does not depend on parameters."""
    numbers = [int(number) for number in re.findall(r"\$(\d+)", statement)]
    nulls = ", ".join(["NULL"] * max(numbers, default=0))
    await outside.execute(f"PREPARE counted AS {statement}")
    try:
        async with outside.transaction():
            await outside.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            await outside.execute(f"EXPLAIN EXECUTE counted {f'({nulls})' if nulls else ''}")
            return await locked_partitions(outside, outside.get_server_pid())
    finally:
        await outside.execute("DEALLOCATE counted")


async def locked_partitions(outside: Any, pid: int | None = None) -> int:
    """Of one backend, or the most that any has."""
    rows = await outside.fetch(_LOCKED)
    counts = [row["partitions"] for row in rows if pid is None or row["pid"] == pid]
    return max(counts, default=0)


@pytest.fixture
async def outside(database: str) -> AsyncIterator[Any]:
    async with outside_connection.connection(database) as connection:
        yield connection


@pytest.mark.usefixtures("days")
async def test_no_statement_locks_the_partitions_of_more_than_10_days(
    switch: Switch, app: Starlette, redis: Redis, outside: Any
) -> None:
    statements = Statements()
    staff = callers.Caller(switch.account_id, Kind.STAFF, 1, role=Role.OWNER)
    for work in (
        _ingest(switch),
        _review(switch, app, staff),
        _rate(switch, redis, staff),
        _rebuild(),
        _read(switch, redis),
        _list(switch, staff),
        _reconcile(switch),
    ):
        await work
        await statements.collect()
    words = {" ".join(text.split()[:3]) for text in statements.texts}
    assert {"DELETE FROM call_records", "UPDATE call_records r", "WITH records AS"} <= words
    assert any("to_jsonb(r)" in text for text in statements.texts)
    assert any("end_at >= $2 AND final" in text for text in statements.texts)
    assert any("row_number() OVER ()" in text for text in statements.texts)
    assert any("FOR UPDATE" in text for text in statements.texts)
    locked = {text: await locked_by(outside, text) for text in statements.texts}
    assert {text: number for text, number in locked.items() if number > MOST} == {}


def _days_ago(switch: Switch, days: int) -> dict[str, Any]:
    """The times of a call of 50 s."""
    at = {"setup_at": -60, "ringing_at": -58, "answer_at": -50, "end_at": 0}
    return {name: switch.at(seconds - days * 86_400) for name, seconds in at.items()}


async def _ingest(switch: Switch) -> None:
    """New, repeated, corrected, moved to another day, and contradicting records of a month."""
    ends = [switch.end(f"call-{day}", **_days_ago(switch, day)) for day in range(1, 31)]
    assert (await switch.send(*ends))["accepted"] == 30
    assert (await switch.send(*ends))["duplicates"] == 30
    corrections = [end | {"correction": True, "sip_code": 486} for end in ends]
    assert (await switch.send(*corrections))["corrected"] == 30
    moved = [
        switch.end(f"call-{day}", **_days_ago(switch, day + 100), correction=2) for day in (3, 9)
    ]
    assert (await switch.send(*moved, switch.end("of now")))["corrected"] == 2
    others = [end | {"sip_code": 487, "correction": 1} for end in corrections[10:20]]
    assert len((await switch.send(*others))["held"]) == 10
    unknown = switch.end("refused", customer="third", **_days_ago(switch, 50))
    assert len((await switch.send(unknown))["refused"]) == 1


async def _review(switch: Switch, app: Starlette, staff: callers.Caller) -> None:
    now = clock.now()
    waiting = await review_held.page(staff, held_records.Filter(), None, 51)
    assert len([held_record for held_record in waiting if held_record.counted is not None]) == 10
    ids = [held_record.id for held_record in waiting]
    intake = app.state.ingest_pipeline
    assert {
        held_record.refusal for held_record in await review_held.accept(staff, intake, ids[:5], now)
    } == {None}
    await review_held.discard(staff, ids[5:], now)
    await sample_records.customer(switch.account_id, "third")
    [row] = await quarantine.page(staff, quarantine_store.Filter(), None, 51)
    await quarantine.replay(staff, intake, [row.id], None, now)
    assert (await sample_records.rows("SELECT state FROM quarantine")) == [("REPLAYED",)]


async def _rate(switch: Switch, redis: Redis, staff: callers.Caller) -> None:
    """None of the calls has a rate."""
    page = await unrated.page(staff, unrated_calls.Filter(), None, 51)
    assert len(page) == 32
    assert sorted(page, key=lambda row: row[1], reverse=True) == page
    _, place = page[19]
    assert await unrated.page(staff, unrated_calls.Filter(), place, 51) == page[20:]
    of_acme = unrated_calls.Filter(switch.customer_id)
    assert (await unrated.rate(staff, of_acme, clock.now())).left == 31
    assert await unrated.waive(staff, of_acme, 31, clock.now()) == 31


async def _rebuild() -> None:
    for hour in await hours.marked_hours(1_000):
        await hours.rebuild(*hour, clock.now())


async def _read(switch: Switch, redis: Redis) -> None:
    """What reads records by their end: readings of alert rules, and the window."""
    for scope in evaluation.Scope:
        ids = [0, switch.customer_id]
        await ended_calls.sum_periods(switch.account_id, scope, ids, [5, 15], [15], clock.now())
    assert await window_filling.fill(redis, switch.account_id)


async def _list(switch: Switch, staff: callers.Caller) -> None:
    """Pages of calls over a year, and the legs of the calls of one."""
    scopes = [call_list.Scope(switch.account_id), call_list.Scope(switch.account_id, 1)]
    scopes.append(call_list.Scope(switch.account_id, carrier_id=1))
    filters = [{}, {"answered": False}, {"unrated": True}, {"call_id": "call-3"}]
    now = clock.now()
    for scope in scopes:
        for filter in filters:
            start = now - timedelta(days=365)
            rule = call_filters.Filter(start=start, **filter)  # type: ignore[arg-type]
            await call_list.page(scope, rule, None, 100, now)
    page = await call_list.page(scopes[0], call_filters.Filter(), None, 100, now)
    assert len(page.calls) == 32
    assert await call_lookup.legs(switch.account_id, [record for record, _ in page.calls])
    first, _ = page.calls[0]
    key = call_keys.key_bytes(first.switch, first.call_id)
    assert await call_lookup.record(switch.account_id, key, first.leg) == first


async def _reconcile(switch: Switch) -> None:
    """More statements than a connection caches, thus last."""
    now = clock.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    proof = await reconciliation.reconcile(
        switch.account_id, switch.customer_id, midnight - timedelta(days=365), midnight, now
    )
    assert proof.is_balanced
    assert proof.records == proof.rows


async def test_a_batch_of_new_records_locks_only_the_partitions_of_its_days(
    database: str, outside: Any
) -> None:
    account = await sample_records.account()
    days = [sample_records.SETUP - timedelta(days=day) for day in range(3)]
    await partitions.ensure_period(
        sample_records.SETUP.date() - timedelta(days=30), sample_records.SETUP.date()
    )
    batch = [sample_records.record(f"call-{day:%d}", setup_at=day) for day in days]
    async with db.transaction() as conn:
        await record_store.claim_all(conn, account, batch)
        await record_store.store(conn, account, batch, sample_records.NOW)
        assert await locked_partitions(outside, conn.get_server_pid()) == 3


@pytest.mark.usefixtures("days")
async def test_30_concurrent_corrections_leave_capacity_in_the_lock_table(
    database: str, outside: Any
) -> None:
    account, now = await sample_records.account(), clock.now()
    await db.close_database()
    await db.open_database(database, pool=AT_ONCE + 2)
    setups = [now - timedelta(days=day) for day in range(1, AT_ONCE + 1)]
    first = [sample_records.record(f"call-{n}", setup_at=setup) for n, setup in enumerate(setups)]
    await call_records.insert(account, first, now)
    works = [
        call_records.insert(
            account, [sample_records.record(f"call-{n}", 31, setup_at=setup, revision=1)], now
        )
        for n, setup in enumerate(setups)
    ]
    waiting = "LOCK TABLE hour_marks IN EXCLUSIVE MODE"
    *results, locks = await outside_connection.held_up(outside, waiting, *works, _locks())
    assert [result.verdicts for result in results] == [[Verdict.CORRECTED]] * AT_ONCE
    assert locks < AT_ONCE * MOST_LOCKS


async def _locks() -> int:
    """That anybody holds in the database."""
    async with db.connection() as conn:
        number: int = await conn.fetchval(_LOCKS)
    return number


async def test_a_rebuild_of_older_hours_locks_the_partition_of_one_day(
    database: str, outside: Any
) -> None:
    account, now = await sample_records.account(), sample_records.NOW
    customer = await sample_records.customer(account, "acme")
    setups = [sample_records.SETUP - timedelta(days=2, hours=n * 2) for n in range(20)]
    await partitions.create_missing(partitions.days_of(setups))
    batch = [
        sample_records.record(f"call-{n}", setup_at=setup, customer_id=customer)
        for n, setup in enumerate(setups)
    ]
    await call_records.insert(account, batch, now)
    place = Place(sorted(which.hour for which in await hours.marked_hours(20))[10], customer)
    together = [place.hour, *await marks.others_of_day(account, place, now)]
    work = hours.try_rebuild_all(account, customer, together, now)

    async def look() -> int:
        async with db.connection() as conn:
            return await locked_partitions(conn)

    waiting = "LOCK TABLE day_sums IN EXCLUSIVE MODE"
    rebuilt, locked = await outside_connection.held_up(outside, waiting, work, look())
    assert len(rebuilt) > 1
    assert locked == 1


@pytest.mark.usefixtures("days")
async def test_reconciling_a_year_locks_only_a_few_partitions_at_a_time(
    outside: Any,
) -> None:
    account, now = await sample_records.account(), sample_records.NOW.replace(hour=0)
    customer = await sample_records.customer(account, "acme")
    year = timedelta(days=365)

    async def look() -> int:
        async with db.connection() as conn:
            return await locked_partitions(conn)

    proving = reconciliation.reconcile(account, customer, now - year, now, sample_records.NOW)
    issuing = "LOCK TABLE invoices IN ACCESS EXCLUSIVE MODE"
    proof, locked = await outside_connection.held_up(outside, issuing, proving, look())
    assert proof.is_balanced
    assert locked <= MOST
