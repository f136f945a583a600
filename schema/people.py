"""What people have in common, and what staff change of them: profiles, logins, invitations."""

from typing import Annotated, TypeAlias

import strawberry

from domain import callers
from live import wake
from resolvers import contacts as resolve_contacts
from resolvers import invitations
from resolvers import staff as resolve_staff
from schema import base, checklist, contacts, given, managing, staff


@strawberry.input(description="Changes of a contact. " + given.KEEPS)
class UpdateContactInput:
    contact_id: strawberry.ID = strawberry.field(description="The contact.")
    expected_version: managing.ExpectedVersion = strawberry.field(
        default=None, description=managing.EXPECTED
    )
    name: str | None = given.optional("The person's name.")
    email: str | None = given.optional("The login too; another one has to be verified again.")
    mobile: str | None = given.optional("E.164 number; another one has to be verified again.")
    department: str | None = given.optional("Where in the company it works.")
    phone: str | None = given.optional("E.164 number that nothing is sent to.")
    notes: str | None = given.optional("Written by staff, seen by the customer.")
    language: str | None = given.optional("BCP 47 tag.")
    time_zone: str | None = given.optional("IANA zone of its graphs and lists.")


@strawberry.input(description="Changes of a person of the account. " + given.KEEPS)
class UpdateStaffInput:
    staff_id: strawberry.ID = strawberry.field(description="The person.")
    expected_version: managing.ExpectedVersion = strawberry.field(
        default=None, description=managing.EXPECTED
    )
    name: str | None = given.optional("The person's name.")
    email: str | None = given.optional("The login; another one has to be verified again.")
    role: callers.Role | None = given.optional(
        "What the person may do; the account's last owner stays one, else LAST_OWNER."
    )
    language: str | None = given.optional("BCP 47 tag.")
    time_zone: str | None = given.optional("IANA zone of graphs and lists.")


@strawberry.input(description="Who is to sign in no more.")
class DisableContactInput:
    contact_id: strawberry.ID = strawberry.field(description="The contact.")


@strawberry.input(description="Who is to sign in again.")
class EnableContactInput:
    contact_id: strawberry.ID = strawberry.field(description="The contact.")


@strawberry.input(description="Who is to sign in no more.")
class DisableStaffInput:
    staff_id: strawberry.ID = strawberry.field(description="The person.")


@strawberry.input(description="Who is to sign in again.")
class EnableStaffInput:
    staff_id: strawberry.ID = strawberry.field(description="The person.")


@strawberry.input(description="Who is to be invited again.")
class ResendInvitationInput:
    person_id: strawberry.ID = strawberry.field(description="A contact's id, or one of staff.")


@strawberry.type(description="An invitation is on its way; those before it are good no more.")
class Invitation:
    email: str = strawberry.field(description="Where it goes.")


UpdateContactResult: TypeAlias = Annotated[
    contacts.Contact | base.Refused,
    strawberry.union("UpdateContactResult", description="The contact, or why it is as before."),
]
DisableContactResult: TypeAlias = Annotated[
    contacts.Contact | base.Refused,
    strawberry.union("DisableContactResult", description="The contact, or why it is as before."),
]
EnableContactResult: TypeAlias = Annotated[
    contacts.Contact | base.Refused,
    strawberry.union("EnableContactResult", description="The contact, or why it is as before."),
]
UpdateStaffResult: TypeAlias = Annotated[
    staff.Staff | base.Refused,
    strawberry.union("UpdateStaffResult", description="The person, or why it is as before."),
]
DisableStaffResult: TypeAlias = Annotated[
    staff.Staff | base.Refused,
    strawberry.union("DisableStaffResult", description="The person, or why it is as before."),
]
EnableStaffResult: TypeAlias = Annotated[
    staff.Staff | base.Refused,
    strawberry.union("EnableStaffResult", description="The person, or why it is as before."),
]
ResendInvitationResult: TypeAlias = Annotated[
    Invitation | base.Refused,
    strawberry.union("ResendInvitationResult", description="What is sent, or why nothing is."),
]


