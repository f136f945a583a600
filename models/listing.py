"""Lists: people and companies in the order of their ids with a search, and filters for other rows.

A search finds rows that contain, for each search word, a word starting with it. It ignores case and
accents (`search_words` in migration 0019).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from tortoise.models import Model

from models import db

Row = TypeVar("Row", bound=Model)
ReceiptPosition: TypeAlias = tuple[datetime, int]  # the time of receipt, and the id


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page: up to `limit` matching rows after the id `after`. `equal` maps columns to values."""

    after: int | None
    limit: int
    search: str | None = None
    equal: Mapping[str, Any] = field(default_factory=dict)


async def page(table: type[Row], account_id: int, request: PageRequest) -> list[Row]:
    values: list[Any] = [account_id, request.after or 0]
    conditions = ["account_id = $1", "id > $2"]
    for column, value in request.equal.items():
        values.append(value)
        conditions.append(f"{column} = ${len(values)}")
    if request.search is not None:
        values.append(request.search)
        conditions.append(f"search @@ search_query($1, ${len(values)})")
    where = " AND ".join(conditions)
    name = table._meta.db_table
    async with db.connection() as conn:
        rows = await conn.fetch(
            f"SELECT id FROM {name} WHERE {where} ORDER BY id LIMIT {request.limit}", *values
        )
    if not rows:
        return []
    matching = table.filter(account_id=account_id, id__in=[row["id"] for row in rows])
    return await matching.order_by("id")


def filter_conditions(
    account_id: int, filter: object, conditions: Mapping[str, str]
) -> tuple[list[str], list[Any]]:
    """The conditions of a WHERE and their values: the account ($1), and each field of the filter
    that is not None. `conditions` are by field, with `{}` for the value."""
    values: list[Any] = [account_id]
    chosen = ["account_id = $1"]
    for name, condition in conditions.items():
        value = getattr(filter, name)
        if value is not None:
            values.append(value)
            chosen.append(condition.format(f"${len(values)}"))
    return chosen, values


def page_by_receipt(
    conditions: list[str], values: list[Any], before: ReceiptPosition | None, limit: int
) -> str:
    """The WHERE, ORDER BY and LIMIT of a page of rows, newest first, before a position.

    Appends the values of the position to `values`.
    """
    if before is not None:
        values += before
        conditions = [*conditions, f"(received_at, id) < (${len(values) - 1}, ${len(values)})"]
    where = " AND ".join(conditions)
    return f"WHERE {where} ORDER BY received_at DESC, id DESC LIMIT {limit}"
