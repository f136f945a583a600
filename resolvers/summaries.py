"""The summary as a caller may see it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from domain import billing, callers, cells, periods, refusals
from domain.periods import Granularity
from live import bus, topics
from models import customers, faults, invoices, summaries
from resolvers import access
from resolvers.access import Capability

MAX_CELLS = 10_000
MAX_SINCE = timedelta(days=31)
_AHEAD = timedelta(minutes=5)  # a client's clock may go before ours
_LOOK_BACK = timedelta(minutes=2)
_AT_MOST_EVERY = 1.0  # seconds
_LOOK_EVERY = 20.0  # seconds: heals what was not heard
_RETRY = 1.0  # seconds between tries while the database is away

_log = structlog.get_logger("resolvers")


@dataclass(frozen=True, slots=True)
class Page:
    """`rows` holds one more than was asked for where there are more.

    `currency` is the customer's; None for the account, whose rows have any number of them.
    """

    rows: list[cells.Row]
    currency: str | None
    as_of: datetime
    billable: bool


async def page(
    caller: callers.Caller,
    customer_id: int | None,
    granularity: Granularity,
    first: int,
    before: datetime | None,
    now: datetime,
) -> Page:
    """Rows newest first, of a customer or (None) of the account, of periods before `before`.

    LIVE has its 24 rows always; the others have a row for every period with hours.
    """
    access.require_scope(caller, Capability.SEE_STATS, customer_id)
    scope = caller.account_id, customer_id, granularity
    currency = await _currency(caller.account_id, customer_id)
    if granularity is Granularity.LIVE:
        starts = [p.start for p in periods.live(now) if before is None or p.start < before]
    else:
        starts = await summaries.starts(*scope, before, first + 1)
    rows = await summaries.rows(*scope, starts[: first + 1])
    billable = customer_id is not None and granularity is not Granularity.LIVE
    return Page(rows, currency, now, billable)


async def select(
    caller: callers.Caller, keys: Sequence[periods.RowKey], column: cells.Column
) -> cells.Selection:
    """Sum and averages of a column over rows; NOT_FOUND, MIXED_ROWS, TOO_MANY_ROWS."""
    chosen = cells.distinct(keys)
    if not 1 <= len(chosen) <= MAX_CELLS:
        raise refusals.Refusal(
            "TOO_MANY_ROWS" if chosen else "EMPTY_SELECTION",
            "Select 1 to {most} rows, not {count}.",
            "rowIds",
            most=MAX_CELLS,
            count=len(chosen),
        )
    return cells.select(column, await _rows(caller, chosen))


async def row(caller: callers.Caller, key: periods.RowKey) -> tuple[cells.Row, str | None]:
    """A row, with the customer's currency (None: a row of the account)."""
    (found,) = await _rows(caller, [key])
    return found, await _currency(key.account_id, key.customer_id)


async def holders(keys: Sequence[periods.RowKey]) -> list[billing.Invoice | None]:
    """The live invoice that holds hours of each customer's row."""
    found: dict[periods.RowKey, int] = {}
    tables = {(key.account_id, key.customer_id, key.granularity) for key in keys}
    for account_id, customer_id, kind in tables:
        if customer_id is not None:
            starts = [
                k.start for k in keys if (k.customer_id, k.granularity) == (customer_id, kind)
            ]
            held = await summaries.holders(account_id, customer_id, kind, starts)
            found |= {
                periods.RowKey(account_id, customer_id, kind, start): invoice
                for start, invoice in held.items()
            }
    by_id: dict[int, billing.Invoice] = {}
    for account_id in {key.account_id for key in found}:
        by_id |= await invoices.by_ids(account_id, list(found.values()))
    return [by_id.get(found.get(key, 0)) for key in keys]


async def _rows(caller: callers.Caller, keys: Sequence[periods.RowKey]) -> list[cells.Row]:
    """Rows of one table; NOT_FOUND where a caller may not see it or a row has no hours."""
    key = keys[0]
    access.require(caller, Capability.SEE_STATS)
    if caller.customer_id not in (None, key.customer_id):
        raise refusals.no_such("SummaryRow", "rowIds")
    if key.account_id != caller.account_id or not await _is_there(key):
        raise refusals.no_such("SummaryRow", "rowIds")
    starts = [key.start for key in keys]
    rows = await summaries.rows(key.account_id, key.customer_id, key.granularity, starts)
    if key.granularity is not Granularity.LIVE and not all(row.version for row in rows):
        raise refusals.no_such("SummaryRow", "rowIds")
    return rows


async def _is_there(key: periods.RowKey) -> bool:
    return key.customer_id is None or bool(await customers.get(key.account_id, key.customer_id))


async def _currency(account_id: int, customer_id: int | None) -> str | None:
    if customer_id is None:
        return None
    customer = await customers.get(account_id, customer_id)
    if customer is None:
        raise refusals.no_such("Customer", "customerId")
    return customer.currency


class Changes:
    """Tells which rows of a customer's summary changed since it was last asked.

    Looks back further than that: a rebuild is stamped before it commits, and the clocks of
    workers differ. What was told already is known by its version.
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
        """Oldest first; without a `since` none at the first time. LIVE: of its 24 hours only."""
        since, first = (self._asked or now) - _LOOK_BACK, self._asked is None
        changes = await summaries.changed_since(*self._scope, since)
        hours = [c.hour for c in changes if c.version > self._versions.get(c.hour, 0)]
        rows = [] if first else await self._rows(hours, now)
        self._asked, self._versions = now, {c.hour: c.version for c in changes}
        return rows

    async def _rows(self, hours: Sequence[datetime], now: datetime) -> list[cells.Row]:
        starts = {periods.containing(self._granularity, hour).start for hour in hours}
        if self._granularity is Granularity.LIVE:
            starts &= {period.start for period in periods.live(now)}
        if not starts:
            return []
        return await summaries.rows(*self._scope, self._granularity, sorted(starts))


async def changes(
    caller: callers.Caller,
    customer_id: int,
    granularity: Granularity,
    since: datetime | None,
    now: datetime,
) -> tuple[Changes, str]:
    """What tells of changes since then, or (None) from now on, and the customer's currency.

    BAD_SINCE where that is too long ago, or yet to come.
    """
    access.require_customer(caller, Capability.SEE_STATS, customer_id)
    currency = await _currency(caller.account_id, customer_id)
    if since is not None:
        follower = Changes(caller.account_id, customer_id, granularity, _checked(since, now))
    else:
        follower = Changes(caller.account_id, customer_id, granularity)
        await follower.since_last(now)
    return follower, currency or ""


async def follow(
    heard: bus.Bus, changes: Changes, clock: Callable[[], datetime]
) -> AsyncGenerator[tuple[list[cells.Row], datetime], None]:
    """The changed rows each time there are any, and the instant they were read at."""
    async with heard.listen(changes.topic, min_interval=_AT_MOST_EVERY) as wakes:
        async for _ in wakes:
            wakes.max_interval, now = _LOOK_EVERY, clock()
            try:
                rows = await changes.since_last(now)
            except faults.AWAY as error:
                _log.warning("changed rows not read", error=repr(error))
                wakes.max_interval = _RETRY
                continue
            if rows:
                yield rows, now


def _checked(since: datetime, now: datetime) -> datetime:
    if not now - MAX_SINCE <= since <= now + _AHEAD:
        raise refusals.Refusal(
            "BAD_SINCE",
            "Give a time of the last {days} days; if you have been away for longer, read"
            " the summary and subscribe without `since`.",
            "since",
            days=MAX_SINCE.days,
        )
    return min(since, now)
