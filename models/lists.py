"""Lists: people and companies in the order of their ids, searched by the words in them; of others
what their own filter matches.

A search finds what has, for each of its words, a word that begins with it, in whatever case and
with whatever accents (`search_words` in migration 0007).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tortoise.models import Model

from models import db

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page: up to `limit` rows after the id `after` that match. `equal` is by column."""

    after: int | None
    limit: int
    search: str | None = None
    equal: Mapping[str, Any] = field(default_factory=dict)


async def page(table: type[Row], account_id: int, wanted: Wanted) -> list[Row]:
    values: list[Any] = [account_id, wanted.after or 0]
    conditions = ["account_id = $1", "id > $2"]
    for column, value in wanted.equal.items():
        values.append(value)
        conditions.append(f"{column} = ${len(values)}")
    if wanted.search is not None:
        values.append(wanted.search)
        conditions.append(f"search @@ search_query($1, ${len(values)})")
    where = " AND ".join(conditions)
    name = table._meta.db_table
    async with db.connection() as conn:
        rows = await conn.fetch(
            f"SELECT id FROM {name} WHERE {where} ORDER BY id LIMIT {wanted.limit}", *values
        )
    if not rows:
        return []
    found = table.filter(account_id=account_id, id__in=[row["id"] for row in rows])
    return await found.order_by("id")


def matching(
    account_id: int, wanted: object, conditions: Mapping[str, str]
) -> tuple[list[str], list[Any]]:
    """The conditions of a WHERE, and their values: of an account ($1), and of each field of the
    filter that is not None. `conditions`, by field, have `{}` for the value."""
    values: list[Any] = [account_id]
    found = ["account_id = $1"]
    for name, condition in conditions.items():
        value = getattr(wanted, name)
        if value is not None:
            values.append(value)
            found.append(condition.format(f"${len(values)}"))
    return found, values
