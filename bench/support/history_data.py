"""Inserts months of an account with many customers by SQL.

Each hour of each customer has the same calls, is posted, and is billed unless it is of the last
days. The finest sums are sparse: one row per customer and day before the last days. Records
exist only for the last two hours.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from domain.alerting import alert_rules, evaluation
from models import db
from models.alerting import rule_store
from models.records import partitions

ACCOUNT = 1
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
HOUR = NOW.replace(minute=0)
MONTH = timedelta(days=31)
UNBILLED_DAYS = 8  # before today
MAX_PARTITIONS = 400

# Parameters of each: $1 account, $2 number of customers, $3 first hour, $4 end, $5 end of billed
# hours, $6 number of the month.
_HOURS = """
INSERT INTO hours (account_id, customer_id, hour, version, attempts, answered, talk_us,
                   billed_seconds, charge, unrated, posted_charge, posted_version, rebuilt_at
                   {column})
SELECT $1, c, h, 1, 60, 36, 3600000000 + c, 3600, 1.25 + c * 0.01, 0, 1.25 + c * 0.01, 1,
       h + interval '1 hour' {value}
FROM generate_series($3::timestamptz, $4::timestamptz - interval '1 hour', '1 hour') h,
     generate_series(1, $2::bigint) c
WHERE $5::timestamptz IS NOT NULL
"""
# Where hours note whether they are billed as they are.
_NOTES_BILLED = """
SELECT count(*) > 0 FROM information_schema.columns
WHERE table_name = 'hours' AND column_name = 'billed'
"""
_SMALL_TABLES = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND NOT relispartition AND relnamespace = 'public'::regnamespace
  AND relpages < 5000
"""
_LEDGER = """
INSERT INTO ledger_entries
    (account_id, customer_id, kind, cause, hour, version, amount, currency, at)
SELECT $1, customer_id, 'CHARGE',
       format('hour:%s:%s:%s', customer_id,
              to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), version),
       hour, version, charge, 'EUR', hour + interval '1 hour'
FROM hours WHERE account_id = $1 AND customer_id <= $2 AND hour >= $3 AND hour < $4
"""
_PAYMENTS = """
INSERT INTO ledger_entries (account_id, customer_id, kind, cause, amount, currency, at)
SELECT $1, c, 'PAYMENT', format('payment:%s:%s', c, $5::int), 900, 'EUR', $3
FROM generate_series(1, $2::bigint) c WHERE $3 < $4::timestamptz
"""
_INVOICES = """
INSERT INTO invoices (account_id, id, customer_id, kind, status, number, position, granularity,
                      period_start, period_end, currency, subtotal, tax_percent, tax, rounding,
                      total, content_hash, created_at, issued_at)
SELECT $1, 1000000 + $5 * 1000 + c, c, 'INVOICE', 'ISSUED', format('INV-%s', $5 * 1000 + c),
       $5 * 1000 + c, 'DAILY', $3, $4, 'EUR', 900, 0, 0, 0, 900, '', $4, $4
FROM generate_series(1, $2::bigint) c
"""
_PINS = """
INSERT INTO invoice_hours
    (account_id, customer_id, hour, invoice_id, version, calls, billed_seconds, charge)
SELECT $1, customer_id, hour, 1000000 + $5 * 1000 + customer_id, version, attempts,
       billed_seconds, charge
FROM hours WHERE account_id = $1 AND customer_id <= $2 AND hour >= $3 AND hour < $4
"""
_SLOTS = """
INSERT INTO rollups (account_id, customer_id, slot, carrier_id, attempts, answered, talk_us,
                     billed_seconds, charge, unrated, dtmf_answered, pdd_us, pdd_count, legs,
                     legs_answered, legs_talk_us, legs_pdd_us, legs_pdd_count, cost, uncosted)
SELECT $1, c, s, 1 + c % 2, 60, 36, 3600000000, 3600, 1.25, 0, 0, 0, 0, 60, 36, 3600000000, 0, 0,
       1, 0
FROM generate_series($3::timestamptz, $4::timestamptz - interval '15 minutes',
                     make_interval(mins => $5::int)) s,
     generate_series(1, $2::bigint) c
"""
# Of the hour that is still open.
_UNPOST = """
UPDATE hours SET posted_charge = 0, posted_version = 0 WHERE account_id = $1 AND hour = $2
"""
# Sums of longer periods, as the migration that made their tables has it.
_DAYS = """
INSERT INTO day_sums (account_id, customer_id, day, version, attempts, answered, talk_us,
                      billed_seconds, charge, unrated)
SELECT account_id, customer_id, date_trunc('day', hour, 'UTC'), sum(version), sum(attempts),
       sum(answered), sum(talk_us), sum(billed_seconds), sum(charge), sum(unrated)
FROM hours WHERE account_id = $1 GROUP BY 1, 2, 3 ORDER BY 3, 2
"""
_MONTHS = """
INSERT INTO month_sums (account_id, customer_id, month, version, attempts, answered, talk_us,
                        billed_seconds, charge, unrated)
SELECT account_id, customer_id, date_trunc('month', day, 'UTC'), sum(version), sum(attempts),
       sum(answered), sum(talk_us), sum(billed_seconds), sum(charge), sum(unrated)
FROM day_sums WHERE account_id = $1 GROUP BY 1, 2, 3 ORDER BY 3, 2
"""
_RECORDS = """
INSERT INTO call_records
    (account_id, customer_id, setup_at, switch, call_id, leg, revision, carrier_id, final, source,
     destination, offered_at, answer_at, end_at, talk_us, sip_code, rated_by, prefix, rate_card_id,
     billed_seconds, charge)
SELECT $1, c, setup, 'edge-1', format('%s-%s', c, n), 0, 0, 1 + n % 2, true, '+441632960000',
       '+15550100', setup, setup + interval '5 s', setup + interval '95 s', 90000000, 200, 'CARD',
       '44', 1, 90, 0.02
FROM (SELECT c, n, $3::timestamptz - n * interval '1 minute' AS setup
      FROM generate_series(1, $2::bigint) c, generate_series(2, 119) n) calls
"""


