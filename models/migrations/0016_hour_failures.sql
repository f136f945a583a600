-- Hours whose rebuild failed: tried again at `retry_at`, with a delay that grows. A rebuild that
-- succeeds removes the row in its own transaction.
CREATE TABLE hour_failures (
    account_id  bigint NOT NULL,
    customer_id bigint NOT NULL,
    hour        timestamptz NOT NULL,
    failures    integer NOT NULL CHECK (failures > 0),
    failed_at   timestamptz NOT NULL,
    retry_at    timestamptz NOT NULL,
    error       text NOT NULL,
    PRIMARY KEY (account_id, customer_id, hour)
);

-- An account's marked hours from the newest to the oldest, each found by one descent.
CREATE INDEX hour_marks_newest ON hour_marks (account_id, hour, customer_id);

-- A queue: nearly every row is dead soon, and readers pass dead rows until they are removed.
ALTER TABLE hour_marks SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000
);
