"""The costs and the parts of rows that a caller can see, in batches of rows of any tables."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from domain import periods
from domain.identity import callers
from domain.summaries import breakdowns, cells, row_costs
from models.summaries import row_parts
from resolvers import access
from resolvers.access import Capability


class Request(NamedTuple):
    """The first `limit` parts of a row. `with_legs`: also those without attempts."""

    key: periods.RowKey
    dimension: breakdowns.Dimension
    limit: int
    with_legs: bool


def request(
    caller: callers.Caller, key: periods.RowKey, dimension: breakdowns.Dimension, limit: int
) -> Request:
    """Carriers to which only legs were offered are part of the routing, which customers do not
    see."""
    return Request(key, dimension, limit, access.may(caller, Capability.SEE_COST))


async def parts(requests: Sequence[Request]) -> list[breakdowns.Breakdown]:
    """In this order; a statement for each customer, granularity and kind of request."""
    groups: dict[object, list[Request]] = {}
    for each in requests:
        groups.setdefault((_table(each.key), *each[1:]), []).append(each)
    found: dict[Request, breakdowns.Breakdown] = {}
    for group in groups.values():
        keys, (_, dimension, limit, with_legs) = [each.key for each in group], group[0]
        breakdowns_ = await row_parts.parts(keys, dimension, limit, with_legs=with_legs)
        found |= {each: breakdowns_[each.key] for each in group}
    return [found[each] for each in requests]


async def costs(keys: Sequence[periods.RowKey]) -> list[row_costs.Costs]:
    """In this order; a statement for each customer and granularity."""
    groups: dict[object, list[periods.RowKey]] = {}
    for key in keys:
        groups.setdefault(_table(key), []).append(key)
    found: dict[periods.RowKey, row_costs.Costs] = {}
    for group in groups.values():
        found |= await row_parts.costs(group)
    return [found[key] for key in keys]


async def with_costs(
    caller: callers.Caller, column: cells.Column | None, rows: Sequence[cells.Row]
) -> list[cells.Row]:
    """The rows, with their costs if the column reads them. Refuses FORBIDDEN."""
    if column is None or not column.is_cost:
        return list(rows)
    require_column(caller, column)
    found = await costs([row.key for row in rows])
    return [replace(row, costs=costs_) for row, costs_ in zip(rows, found, strict=True)]


def require_column(caller: callers.Caller, column: cells.Column | None) -> None:
    """Refuses FORBIDDEN a column of costs if the caller may not see them."""
    if column is not None and column.is_cost:
        access.require(caller, Capability.SEE_COST)


def _table(key: periods.RowKey) -> tuple[object, ...]:
    return key.account_id, key.customer_id, key.granularity
