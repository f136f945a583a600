"""Carriers, as the caller may see them."""

from collections.abc import Sequence

import strawberry

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


async def of(info: base.Info, carrier_ids: Sequence[int]) -> list[Carrier | None]:
    """The carriers of these numbers as the caller may see them; None for calls.NO_CARRIER."""
    caller = info.context.signed_in()
    rows = await stored.carriers(caller.account_id, carrier_ids)
    named = await people.sees_carrier_names(caller)
    found = {id: Carrier.of(row, named=named) for id, row in rows.items()}
    return [found.get(id) for id in carrier_ids]
