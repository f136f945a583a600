"""Sums of days and months, made from the hours in the transaction that rebuilds one of them.

They are recomputed, never incremented. Two rebuilds of one month of a customer both write its row:
under REPEATABLE READ the later one fails and is retried, so that a row always equals the hours that
are committed with it.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from domain import periods, reconciliation, texts
from domain.periods import Granularity
from models import db

SUMS = ("version", "attempts", "answered", "talk_us", "billed_seconds", "charge", "unrated")
_OF = "account_id = $1 AND customer_id = $2"


class Table(NamedTuple):
    """Rows of one length: the table, the column of their start, the unit of date_trunc."""

    name: str
    time: str
    unit: str


HOURS = Table("hours", "hour", "hour")
DAYS = Table("day_sums", "day", "day")
MONTHS = Table("month_sums", "month", "month")


def _store(into: Table, source: Table) -> str:
    """$1 account, $2 customer, $3 the period's start, $4 its end."""
    sums = ", ".join(f"sum({name}) AS {name}" for name in SUMS)
    stored = ", ".join(f"{into.name}.{name}" for name in SUMS)
    made = ", ".join(f"EXCLUDED.{name}" for name in SUMS)
    return f"""
    INSERT INTO {into.name} (account_id, customer_id, {into.time}, {", ".join(SUMS)})
    SELECT account_id, customer_id, $3::timestamptz, {sums} FROM {source.name}
    WHERE {_OF} AND {source.time} >= $3 AND {source.time} < $4
    GROUP BY account_id, customer_id
    ON CONFLICT (account_id, customer_id, {into.time}) DO UPDATE
    SET ({", ".join(SUMS)}) = ROW ({made}) WHERE ({stored}) IS DISTINCT FROM ({made})
    """


_LAST = datetime.max.replace(tzinfo=UTC) - timedelta(days=62)  # the next month still has an end
# In this order: a month is made from its days.
_STORES = (
    (Granularity.DAILY, _store(DAYS, HOURS)),
    (Granularity.MONTHLY, _store(MONTHS, DAYS)),
)


async def store(
    conn: db.Connection, account_id: int, customer_id: int, hours: Collection[datetime]
) -> None:
    """Makes the days and months of the hours equal their hours, in the caller's transaction."""
    for granularity, statement in _STORES:
        for period in sorted({periods.containing(granularity, hour) for hour in hours}):
            await conn.execute(statement, account_id, customer_id, period.start, period.end)


def _unequal(table: Table, parts: Table) -> str:
    """Rows whose columns are not the sums of their parts; $3 and $4 are edges of such rows."""
    sums = ", ".join(f"sum({name}) AS {name}" for name in SUMS)
    names = ", ".join(f"'{name}'" for name in SUMS)
    made = ", ".join(f"p.{name}" for name in SUMS)
    stored = ", ".join(f"t.{name}" for name in SUMS)
    return f"""
    SELECT start, array_agg(name ORDER BY name) AS names
    FROM (
        SELECT date_trunc('{table.unit}', {parts.time}, 'UTC') AS start, {sums} FROM {parts.name}
        WHERE {_OF} AND {parts.time} >= $3 AND {parts.time} < $4 GROUP BY 1
    ) p FULL JOIN (
        SELECT {table.time} AS start, {", ".join(SUMS)} FROM {table.name}
        WHERE {_OF} AND {table.time} >= $3 AND {table.time} < $4
    ) t USING (start),
    unnest(ARRAY[{names}], ARRAY[{made}], ARRAY[{stored}]::numeric[]) AS c (name, made, stored)
    WHERE coalesce(made, 0) <> coalesce(stored, 0)
    GROUP BY start ORDER BY start
    """


_UNEQUAL_DAYS = _unequal(DAYS, HOURS)
_UNEQUAL_MONTHS = _unequal(MONTHS, DAYS)


async def differences(
    conn: db.Connection, account_id: int, customer_id: int, start: datetime, end: datetime
) -> Sequence[reconciliation.Difference]:
    """Days and months that touch the period and are not the sums of their hours and days.

    Each under the first hour of the period that belongs to it.
    """
    of = (account_id, customer_id)
    days = await conn.fetch(_UNEQUAL_DAYS, *of, *_edges(Granularity.DAILY, start, end))
    months = await conn.fetch(_UNEQUAL_MONTHS, *of, *_edges(Granularity.MONTHLY, start, end))
    return [
        reconciliation.Difference(
            max(row["start"], start),
            texts.Text("the day differs from its hours in {columns}", {"columns": row["names"]}),
        )
        for row in days
    ] + [
        reconciliation.Difference(
            max(row["start"], start),
            texts.Text("the month differs from its days in {columns}", {"columns": row["names"]}),
        )
        for row in months
    ]


def _edges(granularity: Granularity, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Of the whole periods that touch the time, the last that Python can name an end of aside."""
    last = min(end - periods.HOUR, _LAST)
    return (
        periods.containing(granularity, start).start,
        periods.containing(granularity, last).end,
    )
