"""Carriers, as the caller may see them."""

from collections.abc import Sequence

import strawberry

from domain import calls
from models import people as stored
from models import tables
from resolvers import people
from schema import base


@strawberry.type(description="A provider that terminates calls for the account.")
class Carrier(base.Node):
    reference: str | None = strawberry.field(
        description="The name switches use for it; null where the account hides its carriers."
    )
    name: str | None = strawberry.field(
        description="Its name; null where the account hides its carriers from customers."
    )

    @classmethod
    def of(cls, row: tables.Carrier, *, named: bool = True) -> "Carrier":
        return cls(
            id=base.encode_id("Carrier", row.account_id, row.id),
            reference=row.reference if named else None,
            name=row.name if named else None,
        )


async def of(info: base.Info, carrier_id: int) -> Carrier | None:
    """The carrier of a number as the caller may see it; None for calls.NO_CARRIER."""
    if carrier_id == calls.NO_CARRIER:
        return None
    caller = info.context.signed_in()
    row = await info.context.loader(_load).load((caller.account_id, carrier_id))
    if row is None:
        return None
    return Carrier.of(row, named=await people.sees_carrier_names(caller))


async def _load(keys: list[tuple[int, int]]) -> Sequence[tables.Carrier | None]:
    by_account = {
        account_id: await stored.carriers(account_id, [id for own, id in keys if own == account_id])
        for account_id in {account_id for account_id, _ in keys}
    }
    return [by_account[account_id].get(id) for account_id, id in keys]