async def fill(months: int, customers: int) -> None:
    """Months of 31 days that end with the current hour."""
    await _fill_people(customers)
    for month in range(months):
        await _fill_month(month, customers, end=HOUR + timedelta(hours=1) - MONTH * month)
    await _fill_records(months, customers)
    await _fill_rules(customers)
    async with db.connection() as conn:
        for statement in (_DAYS, _MONTHS):
            await conn.execute(statement, ACCOUNT)
        await conn.execute("VACUUM (ANALYZE)")
        # Rows that a month's transaction changed hundreds of times leave pages that no history has.
        for row in await conn.fetch(_SMALL_TABLES):
            await conn.execute(f"VACUUM (FULL, ANALYZE) {row['relname']}")
        await conn.execute("VACUUM (ANALYZE)")


async def _fill_people(customers: int) -> None:
    async with db.transaction() as conn:
        await conn.execute(
            "INSERT INTO accounts (id, name, created_at) VALUES ($1, 'Example Voice', $2)",
            ACCOUNT,
            NOW,
        )
        await conn.execute(
            "INSERT INTO customers (account_id, id, reference, name, currency, created_at)"
            " SELECT $1, n, 'customer-' || n, 'Customer', 'EUR', $2"
            " FROM generate_series(1, $3::bigint) n",
            ACCOUNT,
            NOW,
            customers,
        )
        await conn.execute(
            "INSERT INTO carriers (account_id, id, reference, name, currency, created_at)"
            " SELECT $1, n, 'carrier-' || n, 'Carrier', 'EUR', $2 FROM generate_series(1, 2) n",
            ACCOUNT,
            NOW,
        )


async def _fill_month(month: int, customers: int, end: datetime) -> None:
    """Uses a separate transaction, so that the triggers of balances stay fast."""
    start = end - MONTH
    midnight = HOUR.replace(hour=0)
    billed = min(end, midnight - timedelta(days=UNBILLED_DAYS))
    closed = min(end, HOUR)
    async with db.transaction() as conn:
        billed_parts = {"column": "", "value": ""}
        if await conn.fetchval(_NOTES_BILLED):
            billed_parts = {"column": ", billed", "value": ", h < $5"}
        await conn.execute(_HOURS.format(**billed_parts), ACCOUNT, customers, start, end, billed)
        await conn.execute(_LEDGER, ACCOUNT, customers, start, closed)
        await conn.execute(_PAYMENTS, ACCOUNT, customers, start, end, month)
        await conn.execute(_SLOTS, ACCOUNT, customers, start, billed, 24 * 60)
        await conn.execute(_SLOTS, ACCOUNT, customers, billed, end, 15)
        if start <= HOUR < end:
            await conn.execute(_UNPOST, ACCOUNT, HOUR)
        # Past the triggers that keep what is issued as it is.
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(_INVOICES, ACCOUNT, customers, start, billed, month)
        await conn.execute(_PINS, ACCOUNT, customers, start, billed, month)


async def _fill_records(months: int, customers: int) -> None:
    today = NOW.date()
    await partitions.ensure_period(first_day(months).date(), today + timedelta(days=1))
    async with db.transaction() as conn:
        await conn.execute(_RECORDS, ACCOUNT, customers, NOW)
        await conn.execute(
            "INSERT INTO invoice_series (account_id, last_number, last_position)"
            " VALUES ($1, 10000000, 10000000)",
            ACCOUNT,
        )


def first_day(months: int) -> datetime:
    """The earliest day with a partition."""
    days = min(31 * months, MAX_PARTITIONS)
    return HOUR.replace(hour=0) - timedelta(days=days)


async def _fill_rules(customers: int) -> None:
    """One rule on the balance per customer and three on ASR; none is raised."""
    for customer in range(1, customers + 1):
        await _insert_rule(
            evaluation.Metric.BALANCE, evaluation.Scope.CUSTOMER, customer_id=customer
        )
    await _insert_rule(evaluation.Metric.ASR, evaluation.Scope.ACCOUNT)
    await _insert_rule(evaluation.Metric.ASR, evaluation.Scope.CUSTOMER, customer_id=1)
    await _insert_rule(evaluation.Metric.ASR, evaluation.Scope.CARRIER, carrier_id=1)


async def _insert_rule(
    metric: evaluation.Metric,
    scope: evaluation.Scope,
    customer_id: int | None = None,
    carrier_id: int | None = None,
) -> None:
    threshold = Decimal(-1_000_000_000) if metric is evaluation.Metric.BALANCE else Decimal(1)
    rule = alert_rules.RuleDefinition(
        title="A rule",
        metric=metric,
        scope=scope,
        operator=evaluation.Operator.BELOW,
        threshold=threshold,
        reset_threshold=threshold,
        sample_minutes=None if metric is evaluation.Metric.BALANCE else 15,
        minimum_sample=1,
        cool_down_seconds=0,
        repeat_seconds=None,
        level=evaluation.Level.WARNING,
        recipients=(),
    )
    await rule_store.insert(
        ACCOUNT,
        alert_rules.validate(rule),
        customer_id=customer_id,
        carrier_id=carrier_id,
        now=NOW,
    )
