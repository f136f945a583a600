"""Rows of every granularity compared with the sums of their hours and records."""

import asyncio
import dataclasses
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import periods
from domain.periods import Granularity, Period
from domain.summaries import cells
from models import db
from models.summaries import hours, period_sums, summary_rows
from runtime.settings import ROOT
from tests.support.summaries import days
from tests.support.summaries.days import ACCOUNT, CLOSED, HOUR, Leg

NEXT = HOUR + timedelta(hours=1)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
SCOPES = (1, 2, None)  # both customers, of two currencies, and the account
CURRENCIES = {1: "EUR", 2: "USD"}
ALWAYS = Period(datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC))

pytestmark = pytest.mark.usefixtures("database")

_OF_HOURS = """
SELECT date_trunc($2, h.hour, 'UTC') AS start, c.currency, sum(h.version), sum(h.attempts),
       sum(h.answered), sum(h.talk_us), sum(h.billed_seconds), sum(h.unrated),
       sum(h.dtmf_answered), sum(h.pdd_us), sum(h.pdd_count), sum(h.effective), sum(h.redirected),
       sum(h.charge)
FROM hours h JOIN customers c ON c.account_id = h.account_id AND c.id = h.customer_id
WHERE h.account_id = $1 AND ($3::bigint IS NULL OR h.customer_id = $3)
GROUP BY 1, 2
"""
_UNITS = {
    Granularity.LIVE: "hour",
    Granularity.DAILY: "day",
    Granularity.WEEKLY: "week",
    Granularity.MONTHLY: "month",
}

# Version, attempts, answered, talk, billed seconds, unrated, DTMF, PDD, its count, effective and
# redirected.
Sums = tuple[int, ...]
Row = tuple[Sums, dict[str, Decimal]]


@pytest.fixture(autouse=True)
async def _prepared(database: str) -> None:
    await days.prepare()
    async with db.connection() as conn:
        await conn.execute("UPDATE customers SET currency = 'USD' WHERE id = 2")


async def shown(customer: int | None, kind: Granularity) -> dict[datetime, Row]:
    starts = await summary_rows.starts(ACCOUNT, customer, kind, ALWAYS, 100)
    assert starts == sorted(set(starts), reverse=True)
    rows = await summary_rows.rows(ACCOUNT, customer, kind, starts)
    return {row.key.start: (_sums(row), dict(row.charges)) for row in rows}


def _sums(row: cells.Row) -> Sums:
    return (
        *(row.version, row.attempts, row.answered, row.talk_us, row.billed_seconds, row.unrated),
        *(row.dtmf_answered, row.pdd_us, row.pdd_count, row.effective, row.redirected),
    )


async def of_hours(customer: int | None, kind: Granularity) -> dict[datetime, Row]:
    found: dict[datetime, Row] = {}
    async with db.connection() as conn:
        for row in await conn.fetch(_OF_HOURS, ACCOUNT, _UNITS[kind], customer):
            start, currency, *sums, charge = row
            before, charges = found.get(start, ((0,) * 11, {}))
            added = tuple(int(a + b) for a, b in zip(before, sums, strict=True))
            found[start] = added, {**charges, currency: charge}
    return found


