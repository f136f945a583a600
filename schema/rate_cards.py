"""Rate cards as staff read them: their revisions, and their rates at an instant."""

from datetime import datetime
from typing import Annotated

import strawberry

from models import rate_lists
from resolvers import rates
from schema import base


@strawberry.type(description="A change of a rate card's rates.")
class RateCardRevision:
    number: base.Long = strawberry.field(description="Number of the revision in its card.")
    effective_from: datetime = strawberry.field(description="Setup from which it rates calls.")
    rates: base.Long = strawberry.field(description="Number of prefixes that it changed.")
    created_at: datetime = strawberry.field(description="Time of its creation.")

    @classmethod
    def of(cls, row: rate_lists.Revision) -> "RateCardRevision":
        return cls(
            number=base.Long(row.number),
            effective_from=row.effective_from,
            rates=base.Long(row.rates),
            created_at=row.created_at,
        )


@strawberry.type(description="The price of numbers that begin with a prefix.")
class Rate:
    prefix: str = strawberry.field(description='Digits; "" matches every number.')
    description: str = strawberry.field(description="Description of the destination.")
    per_minute: base.Money = strawberry.field(description="Price of a minute.")
    connect_fee: base.Money = strawberry.field(description="Price of an answer.")
    minimum: int = strawberry.field(description="Least seconds billed.")
    increment: int = strawberry.field(description="Seconds billed at a time after the minimum.")
    round_up_seconds: bool = strawberry.field(
        description="Whether talk time is first rounded up to whole seconds."
    )
    revision: base.Long = strawberry.field(description="Number of the revision that set it.")
    effective_from: datetime = strawberry.field(description="Setup from which it rates calls.")

    @classmethod
    def of(cls, row: rate_lists.Rate, currency: str) -> "Rate":
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


@strawberry.type(description="Prices by prefix; the longest prefix that matches rates a call.")
class RateCard:
    id: strawberry.ID = strawberry.field(description="Opaque and global.")
    version: base.Long = strawberry.field(
        description="Number of its last revision; it increases with every change of its rates."
    )

    name: str = strawberry.field(description="Name, unique in the account.")
    currency: str = strawberry.field(description="ISO 4217 code of its prices.")

    @strawberry.field(description="Its revisions, the newest first.")
    async def revisions(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[RateCardRevision]:
        size, caller = base.page_size(first), info.context.signed_in()
        card_id = base.decode_id(self.id, "RateCard", caller.account_id)
        before = base.decode_number_cursor(after)
        rows = await rates.revisions(caller, card_id, before, size + 1)
        return base.page(
            rows, size, lambda row: base.encode_cursor(row.number), RateCardRevision.of
        )

    @strawberry.field(description="The rates in force at an instant, by prefix.")
    async def rates(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        at: Annotated[datetime | None, strawberry.argument(description="Null: now.")] = None,
    ) -> base.Connection[Rate]:
        size, caller = base.page_size(first), info.context.signed_in()
        card_id = base.decode_id(self.id, "RateCard", caller.account_id)
        place = base.decode_cursor(after)
        prefix = None if place is None else place[0].removeprefix("+")
        at = at or info.context.now
        rows = await rates.rates_at(caller, card_id, at, prefix, size + 1)
        return base.page(
            rows,
            size,
            lambda row: base.encode_cursor(f"+{row.prefix}"),
            lambda row: Rate.of(row, self.currency),
        )


@strawberry.type
class RatesQuery:
    @strawberry.field(description="A rate card. Null if there is none. Owner and support.")
    async def rate_card(
        self,
        info: base.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")],
    ) -> RateCard | None:
        caller = info.context.signed_in()
        card_id = base.single(base.parts_of(id, "RateCard", caller.account_id))
        row = await rates.get(caller, card_id)
        return None if row is None else shown(id, row)


def shown(id: strawberry.ID, row: rate_lists.Card) -> RateCard:
    return RateCard(id=id, version=base.Long(row.version), name=row.name, currency=row.currency)
