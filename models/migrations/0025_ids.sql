-- Ids no longer count: a new id is its time of creation, so that nobody sees how many rows of all
-- accounts lie between two ids. Ids given out before stay as they are. See
-- docs/decisions/0022-an-id-is-a-time.md.

-- Microseconds since 2026, times `slots`, plus less than `slots`: rows of the same microsecond differ by
-- the sequence. The secret hides the sequence's value.
DO $$
BEGIN
    EXECUTE format($create$
        CREATE FUNCTION new_id(ids regclass, slots int) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $body$
        DECLARE
            us bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 1767225600000000;
            hash bytea := sha256(convert_to(%L || us, 'UTF8'));
        BEGIN
            RETURN us * slots + (nextval(ids) + get_byte(hash, 0) * 256 + get_byte(hash, 1)) %% slots;
        END $body$
    $create$, gen_random_uuid()::text || gen_random_uuid());
END $$;

-- The scripts in Redis compute with doubles: ids of customers and carriers stay below 2^53 until 2097.
-- Tokens hold 18 digits: the others have them until 2087. Ids of hour_marks are never shown. Earlier
-- code asks for the sequence of an invoice's id while an upgrade runs.
DO $$
DECLARE
    name text;
    next bigint;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'staff', 'customers', 'contacts', 'carriers', 'api_keys', 'sessions', 'audit_log', 'rate_cards',
        'quarantine', 'record_revisions', 'ledger_entries', 'proofs', 'messages', 'number_blocks',
        'sip_users', 'alert_rules', 'alerts', 'invoices'
    ] LOOP
        next := nextval(pg_get_serial_sequence(name, 'id'));
        EXECUTE format('ALTER TABLE %I ALTER id DROP IDENTITY', name);
        EXECUTE format('CREATE SEQUENCE %I OWNED BY %I.id START %s', name || '_id_seq', name, next);
        EXECUTE format(
            'ALTER TABLE %I ALTER id SET DEFAULT new_id(%L, %s)',
            name, name || '_id_seq', CASE WHEN name IN ('customers', 'carriers') THEN 4 ELSE 512 END
        );
    END LOOP;
END $$;
