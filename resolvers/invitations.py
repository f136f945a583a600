"""Invitations: a message with a link by which a person sets a password."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain import callers, messages, proofs, refusals
from models import accounts, db, logins, outbox
from models import contacts as stored_contacts
from models import proofs as stored
from models import staff as stored_staff
from resolvers import access, audit
from resolvers.access import Capability

APART = timedelta(minutes=1)
A_DAY = timedelta(days=1)
MOST_A_DAY = 5


@dataclass(frozen=True, slots=True)
class Invited:
    """Whom a link goes to. `subject` is such as `contact:3`; `customer_id` None: staff."""

    login_id: int
    name: str
    language: str
    subject: str
    customer_id: int | None = None


async def send(caller: callers.Caller, to: Invited, email: str, now: datetime) -> None:
    """In the open transaction."""
    account = await accounts.get(caller.account_id)
    purpose = proofs.Purpose.INVITATION
    proof_id = await stored.insert(caller.account_id, to.login_id, purpose, email, now)
    await outbox.insert(
        caller.account_id,
        messages.Kind.INVITATION,
        email,
        to.language,
        now,
        proof_id=proof_id,
        detail={"name": to.name, "account": account.name},
    )


async def resend_to_contact(caller: callers.Caller, contact_id: int, now: datetime) -> str:
    """The address it goes to; NOT_FOUND, ALREADY_ACCEPTED, LOGIN_DISABLED, INVITED_JUST_NOW."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    found = await stored_contacts.get(caller.account_id, contact_id)
    if found is None:
        raise refusals.no_such("Contact", "personId")
    subject = f"contact:{found.id}"
    to = Invited(found.login_id, found.name, found.language, subject, found.customer_id)
    return await _resend(caller, to, now)


async def resend_to_staff(caller: callers.Caller, staff_id: int, now: datetime) -> str:
    """The address it goes to; refuses as `resend_to_contact`."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    found = await stored_staff.get(caller.account_id, staff_id)
    if found is None:
        raise refusals.no_such("Staff", "personId")
    to = Invited(found.login_id, found.name, found.language, f"staff:{found.id}")
    return await _resend(caller, to, now)


async def _resend(caller: callers.Caller, to: Invited, now: datetime) -> str:
    async with db.transaction():
        login = await logins.locked(caller.account_id, to.login_id)
        if login.password_hash:
            raise refusals.Refusal(
                "ALREADY_ACCEPTED", "This person has set a password already; nothing was sent."
            )
        if login.disabled_at:
            raise refusals.Refusal("LOGIN_DISABLED", "Enable this person's login first.")
        await _require_few(caller.account_id, to.login_id, now)
        await send(caller, to, login.email, now)
        kind = to.subject.partition(":")[0]
        await audit.write(caller, f"{kind}.invite", to.subject, now, customer_id=to.customer_id)
    return login.email


async def _require_few(account_id: int, login_id: int, now: datetime) -> None:
    purpose = proofs.Purpose.INVITATION
    asked = await stored.asked(account_id, login_id, purpose, now - A_DAY)
    if len(asked) >= MOST_A_DAY:
        again = min(asked) + A_DAY
    elif asked and max(asked) + APART > now:
        again = max(asked) + APART
    else:
        return
    raise refusals.Refusal(
        "INVITED_JUST_NOW",
        "Invitations go to one person a minute apart, at most {most} a day; try again in"
        " {seconds} s.",
        most=MOST_A_DAY,
        seconds=int((again - now).total_seconds()) + 1,
    )
