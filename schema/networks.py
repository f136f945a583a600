"""The networks a contact is let in from."""

from typing import Annotated, TypeAlias

import strawberry

from resolvers import networks as resolve
from schema import base, contacts


@strawberry.input(description="Where a contact may sign in from.")
class SetAllowedNetworksInput:
    contact_id: strawberry.ID = strawberry.field(description="Which contact.")
    networks: list[str] = strawberry.field(
        description="Addresses and networks in CIDR notation, IPv4 or IPv6, 50 at most; none:"
        " everywhere."
    )


SetAllowedNetworksResult: TypeAlias = Annotated[
    contacts.Contact | base.Refused,
    strawberry.union(
        "SetAllowedNetworksResult", description="The contact, or why it is as before."
    ),
]


@strawberry.type
class NetworkMutation:
    @strawberry.mutation(
        description="Says from where a contact may sign in and use its sessions; within a second,"
        " open sockets too. By the contact for itself (WOULD_LOCK_OUT where it is outside of them),"
        " by owner and support for any. Staff signed in as the contact are let in from everywhere."
    )
    async def set_allowed_networks(
        self,
        info: base.Info,
        input: Annotated[SetAllowedNetworksInput, strawberry.argument(description="The networks.")],
    ) -> SetAllowedNetworksResult:
        caller = info.context.signed_in()
        contact = base.decode_id(input.contact_id, "Contact", caller.account_id)
        row = await resolve.set_allowed(caller, contact, input.networks, info.context.now)
        return contacts.Contact.of(row)
