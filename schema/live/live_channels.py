"""Active calls and the sliding window of ended calls: queries and pushes."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, TypeAlias, TypeVar, cast

import strawberry
from redis.asyncio import Redis

from domain.identity import callers
from domain.summaries import ratios
from live import sliding_window as live_stats
from resolvers.access import Capability
from resolvers.live import last_states, window_filling
from resolvers.live import live_channels as live
from schema.directory import carriers
from schema.engine import base, customer_ids, permissions
from schema.engine.documents import prices
from schema.summaries.statistic_fields import as_float

S = TypeVar("S")
T = TypeVar("T")
_Customer: TypeAlias = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description=(
            "The customer. Null: the caller's only customer, or the whole account if the caller"
            " can access it."
        )
    ),
]
_WindowSeconds: TypeAlias = Annotated[
    base.Long,
    strawberry.argument(
        description=f"Length of the window in seconds, {window_filling.SHORTEST_SECONDS} to"
        f" {window_filling.LONGEST_SECONDS}. Refused: BAD_WINDOW."
    ),
]


@permissions.open_type
@strawberry.type(description="Active calls of one carrier.")
class CarrierChannels:
    carrier: carriers.Carrier | None = strawberry.field(
        description="The carrier. Null for calls that are between two carriers."
    )
    in_use: base.Long = strawberry.field(description="Active calls.")


@permissions.open_type
@strawberry.type(description="Active calls: always the complete, consistent state.")
class Channels:
    sequence: base.Long = strawberry.field(
        description="Strictly increasing, not consecutive. Discard messages that are not newer."
    )
    as_of: datetime = strawberry.field(description="Time of this state.")
    complete: bool = strawberry.field(
        default=True,
        description=(
            "False if live state was lost or a switch does not report. This is then the last"
            " complete state, of `asOf`, until every switch that was active has reported."
        ),
    )
    in_use: base.Long = strawberry.field(description="Active calls.")
    limit: base.Long | None = strawberry.field(
        description=(
            "Maximum number of active calls of the customer. Null if there is no limit, and for"
            " the account."
        )
    )
    cps: float = strawberry.field(description="Attempts per second, over the last 10 full seconds.")
    by_carrier: list[CarrierChannels] = strawberry.field(
        description="Active calls by their present carrier. They add up to `inUse`."
    )

    @classmethod
    def of(cls, captioned: live.CaptionedState, *, sees_carriers: bool) -> "Channels":
        state = captioned.state
        return cls(
            sequence=captioned.sequence,
            as_of=state.as_of,
            complete=captioned.complete,
            in_use=state.in_use,
            limit=captioned.limit,
            cps=state.cps,
            by_carrier=[
                CarrierChannels(
                    carrier=None
                    if row is None
                    else carriers.Carrier.of(row, sees_carriers=sees_carriers),
                    in_use=count,
                )
                for row, count in captioned.by_carrier
            ],
        )


@permissions.open_type
@strawberry.type(
    description=(
        "Attempts whose final leg ended in the last `windowSeconds` full seconds before `asOf`."
        " All values are of the same time. Ratios are null if their denominator is 0."
    )
)
class LiveStats:
    sequence: base.Long = strawberry.field(
        description="Strictly increasing, not consecutive. Discard messages that are not newer."
    )
    as_of: datetime = strawberry.field(description="The full second at which the window ends.")
    complete: bool = strawberry.field(
        default=True,
        description=(
            "False if live state was lost or a switch does not report. This is then the last"
            " complete window, which ended at `asOf`."
        ),
    )
    window_seconds: base.Long = strawberry.field(description="Length of the window in seconds.")
    attempts: base.Long = strawberry.field(description="Number of attempts that ended.")
    answered: base.Long = strawberry.field(description="Number of them that have an answer time.")
    asr: float | None = strawberry.field(description="Percent: 100 × answered ÷ attempts.")
    acd_seconds: float | None = strawberry.field(
        description="Average talk time of answered attempts, in seconds."
    )
    pdd_ms: float | None = strawberry.field(
        description=(
            "Average milliseconds from setup to the first 18x, over the attempts that had one."
        )
    )
    cps: float = strawberry.field(
        description="Attempts set up per second, over the last 10 full seconds before `asOf`."
    )

    @classmethod
    def of(cls, window: live_stats.Window) -> "LiveStats":
        sums = window.sums
        return cls(
            sequence=window.sequence,
            as_of=window.as_of,
            complete=window.complete,
            window_seconds=window.seconds,
            attempts=sums.attempts,
            answered=sums.answered,
            asr=as_float(ratios.ASR.of(sums)),
            acd_seconds=as_float(ratios.ACD_SECONDS.of(sums)),
            pdd_ms=as_float(ratios.PDD_MS.of(sums)),
            cps=window.cps,
        )


@strawberry.type
class HasChannels(base.Scoped):
    @permissions.field(
        requires=Capability.SEE_LIVE,
        description="Active calls. Null, with an error, if no complete state is known:"
        " LIVE_INCOMPLETE after a loss of Redis until every switch has reported, LIVE_UNAVAILABLE"
        " while Redis does not answer.",
        metadata=prices.price(12),
    )
    async def channels(self, info: base.Info) -> Channels | None:
        caller = info.context.signed_in()
        key = (
            caller,
            info.context.services.redis,
            info.context.services.last_states,
            self.customer_id,
        )
        captioned = await info.context.loader(_load_states, cached=False).load(key)
        return Channels.of(captioned, sees_carriers=caller.sees_carriers)

    @permissions.field(
        requires=Capability.SEE_LIVE,
        description="Attempts that ended in the last seconds. Null, with an error, if no complete"
        " window is known: LIVE_INCOMPLETE after a loss of Redis until every switch has reported,"
        " LIVE_UNAVAILABLE while Redis does not answer or the window is filled from the records.",
        metadata=prices.price(90),
    )
    async def live_stats(
        self, info: base.Info, window_seconds: _WindowSeconds = window_filling.LONGEST_SECONDS
    ) -> LiveStats | None:
        context = info.context
        return LiveStats.of(
            await window_filling.stats(
                context.signed_in(),
                context.services.redis,
                self.customer_id,
                window_seconds,
                context.services.last_states,
            )
        )


async def _load_states(
    keys: list[tuple[callers.Caller, Redis, last_states.LastStates, int | None]],
) -> Sequence[live.CaptionedState]:
    caller, redis, last, _ = keys[0]  # of one operation
    states = await live.channels(caller, redis, [customer_id for *_, customer_id in keys], last)
    return cast(Sequence[live.CaptionedState], states)  # the loader raises what is a refusal


@strawberry.type
class LiveSubscription:
    @permissions.subscription(
        requires=Capability.SEE_LIVE,
        description=(
            "Active calls: the complete state at once and at every change, at most ten times a"
            " second. The last state always arrives."
        ),
    )
    async def live_channels(
        self, info: base.Info, customer_id: _Customer = None
    ) -> AsyncGenerator[Channels, None]:
        caller = info.context.signed_in()
        customer = customer_ids.optional(caller, customer_id)
        await live.require(caller, customer)
        captions = info.context.services.caption_cache.of(caller.account_id)
        source = live.Channels(
            caller.account_id, customer, captions, info.context.services.last_states
        )
        states = info.context.services.live_feeds.watch(source)
        return _pushed(
            states, lambda captioned: Channels.of(captioned, sees_carriers=caller.sees_carriers)
        )

    @permissions.subscription(
        requires=Capability.SEE_LIVE,
        description=(
            "Attempts that ended in the last seconds: the complete state at once and at every"
            " change, at most once a second. The last state always arrives."
        ),
    )
    async def live_stats(
        self,
        info: base.Info,
        customer_id: _Customer = None,
        window_seconds: _WindowSeconds = window_filling.LONGEST_SECONDS,
    ) -> AsyncGenerator[LiveStats, None]:
        caller = info.context.signed_in()
        customer = customer_ids.optional(caller, customer_id)
        await window_filling.require(caller, customer, window_seconds)
        source = window_filling.Stats(
            caller.account_id, customer, window_seconds, info.context.services.last_states
        )
        return _pushed(info.context.services.live_feeds.watch(source), LiveStats.of)


async def _pushed(
    states: AsyncGenerator[S, None], convert: Callable[[S], T]
) -> AsyncGenerator[T, None]:
    async with aclosing(states):
        async for state in states:
            yield convert(state)
