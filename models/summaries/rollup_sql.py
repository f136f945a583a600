"""The one statement that makes an hour's sums equal its records.

Parameters: $1 account, $2 customer, $3 the hour's start, $4 its end, $5 now; `{days}` is the hour's
day (`day_bounds.Span.condition`). One pass over the records makes `legs` at the finest grouping;
the three tables of sums and the head are made from that. A stored row without calls takes part
with zeros, so it stays, with zeros.
"""

from domain.summaries import ratios

_SLOT_SUMS = (
    "attempts", "answered", "talk_us", "billed_seconds", "charge", "unrated", "dtmf_answered",
    "pdd_us", "pdd_count", "legs", "legs_answered", "legs_talk_us", "legs_pdd_us",
    "legs_pdd_count", "cost", "uncosted",
)  # fmt: skip
_DESTINATION_SUMS = ("attempts", "answered", "talk_us", "billed_seconds", "charge")
_CODE_SUMS = ("attempts", "legs")
HEAD_SUMS = (
    "attempts", "answered", "talk_us", "billed_seconds", "charge", "unrated", "dtmf_answered",
    "pdd_us", "pdd_count", "effective", "redirected",
)  # fmt: skip

_EFFECTIVE = ratios.EFFECTIVE_CODES
_REDIRECTION = f"{ratios.REDIRECTION_CODES[0]} AND {ratios.REDIRECTION_CODES[-1]}"

# Sums of intervals are exact, and far cheaper than sums of what extract() makes of each.
LEGS = """
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

# Customer view: final legs. Carrier view: every leg.
_GRAINS = f"""
    SELECT carrier_id, slot, $3::timestamptz AS hour, sip_code,
           CASE rated_by WHEN 'SWITCH' THEN 'switch' WHEN 'CARD' THEN 'prefix:' || prefix
                         WHEN 'WAIVED' THEN 'waived' ELSE 'unrated' END AS destination,
           final,
           CASE WHEN final THEN legs ELSE 0 END AS attempts,
           CASE WHEN final THEN answered ELSE 0 END AS answered,
           CASE WHEN final THEN talk_us ELSE 0 END AS talk_us,
           CASE WHEN final THEN billed_seconds ELSE 0 END AS billed_seconds,
           CASE WHEN final THEN charge ELSE 0 END AS charge,
           CASE WHEN final THEN unrated ELSE 0 END AS unrated,
           CASE WHEN final THEN dtmf_answered ELSE 0 END AS dtmf_answered,
           CASE WHEN final THEN coalesce(extract(epoch FROM pdd) * 1000000, 0) ELSE 0 END AS pdd_us,
           CASE WHEN final THEN pdd_count ELSE 0 END AS pdd_count,
           CASE WHEN final AND sip_code IN {_EFFECTIVE} THEN legs ELSE 0 END AS effective,
           CASE WHEN final AND sip_code BETWEEN {_REDIRECTION} THEN legs ELSE 0 END AS redirected,
           legs, answered AS legs_answered, talk_us AS legs_talk_us,
           coalesce(extract(epoch FROM legs_pdd) * 1000000, 0) AS legs_pdd_us,
           pdd_count AS legs_pdd_count, cost, uncosted
    FROM legs
"""


def _upsert(table: str, keys: str, time: str, sums: tuple[str, ...], only: str = "true") -> str:
    """Returns a row for each row of the table that was new or differed."""
    columns = ", ".join(sums)
    stored = ", ".join(f"{table}.{c}" for c in sums)
    made = ", ".join(f"EXCLUDED.{c}" for c in sums)
    return f"""
    INSERT INTO {table} (account_id, customer_id, {keys}, {columns})
    SELECT $1, $2, {keys}, {", ".join(f"sum({c})" for c in sums)}
    FROM (
        SELECT {keys}, {columns} FROM grains WHERE {only}
        UNION ALL
        SELECT {keys}, {", ".join("0" for _ in sums)} FROM {table}
        WHERE account_id = $1 AND customer_id = $2 AND {time} >= $3 AND {time} < $4
    ) AS parts
    GROUP BY {keys}
    ON CONFLICT (account_id, customer_id, {keys}) DO UPDATE SET ({columns}) = ROW ({made})
    WHERE ({stored}) IS DISTINCT FROM ({made})
    RETURNING 1
    """


# The head's new version, and whether its number of unrated calls changed; no row if nothing
# differed. The look-up in RETURNING reads the head before the change.
REBUILD = f"""
WITH legs AS MATERIALIZED ({LEGS}),
grains AS MATERIALIZED ({_GRAINS}),
slots AS ({_upsert("rollups", "slot, carrier_id", "slot", _SLOT_SUMS)}),
destinations AS (
    {_upsert("rollup_destinations", "hour, destination", "hour", _DESTINATION_SUMS, "final")}
),
codes AS ({_upsert("rollup_codes", "hour, carrier_id, sip_code", "hour", _CODE_SUMS)}),
changes AS (
    SELECT (SELECT count(*) FROM slots) + (SELECT count(*) FROM destinations)
         + (SELECT count(*) FROM codes) AS rows
)
INSERT INTO hours (account_id, customer_id, hour, version, {", ".join(HEAD_SUMS)}, rebuilt_at)
SELECT $1, $2, $3, 1, {", ".join(f"coalesce(sum({c}), 0)" for c in HEAD_SUMS)}, $5
FROM grains
HAVING (SELECT rows FROM changes) > 0
ON CONFLICT (account_id, customer_id, hour) DO UPDATE
SET (version, {", ".join(HEAD_SUMS)}, rebuilt_at)
  = ROW (hours.version + 1, {", ".join(f"EXCLUDED.{c}" for c in HEAD_SUMS)}, EXCLUDED.rebuilt_at)
RETURNING version, unrated IS DISTINCT FROM coalesce((
    SELECT h.unrated FROM hours h WHERE h.account_id = $1 AND h.customer_id = $2 AND h.hour = $3
), 0) AS unrated_changed
"""

# Lets the planner hash the records regardless of the estimated number of groups. There are few
# groups, so the memory is not used. An hour that exceeds the time fails.
LIMITS = "SET LOCAL work_mem = '64MB'; SET LOCAL statement_timeout = '15s'"
