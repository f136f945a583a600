"""The push of changed summary rows."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Annotated

import strawberry

from resolvers import summaries as resolve
from schema import base, summaries

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@strawberry.type
class SummarySubscription:
    @strawberry.subscription(
        description="Each row of a customer's summary whose sums have changed, as it is now, at"
        " most once a second. Without `since` nothing at first: subscribe, then query. LIVE: rows"
        " of its 24 hours."
    )
    async def summary_updated(
        self,
        info: base.Info,
        customer_id: Annotated[strawberry.ID, strawberry.argument(description="Whose summary.")],
        granularity: summaries.GranularityArgument,
        since: Annotated[
            datetime | None,
            strawberry.argument(
                description="Rows that have changed since then are told first: give the `asOf` of"
                f" the rows you have. At most {resolve.MAX_SINCE.days} days ago, else BAD_SINCE. A"
                " row may come that you have already: its version tells."
            ),
        ] = None,
    ) -> AsyncGenerator[summaries.SummaryRow, None]:
        context = info.context
        caller = context.signed_in()
        customer = base.decode_id(customer_id, "Customer", caller.account_id)
        known = [instant for instant in (since, _resumed(context)) if instant is not None]
        start, now = max(known, default=None), context.clock()
        changes, currency = await resolve.changes(caller, customer, granularity, start, now)
        context.begin(_mark(min(start or now, now)))
        return _pushed(context, changes, currency)


async def _pushed(
    context: base.Context, changes: resolve.Changes, currency: str
) -> AsyncGenerator[summaries.SummaryRow, None]:
    async with aclosing(resolve.follow(context.bus, changes, context.clock)) as told:
        async for rows, now in told:
            before = context.mark
            for row in rows:
                context.push(_mark(now) if row is rows[-1] else before)
                yield summaries.SummaryRow.of(row, currency, now)


def _mark(now: datetime) -> int:
    """The instant up to which all changes were told, in microseconds since 1970."""
    return (now - _EPOCH) // timedelta(microseconds=1)


def instant(mark: int) -> datetime:
    """What a mark stands for; of what is none, the first instant there is."""
    try:
        return _EPOCH + timedelta(microseconds=mark)
    except OverflowError:
        return _EPOCH


def _resumed(context: base.Context) -> datetime | None:
    return None if context.resume_after is None else instant(context.resume_after)
