-- What switches that report each leg of a call on its own have reported, until the legs are joined.
-- Rows are only inserted, and removed after some days.

CREATE TABLE channel_reports (
    account_id    bigint NOT NULL,
    switch        text COLLATE "C" NOT NULL,
    channel_id    text COLLATE "C" NOT NULL,
    originator_id text COLLATE "C",                     -- the channel that made this offer; null: a first leg
    received_at   timestamptz NOT NULL,
    content       text NOT NULL,                        -- domain.records.call_channels.Channel as JSON
    PRIMARY KEY (account_id, switch, channel_id)
);
CREATE INDEX channel_reports_originator ON channel_reports (account_id, switch, originator_id)
    WHERE originator_id IS NOT NULL;
CREATE INDEX channel_reports_received ON channel_reports (account_id, received_at);  -- removal

-- The names of the channel variables that such a switch uses.
ALTER TABLE switches
    ADD COLUMN customer_variable text NOT NULL DEFAULT 'accountcode',
    ADD COLUMN carrier_variable  text NOT NULL DEFAULT 'carrier',
    ADD COLUMN offers_variable   text NOT NULL DEFAULT 'originated_legs';
