"""Channels up now: read, and pushed at every change."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated

import strawberry

from resolvers import live, people
from schema import base, carriers


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


@strawberry.type
class HasChannels(base.Scoped):
    @strawberry.field(description="Calls that are up now.")
    async def channels(self, info: base.Info) -> Channels:
        caller = info.context.signed_in()
        picture = await live.channels(caller, info.context.redis, self.customer_id)
        return Channels.of(picture, named=await people.sees_carrier_names(caller))


@strawberry.type
class LiveSubscription:
    @strawberry.subscription(
        description="Calls that are up: the whole state at once, then at every change, at most ten"
        " times a second; the last state always arrives. Staff, the customer's contacts, keys with"
        " LIVE_READ."
    )
    async def live_channels(
        self,
        info: base.Info,
        customer_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="Of this customer; null: of the whole account, for staff and keys"
                " without a customer."
            ),
        ] = None,
    ) -> AsyncGenerator[Channels, None]:
        caller = info.context.signed_in()
        customer = None
        if customer_id is not None:
            customer = base.decode_id(customer_id, "Customer", caller.account_id, "customerId")
        await live.require(caller, customer)
        named = await people.sees_carrier_names(caller)
        pictures = info.context.feeds.watch(caller.account_id, customer)
        return _pushed(pictures, named)


async def _pushed(
    pictures: AsyncGenerator[live.Picture, None], named: bool
) -> AsyncGenerator[Channels, None]:
    async with aclosing(pictures):
        async for picture in pictures:
            yield Channels.of(picture, named=named)
