"""The statements that fill a database at the schema of the last release."""

# $1 account, $2 records, $3 customers, $4 first day, $5 end.
CUSTOMERS = """
INSERT INTO customers (account_id, id, reference, name, currency, tax_percent, created_at)
SELECT $1, n, 'customer-' || n, 'Customer ' || n, 'EUR', 19, $3 FROM generate_series(1, $2) AS n
"""
RATES = """
INSERT INTO rates (account_id, rate_card_id, prefix, per_minute)
SELECT $1, 1, '1555' || n, 0.06 FROM generate_series(0, 9) AS n
"""
ASSIGNED = """
INSERT INTO rate_card_assignments (account_id, customer_id, valid_from, rate_card_id)
SELECT $1, n, $3, 1 FROM generate_series(1, $2) AS n
"""
# Of ten records, the first is a leg that failed and the second the final leg of the same call.
RECORDS = """
INSERT INTO call_records
    (account_id, customer_id, setup_at, switch, call_id, leg, revision, carrier_id, final, source,
     destination, offered_at, ringing_at, answer_at, end_at, talk_us, sip_code, rated_by, prefix,
     rate_card_id, billed_seconds, charge, cost, dtmf_digits)
SELECT $1, customer, setup, 'edge-1', 'call-' || call, leg, 0, 1 + n % 2, final, '+441632960000',
       '+1555' || n % 10 || '00', setup, setup + interval '1.5 s', answer,
       setup + interval '4 s' + talk * interval '1 s', CASE WHEN answer IS NULL THEN 0 ELSE talk END
           * 1000000, CASE WHEN answer IS NULL THEN 486 ELSE 200 END,
       CASE WHEN NOT final THEN NULL WHEN n % 7 = 0 THEN 'SWITCH' ELSE 'CARD' END,
       CASE WHEN final AND n % 7 <> 0 THEN '1555' || n % 10 END,
       CASE WHEN final AND n % 7 <> 0 THEN 1 END,
       CASE WHEN final AND answer IS NOT NULL THEN talk ELSE 0 END,
       CASE WHEN NOT final THEN NULL WHEN answer IS NULL THEN 0
            WHEN n % 7 = 0 THEN 0.0123 * (n % 97) ELSE 0.001 * talk END,
       CASE WHEN answer IS NOT NULL THEN 0.004 END, n % 3
FROM (
    SELECT n, call, 1 + call / 10 % $3::bigint AS customer, (n % 10 = 1)::integer AS leg,
           n % 10 <> 0 AS final, 30 + n % 90 AS talk, setup,
           CASE WHEN n % 10 <> 0 AND n % 5 < 3 THEN setup + interval '4 s' END AS answer
    FROM (SELECT n, n - (n % 10 = 1)::integer AS call,
                 $4::timestamptz + (n - (n % 10 = 1)::integer) * ($5::timestamptz - $4) / $2::bigint
                     AS setup
          FROM generate_series(0, $2::bigint - 1) AS n) AS numbered
) AS calls
"""
KEYS = """
INSERT INTO record_keys
    (account_id, switch, call_id, leg, setup_at, customer_id, revision, digest, final)
SELECT account_id, switch, call_id, leg, setup_at, customer_id, revision,
       sha256(convert_to(call_id || ':' || leg, 'UTF8')), final
FROM call_records WHERE account_id = $1
"""
SLOTS = """
INSERT INTO rollups
    (account_id, customer_id, slot, carrier_id, attempts, answered, talk_us, billed_seconds, charge,
     unrated, dtmf_answered, pdd_us, pdd_count, legs, legs_answered, legs_talk_us, legs_pdd_us,
     legs_pdd_count, cost, uncosted)
SELECT account_id, customer_id, date_bin('15 minutes', setup_at, '2000-01-01 00:00+00'), carrier_id,
       count(*) FILTER (WHERE final), count(answer_at) FILTER (WHERE final),
       coalesce(sum(talk_us) FILTER (WHERE final), 0),
       coalesce(sum(billed_seconds) FILTER (WHERE final), 0),
       coalesce(sum(charge) FILTER (WHERE final), 0),
       count(*) FILTER (WHERE final AND charge IS NULL),
       count(answer_at) FILTER (WHERE final AND dtmf_digits > 0),
       coalesce(sum(extract(epoch FROM ringing_at - setup_at) * 1000000) FILTER (WHERE final), 0),
       count(ringing_at) FILTER (WHERE final), count(*), count(answer_at), sum(talk_us),
       sum(extract(epoch FROM ringing_at - offered_at) * 1000000), count(ringing_at),
       coalesce(sum(cost), 0), count(answer_at) FILTER (WHERE cost IS NULL)
FROM call_records WHERE account_id = $1 GROUP BY 1, 2, 3, 4
"""
DESTINATIONS = """
INSERT INTO rollup_destinations
    (account_id, customer_id, hour, destination, attempts, answered, talk_us, billed_seconds,
     charge)
SELECT account_id, customer_id, date_trunc('hour', setup_at),
       CASE rated_by WHEN 'SWITCH' THEN 'switch' ELSE 'prefix:' || prefix END, count(*),
       count(answer_at), sum(talk_us), sum(billed_seconds), sum(charge)
FROM call_records WHERE account_id = $1 AND final GROUP BY 1, 2, 3, 4
"""
CODES = """
INSERT INTO rollup_codes (account_id, customer_id, hour, carrier_id, sip_code, attempts, legs)
SELECT account_id, customer_id, date_trunc('hour', setup_at), carrier_id, sip_code,
       count(*) FILTER (WHERE final), count(*)
FROM call_records WHERE account_id = $1 GROUP BY 1, 2, 3, 4, 5
"""
# The first hour of each customer has changed since it was billed.
HOURS = """
INSERT INTO hours
    (account_id, customer_id, hour, version, attempts, answered, talk_us, billed_seconds, charge,
     unrated, posted_charge, posted_version, rebuilt_at)
SELECT account_id, customer_id, hour, version, attempts, answered, talk_us, billed_seconds, charge,
       0, charge, version, hour + interval '2 hours'
FROM (
    SELECT account_id, customer_id, date_trunc('hour', slot) AS hour,
           1 + (row_number() OVER (PARTITION BY customer_id ORDER BY date_trunc('hour', slot)) = 1)
               ::integer AS version,
           sum(attempts) AS attempts, sum(answered) AS answered, sum(talk_us) AS talk_us,
           sum(billed_seconds) AS billed_seconds, sum(charge) AS charge
    FROM rollups WHERE account_id = $1 GROUP BY 1, 2, 3
) AS sums
"""
LEDGER = """
INSERT INTO ledger_entries
    (account_id, customer_id, kind, cause, hour, version, amount, currency, at)
SELECT account_id, customer_id, 'CHARGE', format('hour:%s:%s:%s', customer_id,
           to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), n),
       hour, n, CASE WHEN n = 2 THEN 0.01 WHEN version = 2 THEN charge - 0.01 ELSE charge END,
       'EUR', rebuilt_at
FROM hours, generate_series(1, version) AS n WHERE account_id = $1
"""
PINS = """
SELECT hour, least(coalesce(h.version, 0), 1) AS version, coalesce(h.attempts, 0) AS calls,
       coalesce(h.billed_seconds, 0) AS billed_seconds,
       coalesce(h.charge - CASE WHEN h.version = 2 THEN 0.01 ELSE 0 END, 0) AS charge
FROM generate_series($3::timestamptz, $4::timestamptz - interval '1 hour', '1 hour') AS hour
LEFT JOIN hours h USING (hour)
WHERE coalesce(h.account_id, $1) = $1 AND coalesce(h.customer_id, $2) = $2
ORDER BY hour
"""
ADJUSTED = """
SELECT hour, version, attempts AS calls, billed_seconds, charge FROM hours
WHERE account_id = $1 AND customer_id = $2 AND version = 2
"""
INVOICE = """
INSERT INTO invoices
    (account_id, customer_id, kind, status, granularity, period_start, period_end, currency,
     subtotal, tax_percent, tax, rounding, total, created_at)
VALUES ($1, $2, 'INVOICE', 'DRAFT', 'DAILY', $3, $4, 'EUR', $5, $6, $7, $8, $9, $4) RETURNING id
"""
LINE = """
INSERT INTO invoice_lines
    (account_id, invoice_id, line, kind, description, period_start, period_end, calls,
     billed_seconds, amount)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
HOUR = """
INSERT INTO invoice_hours
    (account_id, customer_id, invoice_id, hour, version, calls, billed_seconds, charge)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
