"""The push of changed summary rows."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated

import strawberry

from domain import epoch
from resolvers.access import Capability
from resolvers.summaries import summaries as summary_resolvers
from schema.engine import base, customer_ids, permissions
from schema.summaries import summaries


@strawberry.type
class SummarySubscription:
    @permissions.subscription(
        requires=Capability.SEE_SUMMARIES,
        description=(
            "Each changed row of a customer's summary in its present state, at most once a"
            " second. Without `since`, only later changes: subscribe first, then query. LIVE:"
            " rows of the last 24 hours."
        ),
    )
    async def summary_updated(
        self,
        info: base.Info,
        granularity: summaries.GranularityArgument,
        customer_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description=f"The customer. {customer_ids.LEFT_OUT}"),
        ] = None,
        since: Annotated[
            datetime | None,
            strawberry.argument(
                description="First sends rows that have changed since this time: pass the `asOf` of"
                f" your rows. At most {summary_resolvers.MAX_SINCE.days} days ago. May repeat rows"
                " that you already have; compare their `version`. Refused: BAD_SINCE."
            ),
        ] = None,
    ) -> AsyncGenerator[summaries.SummaryRow, None]:
        context = info.context
        caller = context.signed_in()
        customer = customer_ids.required(caller, customer_id)
        known = [instant for instant in (since, _resumed(context)) if instant is not None]
        start, now = max(known, default=None), context.clock()
        changes, currency = await summary_resolvers.changes(
            caller, customer, granularity, start, now
        )
        context.start_from(_mark(min(start or now, now)))
        return _pushed(context, changes, currency)


async def _pushed(
    context: base.Context, changes: summary_resolvers.Changes, currency: str
) -> AsyncGenerator[summaries.SummaryRow, None]:
    async with aclosing(
        summary_resolvers.follow(context.services.bus, changes, context.clock)
    ) as told:
        async for rows, now in told:
            before = context.progress.mark
            for row in rows:
                context.push(_mark(now) if row is rows[-1] else before)
                yield summaries.SummaryRow.of(row, currency, now)


def _mark(now: datetime) -> int:
    """The time up to which all changes were sent, in microseconds since 1970."""
    return epoch.to_microseconds(now)


def instant(mark: int) -> datetime:
    """The time of a mark; for an invalid mark, the minimum time."""
    try:
        return epoch.from_microseconds(mark)
    except OverflowError:
        return epoch.EPOCH


def _resumed(context: base.Context) -> datetime | None:
    return None if context.progress.resume_after is None else instant(context.progress.resume_after)
