"""The statements of models/checklists/checklist_state.py."""

from domain.checklists import conditions

_PROFILE = ", ".join(
    f"coalesce(c.{column}, '') <> '' AS {column}" for column in conditions.PROFILE_COLUMNS
)

# Some customers, or all if $2 is null. A customer that owes nothing has no overdue invoice.
CUSTOMERS = f"""
SELECT c.id, {_PROFILE}, coalesce(p.emails, 0) AS unverified_emails,
       coalesce(p.mobiles, 0) AS unverified_mobiles, r.customer_id IS NOT NULL AS has_rate_card,
       coalesce(i.invoices, 0) AS overdue, coalesce(u.calls, 0) AS unrated_calls
FROM customers c
LEFT JOIN (
    SELECT customer_id, count(*) FILTER (WHERE email_verified_at IS NULL) AS emails,
           count(*) FILTER (WHERE mobile_verified_at IS NULL) AS mobiles
    FROM contacts
    WHERE account_id = $1 AND ($2::bigint[] IS NULL OR customer_id = ANY($2))
    GROUP BY customer_id
) p ON p.customer_id = c.id
LEFT JOIN (
    SELECT DISTINCT customer_id FROM rate_card_assignments
    WHERE account_id = $1 AND valid_from <= $3
      AND ($2::bigint[] IS NULL OR customer_id = ANY($2))
) r ON r.customer_id = c.id
LEFT JOIN (
    SELECT i.customer_id, count(*) AS invoices
    FROM invoices i JOIN customers c ON c.account_id = $1 AND c.id = i.customer_id
    JOIN balances b ON b.account_id = $1 AND b.customer_id = i.customer_id AND b.posted < 0
    WHERE i.account_id = $1 AND i.kind = 'INVOICE' AND i.status = 'ISSUED' AND i.total > 0
      AND i.issued_at + make_interval(days => c.payment_days) < $3
      AND ($2::bigint[] IS NULL OR i.customer_id = ANY($2))
    GROUP BY i.customer_id
) i ON i.customer_id = c.id
LEFT JOIN (
    SELECT customer_id, sum(unrated)::bigint AS calls
    FROM hours
    WHERE account_id = $1 AND unrated > 0 AND ($2::bigint[] IS NULL OR customer_id = ANY($2))
    GROUP BY customer_id
) u ON u.customer_id = c.id
WHERE c.account_id = $1 AND ($2::bigint[] IS NULL OR c.id = ANY($2))
ORDER BY c.id
"""

# Carrier 0 means that no carrier was chosen.
OF_ACCOUNT = """
SELECT p.emails AS unverified_emails, p.mobiles AS unverified_mobiles,
    (SELECT count(*) FROM (
        SELECT 1 FROM customers WHERE account_id = $1 LIMIT 1) found) AS customers,
    (SELECT count(*) FROM (
        SELECT 1 FROM carriers WHERE account_id = $1 AND id <> 0 LIMIT 1) found) AS carriers,
    EXISTS (SELECT 1 FROM number_ranges WHERE account_id = $1) AS has_number_range,
    (SELECT count(*) FROM staff s JOIN logins l ON l.id = s.login_id
     WHERE s.account_id = $1 AND s.role = 'OWNER' AND l.disabled_at IS NULL
       AND l.totp_confirmed_at IS NULL) AS owners_without_factor,
    (SELECT count(*) FROM (
        SELECT 1 FROM quarantine WHERE account_id = $1 AND state = 'OPEN' LIMIT $2 + 1
     ) found) AS quarantined,
    (SELECT count(*) FROM (
        SELECT 1 FROM record_revisions WHERE account_id = $1 AND state = 'HELD' LIMIT $2 + 1
     ) found) AS held,
    (SELECT coalesce(sum(unrated), 0)::bigint FROM hours
     WHERE account_id = $1 AND unrated > 0) AS unrated_calls
FROM (
    SELECT count(*) FILTER (WHERE s.email_verified_at IS NULL) AS emails,
           count(*) FILTER (WHERE s.mobile_verified_at IS NULL) AS mobiles
    FROM staff s JOIN logins l ON l.account_id = s.account_id AND l.id = s.login_id
    WHERE s.account_id = $1 AND l.disabled_at IS NULL
) p
"""
OWNER = """
SELECT l.totp_confirmed_at IS NOT NULL FROM staff s JOIN logins l ON l.id = s.login_id
WHERE s.account_id = $1 AND s.id = $2 AND s.role = 'OWNER'
"""

STORED = """
SELECT customer_id, open FROM checklists
WHERE account_id = $1 AND ($2::bigint[] IS NULL OR customer_id = ANY($2))
"""
# In the order of their ids, so that transactions that settle several cannot deadlock.
OPEN = """
INSERT INTO checklists (account_id, customer_id)
SELECT $1, id FROM unnest($2::bigint[]) id ORDER BY id
ON CONFLICT (account_id, customer_id) DO NOTHING
"""
LOCK = """
SELECT customer_id, open FROM checklists WHERE account_id = $1 AND customer_id = ANY($2)
ORDER BY customer_id FOR UPDATE
"""
STORE = """
UPDATE checklists k SET open = n.open::jsonb
FROM unnest($2::bigint[], $3::text[]) n (customer_id, open)
WHERE k.account_id = $1 AND k.customer_id = n.customer_id
"""

SNOOZE = """
INSERT INTO checklist_snoozes (account_id, customer_id, login_id, code, until)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id, customer_id, login_id, code) DO UPDATE SET until = excluded.until
"""
UNSNOOZE = """
DELETE FROM checklist_snoozes
WHERE account_id = $1 AND customer_id = $2 AND login_id = $3 AND code = $4
"""
REMOVE_SNOOZES = """
DELETE FROM checklist_snoozes
WHERE account_id = $1 AND (customer_id, login_id, code) IN (
    SELECT customer_id, login_id, code FROM checklist_snoozes
    WHERE account_id = $1 AND until < $2 LIMIT $3
)
"""
SNOOZED = """
SELECT customer_id, code, until FROM checklist_snoozes
WHERE account_id = $1 AND customer_id = ANY($2) AND login_id = $3 AND until > $4
"""
