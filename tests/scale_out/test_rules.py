import pytest

from tests.support.scale_out.rules import Rule, violations

_ACCEPTED = [
    "SELECT name FROM customers WHERE account_id = $1 AND id = $2",
    "SELECT name FROM customers WHERE 7 = account_id",
    "SELECT name FROM customers WHERE (account_id, id) = ($1, $2::bigint)",
    "SELECT 1 FROM customers c JOIN invoices i ON i.account_id = $1 AND i.customer_id = c.id"
    " WHERE c.account_id = $1",
    "SELECT 1 FROM customers c LEFT JOIN invoices i ON i.account_id = $1 WHERE c.account_id = $1",
    "SELECT 1 FROM (customers c JOIN invoices i ON c.account_id = $1 AND i.account_id = $1)"
    " LEFT JOIN contacts p ON p.account_id = $1",
    "SELECT 1 FROM customers c JOIN accounts a ON a.id = c.account_id WHERE c.account_id = $1",
    "SELECT email FROM logins",
    "SELECT 1 FROM pg_class, information_schema.tables, unnest($1::bigint[]) AS given (id)",
    "WITH customers AS (SELECT 1 AS id) SELECT id FROM customers",
    "SELECT 1 FROM call_records_20261130 WHERE account_id = $1 FOR UPDATE",
    "SELECT 1 FROM customers WHERE account_id = $1"
    " UNION SELECT 2 FROM carriers WHERE account_id = $1",
    "SELECT 1 FROM hours h, logins WHERE h.account_id = $1 FOR UPDATE OF h SKIP LOCKED",
    "INSERT INTO facts (account_id, kind) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    "INSERT INTO day_sums (account_id, charge) SELECT account_id, sum(charge) FROM hours"
    " WHERE account_id = $1 GROUP BY account_id",
    "WITH new AS (INSERT INTO facts (account_id, kind) SELECT $1, k FROM unnest($2::text[]) k"
    " RETURNING number) SELECT number FROM new",
    "UPDATE sessions SET ended_at = coalesce(ended_at, $2) WHERE account_id = $1",
    "UPDATE messages SET tries = tries + 1, due_at = $2 + $3::interval WHERE account_id = $1",
    "DELETE FROM hour_marks WHERE account_id = $1 AND id = ANY($2)",
    "COPY hour_marks (account_id, hour) FROM STDIN",
    "SET jit = off",
    "CREATE TABLE anything (id bigint)",
]

