"""Rules for all tables, read from the catalog of the database."""

import pytest

from models import db

# What lies above the accounts: they themselves, who signs in to them, and the migrations done.
REFERENCE = {"accounts", "logins", "tortoise_migrations", "compatible_migrations"}


@pytest.mark.usefixtures("database")
async def test_every_unique_index_includes_the_account() -> None:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT owner.relname AS owner, index.relname AS name,"
            " array_agg(a.attname::text ORDER BY a.attnum) AS columns"
            " FROM pg_index i"
            " JOIN pg_class owner ON owner.oid = i.indrelid"
            " JOIN pg_class index ON index.oid = i.indexrelid"
            " JOIN pg_attribute a ON a.attrelid = i.indrelid"
            " AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])"
            " WHERE i.indisunique AND owner.relnamespace = 'public'::regnamespace"
            " GROUP BY owner.relname, index.relname"
        )
    indexes = {(row["owner"], row["name"]): row["columns"] for row in rows}
    assert {owner for owner, _ in indexes} > REFERENCE
    assert [
        key
        for key, columns in indexes.items()
        if key[0] not in REFERENCE and "account_id" not in columns
    ] == []


@pytest.mark.usefixtures("database")
async def test_no_id_reveals_the_number_of_rows_of_all_accounts() -> None:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT attrelid::regclass::text AS owner, pg_get_expr(adbin, adrelid) AS source"
            " FROM pg_attribute a"
            " JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')"
            " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
            " WHERE c.relnamespace = 'public'::regnamespace AND attnum > 0"
            " AND (attidentity <> '' OR pg_get_expr(adbin, adrelid) ~ 'nextval|new_id')"
        )
    sources = {row["owner"]: row["source"] for row in rows if row["owner"] not in REFERENCE}
    assert sources.pop("hour_marks") is None, "their ids are never shown"
    assert {name for name, source in sources.items() if not source.startswith("new_id(")} == set()
