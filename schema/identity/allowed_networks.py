"""The networks from which a contact may sign in."""

from typing import Annotated, TypeAlias

import strawberry

from domain.identity import networks
from resolvers.access import Capability, Identity
from resolvers.identity import allowed_networks
from schema.engine import base, permission_sentences, permissions, target_ids
from schema.engine.documents import prices
from schema.identity import contacts


@strawberry.input(description="The networks from which a contact may sign in.")
class SetAllowedNetworksInput:
    id: strawberry.ID | None = target_ids.id_field("The contact.")
    contact_id: strawberry.ID | None = target_ids.deprecated_id("The contact.")
    networks: list[str] = prices.list_field(
        "IPv4 or IPv6 addresses and networks in CIDR notation. Empty: everywhere.",
        limit=networks.MAX_NETWORKS,
    )


SetAllowedNetworksResult: TypeAlias = Annotated[
    contacts.Contact | base.Refused,
    strawberry.union("SetAllowedNetworksResult", description="The updated contact, or a refusal."),
]


@strawberry.type
class NetworkMutation:
    @permissions.mutation(
        requires=Identity.PERSON_ITSELF,
        description="Sets the networks from which a contact may sign in and use its sessions. Takes"
        " effect within a second, also for open sockets. Contacts can set their own;"
        f" {permission_sentences.holders(Capability.MANAGE_CUSTOMERS)} can set those of any"
        " contact. Staff signed in as the contact are not restricted. Refused: WOULD_LOCK_OUT if a"
        " contact would exclude its own address.",
    )
    async def set_allowed_networks(
        self,
        info: base.Info,
        input: Annotated[SetAllowedNetworksInput, strawberry.argument(description="The networks.")],
    ) -> SetAllowedNetworksResult:
        caller = info.context.signed_in()
        contact = target_ids.number(input.id, input.contact_id, "Contact", caller.account_id)
        row = await allowed_networks.set_allowed(caller, contact, input.networks, info.context.now)
        return contacts.Contact.of(row)
