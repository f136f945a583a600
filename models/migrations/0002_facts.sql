-- Facts: what has happened, numbered consecutively in each stream and kept for good. A stream is a
-- kind of facts of one customer, or (scope 0) of the whole account.
CREATE TABLE facts (
    account_id  bigint NOT NULL,
    kind        text NOT NULL,
    scope       bigint NOT NULL,                        -- a customer, or 0: the whole account
    number      bigint NOT NULL,                        -- from 1 on, without gaps
    at          timestamptz NOT NULL,
    customer_id bigint,                                 -- null: of no customer, in scope 0 alone
    subject_id  bigint,                                 -- what it is about, such as the invoice
    detail      jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (account_id, kind, scope, number)
);

-- The last number of each stream, taken under the row's lock until the commit.
CREATE TABLE fact_heads (
    account_id bigint NOT NULL,
    kind       text NOT NULL,
    scope      bigint NOT NULL,
    last       bigint NOT NULL,
    PRIMARY KEY (account_id, kind, scope)
);

CREATE FUNCTION keep_fact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'fact % of % is kept as it is', OLD.number, OLD.kind;
END $$;
CREATE TRIGGER keep_fact BEFORE UPDATE OR DELETE ON facts
    FOR EACH ROW EXECUTE FUNCTION keep_fact();

-- What each customer had outstanding when it was last told.
CREATE TABLE checklists (
    account_id  bigint NOT NULL,
    customer_id bigint NOT NULL,
    open        jsonb NOT NULL DEFAULT '{}',            -- {code: how many have it outstanding}
    PRIMARY KEY (account_id, customer_id),
    FOREIGN KEY (account_id, customer_id) REFERENCES customers (account_id, id)
);

-- The checklists are looked at every few seconds; hours with calls that nobody rated are few.
CREATE INDEX hours_unrated ON hours (account_id, customer_id) INCLUDE (unrated) WHERE unrated > 0;
CREATE INDEX contacts_customer ON contacts (account_id, customer_id);
