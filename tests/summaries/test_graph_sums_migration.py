"""What migration 0030 computes from stored calls equals what a rebuild computes."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from models import db
from models.summaries import hours, rollup_sql
from runtime import clock
from tests.support.summaries import days, graph_rows
from tests.support.summaries.days import ACCOUNT, Leg

_MIGRATION = Path(hours.__file__).parents[1] / "migrations" / "0030_graph_sums.sql"
_HOUR = clock.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=30)
_TABLES = "carrier_days, country_slots, country_days, minute_sums, pdd_minutes, pdd_slots, pdd_days"
_NEW_SUMS = rollup_sql.SUMS[rollup_sql.SUMS.index("effective") : rollup_sql.SUMS.index("legs")]

pytestmark = pytest.mark.usefixtures("database")


def _legs() -> list[Leg]:
    return [
        Leg(
            f"call-{n}",
            customer=1 + n % 2,
            carrier=n % 3,
            final=n % 5 > 0,
            setup=_HOUR + timedelta(seconds=n * 401),
            offered_after_us=n * 1_000,
            ringing_after_us=None if n % 4 == 0 else 900_000 + n * 71_000,
            talk_us=n if n % 3 else None,
            code=(200, 302, 486, None, 503)[n % 5],
            digits=n % 2,
            charge=Decimal(n) / 1_000,
            cost=None if n % 6 == 0 else Decimal(n) / 5_000,
            released_by=(None, "caller", "callee", "system")[n % 4],
        )
        for n in range(60)
    ]


async def _rebuild_and_forget() -> None:
    """Rebuilds all hours, then empties what the migration fills."""
    await days.prepare()
    await days.put(_legs())
    for which in await hours.marked_hours(1_000):
        await hours.rebuild(*which, _HOUR + timedelta(hours=10))
    async with db.connection() as conn:
        await conn.execute(f"TRUNCATE {_TABLES}")
        await conn.execute(f"UPDATE rollups SET {', '.join(f'{n} = 0' for n in _NEW_SUMS)}")


async def _fill() -> None:
    sql = _MIGRATION.read_text("utf-8")
    async with db.transaction() as conn:
        await conn.execute(sql[sql.index("-- From the records that still exist.") :])


async def test_the_migration_fills_the_tables_from_the_records() -> None:
    await _rebuild_and_forget()
    await _fill()
    assert await graph_rows.stored() == graph_rows.computed(_legs())
    assert await days.stored_slots() == days.slots(_legs())
    async with db.transaction() as conn:
        await days.mark(conn, _legs())
    for which in await hours.marked_hours(1_000):
        assert not (await hours.rebuild(*which, _HOUR + timedelta(hours=10))).changed


async def test_without_records_effective_calls_are_exact_by_hour() -> None:
    await _rebuild_and_forget()
    async with db.connection() as conn:
        await conn.execute("TRUNCATE call_records")
    await _fill()
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT h.effective, h.redirected, r.effective, r.redirected, r.possible FROM hours h"
            " JOIN (SELECT customer_id, date_trunc('hour', slot, 'UTC') AS hour,"
            " sum(effective) AS effective, sum(redirected) AS redirected,"
            " bool_and(effective + redirected <= attempts) AS possible"
            " FROM rollups WHERE account_id = $1 GROUP BY 1, 2) r USING (customer_id, hour)"
            " WHERE h.account_id = $1",
            ACCOUNT,
        )
    assert rows
    assert all(tuple(row)[:2] == tuple(row)[2:4] and row["possible"] for row in rows)
