"""The schema of the opened database, compared with the schema that this code needs.

A schema is named after its newest migration. If older code can run with a migration, the migration
marks itself in the database, because that code does not contain it. The operation is
`mark_compatible("0023_new_column", oldest_code="0021_compatible_migrations")`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tortoise.migrations.operations import RunSQL

from models import db

MIGRATIONS = tuple(
    sorted(path.stem for path in (Path(__file__).parent / "migrations").glob("[0-9]*.py"))
)
REQUIRED = MIGRATIONS[-1]

_TABLES = """
SELECT to_regclass('tortoise_migrations') IS NOT NULL AS has_migrations,
       to_regclass('compatible_migrations') IS NOT NULL AS has_marks
"""


class NewerSchemaError(Exception):
    """The database is newer than this code can run with."""


@dataclass(frozen=True, slots=True)
class Schema:
    """`newest` is the database's newest migration, None if it has none. `missing` counts
    migrations that the database lacks. `newer` are migrations that this code cannot run with."""

    newest: str | None
    missing: int
    newer: tuple[str, ...]

    @property
    def is_usable(self) -> bool:
        return not self.missing and not self.newer

    @property
    def problem(self) -> str | None:
        """The problem with both versions and the remedy; None if the schema is usable."""
        if self.is_usable:
            return None
        version = self.newest or "none (it is empty)"
        versions = f"The schema of the database is {version}; this Callboard needs {REQUIRED}."
        if self.newer:
            return f"{versions} Start a newer Callboard, or restore a backup of this one."
        return f"{versions} Run ./callboard migrate."


async def read() -> Schema:
    """Reads two small tables; changes nothing."""
    async with db.connection() as conn:
        tables = await conn.fetchrow(_TABLES)
        applied: set[str] = set()
        oldest_code: dict[str, str] = {}
        if tables["has_migrations"]:
            rows = await conn.fetch("SELECT name FROM tortoise_migrations WHERE app = 'models'")
            applied = {row["name"] for row in rows}
        if tables["has_marks"]:
            rows = await conn.fetch("SELECT name, oldest_code FROM compatible_migrations")
            oldest_code = {row["name"]: row["oldest_code"] for row in rows}
    return compare(applied, oldest_code, MIGRATIONS)


def compare(
    applied: Collection[str], oldest_code: Mapping[str, str], migrations: Collection[str]
) -> Schema:
    """The schema of a database with the `applied` migrations, for code with these `migrations`."""
    required = max(migrations)
    unknown = sorted(set(applied) - set(migrations))
    return Schema(
        newest=max(applied, default=None),
        missing=len(set(migrations) - set(applied)),
        newer=tuple(
            name for name in unknown if name not in oldest_code or oldest_code[name] > required
        ),
    )


async def require_not_newer() -> Schema:
    """Raises NewerSchemaError."""
    schema = await read()
    if schema.newer:
        raise NewerSchemaError(schema.problem)
    return schema


def mark_compatible(name: str, *, oldest_code: str) -> RunSQL:
    """An operation of migration `name`: code with the migration `oldest_code` can run with it."""
    return RunSQL(
        f"INSERT INTO compatible_migrations (name, oldest_code) VALUES ('{name}', '{oldest_code}')"
    )
