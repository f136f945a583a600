"""Sum and averages of selected cells of the summary."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

import strawberry

from domain import periods, refusals
from domain.identity import callers
from domain.summaries import cells
from resolvers.access import Capability
from resolvers.summaries import summaries
from resolvers.summaries.revisions import Scope, Source
from schema.engine import base, permissions
from schema.engine.documents import expensive, prices
from schema.engine.fragments import declarations
from schema.summaries import columns
from schema.summaries.summaries import row_key

_FEW = 100  # rows that take a few milliseconds


@permissions.open_type
@strawberry.type(
    description="Sum and averages of the selected cells of one column, as decimal strings."
)
class SummaryCells:
    count: base.Long = strawberry.field(description="Number of distinct selected rows.")
    sum: Decimal | None = strawberry.field(
        description="Exact sum. Null for ratios, and for PROFIT if a row has none."
    )
    cell_average: Decimal | None = strawberry.field(
        description="Plain mean of the unrounded cells that have a value, rounded half up to"
        f" {cells.AVERAGE_PLACES} places. Null if no cell has a value."
    )
    weighted_average: Decimal | None = strawberry.field(
        description="For ratios, the weighted average: computed from the numerators and"
        f" denominators of the rows, rounded half up to {cells.AVERAGE_PLACES} places."
        " Null for other columns."
    )


def _are_many(_: object, *, row_ids: Sequence[str], **more: object) -> bool:
    return len(row_ids) > _FEW


def _scope(_: object, caller: callers.Caller, arguments: Mapping[str, Any]) -> Scope | None:
    """That of the first row; other rows of another scope are refused."""
    if not arguments["rowIds"]:
        return None
    parts = base.parts_of(arguments["rowIds"][0], "SummaryRow", caller.account_id)
    try:
        return caller.account_id, periods.RowKey.of(caller.account_id, parts).customer_id
    except refusals.Refusal:
        return None


@strawberry.type
class CellsQuery:
    @permissions.field(
        requires=Capability.SEE_SUMMARIES,
        description=(
            "Sum and averages of a column over summary rows. All rows must belong to one"
            " customer (or the account) and one granularity, and for columns of money have one"
            " currency. A row that is named twice counts once. Columns of costs require"
            f" permission to {Capability.SEE_COST}. Refused: MIXED_ROWS, FORBIDDEN, BUSY."
        ),
        metadata={
            **prices.price(100),
            **declarations.stored(Source.SUMS, Source.NAMES, scope=_scope),
        },
        extensions=[expensive.Expensive(_are_many)],
    )
    async def summary_cells(
        self,
        info: base.Info,
        row_ids: Annotated[
            list[strawberry.ID], prices.list_argument("Ids of summary rows.", each=3)
        ],
        column: Annotated[columns.SummaryColumn, strawberry.argument(description="The column.")],
    ) -> SummaryCells | None:
        caller = info.context.signed_in()
        keys = [row_key(id, caller.account_id) for id in dict.fromkeys(row_ids)]
        chosen = await summaries.select(caller, keys, columns.column_of(column))
        return SummaryCells(
            count=chosen.count,
            sum=_decimal(chosen.sum),
            cell_average=_decimal(chosen.cell_average),
            weighted_average=_decimal(chosen.weighted_average),
        )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
