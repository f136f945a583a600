"""The one statement that makes an hour's sums equal its records.

Parameters: $1 account, $2 customer, $3 the hour's start, $4 its end, $5 now; `{days}` is the hour's
day (`day_bounds.Span.condition`). One pass over the records groups them three times; all tables of
sums and the head are made from these groups. A stored row without calls takes part with zeros, so
it stays, with zeros.
"""

from domain.summaries import delays, ratios

# The sums of a slot, by carrier and by country, and of a minute.
SUMS = (
    "attempts", "answered", "talk_us", "billed_seconds", "charge", "unrated", "dtmf_answered",
    "pdd_us", "pdd_count", "effective", "redirected", "released_caller", "released_callee",
    "released_other", "legs", "legs_answered", "legs_talk_us", "legs_pdd_us", "legs_pdd_count",
    "cost", "uncosted",
)  # fmt: skip
DESTINATION_SUMS = (
    "attempts", "answered", "talk_us", "billed_seconds", "charge", "detailed", "dtmf_answered",
    "pdd_us", "pdd_count", "effective", "redirected",
)  # fmt: skip
_CODE_SUMS = ("attempts", "legs")
HEAD_SUMS = (
    "attempts", "answered", "talk_us", "billed_seconds", "charge", "unrated", "dtmf_answered",
    "pdd_us", "pdd_count", "effective", "redirected",
)  # fmt: skip

_EFFECTIVE = ratios.EFFECTIVE_CODES
_REDIRECTION = f"{ratios.REDIRECTION_CODES[0]} AND {ratios.REDIRECTION_CODES[-1]}"
_BOUNDS = ", ".join(f"{bound / 1_000_000!r}" for bound in delays.BOUNDS_US)

_RECORDS = """
    SELECT carrier_id, date_bin('1 minute', setup_at, $3) AS minute,
           coalesce(country, '') AS country, final, rated_by, prefix,
           coalesce(sip_code, 0) AS sip_code, released_by, answer_at, talk_us,
           billed_seconds, charge, cost, dtmf_digits,
           ringing_at - setup_at AS pdd, ringing_at - offered_at AS legs_pdd
    FROM call_records
    WHERE account_id = $1 AND customer_id = $2 AND setup_at >= $3 AND setup_at < $4 AND {days}
"""

# Sums of intervals are exact, and far cheaper than sums of what extract() makes of each.
_LEGS = f"""
    SELECT carrier_id, minute, country, final,
           count(*) AS legs,
           count(answer_at) AS answered,
           sum(talk_us) AS talk_us,
           sum(billed_seconds) AS billed_seconds,
           coalesce(sum(charge), 0) AS charge,
           count(*) - count(charge) AS unrated,
           count(*) FILTER (WHERE dtmf_digits > 0 AND answer_at IS NOT NULL) AS dtmf_answered,
           count(pdd) AS pdd_count,
           sum(pdd) AS pdd,
           sum(legs_pdd) AS legs_pdd,
           count(*) FILTER (WHERE sip_code IN {_EFFECTIVE}) AS effective,
           count(*) FILTER (WHERE sip_code BETWEEN {_REDIRECTION}) AS redirected,
           count(*) FILTER (WHERE released_by = 'caller') AS released_caller,
           count(*) FILTER (WHERE released_by = 'callee') AS released_callee,
           count(released_by) AS released,
           coalesce(sum(cost), 0) AS cost,
           count(*) FILTER (WHERE cost IS NULL AND answer_at IS NOT NULL) AS uncosted
    FROM records
    GROUP BY 1, 2, 3, 4
"""

