"""The ledger: append-only entries, each unique by its cause."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from domain import billing, periods
from models import db

_POST = """
WITH due AS (
    SELECT h.customer_id, h.hour, h.version, h.charge, h.charge - h.posted_charge AS amount,
           c.currency
    FROM hours h
    JOIN customers c ON c.account_id = h.account_id AND c.id = h.customer_id
    WHERE h.account_id = $1 AND h.posted_version < h.version AND {which}
), posted AS (
    INSERT INTO ledger_entries
        (account_id, customer_id, kind, cause, hour, version, amount, currency, at)
    SELECT $1, customer_id, 'CHARGE',
           format('hour:%s:%s:%s', customer_id,
                  to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), version),
           hour, version, amount, currency, $2
    FROM due WHERE amount <> 0
)
UPDATE hours h SET posted_charge = due.charge, posted_version = due.version
FROM due WHERE h.account_id = $1 AND h.customer_id = due.customer_id AND h.hour = due.hour
"""
_POST_HOUR = _POST.format(which="h.customer_id = $3 AND h.hour = $4 FOR UPDATE OF h")
_POST_CLOSED = _POST.format(
    which="h.hour <= $3 ORDER BY h.hour LIMIT $4 FOR UPDATE OF h SKIP LOCKED"
)
_BALANCE = """
SELECT coalesce((
    SELECT sum(CASE WHEN kind IN ('PAYMENT', 'CREDIT') THEN amount ELSE -amount END)
    FROM ledger_entries WHERE account_id = $1 AND customer_id = $2
), 0) - coalesce((
    SELECT sum(charge - posted_charge)
    FROM hours WHERE account_id = $1 AND customer_id = $2 AND posted_version < version
), 0)
"""
_BALANCES = """
SELECT customer_id, sum(amount) AS balance FROM (
    SELECT customer_id,
           sum(CASE WHEN kind IN ('PAYMENT', 'CREDIT') THEN amount ELSE -amount END) AS amount
    FROM ledger_entries WHERE account_id = $1 AND customer_id = ANY($2) GROUP BY customer_id
    UNION ALL
    SELECT customer_id, -sum(charge - posted_charge)
    FROM hours
    WHERE account_id = $1 AND customer_id = ANY($2) AND posted_version < version
    GROUP BY customer_id
) part GROUP BY customer_id
"""
_POST_INVOICE = """
INSERT INTO ledger_entries
    (account_id, customer_id, kind, cause, invoice_id, amount, currency, at)
SELECT $1, $2, upper(what), format('invoice:%s:%s', $3::bigint, what), $3, amount, $6, $7
FROM (VALUES ('tax', $4::numeric), ('rounding', $5::numeric)) AS post (what, amount)
WHERE amount <> 0
"""


async def post_hour(
    conn: db.Connection, account_id: int, customer_id: int, hour: datetime, now: datetime
) -> None:
    """Posts what the hour's charge differs from what was posted of it, if the hour has closed.

    In the caller's transaction. An hour whose charge has not changed posts nothing.
    """
    if periods.closed(hour, now):
        await conn.execute(_POST_HOUR, account_id, now, customer_id, hour)


async def post_closed(account_id: int, now: datetime, limit: int = 1_000) -> int:
    """Posts hours of the account that closed since they were rebuilt; how many were settled.

    Hours that somebody is rebuilding or invoicing just now are left for the next time.
    """
    async with db.transaction() as conn:
        last = periods.hour_of(now) - periods.HOUR
        done: str = await conn.execute(_POST_CLOSED, account_id, now, last, limit)
    return int(done.split()[-1])


async def balance(account_id: int, customer_id: int) -> Decimal:
    """Payments and credits - charges - posted tax and rounding, in the customer's currency.

    Exact; hours whose charge is not posted yet count too. Negative: the customer owes.
    """
    async with db.connection() as conn:
        found: Decimal = await conn.fetchval(_BALANCE, account_id, customer_id)
    return found


async def balances(account_id: int, customer_ids: Collection[int]) -> dict[int, Decimal]:
    """`balance` of each of these customers, in one statement."""
    async with db.connection() as conn:
        rows = await conn.fetch(_BALANCES, account_id, list(customer_ids))
    return dict.fromkeys(customer_ids, Decimal(0)) | {
        row["customer_id"]: row["balance"] for row in rows
    }


async def post_invoice(
    conn: db.Connection,
    account_id: int,
    invoice: billing.Invoice,
    totals: billing.Totals,
    now: datetime,
) -> None:
    """Posts an issued invoice's tax and rounding: its hours' charges are in the ledger already."""
    await conn.execute(
        _POST_INVOICE,
        account_id,
        invoice.customer_id,
        invoice.id,
        totals.tax,
        totals.rounding,
        invoice.currency,
        now,
    )
