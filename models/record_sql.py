"""The statements of models/record_store.py; $1 is always the account."""

# unnest keeps the arrays' order, so keys are claimed in the order they were sorted in.
CLAIM = """
    INSERT INTO record_keys
        (account_id, switch, call_id, leg, setup_at, customer_id, revision, digest, final)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::integer[], $5::timestamptz[],
                             $6::bigint[], $7::bigint[], $8::bytea[], $9::boolean[])
    ON CONFLICT DO NOTHING
    RETURNING switch, call_id, leg
"""
# Returns those of the hours that are frozen. Sent after the records were written: that locks their
# partition, and hours are frozen under a lock that excludes it (models/frozen_hours.py).
MARK = """
    WITH known_now AS (
        DELETE FROM unknown_ends u USING unnest($5::text[], $6::text[]) AS c (switch, call_id)
        WHERE u.account_id = $1 AND u.switch = c.switch AND u.call_id = c.call_id
    ), marked AS (
        INSERT INTO hour_marks (account_id, customer_id, hour, marked_at)
        SELECT $1, *, $4 FROM unnest($2::bigint[], $3::timestamptz[])
    )
    SELECT m.customer_id, m.hour
    FROM unnest($2::bigint[], $3::timestamptz[]) AS m (customer_id, hour)
    WHERE (
        SELECT h.frozen FROM hours h
        WHERE h.account_id = $1 AND h.customer_id = m.customer_id AND h.hour = m.hour
    )
"""
DIGESTS = """
    SELECT switch, call_id, leg, digest FROM record_keys WHERE account_id = $1
    AND (switch, call_id, leg) IN (SELECT * FROM unnest($2::text[], $3::text[], $4::integer[]))
"""
LOCK_CALLS = """
    SELECT switch, call_id, leg, setup_at, customer_id, revision, digest, final
    FROM record_keys WHERE account_id = $1
    AND (switch, call_id) IN (SELECT * FROM unnest($2::text[], $3::text[]))
    ORDER BY switch COLLATE "C", call_id COLLATE "C", leg
    FOR UPDATE
"""
SEEN = """
    SELECT switch, call_id, leg, digest, revision FROM record_revisions WHERE account_id = $1
    AND (switch, call_id, leg) IN (SELECT * FROM unnest($2::text[], $3::text[], $4::integer[]))
"""
# The LIMIT keeps this a look-up of one partition for each key.
CONTENTS = """
    SELECT k.switch, k.call_id, k.leg, found.content
    FROM unnest($2::text[], $3::text[], $4::integer[], $5::bigint[], $6::timestamptz[])
        AS k (switch, call_id, leg, customer_id, setup_at)
    CROSS JOIN LATERAL (
        SELECT to_jsonb(r)::text AS content FROM call_records r
        WHERE r.account_id = $1 AND r.customer_id = k.customer_id AND r.setup_at = k.setup_at
        AND r.switch = k.switch AND r.call_id = k.call_id AND r.leg = k.leg LIMIT 1
    ) AS found
"""
DELETE = """
    DELETE FROM call_records WHERE account_id = $1 AND customer_id = $2 AND setup_at = $3
    AND switch = $4 AND call_id = $5 AND leg = $6
"""
UNFINAL = """
    UPDATE record_keys SET final = false
    WHERE account_id = $1 AND switch = $2 AND call_id = $3 AND leg = $4
"""
REVISE = """
    UPDATE record_keys SET setup_at = $5, customer_id = $6, revision = $7, digest = $8, final = $9
    WHERE account_id = $1 AND switch = $2 AND call_id = $3 AND leg = $4
"""
# What was held, then accepted, and is superseded now, has its row already and stays ACCEPTED.
KEEP = """
    INSERT INTO record_revisions
        (account_id, switch, call_id, leg, digest, revision, state, content, setup_at,
         counted_setup_at, received_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (account_id, switch, call_id, leg, digest) DO UPDATE
    SET revision = EXCLUDED.revision WHERE record_revisions.state = 'ACCEPTED'
"""
