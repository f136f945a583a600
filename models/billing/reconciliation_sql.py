"""The statements of reconciliation. Parameters: $1 account, $2 customer, $3 from, $4 to; `{days}`
are the days of the period (`day_bounds.Span.condition`).

They compute the sums differently than the rebuild: each starts from the stored records.
"""

from domain.summaries import ratios
from models.billing import invoice_queries
from models.records import call_keys

_OF = "account_id = $1 AND customer_id = $2"
_PERIOD = "setup_at >= $3 AND setup_at < $4"
_RECORDS = f"FROM call_records WHERE {_OF} AND {_PERIOD} AND {{days}}"

# A row for each hour with any stored data.
HOURS = f"""
WITH records AS (
    SELECT date_trunc('hour', setup_at) AS hour, count(*) FILTER (WHERE final) AS calls,
           sum(charge) FILTER (WHERE final) AS charge, count(*) AS legs
    {_RECORDS} GROUP BY 1
), rows AS (
    SELECT date_trunc('hour', slot) AS hour, sum(attempts) AS attempts, sum(answered) AS answered,
           sum(talk_us) AS talk_us, sum(billed_seconds) AS billed_seconds,
           sum(unrated) AS unrated, sum(dtmf_answered) AS dtmf_answered, sum(pdd_us) AS pdd_us,
           sum(pdd_count) AS pdd_count, sum(charge) AS charge, sum(legs) AS legs
    FROM rollups WHERE {_OF} AND slot >= $3 AND slot < $4 GROUP BY 1
), heads AS (
    SELECT * FROM hours WHERE {_OF} AND hour >= $3 AND hour < $4
), destinations AS (
    SELECT hour, sum(attempts) AS calls, sum(charge) AS charge
    FROM rollup_destinations WHERE {_OF} AND hour >= $3 AND hour < $4 GROUP BY 1
), codes AS (
    SELECT hour, sum(attempts) AS calls,
           sum(attempts) FILTER (WHERE sip_code IN {ratios.EFFECTIVE_CODES}) AS effective,
           sum(attempts) FILTER (WHERE sip_code / 100 = 3) AS redirected
    FROM rollup_codes WHERE {_OF} AND hour >= $3 AND hour < $4 GROUP BY 1
), posted AS (
    SELECT hour, sum(amount) AS amount, array_agg(DISTINCT currency) AS currencies
    FROM ledger_entries
    WHERE {_OF} AND kind = 'CHARGE' AND hour >= $3 AND hour < $4 GROUP BY 1
), marks AS (
    SELECT DISTINCT hour FROM hour_marks WHERE {_OF} AND hour >= $3 AND hour < $4
), void AS (
    SELECT id FROM invoices WHERE {_OF} AND status = 'VOID'
), billed AS (
    SELECT p.hour, coalesce(a.to_version, p.version) AS version,
           coalesce(a.charge, p.charge) AS charge
    FROM invoice_hours p
    LEFT JOIN LATERAL (
        SELECT to_version, charge FROM invoice_adjustments a
        WHERE a.account_id = $1 AND a.customer_id = $2 AND a.hour = p.hour AND a.freed_at IS NULL
          AND a.invoice_id NOT IN (TABLE void)
        ORDER BY to_version DESC LIMIT 1
    ) a ON true
    WHERE {_OF} AND p.version IS NOT NULL AND p.freed_at IS NULL AND p.hour >= $3 AND p.hour < $4
      AND p.invoice_id NOT IN (TABLE void)
)
SELECT hour,
       coalesce(records.calls, 0) AS record_calls, coalesce(records.charge, 0) AS record_charge,
       coalesce(records.legs, 0) AS record_legs,
       coalesce(rows.attempts, 0) AS row_calls, coalesce(rows.charge, 0) AS row_charge,
       coalesce(rows.answered, 0) AS row_answered, coalesce(rows.talk_us, 0) AS row_talk_us,
       coalesce(rows.billed_seconds, 0) AS row_billed_seconds,
       coalesce(rows.unrated, 0) AS row_unrated,
       coalesce(rows.dtmf_answered, 0) AS row_dtmf_answered,
       coalesce(rows.pdd_us, 0) AS row_pdd_us, coalesce(rows.pdd_count, 0) AS row_pdd_count,
       coalesce(codes.effective, 0) AS row_effective,
       coalesce(codes.redirected, 0) AS row_redirected, coalesce(rows.legs, 0) AS row_legs,
       coalesce(heads.attempts, 0) AS head_calls, coalesce(heads.charge, 0) AS head_charge,
       coalesce(heads.answered, 0) AS head_answered, coalesce(heads.talk_us, 0) AS head_talk_us,
       coalesce(heads.billed_seconds, 0) AS head_billed_seconds,
       coalesce(heads.unrated, 0) AS head_unrated,
       coalesce(heads.dtmf_answered, 0) AS head_dtmf_answered,
       coalesce(heads.pdd_us, 0) AS head_pdd_us, coalesce(heads.pdd_count, 0) AS head_pdd_count,
       coalesce(heads.effective, 0) AS head_effective,
       coalesce(heads.redirected, 0) AS head_redirected,
       coalesce(heads.version, 0) AS version, coalesce(heads.frozen, false) AS frozen,
       coalesce(heads.posted_charge, 0) AS posted_charge,
       coalesce(heads.posted_version, 0) AS posted_version,
       coalesce(destinations.calls, 0) AS destination_calls,
       coalesce(destinations.charge, 0) AS destination_charge,
       coalesce(codes.calls, 0) AS code_calls,
       coalesce(posted.amount, 0) AS ledger,
       coalesce(posted.currencies, ARRAY[]::text[]) AS currencies,
       marks.hour IS NOT NULL AS marked,
       billed.version AS billed_version, coalesce(billed.charge, 0) AS billed_charge,
       coalesce(heads.billed, false) AS billed
FROM heads
FULL JOIN records USING (hour) FULL JOIN rows USING (hour) FULL JOIN destinations USING (hour)
FULL JOIN codes USING (hour) FULL JOIN posted USING (hour) FULL JOIN marks USING (hour)
FULL JOIN billed USING (hour)
ORDER BY hour
"""

