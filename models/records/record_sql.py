"""The statements of record_store.py and revision_store.py. $1 is always the account.

`{days}`: the condition on the days that a statement on call records reads
(`day_bounds.Span.condition`).
"""

# unnest keeps the order of the arrays, so that keys are claimed in lock order.
CLAIM = """
    INSERT INTO record_keys
        (account_id, call_key, leg, setup_at, customer_id, revision, digest, final)
    SELECT $1, * FROM unnest($2::uuid[], $3::smallint[], $4::timestamptz[], $5::bigint[],
                             $6::integer[], $7::uuid[], $8::boolean[])
    ON CONFLICT DO NOTHING
    RETURNING call_key, leg
"""
# $3: the numbers of the hours since the epoch. Returns the frozen hours. It runs after the records
# are written, because that locks their partition, and freezing needs a conflicting lock
# (models/summaries/frozen_hours.py).
MARK = """
    WITH ended AS (
        DELETE FROM unknown_ends u USING unnest($5::text[], $6::text[]) AS c (switch, call_id)
        WHERE u.account_id = $1 AND u.switch = c.switch AND u.call_id = c.call_id
    ), marked AS (
        INSERT INTO hour_marks (account_id, customer_id, hour, marked_at)
        SELECT $1, customer_id, to_timestamp(number * 3600), $4
        FROM unnest($2::bigint[], $3::bigint[]) AS m (customer_id, number)
    )
    SELECT m.customer_id, m.hour
    FROM (
        SELECT customer_id, to_timestamp(number * 3600) AS hour
        FROM unnest($2::bigint[], $3::bigint[]) AS m (customer_id, number)
    ) AS m
    WHERE (
        SELECT h.frozen FROM hours h
        WHERE h.account_id = $1 AND h.customer_id = m.customer_id AND h.hour = m.hour
    )
"""
_KEYS = """
    SELECT call_key, leg, setup_at, customer_id, revision, digest, final
    FROM record_keys WHERE account_id = $1
"""
KEYS = f"""
    {_KEYS} AND (call_key, leg) IN (SELECT * FROM unnest($2::uuid[], $3::smallint[]))
"""
LOCK_CALLS = f"""
    {_KEYS} AND call_key = ANY($2::uuid[]) ORDER BY call_key, leg FOR UPDATE
"""
REVISIONS = """
    SELECT switch, call_id, leg, digest, revision FROM record_revisions WHERE account_id = $1
    AND (switch, call_id, leg) IN (SELECT * FROM unnest($2::text[], $3::text[], $4::integer[]))
"""
# In the format of `revisions.as_json`. The LIMIT makes it a look-up of one row per key.
CONTENTS = """
    SELECT k.switch, k.call_id, k.leg, record.content
    FROM unnest($2::text[], $3::text[], $4::integer[], $5::bigint[], $6::timestamptz[],
                $7::bytea[]) AS k (switch, call_id, leg, customer_id, setup_at, digest)
    CROSS JOIN LATERAL (
        SELECT (to_jsonb(r) || jsonb_build_object('digest', encode(k.digest, 'base64')))::text
            AS content
        FROM call_records r
        WHERE r.account_id = $1 AND r.customer_id = k.customer_id AND r.setup_at = k.setup_at
        AND r.switch = k.switch AND r.call_id = k.call_id AND r.leg = k.leg AND {days}
        LIMIT 1 {lock}
    ) AS record
"""
DELETE = """
    DELETE FROM call_records WHERE account_id = $1 AND customer_id = $2 AND setup_at = $3
    AND switch = $4 AND call_id = $5 AND leg = $6 AND {days}
"""
UNFINAL = """
    UPDATE record_keys SET final = false WHERE account_id = $1 AND call_key = $2 AND leg = $3
"""
REVISE = """
    UPDATE record_keys SET setup_at = $4, customer_id = $5, revision = $6, digest = $7, final = $8
    WHERE account_id = $1 AND call_key = $2 AND leg = $3
"""
# A record that was held, accepted and is now superseded already has its row and stays ACCEPTED.
KEEP = """
    INSERT INTO record_revisions
        (account_id, switch, call_id, leg, digest, revision, state, content, setup_at,
         counted_setup_at, received_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (account_id, switch, call_id, leg, digest) DO UPDATE
    SET revision = EXCLUDED.revision WHERE record_revisions.state = 'ACCEPTED'
"""
