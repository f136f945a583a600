import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import db, faults
from models.summaries import hours
from tests.support.summaries import days, graph_rows
from tests.support.summaries.days import ACCOUNT, CLOSED, HOUR, Leg

OPEN = HOUR + timedelta(minutes=59)
ONE = timedelta(hours=1)
NEXT = HOUR + ONE

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
async def _prepared(database: str) -> None:
    await days.prepare()


async def rebuild_all(now: datetime = OPEN) -> None:
    for which in await hours.marked_hours(1_000):
        await hours.rebuild(*which, now)


async def version(hour: datetime = HOUR, customer: int = 1) -> int:
    async with db.connection() as conn:
        heads = await hours.lock(conn, ACCOUNT, customer, [hour])
    return heads[0].version if heads else 0


async def marks() -> int:
    async with db.connection() as conn:
        found: int = await conn.fetchval("SELECT count(*) FROM hour_marks")
    return found


async def assert_equal(legs: list[Leg]) -> None:
    assert await days.stored_slots() == days.slots(legs)
    assert await days.stored(
        "rollup_destinations",
        "customer_id, hour, destination",
        "attempts, answered, talk_us, billed_seconds, charge",
    ) == days.destinations(legs)
    assert await days.stored(
        "rollup_codes", "customer_id, hour, carrier_id, sip_code", "attempts, legs"
    ) == days.codes(legs)
    assert await graph_rows.stored() == graph_rows.computed(legs)
    assert await days.stored(
        "hours",
        "customer_id, hour",
        days.HEAD_SUMS,
    ) == {key: sums for key, sums in days.heads(legs).items() if any(sums)}


async def test_a_first_rebuild_creates_version_1_and_removes_the_marks() -> None:
    leg = Leg("a", talk_us=61_000_001, billed=66, charge=Decimal("0.0123"), cost=Decimal("0.004"))
    await days.put([leg])
    assert await hours.rebuild(ACCOUNT, 1, HOUR, OPEN) == hours.RebuildResult(1, True)
    await assert_equal([leg])
    assert await marks() == 0


async def test_a_rebuild_without_a_difference_keeps_the_version() -> None:
    await days.put([Leg("a")])
    await rebuild_all()
    async with db.transaction() as conn:
        await days.mark(conn, [Leg("a")])
    assert await hours.rebuild(ACCOUNT, 1, HOUR, OPEN) == hours.RebuildResult(1, False)
    assert await marks() == 0


async def test_an_hour_that_never_had_a_call_gets_no_row() -> None:
    assert await hours.rebuild(ACCOUNT, 1, HOUR, OPEN) == hours.RebuildResult(0, False)
    assert await version() == 0


async def test_an_hour_whose_call_moved_away_keeps_a_row_of_zeros_and_a_higher_version() -> None:
    old = Leg("a", talk_us=5, charge=Decimal("1.5"))
    new = dataclasses.replace(old, setup=NEXT, customer=2)
    await days.put([old])
    await rebuild_all()
    await days.put([new], gone=[old])
    await rebuild_all()
    async with db.connection() as conn:
        (left,) = await hours.lock(conn, ACCOUNT, 1, [HOUR])
    assert (left.version, left.attempts, left.charge) == (2, 0, Decimal(0))
    assert await version(NEXT, customer=2) == 1
    await assert_equal([new])


async def test_a_call_that_only_changes_its_carrier_raises_the_version() -> None:
    old = Leg("a", charge=Decimal("1.5"))
    new = dataclasses.replace(old, carrier=2)
    await days.put([old])
    await rebuild_all()
    await days.put([new], gone=[old])
    await rebuild_all()
    assert await version() == 2


