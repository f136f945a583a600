-- The history of active calls, from samples of the live state every 10 s. Customer 0 is the whole
-- account; carrier -1 is all carriers, carrier 0 is none. The row of customer 0 and carrier -1 exists
-- for every period with a sample, and its samples are all that were taken. Any other row exists only
-- if a sample found calls: without one, the figures are 0.

CREATE TABLE channel_minutes (
    account_id  bigint NOT NULL,
    customer_id bigint NOT NULL,
    carrier_id  bigint NOT NULL,
    start       timestamptz NOT NULL,
    slots       integer NOT NULL,                       -- bit n: the sample of seconds 10n to 10n + 9
    maximum     bigint NOT NULL,                        -- calls
    total       bigint NOT NULL,                        -- sum of the calls of all samples
    last        bigint NOT NULL,                        -- calls in the sample of the highest slot
    PRIMARY KEY (account_id, customer_id, start, carrier_id)
) WITH (fillfactor = 75);                               -- each sample updates the rows of its minute
CREATE INDEX channel_minutes_start ON channel_minutes (account_id, start);  -- removal

-- Computed from the minutes before these are removed.
CREATE TABLE channel_five_minutes (
    account_id  bigint NOT NULL,
    customer_id bigint NOT NULL,
    carrier_id  bigint NOT NULL,
    start       timestamptz NOT NULL,
    samples     bigint NOT NULL,
    maximum     bigint NOT NULL,
    total       bigint NOT NULL,
    PRIMARY KEY (account_id, customer_id, start, carrier_id)
);

-- Computed from the minutes too.
CREATE TABLE channel_hours (
    account_id  bigint NOT NULL,
    customer_id bigint NOT NULL,
    carrier_id  bigint NOT NULL,
    start       timestamptz NOT NULL,
    samples     bigint NOT NULL,
    maximum     bigint NOT NULL,
    total       bigint NOT NULL,
    PRIMARY KEY (account_id, customer_id, start, carrier_id)
);
