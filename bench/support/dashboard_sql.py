"""The statements of bench/support/dashboard_plain.py."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

VIEWER = """
SELECT c.account_id, c.id, c.name, c.email, c.email_verified_at, c.mobile, c.mobile_verified_at,
       c.language, c.time_zone, c.customer_id
FROM sessions s JOIN logins l ON l.id = s.login_id AND l.disabled_at IS NULL
JOIN contacts c ON c.account_id = s.account_id AND c.login_id = s.login_id
WHERE s.account_id = $1 AND s.id = $2 AND s.secret_hash = $3 AND s.ended_at IS NULL
  AND s.expires_at > now()
"""
CUSTOMER = """
SELECT account_id, id, reference, name, currency, status, debit_limit, channel_limit
FROM customers WHERE account_id = $1 AND id = $2
"""
BALANCE = """
SELECT coalesce((SELECT posted FROM balances WHERE account_id = $1 AND customer_id = $2), 0)
  - coalesce((SELECT sum(charge - posted_charge) FROM hours WHERE account_id = $1
              AND customer_id = $2 AND posted_version < version), 0) AS amount
"""
CHECKLIST = "SELECT open FROM checklists WHERE account_id = $1 AND customer_id = $2"
CHANNELS = """
SELECT m.carrier_id, m.last, m.start, c.id, c.name FROM channel_minutes m
LEFT JOIN carriers c ON c.account_id = $1 AND c.id = m.carrier_id
WHERE m.account_id = $1 AND m.customer_id = $2 AND m.start = (
  SELECT max(start) FROM channel_minutes WHERE account_id = $1 AND customer_id = $2)
ORDER BY m.carrier_id
"""
STATS_SUMS = ("attempts", "answered", "talk_us", "dtmf", "pdd_us", "pdd_count")
STATS = """
SELECT date_trunc('hour', slot, 'UTC') AS at, carrier_id, sum(attempts)::bigint AS attempts,
       sum(answered)::bigint AS answered, sum(talk_us)::bigint AS talk_us,
       sum(dtmf_answered)::bigint AS dtmf, sum(pdd_us)::bigint AS pdd_us,
       sum(pdd_count)::bigint AS pdd_count
FROM rollups WHERE account_id = $1 AND customer_id = $2 AND slot >= $3 AND slot < $4
GROUP BY 1, 2
"""
HISTORY = """
SELECT date_trunc('hour', start, 'UTC') AS at, carrier_id, max(maximum) AS maximum
FROM channel_minutes WHERE account_id = $1 AND customer_id = $2 AND start >= $3 AND start < $4
GROUP BY 1, 2
"""
CARRIERS = "SELECT id, name FROM carriers WHERE account_id = $1 AND id = ANY($2)"
ROWS = """
SELECT h.hour, h.version, h.attempts, h.answered, h.talk_us, h.billed_seconds, h.charge,
       i.id AS invoice_id, i.number
FROM hours h
LEFT JOIN invoice_hours p ON p.account_id = $1 AND p.customer_id = $2 AND p.hour = h.hour
  AND p.freed_at IS NULL
LEFT JOIN invoices i ON i.account_id = $1 AND i.id = p.invoice_id
WHERE h.account_id = $1 AND h.customer_id = $2 AND h.hour >= $3
"""
OLDEST = """
SELECT marked_at FROM hour_marks WHERE account_id = $1 AND customer_id = $2
ORDER BY marked_at LIMIT 1
"""
EMPTY_ROW: Mapping[str, Any] = MappingProxyType(
    {
        "version": 0,
        "attempts": 0,
        "answered": 0,
        "talk_us": 0,
        "billed_seconds": 0,
        "charge": Decimal(0),
        "invoice_id": None,
        "number": None,
    }
)