@strawberry.type
class PeopleMutation:
    @strawberry.mutation(description="Changes a contact. Owner and support.")
    async def update_contact(
        self,
        info: base.Info,
        input: Annotated[UpdateContactInput, strawberry.argument(description="What to change.")],
    ) -> UpdateContactResult:
        caller = info.context.signed_in()
        row = await resolve_contacts.update(
            caller,
            base.decode_id(input.contact_id, "Contact", caller.account_id),
            given.values(input, {"contact_id", "expected_version"}),
            input.expected_version,
            info.context.now,
        )
        await checklist.settle(info, row.customer_id)
        return contacts.Contact.of(row)

    @strawberry.mutation(
        description="Lets a contact sign in no more; its sessions end within a second. What it did"
        " stays. Owner and support."
    )
    async def disable_contact(
        self,
        info: base.Info,
        input: Annotated[DisableContactInput, strawberry.argument(description="Whom.")],
    ) -> DisableContactResult:
        return await _contact(info, input.contact_id, disabled=True)

    @strawberry.mutation(description="Lets a contact sign in again. Owner and support.")
    async def enable_contact(
        self,
        info: base.Info,
        input: Annotated[EnableContactInput, strawberry.argument(description="Whom.")],
    ) -> EnableContactResult:
        return await _contact(info, input.contact_id, disabled=False)

    @strawberry.mutation(description="Changes a person of the account. Owner.")
    async def update_staff(
        self,
        info: base.Info,
        input: Annotated[UpdateStaffInput, strawberry.argument(description="What to change.")],
    ) -> UpdateStaffResult:
        caller = info.context.signed_in()
        row = await resolve_staff.update(
            caller,
            base.decode_id(input.staff_id, "Staff", caller.account_id),
            given.values(input, {"staff_id", "expected_version"}),
            input.expected_version,
            info.context.now,
        )
        await checklist.settle(info, None)
        return staff.Staff.of(row)

    @strawberry.mutation(
        description="Lets a person of the account sign in no more; its sessions end within a"
        " second. The last owner is refused as LAST_OWNER. Owner."
    )
    async def disable_staff(
        self,
        info: base.Info,
        input: Annotated[DisableStaffInput, strawberry.argument(description="Whom.")],
    ) -> DisableStaffResult:
        return await _staff(info, input.staff_id, disabled=True)

    @strawberry.mutation(description="Lets a person of the account sign in again. Owner.")
    async def enable_staff(
        self,
        info: base.Info,
        input: Annotated[EnableStaffInput, strawberry.argument(description="Whom.")],
    ) -> EnableStaffResult:
        return await _staff(info, input.staff_id, disabled=False)

    @strawberry.mutation(
        description="Invites again who has set no password yet: a contact (owner and support) or a"
        f" person of the account (owner). A minute apart, at most {invitations.MOST_A_DAY} a day,"
        " else INVITED_JUST_NOW."
    )
    async def resend_invitation(
        self,
        info: base.Info,
        input: Annotated[ResendInvitationInput, strawberry.argument(description="Whom.")],
    ) -> ResendInvitationResult:
        caller, now = info.context.signed_in(), info.context.now
        kind, id = base.person_id(input.person_id, caller.account_id)
        to_staff = kind == "Staff"
        resend = invitations.resend_to_staff if to_staff else invitations.resend_to_contact
        email = await resend(caller, id, now)
        await wake.hint(info.context.redis, wake.For.MESSAGES)
        return Invitation(email=email)


async def _contact(info: base.Info, global_id: str, *, disabled: bool) -> contacts.Contact:
    caller, now = info.context.signed_in(), info.context.now
    id = base.decode_id(global_id, "Contact", caller.account_id)
    return contacts.Contact.of(await resolve_contacts.set_disabled(caller, id, disabled, now))


async def _staff(info: base.Info, global_id: str, *, disabled: bool) -> staff.Staff:
    caller, now = info.context.signed_in(), info.context.now
    id = base.decode_id(global_id, "Staff", caller.account_id)
    row = await resolve_staff.set_disabled(caller, id, disabled, now)
    await checklist.settle(info, None)  # who cannot sign in has nothing to verify
    return staff.Staff.of(row)
