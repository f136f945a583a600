"""The push of each minute of the history of active calls."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated

import strawberry

from domain import epoch
from domain.summaries.channel_history import ALL_CARRIERS, Calls
from resolvers.access import Capability
from resolvers.summaries import channel_minutes as resolve
from schema.directory import carriers
from schema.engine import base, customer_ids, permissions
from schema.summaries import updates


@permissions.open_type
@strawberry.type(description="Active calls of one carrier in a minute.")
class CarrierMinute:
    carrier: carriers.Carrier | None = strawberry.field(
        description="Null: calls that were between carriers."
    )
    channels_max: base.Long = strawberry.field(description="Maximum of the minute's samples.")
    channels_mean: float = strawberry.field(description="Mean of the minute's samples.")
    channels_last: base.Long = strawberry.field(description="The minute's last sample.")


@permissions.open_type
@strawberry.type(
    description="Active calls in a minute, from samples taken every 10 s: a new point of the graph."
)
class ChannelMinute:
    at: datetime = strawberry.field(description="Start of the minute.")
    channels_samples: base.Long = strawberry.field(
        description="Samples of the minute, 6 if none is missing. 0: no data."
    )
    channels_max: base.Long | None = strawberry.field(
        description="Maximum of the samples. Null if no sample was taken, which is not 0."
    )
    channels_mean: float | None = strawberry.field(
        description="Mean of the samples. Null if no sample was taken."
    )
    channels_last: base.Long | None = strawberry.field(
        description="The last sample. Null if no sample was taken."
    )
    by_carrier: list[CarrierMinute] = strawberry.field(
        description="The carriers that had calls; their means add up to `channelsMean`."
    )

    @classmethod
    def of(cls, sampled: resolve.SampledMinute, *, named: bool) -> "ChannelMinute":
        samples = sampled.minute.samples
        calls = sampled.minute.calls.get(ALL_CARRIERS, Calls())
        return cls(
            at=sampled.minute.start,
            channels_samples=samples,
            channels_max=calls.maximum if samples else None,
            channels_mean=calls.total / samples if samples else None,
            channels_last=calls.last if samples else None,
            by_carrier=[
                CarrierMinute(
                    carrier=None if row is None else carriers.Carrier.of(row, sees_carriers=named),
                    channels_max=of_carrier.maximum,
                    channels_mean=of_carrier.total / samples,
                    channels_last=of_carrier.last,
                )
                for row, of_carrier in sampled.by_carrier
            ],
        )


@strawberry.type
class ChannelMinuteSubscription:
    @permissions.subscription(
        requires=Capability.SEE_STATS,
        description="Active calls by minute: the newest minute that has ended, then every minute"
        " about 6 s after its end, also those without data.",
    )
    async def channel_minutes(
        self,
        info: base.Info,
        customer_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="The customer. Null: the caller's only customer; for a caller that sees"
                " the whole account, the account."
            ),
        ] = None,
        since: Annotated[
            datetime | None,
            strawberry.argument(
                description="The first minute to send. Pass the `at` of the last minute received:"
                " it is sent again. At most"
                f" {resolve.MAX_SINCE.days} days ago, else BAD_SINCE."
            ),
        ] = None,
    ) -> AsyncGenerator[ChannelMinute, None]:
        context = info.context
        caller = context.signed_in()
        customer = customer_ids.optional(caller, customer_id)
        resumed = context.progress.resume_after
        starts = [since, None if resumed is None else updates.instant(resumed)]
        start = max((instant for instant in starts if instant is not None), default=None)
        stream = await resolve.stream(caller, customer, start, context.clock())
        context.start_from(epoch.to_microseconds(stream.start))
        return _pushed(context, stream, named=caller.sees_carriers)


async def _pushed(
    context: base.Context, stream: resolve.Stream, *, named: bool
) -> AsyncGenerator[ChannelMinute, None]:
    async with aclosing(resolve.follow(context.services.bus, stream, context.clock)) as minutes:
        async for minute in minutes:
            context.push(epoch.to_microseconds(minute.end))
            yield ChannelMinute.of(minute, named=named)
