-- Rates and assignments are never overwritten: each change is a revision with an instant from which
-- it is in force, and a record keeps which rate it was charged by. Costs: the key and one index of
-- `rates` are built anew (a few seconds per million rates); the columns of call_records are added
-- without rewriting a row.

ALTER TABLE rate_cards ADD COLUMN rate_rows bigint NOT NULL DEFAULT 0;       -- its rows in `rates`
UPDATE rate_cards c SET rate_rows = r.rate_rows
FROM (SELECT account_id, rate_card_id, count(*) AS rate_rows FROM rates GROUP BY 1, 2) r
WHERE r.account_id = c.account_id AND r.rate_card_id = c.id;

-- rate_cards.version is the number of the card's last revision. Revision 1 is what the card held when
-- it was created, or when this table was.
CREATE TABLE rate_card_revisions (
    account_id     bigint NOT NULL,
    rate_card_id   bigint NOT NULL,
    revision       bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    rates          bigint NOT NULL,                     -- rows of `rates` that it added
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (account_id, rate_card_id, revision),
    FOREIGN KEY (account_id, rate_card_id) REFERENCES rate_cards (account_id, id)
);
INSERT INTO rate_card_revisions
SELECT account_id, id, 1, '1970-01-01 00:00:00+00', rate_rows, created_at FROM rate_cards;

-- The rate of a prefix at an instant t is its row with the greatest effective_from <= t; of those, the
-- one of the highest revision.
ALTER TABLE rates
    ADD COLUMN revision       bigint NOT NULL DEFAULT 1,
    ADD COLUMN effective_from timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00', -- its revision's
    ALTER COLUMN per_minute DROP NOT NULL,              -- null: from then on the prefix has no rate
    DROP CONSTRAINT rates_pkey,
    DROP CONSTRAINT rates_account_id_rate_card_id_fkey;
ALTER TABLE rates
    ALTER COLUMN revision DROP DEFAULT,
    ALTER COLUMN effective_from DROP DEFAULT,
    ADD PRIMARY KEY (account_id, rate_card_id, revision, prefix),        -- as records name it
    ADD FOREIGN KEY (account_id, rate_card_id, revision)
        REFERENCES rate_card_revisions (account_id, rate_card_id, revision);
CREATE INDEX rates_in_force ON rates (account_id, rate_card_id, prefix, effective_from, revision);

-- Of assignments with the same valid_from, the one with the highest sequence counts.
ALTER TABLE rate_card_assignments
    ADD COLUMN sequence bigint NOT NULL DEFAULT 1,
    DROP CONSTRAINT rate_card_assignments_pkey,
    ADD PRIMARY KEY (account_id, customer_id, valid_from, sequence);

-- Records are charged by these rows: they stay as they are.
CREATE FUNCTION keep_rates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of % is never changed or removed', TG_ARGV[0];
END $$;
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON rates
    FOR EACH ROW EXECUTE FUNCTION keep_rates('rates');
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON rate_card_revisions
    FOR EACH ROW EXECUTE FUNCTION keep_rates('rate_card_revisions');
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON rate_card_assignments
    FOR EACH ROW EXECUTE FUNCTION keep_rates('rate_card_assignments');

-- (rate_card_id, rate_revision, prefix) is the row of `rates` that a record was charged by; a null
-- rate_revision beside a card is 1. The currency is the customer's; null in records from before.
ALTER TABLE call_records
    ADD COLUMN rate_revision   bigint,
    ADD COLUMN rate_per_minute numeric,
    ADD COLUMN currency        text;

-- Not validated: every row from before satisfies the narrower check that this replaces.
ALTER TABLE call_records DROP CONSTRAINT call_records_rated_by_check;
ALTER TABLE call_records ADD CONSTRAINT call_records_rated_by_check
    CHECK (rated_by IN ('SWITCH', 'CARD', 'WAIVED')) NOT VALID;
