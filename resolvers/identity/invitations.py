"""Invitations: a message with a link by which a person sets a password."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain import refusals
from domain.identity import address_proofs, callers
from domain.messaging import messages
from models import db
from models.identity import accounts, contacts, logins, proofs, staff
from models.messaging import outbox
from resolvers import access, audit_entries
from resolvers.access import Capability

APART = timedelta(minutes=1)
A_DAY = timedelta(days=1)
MOST_A_DAY = 5


@dataclass(frozen=True, slots=True)
class Invited:
    """The person to invite. `subject` is such as `contact:3`; `customer_id` None: staff."""

    login_id: int
    name: str
    language: str
    subject: str
    customer_id: int | None = None


async def send(caller: callers.Caller, to: Invited, email: str, now: datetime) -> None:
    """Stores the invitation in the open transaction."""
    account = await accounts.get(caller.account_id)
    purpose = address_proofs.Purpose.INVITATION
    proof_id = await proofs.insert(caller.account_id, to.login_id, purpose, email, now)
    await outbox.insert(
        caller.account_id,
        outbox.NewMessage(
            kind=messages.Kind.INVITATION,
            recipient=email,
            language=to.language,
            proof_id=proof_id,
            detail={"name": to.name, "account": account.name},
        ),
        now,
    )


async def resend_to_contact(caller: callers.Caller, contact_id: int, now: datetime) -> str:
    """Invites a contact again and returns the address. Refuses NOT_FOUND, ALREADY_ACCEPTED,
    LOGIN_DISABLED, INVITED_JUST_NOW."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    contact = await contacts.get(caller.account_id, contact_id)
    if contact is None:
        raise refusals.not_found("Contact", "id")
    subject = f"contact:{contact.id}"
    to = Invited(contact.login_id, contact.name, contact.language, subject, contact.customer_id)
    return await _resend(caller, to, now)


async def resend_to_staff(caller: callers.Caller, staff_id: int, now: datetime) -> str:
    """Invites staff again and returns the address. Refuses as `resend_to_contact`."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    person = await staff.get(caller.account_id, staff_id)
    if person is None:
        raise refusals.not_found("Staff", "id")
    to = Invited(person.login_id, person.name, person.language, f"staff:{person.id}")
    return await _resend(caller, to, now)


async def _resend(caller: callers.Caller, to: Invited, now: datetime) -> str:
    async with db.transaction():
        login = await logins.lock_and_get(caller.account_id, to.login_id)
        if login.password_hash:
            raise refusals.Refusal(
                "ALREADY_ACCEPTED",
                "This person has already set a password. No invitation was sent.",
            )
        if login.disabled_at:
            raise refusals.Refusal("LOGIN_DISABLED", "Enable this person's login first.")
        await _require_few(caller.account_id, to.login_id, now)
        await send(caller, to, login.email, now)
        kind = to.subject.partition(":")[0]
        await audit_entries.write(
            caller, f"{kind}.invite", to.subject, now, customer_id=to.customer_id
        )
    return login.email


async def _require_few(account_id: int, login_id: int, now: datetime) -> None:
    purpose = address_proofs.Purpose.INVITATION
    request_times = await proofs.request_times(account_id, login_id, purpose, now - A_DAY)
    if len(request_times) >= MOST_A_DAY:
        again = min(request_times) + A_DAY
    elif request_times and max(request_times) + APART > now:
        again = max(request_times) + APART
    else:
        return
    raise refusals.Refusal(
        "INVITED_JUST_NOW",
        "A person receives at most one invitation a minute and {most} a day. Try again in"
        " {seconds} s.",
        most=MOST_A_DAY,
        seconds=int((again - now).total_seconds()) + 1,
    )
