"""Single call records for staff."""

import strawberry

from domain.records import calls
from models import tables
from resolvers.directory import carriers
from schema.directory import customers
from schema.directory.carriers import Carrier
from schema.engine import base, permissions
from schema.engine.documents import prices
from schema.records import leg_fields


@permissions.open_type
@strawberry.type(description="The record of one leg of a call.")
class CallRecord(leg_fields.LegFields):
    @classmethod
    def of(cls, account_id: int, record: calls.Record) -> "CallRecord":
        return cls(**leg_fields.values(account_id, record))

    @strawberry.field(description="The customer that made the call.")
    async def customer(self, info: base.Info) -> customers.Customer:
        return await customers.of(info, self.account_id, self.record.customer_id)

    @strawberry.field(description="The carrier of this leg. Null if none was chosen.")
    async def carrier(self, info: base.Info) -> Carrier | None:
        row = await self._carrier(info)
        return None if row is None else Carrier.of(row)

    @strawberry.field(
        description="What the customer pays. Null if no rate matches.",
        metadata=prices.price(1),
    )
    async def charge(self, info: base.Info) -> base.Money | None:
        amount = self.record.charge
        customer = await customers.of(info, self.account_id, self.record.customer_id)
        return None if amount is None else base.Money.of(amount, customer.currency)

    @strawberry.field(
        description="What the carrier is paid. Null if it is not known.", metadata=prices.price(1)
    )
    async def cost(self, info: base.Info) -> base.Money | None:
        amount, row = self.record.cost, await self._carrier(info)
        return None if amount is None or row is None else base.Money.of(amount, row.currency)

    async def _carrier(self, info: base.Info) -> tables.Carrier | None:
        return await info.context.loader(carriers.rows).load(
            (self.account_id, self.record.carrier_id)
        )
