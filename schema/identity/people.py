"""Mutations of contacts and staff: profiles, logins, invitations."""

from typing import Annotated, TypeAlias

import strawberry

from domain.identity import callers
from resolvers.access import Capability
from resolvers.identity import contacts as contact_resolvers
from resolvers.identity import invitations
from resolvers.identity import staff as staff_resolvers
from schema.directory import management
from schema.engine import base, partial_inputs, permission_sentences, permissions, target_ids
from schema.identity import contacts, staff


@strawberry.input(description="Changes of a contact. " + partial_inputs.PARTIAL)
class UpdateContactInput:
    id: strawberry.ID | None = target_ids.id_field("The contact.")
    contact_id: strawberry.ID | None = target_ids.deprecated_id("The contact.")
    expected_version: management.ExpectedVersion = strawberry.field(
        default=None, description=management.EXPECTED
    )
    name: str | None = partial_inputs.optional("The person's name.")
    email: str | None = partial_inputs.optional(
        "E-mail address, also the login. A new address has to be verified."
    )
    mobile: str | None = partial_inputs.optional("E.164 number. A new number has to be verified.")
    department: str | None = partial_inputs.optional("Department of the company.")
    phone: str | None = partial_inputs.optional("E.164 number to which no messages are sent.")
    notes: str | None = partial_inputs.optional("Notes of staff, visible to the customer.")
    language: str | None = partial_inputs.optional("BCP 47 tag.")
    time_zone: str | None = partial_inputs.optional("IANA zone of its graphs and lists.")


@strawberry.input(description="Changes of a member of staff. " + partial_inputs.PARTIAL)
class UpdateStaffInput:
    id: strawberry.ID | None = target_ids.id_field("The person.")
    staff_id: strawberry.ID | None = target_ids.deprecated_id("The person.")
    expected_version: management.ExpectedVersion = strawberry.field(
        default=None, description=management.EXPECTED
    )
    name: str | None = partial_inputs.optional("The person's name.")
    email: str | None = partial_inputs.optional(
        "E-mail address and login. A new address has to be verified."
    )
    role: callers.Role | None = partial_inputs.optional(
        "The role of the person. Refused with LAST_OWNER for the account's last owner."
    )
    language: str | None = partial_inputs.optional("BCP 47 tag.")
    time_zone: str | None = partial_inputs.optional("IANA zone of graphs and lists.")


@strawberry.input(description="The login to disable.")
class DisableContactInput:
    id: strawberry.ID | None = target_ids.id_field("The contact.")
    contact_id: strawberry.ID | None = target_ids.deprecated_id("The contact.")


@strawberry.input(description="The login to enable.")
class EnableContactInput:
    id: strawberry.ID | None = target_ids.id_field("The contact.")
    contact_id: strawberry.ID | None = target_ids.deprecated_id("The contact.")


@strawberry.input(description="The login to disable.")
class DisableStaffInput:
    id: strawberry.ID | None = target_ids.id_field("The person.")
    staff_id: strawberry.ID | None = target_ids.deprecated_id("The person.")


@strawberry.input(description="The login to enable.")
class EnableStaffInput:
    id: strawberry.ID | None = target_ids.id_field("The person.")
    staff_id: strawberry.ID | None = target_ids.deprecated_id("The person.")


@strawberry.input(description="The person to invite again.")
class ResendInvitationInput:
    id: strawberry.ID | None = target_ids.id_field("Id of a contact or of staff.")
    person_id: strawberry.ID | None = target_ids.deprecated_id("Id of a contact or of staff.")


@permissions.open_type
@strawberry.type(
    description="An invitation is being sent. Earlier invitations are no longer valid."
)
class Invitation:
    email: str = strawberry.field(description="E-mail address to which it is sent.")


UpdateContactResult: TypeAlias = Annotated[
    contacts.Contact | base.Refused,
    strawberry.union("UpdateContactResult", description="The updated contact, or a refusal."),
]
DisableContactResult: TypeAlias = Annotated[
    contacts.Contact | base.Refused,
    strawberry.union("DisableContactResult", description="The updated contact, or a refusal."),
]
EnableContactResult: TypeAlias = Annotated[
    contacts.Contact | base.Refused,
    strawberry.union("EnableContactResult", description="The updated contact, or a refusal."),
]
UpdateStaffResult: TypeAlias = Annotated[
    staff.Staff | base.Refused,
    strawberry.union("UpdateStaffResult", description="The updated person, or a refusal."),
]
DisableStaffResult: TypeAlias = Annotated[
    staff.Staff | base.Refused,
    strawberry.union("DisableStaffResult", description="The updated person, or a refusal."),
]
EnableStaffResult: TypeAlias = Annotated[
    staff.Staff | base.Refused,
    strawberry.union("EnableStaffResult", description="The updated person, or a refusal."),
]
ResendInvitationResult: TypeAlias = Annotated[
    Invitation | base.Refused,
    strawberry.union("ResendInvitationResult", description="The invitation, or a refusal."),
]


