-- Hours that can still change, so that a day is frozen and dropped by what it holds itself.
CREATE INDEX hours_unfrozen ON hours (account_id, hour) WHERE NOT frozen;

-- Of a held content: its own setup, and that of the content that counted when it came.
ALTER TABLE record_revisions
    ADD COLUMN setup_at         timestamptz,
    ADD COLUMN counted_setup_at timestamptz;
UPDATE record_revisions v
SET setup_at = (v.content::jsonb ->> 'setup_at')::timestamptz, counted_setup_at = k.setup_at
FROM record_keys k
WHERE v.state = 'HELD' AND k.account_id = v.account_id AND k.switch = v.switch
  AND k.call_id = v.call_id AND k.leg = v.leg;

ALTER TABLE quarantine
    ADD COLUMN setup_at         timestamptz,            -- null: none can be read
    ADD COLUMN last_received_at timestamptz,            -- null: only once, at received_at
    ADD COLUMN times_received   bigint NOT NULL DEFAULT 1;
CREATE INDEX quarantine_setup ON quarantine (account_id, setup_at)
    WHERE state = 'OPEN' AND setup_at IS NOT NULL;

-- How much an account has in quarantine; locked by whoever adds or removes. See models/records/quarantine.py.
CREATE TABLE quarantine_sizes (
    account_id bigint PRIMARY KEY,
    bytes      bigint NOT NULL
);
INSERT INTO quarantine_sizes (account_id, bytes)
SELECT account_id, sum(octet_length(payload) + 500) FROM quarantine GROUP BY account_id;