async def test_the_customer_view_counts_final_legs_and_the_carrier_view_every_leg() -> None:
    failed = Leg("a", leg=0, carrier=1, final=False, code=503, rated_by=None, charge=None)
    final = Leg(
        "a", leg=1, carrier=2, offered_after_us=700_000, ringing_after_us=1_500_000, talk_us=9
    )
    await days.put([failed, final])
    await rebuild_all()
    rows = await days.stored_slots()
    assert days.Slot(*rows[1, HOUR, 1]) == days.Slot(legs=1)
    assert days.Slot(*rows[1, HOUR, 2]) == days.Slot(
        attempts=1, answered=1, talk_us=9, pdd_us=1_500_000, pdd_count=1,
        legs=1, legs_answered=1, legs_talk_us=9, legs_pdd_us=800_000, legs_pdd_count=1, uncosted=1,
        effective=1,
    )  # fmt: skip


async def test_a_frozen_hour_is_not_rebuilt_and_the_mark_is_reported_to_staff() -> None:
    await days.put([Leg("a")])
    await rebuild_all()
    async with db.connection() as conn:
        await conn.execute("UPDATE hours SET frozen = true")
    await days.put([Leg("b")])
    assert await hours.rebuild(ACCOUNT, 1, HOUR, CLOSED) == hours.RebuildResult(1, False)
    assert await marks() == 0
    async with db.connection() as conn:
        note = await conn.fetchrow("SELECT actor, action, subject FROM audit_log")
    assert tuple(note) == ("system", "hour.frozen", "hour:1:2026-11-20T09:00:00Z")


async def test_an_interrupted_rebuild_leaves_its_marks_and_none_of_its_sums(database: str) -> None:
    await days.put([Leg("a")])
    async with codes_locked(database) as blocker:
        dying = asyncio.create_task(hours.rebuild(ACCOUNT, 1, HOUR, OPEN))
        await blocker.fetchval("SELECT pg_terminate_backend($1)", await waiting(blocker))
        with pytest.raises(
            (
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                ConnectionError,
                faults.UnavailableError,
            )
        ):
            await dying
    assert await marks() == 1
    assert await days.stored_slots() == {}
    assert await hours.try_rebuild(ACCOUNT, 1, HOUR, OPEN) == hours.RebuildResult(1, True)


async def test_a_try_skips_an_hour_that_is_being_rebuilt(database: str) -> None:
    await days.put([Leg("a")])
    async with codes_locked(database) as blocker:
        slow = asyncio.create_task(hours.rebuild(ACCOUNT, 1, HOUR, OPEN))
        await waiting(blocker)
        assert await hours.try_rebuild(ACCOUNT, 1, HOUR, OPEN) is None
    assert await slow == hours.RebuildResult(1, True)


@asynccontextmanager
async def codes_locked(url: str) -> AsyncIterator[db.Connection]:
    """A session of its own that holds a table every rebuild writes to."""
    async with days.session(url) as session, session.transaction():
        await session.execute("LOCK TABLE rollup_codes IN ACCESS EXCLUSIVE MODE")
        yield session


