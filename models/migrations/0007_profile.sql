-- Profiles: what lists are searched by, how often a row was changed, and how the audit log is read.

-- Words without case and accents: 'Café-Müller GmbH' is {cafe,muller,gmbh}. Split at what is neither
-- letter nor digit in ASCII, so that it does not depend on the database's locale.
CREATE FUNCTION search_words(given text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN array_remove(
    regexp_split_to_array(
        lower(translate(regexp_replace(normalize(given, NFKD), '[\u0300-\u036f]', '', 'g'),
                        'ØøĐđŁłßẞ', 'OoDdLlss')),
        '[\s!-/:-@\[-`{-~]+'
    ),
    ''
);

-- Each word behind its account, so that a search reads no other account's part of an index.
CREATE FUNCTION search_index(account_id bigint, given text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT array_to_tsvector(coalesce(array_agg(account_id::text || ':' || word), '{}'))
    FROM unnest(search_words(given)) word
);

-- What has, for each word that is searched for, one that begins with it. Null without a word.
CREATE FUNCTION search_query(account_id bigint, given text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT string_agg('''' || account_id::text || ':' || word || ''':*', ' & ')::tsquery
    FROM unnest(search_words(given)) word
);

ALTER TABLE customers
    ADD COLUMN version bigint NOT NULL DEFAULT 1,       -- of what staff change
    ADD COLUMN search  tsvector GENERATED ALWAYS AS (search_index(
        account_id,
        name || ' ' || reference || ' ' || coalesce(legal_name, '') || ' '
            || coalesce(billing_email, '')
    )) STORED;
CREATE INDEX customers_search ON customers USING gin (search);

ALTER TABLE contacts
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    ADD COLUMN search  tsvector GENERATED ALWAYS AS (
        search_index(account_id, name || ' ' || email)
    ) STORED;
CREATE INDEX contacts_search ON contacts USING gin (search);
DROP INDEX contacts_customer;                            -- now in the order of lists
CREATE INDEX contacts_of_customer ON contacts (account_id, customer_id, id);

ALTER TABLE carriers
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    ADD COLUMN search  tsvector GENERATED ALWAYS AS (
        search_index(account_id, name || ' ' || reference)
    ) STORED;
CREATE INDEX carriers_search ON carriers USING gin (search);

ALTER TABLE staff ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE accounts ADD COLUMN version bigint NOT NULL DEFAULT 1;

-- Newest first: by the time, and among those of one instant by the id.
CREATE INDEX audit_log_at ON audit_log (account_id, at, id);
CREATE INDEX audit_log_actor ON audit_log (account_id, actor, at, id);
CREATE INDEX audit_log_action ON audit_log (account_id, action, at, id);
DROP INDEX audit_log_customer;
CREATE INDEX audit_log_customer ON audit_log (account_id, customer_id, at, id);
