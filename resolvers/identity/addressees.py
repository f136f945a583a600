"""Contacts and staff as the owners of e-mail addresses and mobile numbers to verify."""

from dataclasses import dataclass
from datetime import datetime

from domain.identity import callers
from domain.messaging import messages
from models.identity import contacts, logins, session_list, staff
from models.messaging import outbox
from models.tables import Contact, Staff
from resolvers import access


@dataclass(frozen=True, slots=True)
class Addressee:
    """A person with an address to verify. `customer_id` None: staff, whose verifications are on
    the account's own checklist."""

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
        """The kind of the person in the audit log."""
        return "staff" if self.kind is callers.Kind.STAFF else "contact"

    @property
    def subject(self) -> str:
        return f"{self.noun}:{self.id}"

    @property
    def caller(self) -> callers.Caller:
        """The caller of a link that requires no sign-in."""
        return callers.Caller(self.account_id, self.kind, self.id, customer_id=self.customer_id)


async def of_caller(caller: callers.Caller, *, lock: bool = False) -> Addressee:
    """The caller. Refuses FORBIDDEN for an API key, and for staff signed in as a contact.
    `lock`: locks its login."""
    access.require_identity(caller, access.Identity.PERSON_ITSELF)
    current = await _of_person(caller)
    if not lock:
        return current
    await logins.lock(current.account_id, current.login_id)
    return await _of_person(caller)


async def _of_person(caller: callers.Caller) -> Addressee:
    if caller.kind is callers.Kind.STAFF:
        return await _staff(await staff.get_existing(caller.account_id, caller.person_id))
    return _contact(await contacts.get_existing(caller.account_id, caller.person_id))


async def moved(
    caller: callers.Caller, login_id: int, language: str, old: str, new: str, now: datetime
) -> None:
    """Notifies the old address of a change and ends the login's sessions except the caller's,
    so that nobody can take over a login unnoticed."""
    kind = messages.Kind.EMAIL_CHANGED
    await outbox.insert(
        caller.account_id,
        outbox.NewMessage(kind=kind, recipient=old, language=language, detail={"email": new}),
        now,
    )
    await session_list.end_all(caller.account_id, login_id, now, except_id=caller.session_id)


async def of_login(account_id: int, login_id: int) -> Addressee | None:
    contact = await contacts.of_login(account_id, login_id)
    if contact is not None:
        return _contact(contact)
    person = await staff.of_login(account_id, login_id)
    return None if person is None else await _staff(person)


async def email_verified(of: Addressee, address: str, now: datetime) -> bool:
    """Marks the address as verified. False if it is no longer the person's address."""
    if of.kind is callers.Kind.STAFF:
        return await staff.record_verified_email(of.account_id, of.login_id, address, now)
    return (
        await contacts.record_verified_email(of.account_id, of.login_id, address, now) is not None
    )


async def mobile_verified(of: Addressee, number: str, now: datetime) -> bool:
    """Marks the number as verified. False if it is no longer the person's number."""
    if of.kind is callers.Kind.STAFF:
        return await staff.record_verified_mobile(of.account_id, of.login_id, number, now)
    return (
        await contacts.record_verified_mobile(of.account_id, of.login_id, number, now) is not None
    )


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
