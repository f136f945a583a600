-- An invoice with a total of 0 is paid when it is issued: no allocation is needed to reach the total.
-- Issuing it as ISSUED is still possible, because earlier code does it while an upgrade runs.

-- The transitions: DRAFT to ISSUED, or to PAID if the total is 0; ISSUED to PAID; ISSUED or PAID to
-- VOID. Nothing else of an issued invoice changes, and only a draft can be deleted.
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
        IF NEW.status = 'VOID' OR (
            NEW.status = 'PAID' AND NOT (NEW.kind = 'INVOICE' AND NEW.total = 0)
        ) THEN
            RAISE EXCEPTION 'a draft has to be issued first';
        END IF;
        IF NEW.status <> 'DRAFT' AND (
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

-- Invoices that earlier code issued with a total of 0.
UPDATE invoices SET status = 'PAID' WHERE kind = 'INVOICE' AND status = 'ISSUED' AND total = 0;