_SLOT = """date_trunc('hour', setup_at)
    + interval '15 minutes' * floor(extract(minute FROM setup_at) / 15)"""
_CUSTOMER_VIEW = {
    "attempts": "count(*) FILTER (WHERE final)",
    "answered": "count(*) FILTER (WHERE final AND answer_at IS NOT NULL)",
    "talk_us": "sum(talk_us) FILTER (WHERE final)",
    "billed_seconds": "sum(billed_seconds) FILTER (WHERE final)",
    "charge": "sum(charge) FILTER (WHERE final)",
}
_SLOT_SUMS = {
    **_CUSTOMER_VIEW,
    "unrated": "count(*) FILTER (WHERE final AND charge IS NULL)",
    "dtmf_answered": "count(*) FILTER (WHERE final AND answer_at IS NOT NULL AND dtmf_digits > 0)",
    "pdd_us": "sum(extract(epoch FROM ringing_at - setup_at) * 1000000) FILTER (WHERE final)",
    "pdd_count": "count(ringing_at) FILTER (WHERE final)",
    "legs": "count(*)",
    "legs_answered": "count(answer_at)",
    "legs_talk_us": "sum(talk_us)",
    "legs_pdd_us": "sum(extract(epoch FROM ringing_at - offered_at) * 1000000)",
    "legs_pdd_count": "count(ringing_at)",
    "cost": "sum(cost)",
    "uncosted": "count(*) FILTER (WHERE answer_at IS NOT NULL AND cost IS NULL)",
}
_CODE_SUMS = {"attempts": "count(*) FILTER (WHERE final)", "legs": "count(*)"}
_DESTINATION = """CASE WHEN rated_by = 'SWITCH' THEN 'switch'
    WHEN rated_by = 'CARD' THEN 'prefix:' || prefix
    WHEN rated_by = 'WAIVED' THEN 'waived' ELSE 'unrated' END"""


def _unequal(table: str, time: str, keys: dict[str, str], sums: dict[str, str]) -> str:
    """The hours and columns in which a table of sums differs from the records."""
    names = ", ".join(keys)
    places = ", ".join(str(n) for n in range(1, len(keys) + 1))
    unequal = ", ".join(
        f"CASE WHEN coalesce(r.{name}, 0) <> coalesce(t.{name}, 0) THEN '{name}' END"
        for name in sums
    )
    return f"""
    WITH r AS (
        SELECT {", ".join(f"{sql} AS {name}" for name, sql in keys.items())},
               {", ".join(f"{sql} AS {name}" for name, sql in sums.items())}
        {_RECORDS} GROUP BY {places}
    ), t AS (
        SELECT {names}, {", ".join(sums)} FROM {table}
        WHERE {_OF} AND {time} >= $3 AND {time} < $4
    )
    SELECT date_trunc('hour', {time}) AS hour, array_agg(DISTINCT name ORDER BY name) AS names
    FROM r FULL JOIN t USING ({names}), unnest(ARRAY[{unequal}]) AS name
    WHERE name IS NOT NULL
    GROUP BY 1 ORDER BY 1
    """


