-- Issued documents and posted entries are held by the database; parts of a voided invoice stay.
-- In one transaction, which locks the invoices' tables and `hours`. With 1,000,000 invoiced hours and
-- as many ledger entries it took 21 s on a busy laptop: half of it finds the hours that are not billed,
-- the rest is the keys of invoice_hours; no table is rewritten.

-- Parts of a voided invoice -------------------------------------------------------------------------
-- They stay, so that its content hash can be recomputed. `freed_at` takes them off the keys that keep
-- an hour, and the change of an hour, off two live invoices.
ALTER TABLE invoice_hours ADD COLUMN freed_at timestamptz;
ALTER TABLE invoice_hours DROP CONSTRAINT invoice_hours_pkey;
ALTER TABLE invoice_hours ADD PRIMARY KEY (account_id, invoice_id, hour);
DROP INDEX invoice_hours_invoice;
CREATE UNIQUE INDEX invoice_hours_live ON invoice_hours (account_id, customer_id, hour)
    WHERE freed_at IS NULL;

ALTER TABLE invoice_adjustments ADD COLUMN freed_at timestamptz;
ALTER TABLE invoice_adjustments DROP CONSTRAINT invoice_adjustments_pkey;
ALTER TABLE invoice_adjustments
    DROP CONSTRAINT invoice_adjustments_account_id_customer_id_hour_from_versio_key;
ALTER TABLE invoice_adjustments ADD PRIMARY KEY (account_id, invoice_id, hour);
CREATE UNIQUE INDEX invoice_adjustments_live
    ON invoice_adjustments (account_id, customer_id, hour, from_version) WHERE freed_at IS NULL;

-- What changed since it was billed ------------------------------------------------------------------
-- Whether live invoices bill the charge that the hour has. False also if that is not known: the pins
-- decide then. A constant default rewrites nothing; only hours that nobody was billed for, or that
-- were adjusted or changed since, are updated.
ALTER TABLE hours ADD COLUMN billed boolean NOT NULL DEFAULT true;
ALTER TABLE hours ALTER COLUMN billed SET DEFAULT false;
UPDATE hours h SET billed = false
WHERE NOT EXISTS (
    SELECT 1 FROM invoice_hours p
    WHERE p.account_id = h.account_id AND p.customer_id = h.customer_id AND p.hour = h.hour
      AND p.version IS NOT NULL AND p.charge = h.charge
);
UPDATE hours h SET billed = false
FROM invoice_adjustments a
WHERE h.account_id = a.account_id AND h.customer_id = a.customer_id AND h.hour = a.hour AND h.billed;
CREATE INDEX hours_unbilled ON hours (account_id, customer_id, hour) WHERE NOT billed;

CREATE FUNCTION note_changed_charge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.billed := false;
    RETURN NEW;
END $$;
CREATE TRIGGER note_changed_charge BEFORE UPDATE ON hours
    FOR EACH ROW WHEN (OLD.charge <> NEW.charge) EXECUTE FUNCTION note_changed_charge();

-- Look-ups ------------------------------------------------------------------------------------------
CREATE INDEX ledger_entries_invoice ON ledger_entries (account_id, invoice_id)
    WHERE invoice_id IS NOT NULL;
-- Invoices to be paid.
CREATE INDEX invoices_unpaid ON invoices (account_id, customer_id, issued_at)
    WHERE kind = 'INVOICE' AND status = 'ISSUED' AND total > 0;

-- Drafts that are gone, so that a request that names one gets DRAFT_DISCARDED.
CREATE TABLE discarded_drafts (
    account_id   bigint NOT NULL,
    id           bigint NOT NULL,
    customer_id  bigint NOT NULL,
    discarded_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);

-- Guards --------------------------------------------------------------------------------------------
-- Trigger functions read TG_ARGV: TG_TABLE_NAME is another name on a distributed table.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is kept as it is: % refused', TG_ARGV[0], TG_OP;
END $$;
CREATE TRIGGER keep_entries BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the ledger');
CREATE TRIGGER keep_keys BEFORE UPDATE OR DELETE OR TRUNCATE ON idempotency_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('an idempotency key');
CREATE TRIGGER keep_discarded BEFORE UPDATE OR DELETE OR TRUNCATE ON discarded_drafts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a discarded draft');
CREATE TRIGGER keep_facts BEFORE TRUNCATE ON facts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a fact');
CREATE TRIGGER keep_invoices BEFORE TRUNCATE ON invoices
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('an issued invoice');
CREATE TRIGGER keep_lines BEFORE TRUNCATE ON invoice_lines
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('an issued invoice');
CREATE TRIGGER keep_hours BEFORE TRUNCATE ON invoice_hours
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('an issued invoice');
CREATE TRIGGER keep_adjustments BEFORE TRUNCATE ON invoice_adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('an issued invoice');
CREATE TRIGGER keep_series_deleted BEFORE DELETE OR TRUNCATE ON invoice_series
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the series of numbers');

