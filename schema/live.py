"""Channels up now and the sliding window of what ended: read, and pushed at every change."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, TypeAlias, TypeVar

import strawberry
from redis.asyncio import Redis

from domain import callers
from domain import stats as rules
from live import stats as live_stats
from resolvers import carriers as named_carriers
from resolvers import live, window
from schema import base, carriers
from schema.stats import as_float

S = TypeVar("S")
T = TypeVar("T")
_Customer: TypeAlias = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="Of this customer; null: of the whole account, for staff and keys without a"
        " customer."
    ),
]
_WindowSeconds: TypeAlias = Annotated[
    base.Long,
    strawberry.argument(
        description=f"Seconds of the window, {window.SHORTEST_SECONDS} to"
        f" {window.LONGEST_SECONDS}; another number is refused as BAD_WINDOW."
    ),
]


@strawberry.type(description="Calls that stand under one carrier.")
class CarrierChannels:
    carrier: carriers.Carrier | None = strawberry.field(
        description="Null: calls that are between carriers."
    )
    in_use: base.Long = strawberry.field(description="Calls up.")


@strawberry.type(description="Calls that are up. Always the whole state; its numbers add up.")
class Channels:
    sequence: base.Long = strawberry.field(
        description="Strictly rising, not consecutive: drop what is not newer."
    )
    as_of: datetime = strawberry.field(description="When this was the state.")
    in_use: base.Long = strawberry.field(description="Calls up.")
    limit: base.Long | None = strawberry.field(
        description="Calls the customer may have up at once; null: no limit, or of the account."
    )
    cps: float = strawberry.field(description="Attempts per second, over the last 10 full seconds.")
    by_carrier: list[CarrierChannels] = strawberry.field(
        description="By the carrier each call stands under; adds up to `inUse`."
    )

    @classmethod
    def of(cls, picture: live.Picture, *, named: bool) -> "Channels":
        state = picture.state
        return cls(
            sequence=state.sequence,
            as_of=state.as_of,
            in_use=state.in_use,
            limit=picture.limit,
            cps=state.cps,
            by_carrier=[
                CarrierChannels(
                    carrier=None if row is None else carriers.Carrier.of(row, named=named),
                    in_use=count,
                )
                for row, count in picture.by_carrier
            ],
        )


@strawberry.type(
    description="Attempts whose final leg ended in the last `windowSeconds` full seconds before"
    " `asOf`. Its numbers belong together; ratios are null without a denominator."
)
class LiveStats:
    sequence: base.Long = strawberry.field(
        description="Strictly rising, not consecutive: drop what is not newer."
    )
    as_of: datetime = strawberry.field(description="The full second at which the window ends.")
    window_seconds: base.Long = strawberry.field(description="How long the window is, in seconds.")
    attempts: base.Long = strawberry.field(description="Attempts that ended.")
    answered: base.Long = strawberry.field(description="Those of them that have an answer time.")
    asr: float | None = strawberry.field(description="Percent: 100 × answered ÷ attempts.")
    acd_seconds: float | None = strawberry.field(description="Seconds of talk ÷ answered.")
    pdd_ms: float | None = strawberry.field(
        description="Milliseconds from setup to the first 18x, on average of the attempts that"
        " had one."
    )
    cps: float = strawberry.field(
        description="Attempts that started, a second, over the last 10 full seconds before `asOf`."
    )

    @classmethod
    def of(cls, shown: live_stats.Window) -> "LiveStats":
        sums = shown.sums
        return cls(
            sequence=shown.sequence,
            as_of=shown.as_of,
            window_seconds=shown.seconds,
            attempts=sums.attempts,
            answered=sums.answered,
            asr=as_float(rules.asr(sums.attempts, sums.answered)),
            acd_seconds=as_float(rules.acd_seconds(sums.answered, sums.talk_us)),
            pdd_ms=as_float(rules.pdd_ms(sums)),
            cps=shown.cps,
        )


@strawberry.type
class HasChannels(base.Scoped):
    @strawberry.field(description="Calls that are up now.")
    async def channels(self, info: base.Info) -> Channels:
        caller = info.context.signed_in()
        key = (caller, info.context.redis, self.customer_id)
        picture = await info.context.loader(_pictures, cached=False).load(key)
        return Channels.of(picture, named=await named_carriers.sees_names(caller))

    @strawberry.field(
        description="Attempts that ended in the last seconds. LIVE_UNAVAILABLE for the seconds in"
        " which it is filled from the records, after a loss of Redis."
    )
    async def live_stats(
        self, info: base.Info, window_seconds: _WindowSeconds = window.LONGEST_SECONDS
    ) -> LiveStats:
        caller = info.context.signed_in()
        return LiveStats.of(
            await window.stats(caller, info.context.redis, self.customer_id, window_seconds)
        )


async def _pictures(
    keys: list[tuple[callers.Caller, Redis, int | None]],
) -> Sequence[live.Picture]:
    caller, redis, _ = keys[0]  # of one operation
    return await live.channels(caller, redis, [customer_id for *_, customer_id in keys])


@strawberry.type
class LiveSubscription:
    @strawberry.subscription(
        description="Calls that are up: the whole state at once, then at every change, at most ten"
        " times a second; the last state always arrives. Staff, the customer's contacts, keys with"
        " LIVE_READ."
    )
    async def live_channels(
        self, info: base.Info, customer_id: _Customer = None
    ) -> AsyncGenerator[Channels, None]:
        caller = info.context.signed_in()
        customer = _decoded(customer_id, caller)
        await live.require(caller, customer)
        named = await named_carriers.sees_names(caller)
        captions = info.context.captions.of(caller.account_id)
        source = live.Channels(caller.account_id, customer, captions)
        pictures = info.context.feeds.watch(source)
        return _pushed(pictures, lambda picture: Channels.of(picture, named=named))

    @strawberry.subscription(
        description="Attempts that ended in the last seconds: the whole state at once, then at"
        " every change, at most once a second; the last state always arrives. Staff, the"
        " customer's contacts, keys with LIVE_READ."
    )
    async def live_stats(
        self,
        info: base.Info,
        customer_id: _Customer = None,
        window_seconds: _WindowSeconds = window.LONGEST_SECONDS,
    ) -> AsyncGenerator[LiveStats, None]:
        caller = info.context.signed_in()
        customer = _decoded(customer_id, caller)
        await window.require(caller, customer, window_seconds)
        source = window.Stats(caller.account_id, customer, window_seconds)
        return _pushed(info.context.feeds.watch(source), LiveStats.of)


def _decoded(customer_id: str | None, caller: callers.Caller) -> int | None:
    if customer_id is None:
        return None
    return base.decode_id(customer_id, "Customer", caller.account_id)


async def _pushed(
    states: AsyncGenerator[S, None], shown: Callable[[S], T]
) -> AsyncGenerator[T, None]:
    async with aclosing(states):
        async for state in states:
            yield shown(state)