def of_records(legs: Sequence[Leg], customer: int | None, kind: Granularity) -> dict[datetime, Row]:
    """Without versions, which records do not have, and of periods that have calls."""
    found: dict[datetime, Any] = defaultdict(lambda: [0] * 11)
    charges: dict[datetime, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for leg in legs:
        if leg.final and customer in (None, leg.customer):
            start = periods.period_containing(kind, leg.setup).start
            answered, ringing = leg.talk_us is not None, leg.ringing_after_us
            call = (
                *(0, 1, answered, leg.talk_us or 0, leg.billed, leg.charge is None),
                *(answered and leg.digits > 0, ringing or 0, ringing is not None),
                *(leg.is_effective, leg.is_redirected),
            )
            found[start] = [a + b for a, b in zip(found[start], call, strict=True)]
            charges[start][CURRENCIES[leg.customer]] += leg.charge or 0
    return {start: (tuple(sums), _charged(charges[start])) for start, sums in found.items()}


def _charged(charges: dict[str, Decimal]) -> dict[str, Decimal]:
    return {currency: charge for currency, charge in charges.items() if charge}


async def assert_rows_are_their_hours() -> None:
    for customer in SCOPES:
        for kind in Granularity:
            assert await shown(customer, kind) == await of_hours(customer, kind)


async def assert_rows_are_their_records(legs: Sequence[Leg]) -> None:
    for customer in SCOPES:
        for kind in Granularity:
            rows = await shown(customer, kind)
            calls = {
                start: ((0, *sums[1:]), _charged(charges))
                for start, (sums, charges) in rows.items()
                if any(sums[1:])
            }
            assert calls == of_records(legs, customer, kind)


# Around the edges of a day, a week (Monday is the 2nd) and a month, and a day of three hours.
STARTS = [
    datetime(2026, month, day, hour, tzinfo=UTC)
    for month, day, hour in (
        *((10, 31, 22), (10, 31, 23), (11, 1, 0), (11, 1, 23), (11, 2, 0)),
        *((11, 20, 8), (11, 20, 9), (11, 20, 10), (11, 30, 23), (12, 1, 0)),
    )
]
one_leg = st.builds(
    Leg,
    call=st.just(""),
    customer=st.integers(1, 2),
    final=st.sampled_from([True, True, True, False]),
    setup=st.builds(
        lambda start, us: start + timedelta(microseconds=us),
        st.sampled_from(STARTS),
        st.integers(0, 3_599_999_999),
    ),
    talk_us=st.none() | st.integers(0, 7_200_000_000),
    code=st.sampled_from([None, 200, 302, 404, 486, 503, 603]),
    digits=st.integers(0, 1),
    ringing_after_us=st.none() | st.integers(0, 10_000_000),
    billed=st.integers(0, 10_000),
    charge=st.none() | st.decimals(0, 1_000, places=6),
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    batches=st.lists(st.lists(one_leg, max_size=15), min_size=1, max_size=4),
    seed=st.randoms(use_true_random=False),
)
async def test_every_row_equals_its_hours_and_records_after_any_arrivals_and_moves(
    batches: list[list[Leg]], seed: random.Random
) -> None:
    await days.empty()
    now: list[Leg] = []
    for number, batch in enumerate(batches):
        gone = [leg for leg in now if seed.random() < 0.2]
        moved = [
            dataclasses.replace(leg, setup=seed.choice(STARTS), customer=seed.choice((1, 2)))
            for leg in gone
            if seed.random() < 0.7
        ]
        new = [dataclasses.replace(leg, call=f"{number}-{n}") for n, leg in enumerate(batch)]
        now = [leg for leg in now if leg not in gone] + moved + new
        await days.put([*moved, *new], gone)
        some = [which for which in await hours.marked_hours(100) if seed.random() < 0.7]
        await (rebuild_singly if seed.random() < 0.5 else rebuild_together)(some)
        await assert_rows_are_their_hours()
    await rebuild_together(await hours.marked_hours(100))
    await assert_rows_are_their_hours()
    await assert_rows_are_their_records(now)
    await assert_closed_hours_are_posted()


async def rebuild_singly(marked: Sequence[hours.Hour]) -> None:
    await asyncio.gather(*(hours.rebuild(*which, NOW) for which in marked))


async def rebuild_together(marked: Sequence[hours.Hour]) -> None:
    for customer in (1, 2):
        of_customer = [which.hour for which in marked if which.customer_id == customer]
        rebuilt = await hours.try_rebuild_all(ACCOUNT, customer, of_customer, NOW)
        assert rebuilt is not None
        assert len(rebuilt) == len(of_customer)


async def assert_closed_hours_are_posted() -> None:
    async with db.connection() as conn:
        wrong = await conn.fetchval(
            "SELECT count(*) FROM hours h WHERE posted_charge <> CASE WHEN hour < $1 THEN charge"
            " ELSE 0 END OR posted_charge <> (SELECT coalesce(sum(amount), 0)"
            " FROM ledger_entries l WHERE l.customer_id = h.customer_id AND l.hour = h.hour)",
            NOW,
        )
    assert wrong == 0


async def test_a_rebuild_waits_only_for_one_of_the_same_customer(database: str) -> None:
    legs = [Leg("a"), Leg("b", setup=NEXT), Leg("c", customer=2)]
    for number in (1, 2):
        await days.put([dataclasses.replace(leg, call=f"{leg.call}-{number}") for leg in legs])
        if number == 1:
            await asyncio.gather(
                *(hours.rebuild(*which, NOW) for which in await hours.marked_hours(9))
            )
    async with days.session(database) as session, session.transaction():
        await session.execute("SELECT 1 FROM hours WHERE customer_id = 1 FOR UPDATE")
        held_up = asyncio.create_task(hours.rebuild(ACCOUNT, 1, HOUR, NOW))
        await _until_waiting(session)
        assert await hours.try_rebuild(ACCOUNT, 1, NEXT, NOW) is None
        assert await hours.try_rebuild(ACCOUNT, 2, HOUR, NOW) == hours.RebuildResult(2, True)
    assert await held_up == hours.RebuildResult(2, True)
    assert await hours.try_rebuild(ACCOUNT, 1, NEXT, NOW) == hours.RebuildResult(2, True)


async def _until_waiting(session: db.Connection) -> None:
    async with asyncio.timeout(20):
        while True:
            if await session.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                return
            await asyncio.sleep(0.01)


async def test_a_rebuild_of_several_hours_posts_once_it_has_locked_all_of_them(
    database: str,
) -> None:
    """Who holds one of the heads, such as an invoice that is issued, also posts."""
    for number in (1, 2):
        await days.put([Leg(f"a-{number}"), Leg(f"b-{number}", setup=NEXT)])
        if number == 1:
            await rebuild_together(await hours.marked_hours(9))
    async with days.session(database) as session, session.transaction():
        await session.execute("SELECT 1 FROM hours WHERE hour = $1 FOR UPDATE", NEXT)
        held_up = asyncio.create_task(hours.try_rebuild_all(ACCOUNT, 1, [NEXT, HOUR], NOW))
        await _until_waiting(session)
        assert await session.fetchval(
            "SELECT count(*) = 0 FROM pg_locks"
            " WHERE relation = 'ledger_entries'::regclass AND mode = 'RowExclusiveLock'"
        )
    assert await held_up == dict.fromkeys([NEXT, HOUR], hours.RebuildResult(2, True))


async def test_a_rebuild_that_waits_for_an_hour_holds_no_later_hour(database: str) -> None:
    """Who holds an hour, such as an invoice that is issued, locks the later ones after it."""
    await days.put([Leg("a-1"), Leg("b-1", setup=NEXT)])
    await rebuild_together(await hours.marked_hours(9))
    await days.put([Leg("b-2", setup=NEXT)])
    async with days.session(database) as session, session.transaction():
        await session.execute("SELECT 1 FROM hours WHERE hour = $1 FOR UPDATE", HOUR)
        held_up = asyncio.create_task(hours.try_rebuild_all(ACCOUNT, 1, [HOUR, NEXT], NOW))
        await _until_waiting(session)
        await session.execute("SELECT 1 FROM hours WHERE hour = $1 FOR UPDATE NOWAIT", NEXT)
    assert await held_up == {
        HOUR: hours.RebuildResult(1, False),
        NEXT: hours.RebuildResult(2, True),
    }


async def test_two_transactions_that_change_hours_of_one_month_cannot_both_commit(
    database: str,
) -> None:
    """Where the advisory lock is lost, as behind a pooler that mixes sessions."""
    await days.put([Leg("a"), Leg("b", setup=NEXT)])
    await asyncio.gather(*(hours.rebuild(*which, NOW) for which in await hours.marked_hours(9)))
    change = "UPDATE hours SET attempts = attempts + 1 WHERE account_id = $1 AND hour = $2"
    async with days.session(database) as first, days.session(database) as second:
        begun = [one.transaction(isolation="repeatable_read") for one in (first, second)]
        for transaction, session, hour in zip(begun, (first, second), (HOUR, NEXT), strict=True):
            await transaction.start()
            await session.execute(change, ACCOUNT, hour)
        await period_sums.store(first, ACCOUNT, 1, [HOUR])
        late = asyncio.create_task(period_sums.store(second, ACCOUNT, 1, [NEXT]))
        await begun[0].commit()
        with pytest.raises(asyncpg.SerializationError):
            await late
        await begun[1].rollback()
    await assert_rows_are_their_hours()


async def test_a_rebuild_without_a_difference_writes_no_row_of_a_day() -> None:
    await days.put([Leg("a")])
    await hours.rebuild(ACCOUNT, 1, HOUR, CLOSED)
    written = await _written()
    async with db.transaction() as conn:
        await days.mark(conn, [Leg("a")])
    await hours.rebuild(ACCOUNT, 1, HOUR, CLOSED)
    assert await _written() == written


async def test_a_rebuild_without_a_difference_corrects_the_day_and_the_month() -> None:
    """They are wrong where a worker of an earlier release rebuilt an hour after the upgrade."""
    await days.put([Leg("a")])
    await hours.rebuild(ACCOUNT, 1, HOUR, CLOSED)
    async with db.transaction() as conn:
        await conn.execute("UPDATE day_sums SET charge = 9")
        await conn.execute("DELETE FROM month_sums")
        await days.mark(conn, [Leg("a")])
    assert await hours.rebuild(ACCOUNT, 1, HOUR, CLOSED) == hours.RebuildResult(1, False)
    await assert_rows_are_their_hours()


async def _written() -> list[Any]:
    async with db.connection() as conn:
        return [
            await conn.fetchval(f"SELECT xmin::text FROM {table}")
            for table in ("day_sums", "month_sums")
        ]


async def test_the_migration_sums_the_existing_hours() -> None:
    legs = [
        Leg(
            f"{n}",
            setup=start,
            customer=1 + n % 2,
            talk_us=n,
            charge=Decimal(n) / 8,
            code=(200, 302, 404, 486)[n % 4],
            digits=n % 2,
            ringing_after_us=n if n % 3 else None,
        )
        for n, start in enumerate(STARTS)
    ]
    await days.put(legs)
    await rebuild_together(await hours.marked_hours(100))
    columns = ["dtmf_answered", "pdd_us", "pdd_count", "effective", "redirected"]
    dropped = ", ".join(f"DROP COLUMN {name}" for name in columns)
    async with db.transaction() as conn:
        await conn.execute("DROP TABLE day_sums, month_sums; DROP INDEX hours_rebuilt")
        await conn.execute(f"ALTER TABLE hours {dropped}")
        for name in ("0018_period_sums", "0029_row_statistics"):
            await conn.execute((ROOT / f"models/migrations/{name}.sql").read_text("utf-8"))
    await assert_rows_are_their_hours()
    await assert_rows_are_their_records(legs)