async def waiting(session: db.Connection) -> int:
    """The process that waits for the session's lock, as soon as one does."""
    while True:
        pid: int | None = await session.fetchval(
            "SELECT pid FROM pg_locks WHERE NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        if pid is not None:
            return pid
        await asyncio.sleep(0.01)


async def test_records_stored_during_a_rebuild_of_their_hour_keep_their_mark() -> None:
    legs = [Leg(f"call-{n}", charge=Decimal("0.01")) for n in range(60)]
    stop = asyncio.Event()

    async def rebuilding() -> None:
        while not stop.is_set():
            await rebuild_all()

    async def storing(part: list[Leg]) -> None:
        for leg in part:
            await days.put([leg])

    rebuilders = [asyncio.create_task(rebuilding()) for _ in range(3)]
    await asyncio.gather(*(storing(legs[n::3]) for n in range(3)))
    stop.set()
    await asyncio.gather(*rebuilders)
    await rebuild_all()
    assert await marks() == 0
    await assert_equal(legs)


FIXTURE = [HealthCheck.function_scoped_fixture]  # emptied for every example
micros = st.integers(0, 7_200_000_000)
money = st.decimals(0, 1_000, places=6)
one_leg = st.builds(
    Leg,
    call=st.just(""),
    customer=st.integers(1, 2),
    carrier=st.integers(0, 2),
    final=st.booleans(),
    setup=st.integers(0, 3 * 3600 - 1).map(lambda s: HOUR + timedelta(seconds=s, microseconds=s)),
    offered_after_us=st.integers(0, 1_000_000),
    ringing_after_us=st.none() | st.integers(1_000_000, 10_000_000),
    talk_us=st.none() | micros,
    code=st.none() | st.sampled_from([200, 404, 486, 503]),
    digits=st.integers(0, 2),
    rated_by=st.sampled_from(["CARD", "CARD", "SWITCH", "WAIVED"]),
    prefix=st.sampled_from(["", "1", "44"]),
    billed=st.integers(0, 10_000),
    charge=money,
    cost=st.none() | money,
    country=st.none() | st.sampled_from(["GB", "US"]),
    released_by=st.none() | st.sampled_from(["caller", "callee", "system"]),
)
unrated = one_leg.map(lambda leg: dataclasses.replace(leg, rated_by=None, charge=None, billed=0))
some_legs = st.lists(one_leg | unrated, max_size=12)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=st.lists(some_legs, min_size=1, max_size=4), seed=st.randoms(use_true_random=False))
async def test_sums_equal_the_records_after_any_arrivals_and_corrections(
    batches: list[list[Leg]], seed: random.Random
) -> None:
    await days.empty()
    now: list[Leg] = []
    for number, batch in enumerate(batches):
        before = _all(now), await _versions()
        gone = [leg for leg in now if seed.random() < 0.3]
        new = [dataclasses.replace(leg, call=f"{number}-{n}") for n, leg in enumerate(batch)]
        await days.put(new, gone)
        await asyncio.gather(*(_concurrently(which) for which in await hours.marked_hours(100)))
        now = [leg for leg in now if leg not in gone] + new
        await assert_equal(now)
        await _assert_versions_tell_of_differences(now, *before)
        await _assert_posted_equals_the_charge_of_closed_hours()
    assert await marks() == 0


async def _concurrently(which: hours.Hour) -> None:
    now = HOUR + timedelta(hours=2, minutes=30)  # two of the three hours have closed
    await asyncio.gather(hours.rebuild(*which, now), hours.rebuild(*which, now))


async def _versions() -> dict[tuple[int, datetime], int]:
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT customer_id, hour, version FROM hours")
    return {(row[0], row[1]): row[2] for row in rows}


async def _assert_versions_tell_of_differences(
    legs: list[Leg], before: days.Rows, versions: dict[tuple[int, datetime], int]
) -> None:
    after = _all(legs)
    for key, version in (await _versions()).items():
        differs = _of(before, key) != _of(after, key)
        assert version - versions.get(key, 0) == differs


def _all(legs: list[Leg]) -> days.Rows:
    graphs = {
        (*key[1:], key[0]): sums
        for key, sums in graph_rows.computed(legs).items()
        if "days" not in key[0]
    }
    return {**days.slots(legs), **days.destinations(legs), **days.codes(legs), **graphs}


def _of(rows: days.Rows, key: tuple[int, datetime]) -> days.Rows:
    customer, hour = key
    return {k: v for k, v in rows.items() if k[0] == customer and hour <= k[1] < hour + ONE}


async def _assert_posted_equals_the_charge_of_closed_hours() -> None:
    async with db.connection() as conn:
        wrong = await conn.fetchval(
            "SELECT count(*) FROM hours h WHERE posted_charge <> (SELECT coalesce(sum(amount), 0)"
            " FROM ledger_entries l WHERE (l.account_id, l.customer_id, l.hour)"
            " = (h.account_id, h.customer_id, h.hour))"
            " OR posted_charge <> CASE WHEN hour < $1 THEN charge ELSE 0 END",
            HOUR + timedelta(hours=2),
        )
    assert wrong == 0
