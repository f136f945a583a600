"""Sum and averages of selected cells of the summary."""

from decimal import Decimal
from enum import Enum
from typing import Annotated

import strawberry

from domain import cells
from resolvers import access, summaries
from resolvers.access import Capability
from schema import base
from schema.summaries import row_key


@strawberry.enum(description="A column of the summary.")
class SummaryColumn(Enum):
    ATTEMPTS = "ATTEMPTS"
    ANSWERED = "ANSWERED"
    ASR = "ASR"
    ACD_SECONDS = "ACD_SECONDS"
    TALK_SECONDS = "TALK_SECONDS"
    BILLED_SECONDS = "BILLED_SECONDS"
    CHARGE = "CHARGE"


@strawberry.type(
    description="Sum and averages of the selected cells of one column, as decimal strings."
)
class SummaryCells:
    count: base.Long = strawberry.field(description="How many rows were selected, each once.")
    sum: Decimal | None = strawberry.field(description="Exact; null for ratios.")
    cell_average: Decimal | None = strawberry.field(
        description="Mean of the unrounded cells, those without a value left out; null if all are."
        f" Rounded half up to {cells.AVERAGE_PLACES} places."
    )
    weighted_average: Decimal | None = strawberry.field(
        description="For ratios: recomputed from the rows' numerators and denominators; null for"
        f" other columns. Rounded half up to {cells.AVERAGE_PLACES} places."
    )


@strawberry.type
class CellsQuery:
    @strawberry.field(
        description="Sum and averages of a column over rows of one customer (or of the account)"
        " and one granularity, of CHARGE also of one currency, else MIXED_ROWS. A row named twice"
        " counts once."
        f" At most {summaries.MAX_CELLS} rows, else TOO_MANY_ROWS."
    )
    async def summary_cells(
        self,
        info: base.Info,
        row_ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="Ids of summary rows.")
        ],
        column: Annotated[SummaryColumn, strawberry.argument(description="Which column.")],
    ) -> SummaryCells:
        caller = info.context.signed_in()
        access.require(caller, Capability.SEE_STATS)
        keys = [row_key(id, caller.account_id) for id in row_ids]
        chosen = await summaries.select(caller, keys, _COLUMNS[column.value])
        return SummaryCells(
            count=chosen.count,
            sum=_decimal(chosen.sum),
            cell_average=_decimal(chosen.cell_average),
            weighted_average=_decimal(chosen.weighted_average),
        )


_COLUMNS = {column.name: column for column in cells.COLUMNS}


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
