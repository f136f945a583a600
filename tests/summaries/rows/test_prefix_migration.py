"""What migration 0032 computes from stored calls equals what a rebuild computes."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models import db
from models.summaries import hours, rollup_sql
from runtime import clock
from tests.support.summaries import days
from tests.support.summaries.days import ACCOUNT, Leg

_MIGRATION = Path(hours.__file__).parents[1] / "migrations" / "0032_prefix_sums.sql"
_HOUR = clock.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=30)
_NEW_SUMS = rollup_sql.DESTINATION_SUMS[5:]
_TABLES = ("rollup_destinations", "destination_days")

pytestmark = pytest.mark.usefixtures("database")


def _legs() -> list[Leg]:
    return [
        Leg(
            f"call-{n}",
            customer=1 + n % 2,
            final=n % 5 > 0,
            setup=_HOUR + timedelta(seconds=n * 401),
            ringing_after_us=None if n % 4 == 0 else 900_000 + n * 71_000,
            talk_us=n if n % 3 else None,
            code=(200, 302, 486, None, 503)[n % 5],
            digits=n % 2,
            rated_by=("CARD", "SWITCH", "WAIVED", None)[n % 4],
            prefix="44" if n % 4 == 0 else None,
            charge=None if n % 4 == 3 else Decimal(n) / 1_000,
        )
        for n in range(60)
    ]


async def _rebuild() -> None:
    await days.prepare()
    await days.put(_legs())
    for which in await hours.marked_hours(1_000):
        await hours.rebuild(*which, _HOUR + timedelta(hours=10))


async def _stored() -> dict[str, list[Any]]:
    async with db.connection() as conn:
        return {
            table: await conn.fetch(f"SELECT * FROM {table} ORDER BY 2, 3, 4") for table in _TABLES
        }


async def _forget_and_fill() -> None:
    """Empties what the migration fills, and runs its statements after those of the columns."""
    sql = _MIGRATION.read_text("utf-8")
    fill, _, days_of = sql[sql.index("UPDATE rollup_destinations") :].partition("CREATE TABLE")
    async with db.transaction() as conn:
        await conn.execute("TRUNCATE destination_days")
        zeros = ", ".join(f"{name} = 0" for name in _NEW_SUMS)
        await conn.execute(f"UPDATE rollup_destinations SET {zeros}")
        await conn.execute(fill)
        await conn.execute(days_of[days_of.index("INSERT INTO") : days_of.index("CREATE INDEX")])


async def test_the_migration_fills_the_sums_by_prefix_from_the_records() -> None:
    await _rebuild()
    before = await _stored()
    assert sum(row["pdd_count"] for row in before["rollup_destinations"]) > 0
    await _forget_and_fill()
    assert await _stored() == before
    async with db.transaction() as conn:
        await days.mark(conn, _legs())
    for which in await hours.marked_hours(1_000):
        assert not (await hours.rebuild(*which, _HOUR + timedelta(hours=10))).changed


async def test_the_details_of_frozen_hours_stay_unknown() -> None:
    await _rebuild()
    async with db.connection() as conn:
        await conn.execute("UPDATE hours SET frozen = true WHERE account_id = $1", ACCOUNT)
    await _forget_and_fill()
    for rows in (await _stored()).values():
        assert sum(row["attempts"] for row in rows) > 0
        assert all(row[name] == 0 for row in rows for name in _NEW_SUMS)
