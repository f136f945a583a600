-- E-mail addresses are compared in NFC. Earlier ones may be stored as they were entered, such as an e
-- and an accent behind it. If two logins would have the same address, both stay as they are: each
-- signs in with its own form, and `doctor` lists them.

DO $$
BEGIN
    IF getdatabaseencoding() = 'UTF8' THEN
        CREATE TEMPORARY TABLE normalized ON COMMIT DROP AS
        SELECT id, account_id, email, address FROM (
            SELECT id, account_id, email, normalize(email, NFC) AS address,
                   count(*) OVER (PARTITION BY normalize(email, NFC)) AS forms
            FROM logins
        ) AS l
        WHERE forms = 1 AND email <> address AND address = lower(address);
        -- Links that were sent stay valid.
        UPDATE proofs p SET address = n.address FROM normalized n
        WHERE p.account_id = n.account_id AND p.login_id = n.id AND p.address = n.email;
        UPDATE logins l SET email = n.address FROM normalized n WHERE l.id = n.id;
    END IF;
END $$;
