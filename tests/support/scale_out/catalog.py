"""The violations of tables, keys and triggers in the open database."""

import re
from collections.abc import AsyncIterator
from typing import Any

from models import db
from models.distribution import DISTRIBUTED, LOCAL, REFERENCE

# Switches read it with a database role of their own, which Citus does not allow; there they use
# /ingest/sip-auth.
_VIEWS = {"kamailio_subscriber"}

_TABLES = """
SELECT relname AS name, EXISTS (
    SELECT 1 FROM pg_attribute WHERE attrelid = c.oid AND attname = 'account_id' AND attnotnull
) AS has_account, EXISTS (SELECT 1 FROM pg_index WHERE indrelid = c.oid AND indisprimary) AS has_key
FROM pg_class c
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
ORDER BY relname
"""
_UNIQUE_INDEXES = """
SELECT indexrelid::regclass::text AS name, indrelid::regclass::text AS "table"
FROM pg_index
WHERE indisunique AND NOT EXISTS (
    SELECT 1 FROM pg_attribute
    WHERE attrelid = indexrelid AND attname = 'account_id' AND attnum <= indnkeyatts
)
"""
_EXCLUSIONS = """
SELECT conname AS name, conrelid::regclass::text AS "table", pg_get_constraintdef(oid) AS definition
FROM pg_constraint WHERE contype = 'x'
"""
_FOREIGN_KEYS = """
SELECT conname AS name, conrelid::regclass::text AS "table", confrelid::regclass::text AS referred,
       EXISTS (SELECT 1 FROM unnest(conkey, confkey) AS pair (own, other)
               JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = pair.own
               JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = pair.other
               WHERE a.attname = 'account_id' AND b.attname = 'account_id') AS has_account
FROM pg_constraint WHERE contype = 'f'
"""
_FUNCTIONS = """
SELECT proname AS name, prosrc AS source FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND prorettype = 'trigger'::regtype
"""
_OWN_TABLE = re.compile(r"\bTG_(TABLE|REL)\w+", re.IGNORECASE)


async def problems() -> list[str]:
    """A sentence for each, with its remedy."""
    async with db.connection() as conn:
        return [problem for part in _PARTS async for problem in part(conn)]


async def _tables(conn: Any) -> AsyncIterator[str]:
    rows = await conn.fetch(_TABLES)
    placed = [*REFERENCE, *DISTRIBUTED, *LOCAL]
    for row in rows:
        if placed.count(row["name"]) != 1:
            yield f"{row['name']}: add it to one tuple of models/distribution.py"
        if row["name"] in DISTRIBUTED and not row["has_account"]:
            yield f"{row['name']}: add account_id bigint NOT NULL"
        if row["name"] in DISTRIBUTED and not row["has_key"]:
            yield f"{row['name']}: add a primary key that starts with account_id"
    for name in sorted({*placed} - {row["name"] for row in rows}):
        yield f"{name}: remove it from models/distribution.py, because no such table exists"


async def _keys(conn: Any) -> AsyncIterator[str]:
    for row in await conn.fetch(_UNIQUE_INDEXES):
        if row["table"] in DISTRIBUTED:
            yield f"{row['table']}: add account_id to the key {row['name']}"


async def _exclusions(conn: Any) -> AsyncIterator[str]:
    """Without btree_gist an account can only be compared as a range."""
    gist = await conn.fetchval("SELECT 1 FROM pg_extension WHERE extname = 'btree_gist'")
    compared = "account_id WITH =" if gist else "account_id"
    for row in await conn.fetch(_EXCLUSIONS):
        if row["table"] in DISTRIBUTED and compared not in row["definition"]:
            yield f"{row['table']}: add `{compared}` to the constraint {row['name']}"


async def _foreign_keys(conn: Any) -> AsyncIterator[str]:
    for row in await conn.fetch(_FOREIGN_KEYS):
        if row["referred"] in DISTRIBUTED and not row["has_account"]:
            yield f"{row['table']}: add account_id to both sides of {row['name']}"
        elif row["referred"] in DISTRIBUTED and row["table"] not in DISTRIBUTED:
            yield f"{row['table']}: drop {row['name']}, which refers to a distributed table"


async def _trigger_functions(conn: Any) -> AsyncIterator[str]:
    for row in await conn.fetch(_FUNCTIONS):
        for variable in _OWN_TABLE.finditer(row["source"]):
            yield f"{row['name']}(): read TG_ARGV; {variable[0]} is the shard's"


async def _views(conn: Any) -> AsyncIterator[str]:
    for row in await conn.fetch(
        "SELECT viewname AS name FROM pg_views WHERE schemaname = 'public'"
    ):
        if row["name"] not in _VIEWS:
            yield f"{row['name']}: replace the view by a statement that names the account"


_PARTS = (_tables, _keys, _exclusions, _foreign_keys, _trigger_functions, _views)
