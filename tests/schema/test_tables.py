"""What the database itself says of its tables."""

import pytest

from models import db

# What lies above the accounts: they themselves, who signs in to them, and the migrations done.
REFERENCE = {"accounts", "logins", "tortoise_migrations"}


@pytest.mark.usefixtures("database")
async def test_every_unique_index_names_the_account() -> None:
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