# Customer view: final legs. Carrier view: every leg.
_GRAINS = """
    SELECT carrier_id, minute, date_bin('15 minutes', minute, $3) AS slot, country,
           CASE WHEN final THEN legs ELSE 0 END AS attempts,
           CASE WHEN final THEN answered ELSE 0 END AS answered,
           CASE WHEN final THEN talk_us ELSE 0 END AS talk_us,
           CASE WHEN final THEN billed_seconds ELSE 0 END AS billed_seconds,
           CASE WHEN final THEN charge ELSE 0 END AS charge,
           CASE WHEN final THEN unrated ELSE 0 END AS unrated,
           CASE WHEN final THEN dtmf_answered ELSE 0 END AS dtmf_answered,
           CASE WHEN final THEN coalesce(extract(epoch FROM pdd) * 1000000, 0) ELSE 0 END AS pdd_us,
           CASE WHEN final THEN pdd_count ELSE 0 END AS pdd_count,
           CASE WHEN final THEN effective ELSE 0 END AS effective,
           CASE WHEN final THEN redirected ELSE 0 END AS redirected,
           CASE WHEN final THEN released_caller ELSE 0 END AS released_caller,
           CASE WHEN final THEN released_callee ELSE 0 END AS released_callee,
           CASE WHEN final THEN released - released_caller - released_callee ELSE 0 END
               AS released_other,
           legs, answered AS legs_answered, talk_us AS legs_talk_us,
           coalesce(extract(epoch FROM legs_pdd) * 1000000, 0) AS legs_pdd_us,
           pdd_count AS legs_pdd_count, cost, uncosted
    FROM legs
"""
_OUTCOMES = f"""
    SELECT $3::timestamptz AS hour, carrier_id, sip_code,
           CASE rated_by WHEN 'SWITCH' THEN 'switch' WHEN 'CARD' THEN 'prefix:' || prefix
                         WHEN 'WAIVED' THEN 'waived' ELSE 'unrated' END AS destination,
           final, CASE WHEN final THEN legs ELSE 0 END AS attempts,
           legs, answered, talk_us, billed_seconds, charge, legs AS detailed, dtmf_answered,
           coalesce(extract(epoch FROM pdd) * 1000000, 0) AS pdd_us, pdd_count,
           CASE WHEN sip_code IN {_EFFECTIVE} THEN legs ELSE 0 END AS effective,
           CASE WHEN sip_code BETWEEN {_REDIRECTION} THEN legs ELSE 0 END AS redirected
    FROM (
        SELECT carrier_id, final, rated_by, prefix, sip_code, count(*) AS legs,
               count(answer_at) AS answered, sum(talk_us) AS talk_us,
               sum(billed_seconds) AS billed_seconds, coalesce(sum(charge), 0) AS charge,
               count(*) FILTER (WHERE dtmf_digits > 0 AND answer_at IS NOT NULL) AS dtmf_answered,
               sum(pdd) AS pdd, count(pdd) AS pdd_count
        FROM records GROUP BY 1, 2, 3, 4, 5
    ) AS parts
"""
# Numbers of delays by bucket (`domain.summaries.delays`). date_part is far cheaper than extract.
_DELAYS = f"""
    SELECT minute, date_bin('15 minutes', minute, $3) AS slot, carrier_id, bucket, attempts, legs
    FROM (
        SELECT carrier_id, minute, final, count(*) AS delays,
               width_bucket(date_part('epoch', pdd), ARRAY[{_BOUNDS}]::float8[]) AS pdd_bucket,
               width_bucket(date_part('epoch', legs_pdd), ARRAY[{_BOUNDS}]::float8[])
                   AS legs_bucket
        FROM records WHERE pdd IS NOT NULL GROUP BY 1, 2, 3, 5, 6
    ) AS counts,
    LATERAL (
        VALUES (pdd_bucket, CASE WHEN final THEN delays ELSE 0 END, 0), (legs_bucket, 0, delays)
    ) AS views (bucket, attempts, legs)
"""


