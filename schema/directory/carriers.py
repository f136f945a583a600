"""Carriers, as the caller can see them."""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import strawberry

from models import tables
from resolvers.access import Capability
from resolvers.directory import carriers
from schema.engine import base, permissions
from schema.engine.fragments import declarations


@declarations.stored_type
@strawberry.type(description="A provider that terminates calls for the account.")
class Carrier(base.Node):
    row: strawberry.Private[tables.Carrier]
    reference: str | None = permissions.open_field(
        description="The name that switches use for it. Null if the account hides its carriers."
    )
    name: str | None = permissions.open_field(
        description="Its name. Null if the account hides its carriers from customers."
    )

    @classmethod
    def of(cls, row: tables.Carrier, *, sees_carriers: bool = True) -> "Carrier":
        return cls(
            row=row,
            id=base.encode_id("Carrier", row.account_id, row.id),
            reference=row.reference if sees_carriers else None,
            name=row.name if sees_carriers else None,
        )

    @permissions.field(
        requires=Capability.SEE_COST,
        hidden=True,
        description="ISO 4217 code of its costs.",
    )
    def currency(self) -> str | None:
        return self.row.currency

    @permissions.field(
        requires=Capability.SEE_COST,
        hidden=True,
        description="SIP URI to which calls are sent. Null if it is not known.",
    )
    def sip_uri(self) -> str | None:
        return self.row.sip_uri

    @permissions.field(
        requires=Capability.SEE_COST,
        hidden=True,
        description="Increases with every change. Pass it as `expectedVersion`.",
    )
    def version(self) -> base.Long | None:
        return base.Long(self.row.version)


async def of(info: base.Info, carrier_ids: Sequence[int]) -> list[Carrier | None]:
    """The carriers with these numbers as the caller can see them; None for calls.NO_CARRIER."""
    caller = info.context.signed_in()
    rows = await carriers.rows([(caller.account_id, id) for id in carrier_ids])
    sees_carriers = caller.sees_carriers
    return [None if row is None else Carrier.of(row, sees_carriers=sees_carriers) for row in rows]


@strawberry.input(description="A new carrier.")
class CreateCarrierInput:
    name: str = strawberry.field(description="The carrier's name.")
    reference: str = strawberry.field(
        description=(
            "The name that switches use for it: letters, digits and ._@+-, unique in the account."
        )
    )
    currency: str = strawberry.field(description="ISO 4217 code of its costs.")
    sip_uri: str | None = strawberry.field(
        default=None,
        description="SIP URI to which calls are sent, such as sip:carrier-a.example:5060.",
    )


CreateCarrierResult: TypeAlias = Annotated[
    Carrier | base.Refused,
    strawberry.union("CreateCarrierResult", description="The created carrier, or a refusal."),
]


@strawberry.type
class CarrierQuery:
    @permissions.field(
        requires=Capability.SEE_LIVE,
        whole_account=True,
        description="The account's carriers, oldest first. `search` covers name and reference.",
    )
    async def carriers(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        search: base.Search = None,
    ) -> base.Connection[Carrier] | None:
        size, caller = base.page_size(first), info.context.signed_in()
        rows = await carriers.page(caller, base.decode_number_cursor(after), size + 1, search)
        return base.page(rows, size, after, lambda row: base.encode_cursor(row.id), Carrier.of)


@strawberry.type
class CarrierMutation:
    @permissions.mutation(requires=Capability.MANAGE_CARRIERS, description="Creates a carrier.")
    async def create_carrier(
        self,
        info: base.Info,
        input: Annotated[CreateCarrierInput, strawberry.argument(description="The carrier.")],
    ) -> CreateCarrierResult:
        row = await carriers.create(
            info.context.signed_in(),
            name=input.name,
            reference=input.reference,
            currency=input.currency,
            sip_uri=input.sip_uri,
            now=info.context.now,
        )
        return Carrier.of(row)


async def node(info: base.Info, parts: tuple[str, ...]) -> Carrier | None:
    return (await of(info, [base.single(parts)]))[0]
