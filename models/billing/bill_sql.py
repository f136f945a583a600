"""The statements of models/billing/bills.py; $1 is always the account."""

LOCK_CUSTOMER = """
SELECT currency FROM customers WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE
"""
INSERT = """
INSERT INTO invoices (
    account_id, id, customer_id, kind, status, granularity, period_start, period_end, currency,
    subtotal, tax_percent, tax, rounding, total, created_at
)
SELECT account_id, $3, id, 'INVOICE', 'DRAFT', $4, $5, $6, currency, 0, tax_percent, 0, 0, 0, $7
FROM customers WHERE account_id = $1 AND id = $2
"""
RESERVE = """
INSERT INTO invoice_hours (account_id, customer_id, hour, invoice_id)
SELECT $1, $2, hour, $3 FROM unnest($4::timestamptz[]) AS hour ORDER BY hour
ON CONFLICT (account_id, customer_id, hour) WHERE freed_at IS NULL DO NOTHING
RETURNING hour
"""
HEADING = """
SELECT i.customer_id, i.period_start, i.period_end, i.currency, c.tax_percent, c.language,
       a.invoice_grouping
FROM invoices i
JOIN customers c ON c.account_id = $1 AND c.id = i.customer_id
JOIN accounts a ON a.id = i.account_id
WHERE i.account_id = $1 AND i.id = $2
"""
SHARES = """
SELECT destination, sum(attempts)::bigint AS calls,
       sum(billed_seconds)::bigint AS billed_seconds, sum(charge) AS charge
FROM rollup_destinations
WHERE account_id = $1 AND customer_id = $2 AND hour = ANY($3)
GROUP BY destination
"""
# Hours of issued invoices that have changed since they were last billed: by their pin or their
# latest adjustment. The index `hours_unbilled` contains these hours, so that the cost does not grow
# with the billed hours. LIMIT 1 (an hour has one live pin) makes each pin a look-up, because the
# planner cannot know that there are few hours.
CHANGED = """
SELECT h.hour, p.number, coalesce(a.to_version, p.version) AS version,
       coalesce(a.calls, p.calls) AS calls,
       coalesce(a.billed_seconds, p.billed_seconds) AS billed_seconds,
       coalesce(a.charge, p.charge) AS charge
FROM hours h
CROSS JOIN LATERAL (
    SELECT i.number, p.version, p.calls, p.billed_seconds, p.charge
    FROM invoice_hours p JOIN invoices i ON i.account_id = $1 AND i.id = p.invoice_id
    WHERE p.account_id = $1 AND p.customer_id = $2 AND p.hour = h.hour
      AND p.freed_at IS NULL AND p.version IS NOT NULL
    LIMIT 1
) p
LEFT JOIN LATERAL (
    SELECT a.to_version, a.calls, a.billed_seconds, a.charge FROM invoice_adjustments a
    WHERE a.account_id = $1 AND a.customer_id = $2 AND a.hour = h.hour AND a.freed_at IS NULL
    ORDER BY a.to_version DESC LIMIT 1
) a ON true
WHERE h.account_id = $1 AND h.customer_id = $2 AND NOT h.billed
  AND h.hour <= (
    SELECT max(hour) FROM invoice_hours
    WHERE account_id = $1 AND customer_id = $2 AND freed_at IS NULL
  )
  AND h.version > coalesce(a.to_version, p.version)
ORDER BY h.hour
"""
TOTALS = """
UPDATE invoices
SET kind = $3, period_start = $4, period_end = $5, tax_percent = $6, subtotal = $7, tax = $8,
    rounding = $9, total = $10
WHERE account_id = $1 AND id = $2
"""
LINE = """
INSERT INTO invoice_lines (
    account_id, invoice_id, line, kind, description, period_start, period_end, calls,
    billed_seconds, amount
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
NUMBER = """
INSERT INTO invoice_series AS s (account_id, last_number, last_position) VALUES ($1, 1, 1)
ON CONFLICT (account_id) DO UPDATE
SET last_number = s.last_number + 1, last_position = s.last_position + 1
RETURNING last_number, last_position
"""
PIN = """
UPDATE invoice_hours h
SET version = p.version, calls = p.calls, billed_seconds = p.billed_seconds, charge = p.charge
FROM unnest($3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], $7::numeric[])
    AS p (hour, version, calls, billed_seconds, charge)
WHERE h.account_id = $1 AND h.invoice_id = $2 AND h.hour = p.hour
"""
# The heads are locked: the invoice bills their charge.
BILLED = """
UPDATE hours SET billed = true
WHERE account_id = $1 AND customer_id = $2 AND hour = ANY($3) AND NOT billed
"""
ADJUST = """
INSERT INTO invoice_adjustments (
    account_id, customer_id, hour, from_version, to_version, invoice_id, line, calls,
    billed_seconds, charge
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
# A total of 0 needs no allocation.
ISSUE = """
UPDATE invoices
SET status = CASE WHEN total = 0 THEN 'PAID' ELSE 'ISSUED' END, number = $3, position = $4,
    content_hash = $5, issued_at = $6
WHERE account_id = $1 AND id = $2
"""
DISCARD = "DELETE FROM invoices WHERE account_id = $1 AND id = $2"
DISCARDED = """
INSERT INTO discarded_drafts (account_id, id, customer_id, discarded_at) VALUES ($1, $2, $3, $4)
"""
