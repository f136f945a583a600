"""Call records, as staff see them one by one."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import strawberry

from domain import calls
from models import carriers as stored_carriers
from models import tables
from schema import base, numbers
from schema.carriers import Carrier
from schema.customers import Customer


@strawberry.enum(
    description="Origin of a call's charge: the switch reported it, a rate of the customer's card"
    " set it, or staff waived a call without a rate."
)
class RatedBy(StrEnum):
    SWITCH = "SWITCH"
    CARD = "CARD"
    WAIVED = "WAIVED"


@strawberry.type(description="What is said of one leg of a call.")
class CallRecord:
    account_id: strawberry.Private[int]
    record: strawberry.Private[calls.Record]
    switch: str = strawberry.field(description="The switch that reported it.")
    call_id: str = strawberry.field(description="The switch's id of the call.")
    leg: int = strawberry.field(description="The offer to a carrier, from 0.")
    revision: base.Long = strawberry.field(
        description="0, or the number of a correction; the highest counts."
    )
    final: bool = strawberry.field(description="Whether it is the call's last leg.")
    source: str = strawberry.field(description="Who called.")
    destination: str = strawberry.field(description="Who was called.")
    setup_at: datetime = strawberry.field(description="When the attempt was set up.")
    answer_at: datetime | None = strawberry.field(
        description="When it was answered; null: it was not."
    )
    end_at: datetime = strawberry.field(description="When it ended.")
    talk_time: Decimal = strawberry.field(description="Answer to end, in seconds, exact.")
    sip_code: int | None = strawberry.field(description="The final SIP code; null: none was said.")
    released_by: str | None = strawberry.field(description="Who hung up; null: it was not said.")
    billed_seconds: base.Long = strawberry.field(description="Seconds the customer pays for.")
    rated_by: RatedBy | None = strawberry.field(
        description="Origin of the charge. Null if the call has no rate, or the leg no charge."
    )

    @classmethod
    def of(cls, account_id: int, record: calls.Record) -> "CallRecord":
        return cls(
            account_id=account_id,
            record=record,
            switch=record.switch,
            call_id=record.call_id,
            leg=record.leg,
            revision=base.Long(record.revision or 0),
            final=record.final,
            source=record.source,
            destination=record.destination,
            setup_at=record.setup_at,
            answer_at=record.answer_at,
            end_at=record.end_at,
            talk_time=Decimal(record.talk_us) / 1_000_000,
            sip_code=record.sip_code,
            released_by=record.released_by,
            billed_seconds=base.Long(record.billed_seconds),
            rated_by=None if record.rated_by is None else RatedBy(record.rated_by),
        )

    @strawberry.field(description="Whose call it is.")
    async def customer(self, info: base.Info) -> Customer:
        return await numbers.customer_of(info, self.account_id, self.record.customer_id)

    @strawberry.field(description="The carrier of this leg; null: none was chosen.")
    async def carrier(self, info: base.Info) -> Carrier | None:
        row = await self._carrier(info)
        return None if row is None else Carrier.of(row)

    @strawberry.field(description="What the customer pays; null: there is no rate for it.")
    async def charge(self, info: base.Info) -> base.Money | None:
        amount = self.record.charge
        customer = await numbers.customer_of(info, self.account_id, self.record.customer_id)
        return None if amount is None else base.Money.of(amount, customer.currency)

    @strawberry.field(description="What the carrier takes; null: not known.")
    async def cost(self, info: base.Info) -> base.Money | None:
        amount, row = self.record.cost, await self._carrier(info)
        return None if amount is None or row is None else base.Money.of(amount, row.currency)

    async def _carrier(self, info: base.Info) -> tables.Carrier | None:
        return await info.context.loader(_carriers).load((self.account_id, self.record.carrier_id))


async def _carriers(keys: list[tuple[int, int]]) -> Sequence[tables.Carrier | None]:
    """None for calls.NO_CARRIER."""
    found = await stored_carriers.many(keys[0][0], [carrier_id for _, carrier_id in keys])
    return [found.get(carrier_id) for _, carrier_id in keys]
