"""Sums of days and months, recomputed in the transaction that rebuilds an hour.

Two concurrent rebuilds in a month of a customer both write the row of the month. Under REPEATABLE
READ the later one fails and is retried, so that the row always equals the committed hours.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from domain import periods
from domain.billing import reconciliation_proof
from domain.messaging import texts
from domain.periods import Granularity
from models import db
from models.summaries import rollup_sql

SUMS = ("version", *rollup_sql.HEAD_SUMS)
_OF = "account_id = $1 AND customer_id = $2"


class Table(NamedTuple):
    """The table of rows of one length, the column of their start, the unit of date_trunc, the sums,
    and the further columns of its key."""

    name: str
    time: str
    unit: str
    sums: tuple[str, ...] = SUMS
    keys: tuple[str, ...] = ()


HOURS = Table("hours", "hour", "hour")
DAYS = Table("day_sums", "day", "day")
MONTHS = Table("month_sums", "month", "month")
_CARRIER, _COUNTRY = ("carrier_id",), ("carrier_id", "country")
SLOTS = Table("rollups", "slot", "slot", rollup_sql.SUMS, _CARRIER)
CARRIER_DAYS = Table("carrier_days", "day", "day", rollup_sql.SUMS, _CARRIER)
COUNTRY_SLOTS = Table("country_slots", "slot", "slot", rollup_sql.SUMS, _COUNTRY)
COUNTRY_DAYS = Table("country_days", "day", "day", rollup_sql.SUMS, _COUNTRY)

_DESTINATION = rollup_sql.DESTINATION_SUMS, ("destination",)
DESTINATIONS = Table("rollup_destinations", "hour", "hour", *_DESTINATION)
DESTINATION_DAYS = Table("destination_days", "day", "day", *_DESTINATION)


def _store(target: Table, source: Table) -> str:
    """The statement that stores the sums of a period. $1 account, $2 customer, $3 start, $4 end."""
    names = target.sums
    keys = "".join(f", {name}" for name in target.keys)
    sums = ", ".join(f"sum({name}) AS {name}" for name in names)
    stored = ", ".join(f"{target.name}.{name}" for name in names)
    computed = ", ".join(f"EXCLUDED.{name}" for name in names)
    return f"""
    INSERT INTO {target.name} (account_id, customer_id, {target.time}{keys}, {", ".join(names)})
    SELECT account_id, customer_id, $3::timestamptz{keys}, {sums} FROM {source.name}
    WHERE {_OF} AND {source.time} >= $3 AND {source.time} < $4
    GROUP BY account_id, customer_id{keys}
    ON CONFLICT (account_id, customer_id, {target.time}{keys}) DO UPDATE
    SET ({", ".join(names)}) = ROW ({computed}) WHERE ({stored}) IS DISTINCT FROM ({computed})
    """


_STORE_DELAYS = f"""
    INSERT INTO pdd_days (account_id, customer_id, day, carrier_id, attempts, legs)
    SELECT $1, $2, $3::timestamptz, carrier_id, {rollup_sql.packed("attempts")},
           {rollup_sql.packed("legs")}
    FROM (
        SELECT carrier_id, bucket, sum(attempts)::bigint AS attempts, sum(legs)::bigint AS legs
        FROM (
            SELECT carrier_id, n >> 32 AS bucket, n & {2**32 - 1} AS attempts, 0 AS legs
            FROM pdd_slots, unnest(attempts) AS n WHERE {_OF} AND slot >= $3 AND slot < $4
            UNION ALL
            SELECT carrier_id, n >> 32, 0, n & {2**32 - 1}
            FROM pdd_slots, unnest(legs) AS n WHERE {_OF} AND slot >= $3 AND slot < $4
            UNION ALL
            SELECT carrier_id, 0, 0, 0 FROM pdd_days WHERE {_OF} AND day = $3
        ) AS counts GROUP BY 1, 2
    ) AS sums
    GROUP BY carrier_id
    ON CONFLICT (account_id, customer_id, day, carrier_id) DO UPDATE
    SET (attempts, legs) = ROW (EXCLUDED.attempts, EXCLUDED.legs)
    WHERE (pdd_days.attempts, pdd_days.legs) IS DISTINCT FROM (EXCLUDED.attempts, EXCLUDED.legs)
"""


_LAST = datetime.max.replace(tzinfo=UTC) - timedelta(
    days=62
)  # so that Python can represent the end of its month
# In this order, because a month is computed from its days.
_STORES = (
    (Granularity.DAILY, _store(DAYS, HOURS)),
    (Granularity.MONTHLY, _store(MONTHS, DAYS)),
    (Granularity.DAILY, _store(CARRIER_DAYS, SLOTS)),
    (Granularity.DAILY, _store(COUNTRY_DAYS, COUNTRY_SLOTS)),
    (Granularity.DAILY, _store(DESTINATION_DAYS, DESTINATIONS)),
    (Granularity.DAILY, _STORE_DELAYS),
)


async def store(
    conn: db.Connection, account_id: int, customer_id: int, hours: Collection[datetime]
) -> None:
    """Stores the sums of the days and months that contain the hours, in the open transaction."""
    for granularity, statement in _STORES:
        for period in sorted({periods.period_containing(granularity, hour) for hour in hours}):
            await conn.execute(statement, account_id, customer_id, period.start, period.end)


def _unequal(table: Table, parts: Table) -> str:
    """The query for rows with columns that differ from the sums of their parts.

    $3 and $4 are the start and end of whole rows.
    """
    sums = ", ".join(f"sum({name}) AS {name}" for name in SUMS)
    names = ", ".join(f"'{name}'" for name in SUMS)
    computed = ", ".join(f"p.{name}" for name in SUMS)
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
    unnest(ARRAY[{names}], ARRAY[{computed}], ARRAY[{stored}]::numeric[])
        AS c (name, computed, stored)
    WHERE coalesce(computed, 0) <> coalesce(stored, 0)
    GROUP BY start ORDER BY start
    """


_UNEQUAL_DAYS = _unequal(DAYS, HOURS)
_UNEQUAL_MONTHS = _unequal(MONTHS, DAYS)


async def differences(
    conn: db.Connection, account_id: int, customer_id: int, start: datetime, end: datetime
) -> Sequence[reconciliation_proof.Difference]:
    """Finds the days and months in the period that differ from the sums of their hours and days.

    Each is reported with its first hour in the period.
    """
    daily = _whole_periods(Granularity.DAILY, start, end)
    monthly = _whole_periods(Granularity.MONTHLY, start, end)
    days = await conn.fetch(_UNEQUAL_DAYS, account_id, customer_id, *daily)
    months = await conn.fetch(_UNEQUAL_MONTHS, account_id, customer_id, *monthly)
    return [
        reconciliation_proof.Difference(
            max(row["start"], start),
            texts.Text("the day differs from its hours in {columns}", {"columns": row["names"]}),
        )
        for row in days
    ] + [
        reconciliation_proof.Difference(
            max(row["start"], start),
            texts.Text("the month differs from its days in {columns}", {"columns": row["names"]}),
        )
        for row in months
    ]


def _whole_periods(
    granularity: Granularity, start: datetime, end: datetime
) -> tuple[datetime, datetime]:
    """The start and end of the whole periods that overlap the time, up to `_LAST`."""
    last = min(end - periods.HOUR, _LAST)
    return (
        periods.period_containing(granularity, start).start,
        periods.period_containing(granularity, last).end,
    )