@strawberry.type
class PeopleMutation:
    @permissions.mutation(requires=Capability.MANAGE_CUSTOMERS, description="Changes a contact.")
    async def update_contact(
        self,
        info: base.Info,
        input: Annotated[UpdateContactInput, strawberry.argument(description="The changes.")],
    ) -> UpdateContactResult:
        caller = info.context.signed_in()
        row = await contact_resolvers.update(
            info.context.services.sign_in,
            caller,
            target_ids.number(input.id, input.contact_id, "Contact", caller.account_id),
            partial_inputs.values(input, {"id", "contact_id", "expected_version"}),
            input.expected_version,
            info.context.now,
        )
        return contacts.Contact.of(row)

    @permissions.mutation(
        requires=Capability.MANAGE_CUSTOMERS,
        description=(
            "Disables the login of a contact and ends its sessions within a second. Its records"
            " are kept."
        ),
    )
    async def disable_contact(
        self,
        info: base.Info,
        input: Annotated[DisableContactInput, strawberry.argument(description="The login.")],
    ) -> DisableContactResult:
        return await _contact(info, target_ids.required(input.id, input.contact_id), disabled=True)

    @permissions.mutation(
        requires=Capability.MANAGE_CUSTOMERS,
        description="Enables the login of a contact.",
    )
    async def enable_contact(
        self,
        info: base.Info,
        input: Annotated[EnableContactInput, strawberry.argument(description="The login.")],
    ) -> EnableContactResult:
        return await _contact(info, target_ids.required(input.id, input.contact_id), disabled=False)

    @permissions.mutation(
        requires=Capability.MANAGE_STAFF, description="Changes a member of staff."
    )
    async def update_staff(
        self,
        info: base.Info,
        input: Annotated[UpdateStaffInput, strawberry.argument(description="The changes.")],
    ) -> UpdateStaffResult:
        caller = info.context.signed_in()
        row = await staff_resolvers.update(
            info.context.services.sign_in,
            caller,
            target_ids.number(input.id, input.staff_id, "Staff", caller.account_id),
            partial_inputs.values(input, {"id", "staff_id", "expected_version"}),
            input.expected_version,
            info.context.now,
        )
        return staff.Staff.of(row)

    @permissions.mutation(
        requires=Capability.MANAGE_STAFF,
        description=(
            "Disables the login of staff and ends its sessions within a second. Refused:"
            " LAST_OWNER."
        ),
    )
    async def disable_staff(
        self,
        info: base.Info,
        input: Annotated[DisableStaffInput, strawberry.argument(description="The login.")],
    ) -> DisableStaffResult:
        return await _staff(info, target_ids.required(input.id, input.staff_id), disabled=True)

    @permissions.mutation(
        requires=Capability.MANAGE_STAFF,
        description="Enables the login of staff.",
    )
    async def enable_staff(
        self,
        info: base.Info,
        input: Annotated[EnableStaffInput, strawberry.argument(description="The login.")],
    ) -> EnableStaffResult:
        return await _staff(info, target_ids.required(input.id, input.staff_id), disabled=False)

    @permissions.mutation(
        requires=Capability.MANAGE_CUSTOMERS,
        description="Sends another invitation to a contact who has not set a password. Staff can be"
        f" invited again by {permission_sentences.holders(Capability.MANAGE_STAFF)}."
        f" At most one a minute and {invitations.MOST_A_DAY} a day. Refused: INVITED_JUST_NOW.",
    )
    async def resend_invitation(
        self,
        info: base.Info,
        input: Annotated[ResendInvitationInput, strawberry.argument(description="The login.")],
    ) -> ResendInvitationResult:
        caller, now = info.context.signed_in(), info.context.now
        kind, id = base.person_id(target_ids.required(input.id, input.person_id), caller.account_id)
        to_staff = kind == "Staff"
        resend = invitations.resend_to_staff if to_staff else invitations.resend_to_contact
        email = await resend(caller, id, now)
        return Invitation(email=email)


async def _contact(info: base.Info, global_id: str, *, disabled: bool) -> contacts.Contact:
    caller, now = info.context.signed_in(), info.context.now
    id = base.decode_id(global_id, "Contact", caller.account_id)
    return contacts.Contact.of(await contact_resolvers.set_disabled(caller, id, disabled, now))


async def _staff(info: base.Info, global_id: str, *, disabled: bool) -> staff.Staff:
    caller, now = info.context.signed_in(), info.context.now
    id = base.decode_id(global_id, "Staff", caller.account_id)
    row = await staff_resolvers.set_disabled(caller, id, disabled, now)
    return staff.Staff.of(row)