def _upsert(
    table: str, keys: str, time: str, sums: tuple[str, ...], source: str, only: str = "true"
) -> str:
    """Returns a row for each row of the table that was new or differed."""
    columns = ", ".join(sums)
    stored = ", ".join(f"{table}.{c}" for c in sums)
    computed = ", ".join(f"EXCLUDED.{c}" for c in sums)
    return f"""
    INSERT INTO {table} (account_id, customer_id, {keys}, {columns})
    SELECT $1, $2, {keys}, {", ".join(f"sum({c})" for c in sums)}
    FROM (
        SELECT {keys}, {columns} FROM {source} WHERE {only}
        UNION ALL
        SELECT {keys}, {", ".join("0" for _ in sums)} FROM {table}
        WHERE account_id = $1 AND customer_id = $2 AND {time} >= $3 AND {time} < $4
    ) AS parts
    GROUP BY {keys}
    ON CONFLICT (account_id, customer_id, {keys}) DO UPDATE SET ({columns}) = ROW ({computed})
    WHERE ({stored}) IS DISTINCT FROM ({computed})
    RETURNING 1
    """


def packed(count: str) -> str:
    """The aggregate of a histogram's counts by bucket, as `delays.unpack` reads it."""
    numbers = f"array_agg(bucket::bigint << 32 | {count} ORDER BY bucket)"
    return f"coalesce({numbers} FILTER (WHERE {count} > 0), ARRAY[]::bigint[])"


def _upsert_delays(table: str, time: str) -> str:
    """As `_upsert`, of histograms."""
    return f"""
    INSERT INTO {table} (account_id, customer_id, {time}, carrier_id, attempts, legs)
    SELECT $1, $2, {time}, carrier_id, {packed("attempts")}, {packed("legs")}
    FROM (
        SELECT {time}, carrier_id, bucket, sum(attempts)::bigint AS attempts,
               sum(legs)::bigint AS legs
        FROM delays GROUP BY 1, 2, 3
        UNION ALL
        SELECT {time}, carrier_id, 0, 0, 0 FROM {table}
        WHERE account_id = $1 AND customer_id = $2 AND {time} >= $3 AND {time} < $4
    ) AS parts
    GROUP BY {time}, carrier_id
    ON CONFLICT (account_id, customer_id, {time}, carrier_id) DO UPDATE
    SET (attempts, legs) = ROW (EXCLUDED.attempts, EXCLUDED.legs)
    WHERE ({table}.attempts, {table}.legs) IS DISTINCT FROM (EXCLUDED.attempts, EXCLUDED.legs)
    RETURNING 1
    """


_STORES = {
    "slots": _upsert("rollups", "slot, carrier_id", "slot", SUMS, "grains"),
    "countries": _upsert("country_slots", "slot, carrier_id, country", "slot", SUMS, "grains"),
    "destinations": _upsert(
        "rollup_destinations", "hour, destination", "hour", DESTINATION_SUMS, "outcomes", "final"
    ),
    "codes": _upsert("rollup_codes", "hour, carrier_id, sip_code", "hour", _CODE_SUMS, "outcomes"),
    "slot_delays": _upsert_delays("pdd_slots", "slot"),
}
_MINUTE_STORES = {
    "minutes": _upsert("minute_sums", "minute, carrier_id, country", "minute", SUMS, "grains"),
    "minute_delays": _upsert_delays("pdd_minutes", "minute"),
}


def _rebuild(stores: dict[str, str]) -> str:
    return f"""
WITH records AS MATERIALIZED ({_RECORDS}),
legs AS ({_LEGS}),
grains AS MATERIALIZED ({_GRAINS}),
outcomes AS MATERIALIZED ({_OUTCOMES}),
delays AS MATERIALIZED ({_DELAYS}),
{", ".join(f"{name} AS ({statement})" for name, statement in stores.items())},
changes AS (
    SELECT {" + ".join(f"(SELECT count(*) FROM {name})" for name in stores)} AS rows
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


# The head's new version, and whether its number of unrated calls changed; no row if nothing
# differed. The look-up in RETURNING reads the head before the change.
REBUILD = _rebuild(_STORES)
REBUILD_WITH_MINUTES = _rebuild(_STORES | _MINUTE_STORES)

# Lets the planner hash the records regardless of the estimated number of groups. There are few
# groups, so the memory is not used. An hour that exceeds the time fails.
LIMITS = "SET LOCAL work_mem = '64MB'; SET LOCAL statement_timeout = '15s'"
