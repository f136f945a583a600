"""The summary as a caller can see it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime, timedelta

import structlog

from domain import periods, refusals
from domain.billing import invoices, row_invoicing
from domain.identity import callers
from domain.periods import Granularity
from domain.summaries import cells
from live import bus as live_bus
from live import topics
from models import faults
from models.billing import invoice_queries
from models.directory import customers
from models.summaries import summary_rows
from resolvers import access
from resolvers.access import Capability
from resolvers.summaries import row_parts

MAX_SINCE = timedelta(days=31)
_MAX_CLOCK_DIFFERENCE = timedelta(minutes=5)  # the client's clock may be ahead
_LOOK_BACK = timedelta(minutes=2)
_MIN_INTERVAL_SECONDS = 1.0
_POLL_SECONDS = 20.0  # finds changes whose message was lost
_RETRY_SECONDS = 1.0  # while the database is unavailable

_log = structlog.get_logger("resolvers")


async def select(
    caller: callers.Caller, keys: Sequence[periods.RowKey], column: cells.Column
) -> cells.Selection:
    """Sum and averages of a column over rows. Refuses NOT_FOUND, MIXED_ROWS, EMPTY_SELECTION, and
    FORBIDDEN a column of costs."""
    chosen = cells.distinct_rows(keys)
    if not chosen:
        raise refusals.Refusal("EMPTY_SELECTION", "Select at least one row.", "rowIds")
    row_parts.require_column(caller, column)
    rows = await _rows(caller, chosen)
    return cells.select(column, await row_parts.with_costs(caller, column, rows))


async def row(caller: callers.Caller, key: periods.RowKey) -> tuple[cells.Row, str | None]:
    """A row, with the customer's currency (None: a row of the account)."""
    (found,) = await _rows(caller, [key])
    return found, await currency_of(key.account_id, key.customer_id)


async def invoicing(
    keys: Sequence[periods.RowKey],
) -> list[row_invoicing.RowInvoicing]:
    """The invoicing of rows of customers, in this order, in a statement per customer and
    granularity."""
    tables: dict[tuple[int, int, Granularity], list[datetime]] = {}
    for key in keys:
        assert key.customer_id is not None
        table = key.account_id, key.customer_id, key.granularity
        tables.setdefault(table, []).append(key.start)
    found: dict[periods.RowKey, row_invoicing.RowInvoicing] = {}
    for table, starts in tables.items():
        rows = await summary_rows.invoicing(*table, starts)
        found |= {
            periods.RowKey(*table, start): row for start, row in zip(starts, rows, strict=True)
        }
    return [found[key] for key in keys]


async def invoices_of(keys: Sequence[tuple[int, int]]) -> list[invoices.Invoice]:
    """The invoices of these accounts and ids."""
    found: dict[tuple[int, int], invoices.Invoice] = {}
    for account_id in {account_id for account_id, _ in keys}:
        ids = [id for account, id in keys if account == account_id]
        rows = await invoice_queries.by_ids(account_id, ids)
        found |= {(account_id, id): row for id, row in rows.items()}
    return [found[key] for key in keys]


async def _rows(caller: callers.Caller, keys: Sequence[periods.RowKey]) -> list[cells.Row]:
    """Rows of one table. Refuses NOT_FOUND if the caller cannot access one or it has no hours."""
    key = keys[0]
    access.require(caller, Capability.SEE_SUMMARIES)
    if not access.sees_customer(caller, key.customer_id):
        raise refusals.not_found("SummaryRow", "rowIds")
    if key.account_id != caller.account_id or not await _is_there(key):
        raise refusals.not_found("SummaryRow", "rowIds")
    starts = [key.start for key in keys]
    rows = await summary_rows.rows(key.account_id, key.customer_id, key.granularity, starts)
    if key.granularity is not Granularity.LIVE and not all(row.version for row in rows):
        raise refusals.not_found("SummaryRow", "rowIds")
    return rows


async def _is_there(key: periods.RowKey) -> bool:
    return key.customer_id is None or bool(await customers.get(key.account_id, key.customer_id))


async def currency_of(account_id: int, customer_id: int | None) -> str | None:
    """The customer's; None for the account. Refuses NOT_FOUND."""
    if customer_id is None:
        return None
    customer = await customers.get(account_id, customer_id)
    if customer is None:
        raise refusals.not_found("Customer", "customerId")
    return customer.currency


class Changes:
    """Returns the changed rows of a customer's summary since the last call.

    Looks back further, because a rebuild is stamped before it commits and the clocks of workers
    differ. Recognizes rows that were already returned by their versions.
    """

    def __init__(
        self,
        account_id: int,
        customer_id: int,
        granularity: Granularity,
        since: datetime | None = None,
    ) -> None:
        self.topic = topics.rows(account_id, customer_id)
        self._scope = account_id, customer_id
        self._granularity = granularity
        self._versions: dict[datetime, int] = {}
        self._asked = since

    async def since_last(self, now: datetime) -> list[cells.Row]:
        """Changed rows, oldest first. The first call without a `since` returns none. LIVE: only
        its 24 hours."""
        since, first = (self._asked or now) - _LOOK_BACK, self._asked is None
        changes = await summary_rows.changed_since(*self._scope, since)
        hours = [c.hour for c in changes if c.version > self._versions.get(c.hour, 0)]
        rows = [] if first else await self._rows(hours, now)
        self._asked, self._versions = now, {c.hour: c.version for c in changes}
        return rows

    async def _rows(self, hours: Sequence[datetime], now: datetime) -> list[cells.Row]:
        starts = {periods.period_containing(self._granularity, hour).start for hour in hours}
        if self._granularity is Granularity.LIVE:
            starts &= {period.start for period in periods.live_periods(now)}
        if not starts:
            return []
        return await summary_rows.rows(*self._scope, self._granularity, sorted(starts))


async def changes(
    caller: callers.Caller,
    customer_id: int,
    granularity: Granularity,
    since: datetime | None,
    now: datetime,
) -> tuple[Changes, str]:
    """The changes since a time, or (None) from now on, and the customer's currency.

    Refuses BAD_SINCE if the time is too old or in the future.
    """
    access.require_customer(caller, Capability.SEE_SUMMARIES, customer_id)
    currency = await currency_of(caller.account_id, customer_id)
    if since is not None:
        follower = Changes(caller.account_id, customer_id, granularity, _checked(since, now))
    else:
        follower = Changes(caller.account_id, customer_id, granularity)
        await follower.since_last(now)
    return follower, currency or ""


async def follow(
    bus: live_bus.Bus, changes: Changes, clock: Callable[[], datetime]
) -> AsyncGenerator[tuple[list[cells.Row], datetime], None]:
    """The changed rows whenever there are any, and the time at which they were read."""
    async with bus.listen(changes.topic, min_interval=_MIN_INTERVAL_SECONDS) as wakes:
        async for _ in wakes:
            wakes.max_interval, now = _POLL_SECONDS, clock()
            try:
                rows = await changes.since_last(now)
            except faults.UNAVAILABLE_ERRORS as error:
                _log.debug("changed rows not read", error=repr(error))
                wakes.max_interval = _RETRY_SECONDS
                continue
            if rows:
                yield rows, now


def _checked(since: datetime, now: datetime) -> datetime:
    if not now - MAX_SINCE <= since <= now + _MAX_CLOCK_DIFFERENCE:
        raise refusals.Refusal(
            "BAD_SINCE",
            "`since` is older than {days} days. Read the summary and subscribe without `since`.",
            "since",
            days=MAX_SINCE.days,
        )
    return min(since, now)