ADJUSTMENT = """
INSERT INTO invoice_adjustments
    (account_id, customer_id, invoice_id, line, from_version, hour, to_version, calls,
     billed_seconds, charge)
VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9)
"""
ISSUE = """
UPDATE invoices SET status = 'ISSUED', number = $3, position = $4, content_hash = $5, issued_at = $6
WHERE account_id = $1 AND id = $2
"""
POST = """
INSERT INTO ledger_entries (account_id, customer_id, kind, cause, invoice_id, amount, currency, at)
SELECT $1, $2, upper(what), format('invoice:%s:%s', $3::bigint, what), $3, amount, 'EUR', $6
FROM (VALUES ('tax', $4::numeric), ('rounding', $5::numeric)) AS post (what, amount)
WHERE amount <> 0
"""
PAY = """
INSERT INTO ledger_entries (account_id, customer_id, kind, cause, amount, currency, at)
SELECT $1, customer_id, 'PAYMENT', 'payment:' || id, total, 'EUR', issued_at
FROM invoices WHERE account_id = $1 AND id = $2
"""
REVIEW = (
    "INSERT INTO quarantine (account_id, digest, payload, code, message, state, received_at)"
    " SELECT $1, sha256(n::text::bytea), '{}', 'BAD_TIME', 'It ends before it begins.',"
    " (ARRAY['OPEN', 'REPLAYED', 'DISCARDED'])[1 + n % 3], $2 FROM generate_series(1, 30) AS n",
    "INSERT INTO record_revisions (account_id, switch, call_id, leg, digest, revision, state,"
    " content, received_at) SELECT $1, 'edge-1', 'call-' || n * 10 + 2, 0, sha256(n::text::bytea),"
    " 0, (ARRAY['SUPERSEDED', 'HELD', 'DISCARDED'])[1 + n % 3], '{}', $2"
    " FROM generate_series(1, 30) AS n",
)
