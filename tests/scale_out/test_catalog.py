import pkgutil
from importlib import import_module

from pglast import ast, parse_sql
from pglast.enums import AlterTableType, ConstrType
from tortoise.migrations.operations import RunSQL

from models import db, migrations
from tests.support.scale_out import catalog, syntax

# It ran before tables are distributed.
_IDENTITY_ADDED = {"0010_review": {"record_revisions.id"}}

_ALTERED = """
CREATE TABLE refunds (id bigint PRIMARY KEY);
ALTER TABLE number_ranges RENAME TO ranges;
ALTER TABLE messages DROP CONSTRAINT messages_pkey;
ALTER TABLE proofs DROP CONSTRAINT proofs_pkey,
    ALTER account_id DROP NOT NULL, ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX invoices_number ON invoices (number) INCLUDE (account_id);
ALTER TABLE number_blocks ADD CONSTRAINT blocks_apart
    EXCLUDE USING gist (int8range(first_number, last_number) WITH &&);
CREATE UNIQUE INDEX customers_id ON customers (id);
ALTER TABLE alerts ADD CONSTRAINT alerts_customer
    FOREIGN KEY (customer_id) REFERENCES customers (id);
ALTER TABLE logins ADD COLUMN staff bigint,
    ADD CONSTRAINT logins_staff FOREIGN KEY (account_id, staff) REFERENCES staff (account_id, id);
CREATE FUNCTION keep_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is kept', TG_TABLE_NAME; END $$;
CREATE VIEW all_customers AS SELECT id FROM customers;
"""


async def test_every_table_can_be_distributed_by_account(database: str) -> None:
    assert await catalog.problems() == []


async def test_the_violations_of_a_table_are_named(database: str) -> None:
    async with db.connection() as conn:
        await conn.execute(_ALTERED)
        has_gist = await conn.fetchval("SELECT 1 FROM pg_extension WHERE extname = 'btree_gist'")

    compared = "account_id WITH =" if has_gist else "account_id"
    assert set(await catalog.problems()) == {
        "ranges: add it to one tuple of models/distribution.py",
        "refunds: add it to one tuple of models/distribution.py",
        "number_ranges: remove it from models/distribution.py, because no such table exists",
        "messages: add a primary key that starts with account_id",
        "proofs: add account_id bigint NOT NULL",
        "proofs: add account_id to the key proofs_pkey",
        "invoices: add account_id to the key invoices_number",
        "customers: add account_id to the key customers_id",
        f"number_blocks: add `{compared}` to the constraint blocks_apart",
        "alerts: add account_id to both sides of alerts_customer",
        "logins: drop logins_staff, which refers to a distributed table",
        "keep_refund(): read TG_ARGV; TG_TABLE_NAME is the shard's",
        "all_customers: replace the view by a statement that names the account",
    }


def test_no_migration_adds_an_identity_column_to_an_existing_table() -> None:
    added = {name: _identities_added(sql) for name, sql in _migrations().items()}

    assert {name: columns for name, columns in added.items() if columns} == _IDENTITY_ADDED, (
        "Citus refuses ADD COLUMN ... IDENTITY on a distributed table"
    )


def _migrations() -> dict[str, str]:
    """The SQL of each migration, by its name."""
    results = {}
    for module in pkgutil.iter_modules(migrations.__path__):
        operations = import_module(f"{migrations.__name__}.{module.name}").Migration.operations
        texts = [operation.sql for operation in operations if isinstance(operation, RunSQL)]
        results[module.name] = "\n;\n".join(text for text in texts if isinstance(text, str))
    return results


def _identities_added(sql: str) -> set[str]:
    return {
        f"{statement.relation.relname}.{command.def_.colname}"
        for statement in syntax.descendants(tuple(raw.stmt for raw in parse_sql(sql)))
        if isinstance(statement, ast.AlterTableStmt)
        for command in statement.cmds
        if command.subtype == AlterTableType.AT_AddColumn
        for constraint in command.def_.constraints or ()
        if constraint.contype == ConstrType.CONSTR_IDENTITY
    }
