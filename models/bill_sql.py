"""The statements of models/bills.py; $1 is always the account."""

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
ON CONFLICT (account_id, customer_id, hour) DO NOTHING
RETURNING hour
"""
HEADING = """
SELECT i.customer_id, i.period_start, i.period_end, i.currency, c.tax_percent, c.language,
       a.invoice_grouping
FROM invoices i
JOIN customers c ON c.account_id = i.account_id AND c.id = i.customer_id
JOIN accounts a ON a.id = i.account_id
WHERE i.account_id = $1 AND i.id = $2
"""
SHARES = """
SELECT destination, sum(attempts)::bigint, sum(billed_seconds)::bigint, sum(charge)
FROM rollup_destinations
WHERE account_id = $1 AND customer_id = $2 AND hour = ANY($3)
GROUP BY destination
"""
# Hours of issued invoices whose charge is no more what was last billed: their pin, or the latest
# adjustment of them.
CHANGED = """
SELECT p.hour, i.number, coalesce(a.to_version, p.version) AS version,
       coalesce(a.calls, p.calls) AS calls,
       coalesce(a.billed_seconds, p.billed_seconds) AS billed_seconds,
       coalesce(a.charge, p.charge) AS charge
FROM invoice_hours p
JOIN invoices i ON i.account_id = p.account_id AND i.id = p.invoice_id
JOIN hours h ON h.account_id = p.account_id AND h.customer_id = p.customer_id AND h.hour = p.hour
LEFT JOIN LATERAL (
    SELECT * FROM invoice_adjustments a
    WHERE a.account_id = p.account_id AND a.customer_id = p.customer_id AND a.hour = p.hour
    ORDER BY a.to_version DESC LIMIT 1
) a ON true
WHERE p.account_id = $1 AND p.customer_id = $2 AND p.version IS NOT NULL
  AND h.version > coalesce(a.to_version, p.version) AND h.charge <> coalesce(a.charge, p.charge)
ORDER BY p.hour
"""
TOTALS = """
UPDATE invoices SET subtotal = $3, tax_percent = $4, tax = $5, rounding = $6, total = $7
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
UPDATE invoice_hours SET version = $4, calls = $5, billed_seconds = $6, charge = $7
WHERE account_id = $1 AND customer_id = $2 AND hour = $3
"""
ADJUST = """
INSERT INTO invoice_adjustments (
    account_id, customer_id, hour, from_version, to_version, invoice_id, line, calls,
    billed_seconds, charge
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
ISSUE = """
UPDATE invoices
SET status = 'ISSUED', number = $3, position = $4, content_hash = $5, issued_at = $6
WHERE account_id = $1 AND id = $2
"""
