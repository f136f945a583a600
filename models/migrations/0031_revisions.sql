-- Counts the changes of what is shown of a customer, so that a cached part of an answer is used only
-- as long as it is current. Customer 0 is the account. One row for each source: the transactions
-- that change the same source of a customer exclude each other anyway.

CREATE TABLE revisions (
    account_id  bigint NOT NULL,
    customer_id bigint NOT NULL,
    source      text NOT NULL CHECK (source IN ('sums', 'channels', 'invoices', 'names')),
    revision    bigint NOT NULL,                        -- increases with every change
    PRIMARY KEY (account_id, customer_id, source)
) WITH (fillfactor = 50);                               -- the same few rows change all the time
