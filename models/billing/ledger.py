"""The ledger: append-only entries, each unique by its cause."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from domain import periods
from domain.billing import invoices
from models import db

_POST = """
WITH due AS (
    SELECT h.customer_id, h.hour, h.version, h.charge, h.charge - h.posted_charge AS amount,
           c.currency
    FROM hours h
    JOIN customers c ON c.account_id = $1 AND c.id = h.customer_id
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
_LOCK_BALANCE = "SELECT 1 FROM balances WHERE account_id = $1 AND customer_id = $2 FOR UPDATE"
_POST_HOURS = _POST.format(which="h.customer_id = $3 AND h.hour = ANY($4) FOR UPDATE OF h")
_POST_CLOSED = _POST.format(
    which="h.hour <= $3 ORDER BY h.hour LIMIT $4 FOR UPDATE OF h SKIP LOCKED"
)
# LATERAL lets the index `hours_unposted_customer` find each customer's few hours. Otherwise the
# planner expects a third of all hours to be unposted and reads the whole table.
_BALANCES = """
SELECT c.id, coalesce(b.posted, 0) - unposted.charge AS balance
FROM unnest($2::bigint[]) AS c (id)
LEFT JOIN balances b ON b.account_id = $1 AND b.customer_id = c.id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(h.charge - h.posted_charge), 0) AS charge
    FROM hours h
    WHERE h.account_id = $1 AND h.customer_id = c.id AND h.posted_version < h.version
) unposted
"""
# The oldest mark is of the same snapshot: every call acknowledged before it is in the balance.
_DATED_BALANCES = f"""
SELECT b.id, b.balance, (
    SELECT m.marked_at FROM hour_marks m
    WHERE m.account_id = $1 AND m.customer_id = b.id ORDER BY m.marked_at LIMIT 1
) AS oldest_mark
FROM ({_BALANCES}) b
"""
_POST_INVOICE = """
INSERT INTO ledger_entries
    (account_id, customer_id, kind, cause, invoice_id, amount, currency, at)
SELECT $1, $2, upper(what), format('invoice:%s:%s', $3::bigint, what), $3, amount, $6, $7
FROM (VALUES ('tax', $4::numeric), ('rounding', $5::numeric)) AS post (what, amount)
WHERE amount <> 0
"""


async def lock_balance(conn: db.Connection, account_id: int, customer_id: int) -> None:
    """Keeps other transactions from posting for the customer until the transaction ends.

    A rebuild that will post locks it before it sums, because another posting would make it sum
    again. A transaction that locks heads of hours locks the balance after them.
    """
    await conn.execute(_LOCK_BALANCE, account_id, customer_id)


async def post_hours(
    conn: db.Connection,
    account_id: int,
    customer_id: int,
    hours: Collection[datetime],
    now: datetime,
) -> None:
    """Posts the differences between the charges of the closed hours and their posted charges.

    The caller's transaction holds the locks of their heads. An unchanged hour posts nothing.
    """
    closed = [hour for hour in hours if periods.is_closed(hour, now)]
    if closed:
        await conn.execute(_POST_HOURS, account_id, now, customer_id, closed)


async def post_closed(account_id: int, now: datetime, limit: int = 1_000) -> int:
    """Posts up to `limit` hours that closed after their rebuild; returns the number of hours.

    Hours that are being rebuilt or invoiced are left for the next run.
    """
    async with db.transaction() as conn:
        last = periods.hour_of(now) - periods.HOUR
        tag: str = await conn.execute(_POST_CLOSED, account_id, now, last, limit)
    return int(tag.split()[-1])


async def balance(account_id: int, customer_id: int) -> Decimal:
    """Payments and credits - charges - posted tax and rounding, in the customer's currency.

    It is exact and includes the charges of hours that are not posted yet. Negative: the customer
    owes.
    """
    return (await balances(account_id, [customer_id]))[customer_id]


async def balances(account_id: int, customer_ids: Collection[int]) -> dict[int, Decimal]:
    """`balance` of each of these customers, in one statement. Its cost does not depend on the size
    of the ledger: a trigger of `ledger_entries` maintains the sums in `balances`."""
    async with db.connection() as conn:
        rows = await conn.fetch(_BALANCES, account_id, sorted(set(customer_ids)))
    return {row["id"]: row["balance"] for row in rows}


async def dated_balances(
    account_id: int, customer_ids: Collection[int]
) -> dict[int, tuple[Decimal, datetime | None]]:
    """`balances`, and when the oldest mark of each customer was set; None if it has none."""
    async with db.connection() as conn:
        rows = await conn.fetch(_DATED_BALANCES, account_id, sorted(set(customer_ids)))
    return {row["id"]: (row["balance"], row["oldest_mark"]) for row in rows}


async def post_invoice(
    conn: db.Connection,
    account_id: int,
    invoice: invoices.Invoice,
    totals: invoices.Totals,
    now: datetime,
) -> None:
    """Posts an issued invoice's tax and rounding; the ledger already has its hours' charges."""
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
