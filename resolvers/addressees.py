"""Whose e-mail address and mobile number are verified: contacts and staff alike."""

from dataclasses import dataclass
from datetime import datetime

from domain import callers, messages, refusals
from models import contacts, logins, outbox, sessions, staff
from models.tables import Contact, Staff
from resolvers import access


@dataclass(frozen=True, slots=True)
class Addressee:
    """`customer_id` None: staff, whose verifications stand in the account's own checklist."""

    account_id: int
    kind: callers.Kind
    id: int
    login_id: int
    customer_id: int | None
    language: str
    email: str
    email_verified_at: datetime | None
    mobile: str | None
    mobile_verified_at: datetime | None

    @property
    def noun(self) -> str:
        """As the audit log names it."""
        return "staff" if self.kind is callers.Kind.STAFF else "contact"

    @property
    def subject(self) -> str:
        return f"{self.noun}:{self.id}"

    @property
    def caller(self) -> callers.Caller:
        """As whom a link is used that needs no sign-in."""
        return callers.Caller(self.account_id, self.kind, self.id, customer_id=self.customer_id)


async def of_caller(caller: callers.Caller, *, lock: bool = False) -> Addressee:
    """FORBIDDEN to an API key, and to staff signed in as a contact. `lock`: under its login's."""
    if caller.kind is callers.Kind.KEY:
        raise refusals.Refusal(
            "FORBIDDEN", "Only a person's addresses are verified; sign in as one."
        )
    access.require_self(caller)
    found = await _of_person(caller)
    if not lock:
        return found
    await logins.lock(found.account_id, found.login_id)
    return await _of_person(caller)


async def _of_person(caller: callers.Caller) -> Addressee:
    if caller.kind is callers.Kind.STAFF:
        return await _staff(await staff.existing(caller.account_id, caller.person))
    return _contact(await contacts.existing(caller.account_id, caller.person))


async def moved(
    caller: callers.Caller, login_id: int, language: str, old: str, new: str, now: datetime
) -> None:
    """Tells the old address of another one, and ends the login's sessions but the caller's: whoever
    moves a login that is not its own, or sits at a browser left open, does not go unseen."""
    kind = messages.Kind.EMAIL_CHANGED
    await outbox.insert(caller.account_id, kind, old, language, now, detail={"email": new})
    await sessions.end_all(caller.account_id, login_id, now, but=caller.session_id)


async def of_login(account_id: int, login_id: int) -> Addressee | None:
    contact = await contacts.of_login(account_id, login_id)
    if contact is not None:
        return _contact(contact)
    person = await staff.of_login(account_id, login_id)
    return None if person is None else await _staff(person)


async def email_verified(of: Addressee, address: str, now: datetime) -> bool:
    """False where this is not its address to verify (any more)."""
    if of.kind is callers.Kind.STAFF:
        return await staff.email_verified(of.account_id, of.login_id, address, now)
    return await contacts.email_verified(of.account_id, of.login_id, address, now) is not None


async def mobile_verified(of: Addressee, number: str, now: datetime) -> bool:
    """False where this is not its number to verify (any more)."""
    if of.kind is callers.Kind.STAFF:
        return await staff.mobile_verified(of.account_id, of.login_id, number, now)
    return await contacts.mobile_verified(of.account_id, of.login_id, number, now) is not None


def _contact(row: Contact) -> Addressee:
    return _addressee(row, callers.Kind.CONTACT, row.customer_id, row.email)


async def _staff(row: Staff) -> Addressee:
    login = await logins.get(row.account_id, row.login_id)
    return _addressee(row, callers.Kind.STAFF, None, login.email)


def _addressee(
    row: Contact | Staff, kind: callers.Kind, customer_id: int | None, email: str
) -> Addressee:
    return Addressee(
        account_id=row.account_id,
        kind=kind,
        id=row.id,
        login_id=row.login_id,
        customer_id=customer_id,
        language=row.language,
        email=email,
        email_verified_at=row.email_verified_at,
        mobile=row.mobile,
        mobile_verified_at=row.mobile_verified_at,
    )