CREATE FUNCTION keep_series() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.account_id <> OLD.account_id OR NEW.last_number < OLD.last_number
        OR NEW.last_position < OLD.last_position THEN
        RAISE EXCEPTION 'the series of numbers only grows';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_series BEFORE UPDATE ON invoice_series
    FOR EACH ROW EXECUTE FUNCTION keep_series();

-- The transitions: DRAFT to ISSUED; ISSUED to PAID; ISSUED or PAID to VOID. Nothing else of an issued
-- invoice changes, and only a draft can be deleted.
CREATE OR REPLACE FUNCTION keep_issued_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'DRAFT' THEN
            RAISE EXCEPTION 'an invoice is inserted as a draft, then issued';
        END IF;
    ELSIF OLD.status <> 'DRAFT' THEN
        IF TG_OP = 'DELETE'
            OR NOT (NEW.status = OLD.status OR (OLD.status, NEW.status)
                    IN (('ISSUED', 'PAID'), ('ISSUED', 'VOID'), ('PAID', 'VOID')))
            OR to_jsonb(NEW) - 'status' IS DISTINCT FROM to_jsonb(OLD) - 'status' THEN
            RAISE EXCEPTION 'invoice % is issued and cannot be changed', OLD.number;
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        IF NEW.status NOT IN ('DRAFT', 'ISSUED') THEN
            RAISE EXCEPTION 'a draft has to be issued first';
        END IF;
        IF NEW.status = 'ISSUED' AND (
            NEW.content_hash IS NULL OR NEW.issued_at IS NULL
            OR (NEW.total < 0 AND NEW.kind <> 'CREDIT_NOTE')
            OR EXISTS (
                SELECT 1 FROM invoice_hours
                WHERE account_id = NEW.account_id AND invoice_id = NEW.id AND version IS NULL
            )
        ) THEN
            RAISE EXCEPTION 'an invoice is issued with its kind, hash and time, its hours pinned';
        END IF;
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
DROP TRIGGER keep_issued ON invoices;
CREATE TRIGGER keep_issued BEFORE INSERT OR UPDATE OR DELETE ON invoices
    FOR EACH ROW EXECUTE FUNCTION keep_issued_invoice();

-- A part belongs to its invoice and changes only while that is a draft. The lock lets a part wait for
-- an issue under way. Of a void invoice, hours and adjustments can be freed once, unless another live
-- invoice adjusts what they billed.
CREATE OR REPLACE FUNCTION keep_issued_part() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    part record := coalesce(NEW, OLD);
    old_part jsonb := to_jsonb(OLD);
    new_part jsonb := to_jsonb(NEW);
    invoice_status text;
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.account_id, NEW.invoice_id) <> (OLD.account_id, OLD.invoice_id) THEN
        RAISE EXCEPTION 'a part of an issued invoice or a draft stays with it (%)', TG_ARGV[0];
    END IF;
    SELECT status INTO invoice_status FROM invoices
    WHERE account_id = part.account_id AND id = part.invoice_id FOR SHARE;
    IF coalesce(invoice_status, 'DRAFT') = 'DRAFT' AND new_part ->> 'freed_at' IS NULL THEN
        RETURN part;
    END IF;
    IF TG_OP <> 'UPDATE' OR invoice_status IS DISTINCT FROM 'VOID'
        OR old_part ->> 'freed_at' IS NOT NULL OR new_part ->> 'freed_at' IS NULL
        OR old_part - 'freed_at' <> new_part - 'freed_at' THEN
        RAISE EXCEPTION 'a part of an issued invoice cannot be changed (%)', TG_ARGV[0];
    END IF;
    IF EXISTS (
        SELECT 1 FROM invoice_adjustments a
        WHERE a.account_id = NEW.account_id AND a.customer_id = NEW.customer_id
          AND a.hour = NEW.hour AND a.freed_at IS NULL AND a.invoice_id <> NEW.invoice_id
          AND a.from_version >= coalesce(old_part ->> 'to_version', old_part ->> 'version')::bigint
    ) THEN
        RAISE EXCEPTION 'a live invoice adjusts a part of this issued invoice (%)', TG_ARGV[0];
    END IF;
    UPDATE hours SET billed = false
    WHERE account_id = NEW.account_id AND customer_id = NEW.customer_id AND hour = NEW.hour;
    RETURN NEW;
END $$;
DROP TRIGGER keep_issued ON invoice_lines;
DROP TRIGGER keep_issued ON invoice_hours;
DROP TRIGGER keep_issued ON invoice_adjustments;
CREATE TRIGGER keep_issued BEFORE INSERT OR UPDATE OR DELETE ON invoice_lines
    FOR EACH ROW EXECUTE FUNCTION keep_issued_part('a line');
CREATE TRIGGER keep_issued BEFORE INSERT OR UPDATE OR DELETE ON invoice_hours
    FOR EACH ROW EXECUTE FUNCTION keep_issued_part('an hour');
CREATE TRIGGER keep_issued BEFORE INSERT OR UPDATE OR DELETE ON invoice_adjustments
    FOR EACH ROW EXECUTE FUNCTION keep_issued_part('an adjustment');
