"""A ledger of synthetic hours: every hour of some months is posted except the latest of each
customer.
"""

from datetime import timedelta

from models import db
from tests.support.summaries.days import ACCOUNT, HOUR

DAYS = 30  # of a month
_HOURS = """
INSERT INTO hours (account_id, customer_id, hour, version, attempts, answered, talk_us,
                   billed_seconds, charge, unrated, posted_charge, posted_version, rebuilt_at)
SELECT $1, c, $2::timestamptz - n * $4::interval, 1, 1, 1, 1, 1, c + n / 1000.0, 0,
       CASE WHEN n = 0 THEN 0 ELSE c + n / 1000.0 END, CASE WHEN n = 0 THEN 0 ELSE 1 END, $2
FROM generate_series(1, $5::int) c, generate_series(0, $3::int) n
"""
_LEDGER = """
INSERT INTO ledger_entries
    (account_id, customer_id, kind, cause, hour, version, amount, currency, at)
SELECT account_id, customer_id, 'CHARGE', format('hour:%s:%s', customer_id, hour), hour, version,
       posted_charge, 'EUR', $2
FROM hours WHERE account_id = $1 AND posted_version = version
"""


async def fill(months: int, customers: int, every: timedelta = timedelta(hours=3)) -> None:
    """Hours that far apart up to HOUR; statistics as autovacuum leaves them."""
    count = months * timedelta(days=DAYS) // every
    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")  # past the triggers
        await conn.execute("TRUNCATE hours, ledger_entries, balances")
    async with db.connection() as conn:
        await conn.execute(_HOURS, ACCOUNT, HOUR, count, every, customers)
        await conn.execute(_LEDGER, ACCOUNT, HOUR)
        await conn.execute("VACUUM (ANALYZE) hours, ledger_entries, balances")