_REFUSED = [
    ("SELECT name FROM customers", Rule.ACCOUNT, "customers"),
    ("SELECT name FROM customers WHERE id = $1", Rule.ACCOUNT, "customers"),
    ("SELECT 1 FROM customers WHERE account_id = $1 OR id = $2", Rule.ACCOUNT, "customers"),
    ("SELECT 1 FROM customers WHERE account_id = ANY($1)", Rule.ACCOUNT, "customers"),
    ("SELECT 1 FROM customers WHERE account_id > $1", Rule.ACCOUNT, "customers"),
    (
        "SELECT 1 FROM customers c JOIN invoices i ON i.account_id = c.account_id"
        " WHERE c.account_id = $1",
        Rule.ACCOUNT,
        "invoices i",
    ),
    (
        "SELECT 1 FROM customers JOIN invoices USING (account_id) WHERE account_id = $1",
        Rule.ACCOUNT,
        "customers",
    ),
    (
        "SELECT 1 FROM customers c LEFT JOIN invoices i ON i.account_id = $1 AND c.account_id = $1",
        Rule.ACCOUNT,
        "customers c",
    ),
    (
        "SELECT 1 FROM customers c WHERE c.account_id = $1 AND EXISTS (SELECT 1 FROM invoices i"
        " WHERE i.account_id = c.account_id)",
        Rule.ACCOUNT,
        "invoices i",
    ),
    (
        "SELECT (SELECT count(*) FROM invoices) FROM customers c WHERE c.account_id = $1",
        Rule.ACCOUNT,
        "invoices",
    ),
    (
        "SELECT 1 FROM customers c WHERE c.account_id = $1 UNION ALL SELECT 1 FROM carriers",
        Rule.ACCOUNT,
        "carriers",
    ),
    (
        "UPDATE sessions s SET ended_at = $1 FROM logins l WHERE s.account_id = l.account_id",
        Rule.ACCOUNT,
        "sessions s",
    ),
    ("DELETE FROM hour_marks WHERE id = $1", Rule.ACCOUNT, "hour_marks"),
    ("SELECT 1 FROM call_records_20261130", Rule.ACCOUNT, "call_records_20261130"),
    (
        "WITH gone AS (DELETE FROM hour_marks RETURNING id) SELECT id FROM gone",
        Rule.ACCOUNT,
        "hour_marks",
    ),
    (
        "INSERT INTO facts (account_id, kind) SELECT account_id, 'x' FROM hours",
        Rule.ACCOUNT,
        "hours",
    ),
    ("SELECT id FROM messages FOR UPDATE SKIP LOCKED", Rule.LOCK, "messages"),
    (
        "SELECT 1 FROM customers c JOIN hours h ON h.customer_id = c.id WHERE c.account_id = $1"
        " FOR SHARE OF h",
        Rule.LOCK,
        "hours h",
    ),
    (
        "WITH new AS (INSERT INTO day_sums (account_id) SELECT account_id FROM hours"
        " WHERE account_id = $1 RETURNING day) SELECT day FROM new",
        Rule.INSERT_IN_WITH,
        "day_sums",
    ),
    (
        "WITH r AS (SELECT account_id FROM call_records WHERE account_id = $1),"
        " r2 AS (SELECT account_id FROM r), new AS (INSERT INTO rollups (account_id)"
        " SELECT account_id FROM r2) SELECT 1",
        Rule.INSERT_IN_WITH,
        "rollups",
    ),
    (
        "SELECT 1 WHERE EXISTS (SELECT FROM customers WHERE account_id = $1)",
        Rule.COLUMNS,
        "customers",
    ),
    (
        "UPDATE sessions SET expires_at = last_used_at + $2::interval WHERE account_id = $1",
        Rule.TIME,
        "sessions.expires_at",
    ),
    (
        "UPDATE sessions SET expires_at = greatest(ends_at, ends_at - make_interval(secs => $2))"
        " WHERE account_id = $1",
        Rule.TIME,
        "sessions.expires_at",
    ),
    (
        "INSERT INTO hour_failures AS f (account_id) VALUES ($1) ON CONFLICT (account_id)"
        " DO UPDATE SET retry_at = f.failed_at + interval '1 hour'",
        Rule.TIME,
        "hour_failures.retry_at",
    ),
    (
        "UPDATE api_keys SET last_used_at = date_trunc('minute', created_at) WHERE account_id = $1",
        Rule.TIME,
        "api_keys.last_used_at",
    ),
    ("INSERT INTO facts (kind) VALUES ($1)", Rule.INSERT, "facts"),
    ("INSERT INTO facts VALUES ($1, $2)", Rule.INSERT, "facts"),
    ("COPY hour_marks (hour) FROM STDIN", Rule.INSERT, "hour_marks"),
    ("COPY hour_marks FROM STDIN", Rule.INSERT, "hour_marks"),
    ("UPDATE staff SET account_id = $1 WHERE account_id = $1", Rule.MOVE, "staff"),
    ("SELECT 1 FROM refunds WHERE account_id = $1", Rule.TABLE, "refunds"),
    ("INSERT INTO refunds (account_id) VALUES ($1)", Rule.TABLE, "refunds"),
    (
        "MERGE INTO hours h USING logins l ON h.account_id = $1 WHEN MATCHED THEN DELETE",
        Rule.FORM,
        "MERGE",
    ),
]


@pytest.mark.parametrize("statement", _ACCEPTED)
def test_a_statement_that_names_the_account_for_every_table_is_accepted(statement: str) -> None:
    assert violations(statement) == []


@pytest.mark.parametrize(("statement", "rule", "detail"), _REFUSED)
def test_a_statement_that_breaks_a_rule_is_named_with_the_table(
    statement: str, rule: Rule, detail: str
) -> None:
    assert (rule, detail) in [
        (violation.rule, violation.detail) for violation in violations(statement)
    ]


def test_each_rule_has_a_statement_that_breaks_it() -> None:
    assert {rule for _, rule, _ in _REFUSED} == set(Rule)


def test_text_that_is_not_sql_is_named() -> None:
    assert [violation.rule for violation in violations("SELEC 1")] == [Rule.FORM]
