"""Rate cards for reading: their revisions, and the rates at a given time."""

from datetime import datetime
from typing import Annotated

import strawberry

from resolvers.access import Capability
from resolvers.billing import rates as rate_resolvers
from schema.engine import base, permissions


@permissions.open_type
@strawberry.type(description="A change of a rate card's rates.")
class RateCardRevision:
    number: base.Long = strawberry.field(description="Number of the revision in its card.")
    effective_from: datetime = strawberry.field(
        description="Start: it applies to calls set up at this time or later."
    )
    rates: base.Long = strawberry.field(description="Number of prefixes that it changed.")
    created_at: datetime = strawberry.field(description="Time of its creation.")

    @classmethod
    def of(cls, row: rate_resolvers.Revision) -> "RateCardRevision":
        return cls(
            number=base.Long(row.number),
            effective_from=row.effective_from,
            rates=base.Long(row.rates),
            created_at=row.created_at,
        )


@permissions.open_type
@strawberry.type(description="The price of calls to numbers that start with a prefix.")
class Rate:
    prefix: str = strawberry.field(description='Digits; "" matches every number.')
    description: str = strawberry.field(description="Description of the destination.")
    per_minute: base.Money = strawberry.field(description="Price per minute.")
    connect_fee: base.Money = strawberry.field(description="Price per answered call.")
    minimum: int = strawberry.field(description="Minimum billed seconds.")
    increment: int = strawberry.field(
        description="Billing increment after the minimum, in seconds."
    )
    round_up_seconds: bool = strawberry.field(
        description="Whether talk time is first rounded up to whole seconds."
    )
    revision: base.Long = strawberry.field(description="Number of the revision that set it.")
    effective_from: datetime = strawberry.field(
        description="Start: it applies to calls set up at this time or later."
    )

    @classmethod
    def of(cls, row: rate_resolvers.Rate, currency: str) -> "Rate":
        return cls(
            prefix=row.prefix,
            description=row.description,
            per_minute=base.Money.of(row.per_minute, currency),
            connect_fee=base.Money.of(row.connect_fee, currency),
            minimum=row.minimum,
            increment=row.increment,
            round_up_seconds=row.round_up_seconds,
            revision=base.Long(row.revision),
            effective_from=row.effective_from,
        )


@permissions.open_type
@strawberry.type(description="Prices by prefix; the longest prefix that matches rates a call.")
class RateCard:
    id: strawberry.ID = strawberry.field(description="Opaque global id.")
    version: base.Long = strawberry.field(
        description="Number of its last revision; it increases with every change of its rates."
    )

    name: str = strawberry.field(description="Name, unique in the account.")
    currency: str = strawberry.field(description="ISO 4217 code of its prices.")

    @strawberry.field(description="Its revisions, newest first.")
    async def revisions(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[RateCardRevision] | None:
        size, caller = base.page_size(first), info.context.signed_in()
        card_id = base.decode_id(self.id, "RateCard", caller.account_id)
        before = base.decode_number_cursor(after)
        rows = await rate_resolvers.revisions(caller, card_id, before, size + 1)
        return base.page(
            rows, size, after, lambda row: base.encode_cursor(row.number), RateCardRevision.of
        )

    @strawberry.field(
        description="The rates that are valid at a given time, in order of their prefixes."
    )
    async def rates(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        at: Annotated[
            datetime | None, strawberry.argument(description="The time. Null: now.")
        ] = None,
    ) -> base.Connection[Rate] | None:
        size, caller = base.page_size(first), info.context.signed_in()
        card_id = base.decode_id(self.id, "RateCard", caller.account_id)
        place = base.decode_cursor(after)
        prefix = None if place is None else place[0].removeprefix("+")
        at = at or info.context.now
        rows = await rate_resolvers.rates_at(caller, card_id, at, prefix, size + 1)
        return base.page(
            rows,
            size,
            after,
            lambda row: base.encode_cursor(f"+{row.prefix}"),
            lambda row: Rate.of(row, self.currency),
        )


@strawberry.type
class RatesQuery:
    @permissions.field(
        requires=Capability.MANAGE_CARRIERS,
        whole_account=True,
        description="A rate card. Null if there is none.",
    )
    async def rate_card(
        self,
        info: base.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")],
    ) -> RateCard | None:
        caller = info.context.signed_in()
        card_id = base.single(base.parts_of(id, "RateCard", caller.account_id))
        row = await rate_resolvers.get(caller, card_id)
        return None if row is None else rate_card_of(id, row)


def rate_card_of(id: strawberry.ID, row: rate_resolvers.Card) -> RateCard:
    return RateCard(id=id, version=base.Long(row.version), name=row.name, currency=row.currency)
