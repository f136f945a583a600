"""Pages of the summary."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain import periods
from domain.identity import callers
from domain.periods import Granularity
from domain.summaries import cells, freshness, row_filters, row_order
from models.summaries import marks, summary_rows
from resolvers import access
from resolvers.access import Capability
from resolvers.summaries import row_parts, summaries


@dataclass(frozen=True, slots=True)
class Request:
    """The `first` rows that match the filter, after a position of the order."""

    first: int
    after: row_order.Position | None = None
    filter: row_filters.Filter = field(default_factory=row_filters.Filter)
    order: row_order.Order = field(default_factory=row_order.Order)

    @property
    def reads_whole_range(self) -> bool:
        """Whether the page depends on more than the periods that have hours."""
        return self.order.column is not None or self.filter.invoicing is not None


@dataclass(frozen=True, slots=True)
class Page:
    """`rows` has one more than requested if more follow.

    `currency` is the customer's; None for the account, whose rows can have several.
    """

    rows: list[cells.Row]
    currency: str | None
    freshness: freshness.Freshness
    billable: bool


async def page(
    caller: callers.Caller,
    customer_id: int | None,
    granularity: Granularity,
    request: Request,
    now: datetime,
) -> Page:
    """Rows of a customer or (None) of the account.

    LIVE always has its 24 rows; the others have a row for every period with hours. Refuses
    BAD_RANGE, FORBIDDEN, MIXED_CURRENCIES.
    """
    access.require_scope(caller, Capability.SEE_SUMMARIES, customer_id)
    if request.filter.invoicing is not None:
        access.require(caller, Capability.SEE_BILLING)
    row_parts.require_column(caller, request.order.column)
    if request.reads_whole_range:
        request.filter.require_bounded(granularity, now)
    scope = caller.account_id, customer_id, granularity
    oldest = await _oldest_mark(caller.account_id, customer_id)  # before the rows
    currency = await summaries.currency_of(caller.account_id, customer_id)
    between = request.filter.starts(granularity, now)
    if request.reads_whole_range:
        rows = await _of_range(scope, between, request, now)
        rows = await row_parts.with_costs(caller, request.order.column, rows)
        request.order.require_one_currency(rows)
        rows = request.order.page(rows, request.after, request.first + 1)
    else:
        starts = await _starts(scope, between, request, now)
        rows = await summary_rows.rows(*scope, starts)
    billable = customer_id is not None and granularity is not Granularity.LIVE
    return Page(rows, currency, freshness.Freshness.of(oldest, now), billable)


_Scope = tuple[int, int | None, Granularity]


async def _starts(
    scope: _Scope, between: periods.Period, request: Request, now: datetime
) -> Sequence[datetime]:
    """The starts of the page's rows, in the order of their periods."""
    is_ascending, limit = request.order.is_ascending, request.first + 1
    if request.after is not None:
        between = row_order.rest(between, request.after.start, scope[2], is_ascending=is_ascending)
    if scope[2] is not Granularity.LIVE:
        return await summary_rows.starts(*scope, between, limit, ascending=is_ascending)
    starts = _live_starts(between, now)
    return (starts[::-1] if is_ascending else starts)[:limit]


def _live_starts(between: periods.Period, now: datetime) -> list[datetime]:
    starts = (period.start for period in periods.live_periods(now))
    return [start for start in starts if between.start <= start < between.end]


async def _of_range(
    scope: _Scope, between: periods.Period, request: Request, now: datetime
) -> list[cells.Row]:
    """All rows that match the filter."""
    if scope[2] is Granularity.LIVE:
        rows = await summary_rows.rows(*scope, _live_starts(between, now))
    else:
        rows = await summary_rows.rows_between(*scope, between)
    states = request.filter.invoicing
    if states is None:
        return rows
    invoicing = await summaries.invoicing([row.key for row in rows])
    return [row for row, of in zip(rows, invoicing, strict=True) if of.state in states]


async def _oldest_mark(account_id: int, customer_id: int | None) -> datetime | None:
    if customer_id is None:
        return await marks.oldest(account_id)
    return (await marks.oldest_of(account_id, [customer_id]))[customer_id]