UNEQUAL = {
    "rows": _unequal("rollups", "slot", {"slot": _SLOT, "carrier_id": "carrier_id"}, _SLOT_SUMS),
    "destinations": _unequal(
        "rollup_destinations",
        "hour",
        {"hour": "date_trunc('hour', setup_at)", "destination": _DESTINATION},
        _CUSTOMER_VIEW,
    ),
    "SIP codes": _unequal(
        "rollup_codes",
        "hour",
        {
            "hour": "date_trunc('hour', setup_at)",
            "carrier_id": "carrier_id",
            "sip_code": "coalesce(sip_code, 0)",
        },
        _CODE_SUMS,
    ),
}

# Sets, not anti-joins: they are hashed even if the planner has no statistics of new rows yet.
UNMATCHED = f"""
WITH keys AS MATERIALIZED (
    SELECT call_key, leg, setup_at, final FROM record_keys WHERE {_OF} AND {_PERIOD}
), records AS MATERIALIZED (
    SELECT {call_keys.SQL} AS call_key, leg, setup_at, final {_RECORDS}
)
SELECT date_trunc('hour', setup_at) AS hour, count(*) FILTER (WHERE is_key) AS keys,
       count(*) FILTER (WHERE NOT is_key) AS records
FROM (
    SELECT true AS is_key, * FROM (TABLE keys EXCEPT TABLE records) AS without_record
    UNION ALL
    SELECT false AS is_key, * FROM (TABLE records EXCEPT TABLE keys) AS without_key
) AS alone
GROUP BY 1 ORDER BY 1
"""

# Issued invoices of the period, and those that adjust an hour of it.
INVOICES = f"""
SELECT {invoice_queries.COLUMNS} FROM invoices i
WHERE i.account_id = $1 AND i.customer_id = $2 AND i.status IN ('ISSUED', 'PAID') AND (
    (i.period_start < $4 AND i.period_end > $3) OR i.id IN (
        SELECT invoice_id FROM invoice_adjustments WHERE {_OF} AND hour >= $3 AND hour < $4
    )
)
ORDER BY i.position
"""
# Below, $2 are the ids of invoices.
PINS = """
SELECT invoice_id, hour, version, calls, billed_seconds, charge FROM invoice_hours
WHERE account_id = $1 AND invoice_id = ANY($2) AND version IS NOT NULL ORDER BY hour
"""
CHANGES = """
SELECT a.invoice_id, a.hour, a.from_version, coalesce(b.charge, p.charge, 0) AS from_charge,
       a.to_version, a.calls, a.billed_seconds, a.charge
FROM invoice_adjustments a
LEFT JOIN invoice_adjustments b
    ON b.account_id = $1 AND b.customer_id = a.customer_id AND b.hour = a.hour
    AND b.to_version = a.from_version AND b.freed_at IS NULL
LEFT JOIN invoice_hours p
    ON p.account_id = $1 AND p.customer_id = a.customer_id AND p.hour = a.hour
    AND p.version = a.from_version AND p.freed_at IS NULL
WHERE a.account_id = $1 AND a.invoice_id = ANY($2)
ORDER BY a.invoice_id, a.line
"""
POSTS = """
SELECT invoice_id, coalesce(sum(amount) FILTER (WHERE kind = 'TAX'), 0) AS posted_tax,
       coalesce(sum(amount) FILTER (WHERE kind = 'ROUNDING'), 0) AS posted_rounding
FROM ledger_entries
WHERE account_id = $1 AND customer_id = $3 AND invoice_id = ANY($2)
GROUP BY 1
"""
# Parameters: $1 account, $2 customer. Sums the whole ledger, regardless of the period. One row.
BALANCE = f"""
SELECT coalesce(b.posted, 0) AS posted, b.currency,
       coalesce(l.amount, 0) AS ledger
FROM (
    SELECT sum(CASE WHEN kind IN ('PAYMENT', 'CREDIT') THEN amount ELSE -amount END) AS amount
    FROM ledger_entries WHERE {_OF}
) l LEFT JOIN balances b ON b.account_id = $1 AND b.customer_id = $2
"""
