"""Carriers, as the caller may see them."""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import strawberry

from models import carriers, tables
from resolvers import access
from resolvers import carriers as resolve
from resolvers.access import Capability
from schema import base, checklist


@strawberry.type(description="A provider that terminates calls for the account.")
class Carrier(base.Node):
    row: strawberry.Private[tables.Carrier]
    reference: str | None = strawberry.field(
        description="The name switches use for it; null where the account hides its carriers."
    )
    name: str | None = strawberry.field(
        description="Its name; null where the account hides its carriers from customers."
    )

    @classmethod
    def of(cls, row: tables.Carrier, *, named: bool = True) -> "Carrier":
        return cls(
            row=row,
            id=base.encode_id("Carrier", row.account_id, row.id),
            reference=row.reference if named else None,
            name=row.name if named else None,
        )

    @strawberry.field(description="ISO 4217 code of its costs; null to all but staff.")
    def currency(self, info: base.Info) -> str | None:
        return self.row.currency if _sees_cost(info) else None

    @strawberry.field(description="Where it takes calls; null to all but staff, and if not known.")
    def sip_uri(self, info: base.Info) -> str | None:
        return self.row.sip_uri if _sees_cost(info) else None

    @strawberry.field(
        description="Rises with every change; for `expectedVersion`. Null to all but staff."
    )
    def version(self, info: base.Info) -> base.Long | None:
        return base.Long(self.row.version) if _sees_cost(info) else None


def _sees_cost(info: base.Info) -> bool:
    return access.may(info.context.signed_in(), Capability.SEE_COST)


async def of(info: base.Info, carrier_ids: Sequence[int]) -> list[Carrier | None]:
    """The carriers of these numbers as the caller may see them; None for calls.NO_CARRIER."""
    caller = info.context.signed_in()
    rows = await carriers.many(caller.account_id, carrier_ids)
    named = await resolve.sees_names(caller)
    found = {id: Carrier.of(row, named=named) for id, row in rows.items()}
    return [found.get(id) for id in carrier_ids]


@strawberry.input(description="A new carrier.")
class CreateCarrierInput:
    name: str = strawberry.field(description="The carrier's name.")
    reference: str = strawberry.field(
        description="What switches call it: letters, digits and ._@+-, unique in the account."
    )
    currency: str = strawberry.field(description="ISO 4217 code of its costs.")
    sip_uri: str | None = strawberry.field(
        default=None, description="Where it takes calls, such as sip:carrier-a.example:5060."
    )


CreateCarrierResult: TypeAlias = Annotated[
    Carrier | base.Refused,
    strawberry.union("CreateCarrierResult", description="The carrier, or why there is none."),
]


@strawberry.type
class CarrierQuery:
    @strawberry.field(
        description="The account's carriers, the oldest first. Searched: name and reference."
    )
    async def carriers(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        search: base.Search = None,
    ) -> base.Connection[Carrier]:
        size, caller = base.page_size(first), info.context.signed_in()
        rows = await resolve.page(caller, base.decode_number_cursor(after), size + 1, search)
        return base.page(rows, size, lambda row: base.encode_cursor(row.id), Carrier.of)


@strawberry.type
class CarrierMutation:
    @strawberry.mutation(description="Makes a carrier. Owner and support.")
    async def create_carrier(
        self,
        info: base.Info,
        input: Annotated[CreateCarrierInput, strawberry.argument(description="The carrier.")],
    ) -> CreateCarrierResult:
        row = await resolve.create(
            info.context.signed_in(),
            name=input.name,
            reference=input.reference,
            currency=input.currency,
            sip_uri=input.sip_uri,
            now=info.context.now,
        )
        await checklist.settle(info, None)
        return Carrier.of(row)


async def node(info: base.Info, parts: tuple[str, ...]) -> Carrier | None:
    access.require(info.context.signed_in(), Capability.SEE_LIVE)
    return (await of(info, [base.single(parts)]))[0]
