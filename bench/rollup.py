"""Compares the rebuild of a dirty hour of 100,000 records with a plain INSERT … SELECT … GROUP
BY.

Both alternate in one run on the same data. The baseline groups by slot, rate and SIP code into one
table and stores nothing else. Prints the medians and their ratio (goal: at most 2).

Run: `./callboard bench rollup [RECORDS]`.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from bench.support import scratch
from models import db
from models.records import day_bounds
from models.summaries import hours, rollup_sql

HOUR = datetime(2026, 11, 22, 3, tzinfo=UTC)
NOW = HOUR + timedelta(hours=2)
ACCOUNT, CUSTOMER = 1, 1

# 4 carriers, 60 prefixes, 7 codes; one call in ten was first offered elsewhere.
_FILL = """
INSERT INTO call_records
    (account_id, customer_id, setup_at, switch, call_id, leg, revision, carrier_id, final, source,
     destination, offered_at, ringing_at, answer_at, end_at, talk_us, sip_code, rated_by, prefix,
     rate_card_id, billed_seconds, charge, cost, dtmf_digits)
SELECT $1, $2, setup, 'edge-1', 'call-' || n, 0, 0, 1 + n % 4, n % 10 <> 0, '+441632960000',
       '+15550100', setup, setup + interval '1.5 s',
       CASE WHEN n % 5 < 3 THEN setup + interval '4 s' END, setup + interval '90 s',
       CASE WHEN n % 5 < 3 THEN 86000000 + n ELSE 0 END,
       CASE WHEN n % 5 < 3 THEN 200 ELSE 480 + n % 6 END,
       CASE WHEN n % 10 <> 0 THEN 'CARD' END,
       CASE WHEN n % 10 <> 0 THEN (100 + n % 60)::text END, 1,
       CASE WHEN n % 5 < 3 THEN 90 ELSE 0 END,
       CASE WHEN n % 10 <> 0 THEN round(0.0123 * (n % 97), 6) END, 0.004, n % 3
FROM (SELECT n, $3::timestamptz + n * interval '1 h' / $4::bigint AS setup
      FROM generate_series(0, $4::bigint - 1) AS n) AS calls
"""

_BARE_TABLE = """
CREATE TABLE bench_bare (
    carrier_id bigint, slot timestamptz, final boolean, rated_by text, prefix text,
    sip_code integer, legs bigint, answered bigint, talk_us numeric, billed_seconds numeric,
    charge numeric, unrated bigint, dtmf_answered bigint, pdd_count bigint, pdd interval,
    legs_pdd interval, cost numeric, uncosted bigint
)
"""

_BARE = """
    SELECT carrier_id, date_bin('15 minutes', setup_at, $3) AS slot, final, rated_by, prefix,
           coalesce(sip_code, 0) AS sip_code,
           count(*) AS legs,
           count(answer_at) AS answered,
           sum(talk_us) AS talk_us,
           sum(billed_seconds) AS billed_seconds,
           coalesce(sum(charge), 0) AS charge,
           count(*) - count(charge) AS unrated,
           count(*) FILTER (WHERE dtmf_digits > 0 AND answer_at IS NOT NULL) AS dtmf_answered,
           count(ringing_at) AS pdd_count,
           sum(ringing_at - setup_at) AS pdd,
           sum(ringing_at - offered_at) AS legs_pdd,
           coalesce(sum(cost), 0) AS cost,
           count(*) FILTER (WHERE cost IS NULL AND answer_at IS NOT NULL) AS uncosted
    FROM call_records
    WHERE account_id = $1 AND customer_id = $2 AND setup_at >= $3 AND setup_at < $4 AND {days}
    GROUP BY 1, 2, 3, 4, 5, 6
"""


async def prepare(records: int) -> None:
    await db.migrate()
    async with db.connection() as conn:
        await conn.execute(
            "CREATE TABLE IF NOT EXISTS bench_hour PARTITION OF call_records"
            f" FOR VALUES FROM ('{HOUR}') TO ('{HOUR + timedelta(hours=1)}')"
        )
        await conn.execute(
            "INSERT INTO customers (account_id, id, reference, name, currency, created_at)"
            " VALUES ($1, $2, 'bench', 'Bench', 'EUR', $3)",
            ACCOUNT,
            CUSTOMER,
            NOW,
        )
        await conn.execute(_FILL, ACCOUNT, CUSTOMER, HOUR, records)
        await conn.execute(_BARE_TABLE)
        await conn.execute("VACUUM ANALYZE call_records")


async def bare() -> None:
    async with db.transaction() as conn:
        end = HOUR + timedelta(hours=1)
        await conn.execute(rollup_sql.LIMITS)
        legs = _BARE.format(days=day_bounds.Span(HOUR, end).condition())
        await conn.execute(f"INSERT INTO bench_bare {legs}", ACCOUNT, CUSTOMER, HOUR, end)


async def rebuild() -> None:
    await hours.rebuild(ACCOUNT, CUSTOMER, HOUR, NOW)


async def dirty() -> None:
    """The change of a late record, and its mark."""
    async with db.connection() as conn:
        await conn.execute("TRUNCATE bench_bare")
        await conn.execute(
            "UPDATE call_records SET charge = charge + 0.000001 WHERE account_id = $1"
            " AND customer_id = $2 AND setup_at = $3::timestamptz + interval '36 ms' * 11",
            ACCOUNT,
            CUSTOMER,
            HOUR,
        )
        await conn.execute(
            "INSERT INTO hour_marks (account_id, customer_id, hour, marked_at)"
            " VALUES ($1, $2, $3, $4)",
            ACCOUNT,
            CUSTOMER,
            HOUR,
            NOW,
        )


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    start = time.perf_counter()
    await work()
    return (time.perf_counter() - start) * 1000


async def measure(records: int, rounds: int) -> None:
    await prepare(records)
    first = await timed(rebuild)
    times: dict[str, list[float]] = {"bare": [], "rebuild": []}
    for _ in range(rounds):
        await dirty()
        times["bare"].append(await timed(bare))
        times["rebuild"].append(await timed(rebuild))
    base, ours = (statistics.median(times[name]) for name in ("bare", "rebuild"))
    print(f"records {records}, rounds {rounds}, first rebuild {first:.0f} ms")
    print(f"bare {base:.0f} ms, rebuild {ours:.0f} ms, ratio {ours / base:.2f} (goal 2)")


async def run(records: int, rounds: int) -> None:
    async with scratch.database():
        await measure(records, rounds)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, 9))
