"""The statements of models/records/quarantine_store.py. $1 is always the account."""

LOCK_SIZE = """
INSERT INTO quarantine_sizes (account_id, bytes) VALUES ($1, 0)
ON CONFLICT (account_id) DO UPDATE SET bytes = quarantine_sizes.bytes
RETURNING bytes
"""
RESIZE = "UPDATE quarantine_sizes SET bytes = bytes + $2 WHERE account_id = $1"
LOCK_STORED = """
SELECT digest FROM quarantine WHERE account_id = $1 AND digest = ANY($2) ORDER BY id FOR UPDATE
"""
_VALUES = """
unnest($3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::jsonb[],
       $10::timestamptz[], $11::bigint[])
    AS n (digest, payload, code, message, field, switch, said, setup_at, times)
"""
# A replayed record already counts, even if its first content is refused again.
REPEAT = f"""
UPDATE quarantine q SET state = CASE q.state WHEN 'DISCARDED' THEN 'OPEN' ELSE q.state END,
    code = n.code, message = n.message, field = n.field, said = n.said,
    setup_at = n.setup_at, last_received_at = $2, times_received = q.times_received + n.times
FROM {_VALUES} WHERE q.account_id = $1 AND q.digest = n.digest
"""
INSERT = f"""
INSERT INTO quarantine (account_id, received_at, digest, payload, code, message, field, switch,
    said, setup_at, times_received)
SELECT $1, $2, n.* FROM {_VALUES}
"""
REMOVE = """
DELETE FROM quarantine WHERE account_id = $1 AND id = ANY(ARRAY(
    SELECT id FROM quarantine
    WHERE account_id = $1 AND state = ANY($2) AND received_at < $3
      AND coalesce(last_received_at, received_at) < $3
    LIMIT $4 FOR UPDATE SKIP LOCKED
)) RETURNING octet_length(payload) AS bytes
"""
MARK_DAY_FROZEN = """
UPDATE quarantine SET code = $4, message = $5, field = NULL, said = $6
WHERE account_id = $1 AND id IN (
    SELECT id FROM quarantine
    WHERE account_id = $1 AND state = 'OPEN' AND setup_at >= $2 AND setup_at < $3
    FOR UPDATE SKIP LOCKED
)
"""
