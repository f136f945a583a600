"""The second factor: switched on and off by its person, asked for at sign-in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import segno

from domain import callers, messages, people, refusals, sealed
from domain import second_factor as rules
from models import accounts, contacts, db, logins, outbox, sessions, staff
from models import audit as stored_audit
from models import second_factors as stored
from resolvers import access, audit, tries
from resolvers import desk as desks
from resolvers.access import Capability


@dataclass(frozen=True, slots=True)
class Setup:
    """What an authenticator app needs; `qr` is an SVG element of the URI."""

    secret: str
    uri: str
    qr: str


@dataclass(frozen=True, slots=True)
class State:
    """`enabled_at` is None without a second factor."""

    enabled_at: datetime | None
    recovery_codes_left: int


async def state(caller: callers.Caller) -> State:
    person = await desks.person(caller)
    if person.totp_confirmed_at is None:
        return State(None, 0)
    left = await stored.codes_left(person.account_id, person.id)
    return State(person.totp_confirmed_at, left)


async def enable(desk: desks.Desk, caller: callers.Caller, password: str) -> Setup:
    """A secret that comes into force when it is confirmed; asked for again, another one.

    WRONG_PASSWORD, TWO_FACTOR_ON.
    """
    person = await desks.proven(desk, caller, password)
    account = await accounts.get(person.account_id)
    secret = rules.new_secret()
    sealed_secret = sealed.seal(desk.secret_key, _owner(person), secret)
    async with db.transaction():
        await desks.hold(person)
        if not await stored.offer(person.account_id, person.id, sealed_secret):
            raise refusals.Refusal(
                "TWO_FACTOR_ON", "There is a second factor already; switch it off first."
            )
    uri = rules.uri(secret, person.email, account.name)
    return Setup(secret, uri, segno.make_qr(uri, error="m").svg_inline(scale=4, light="#fff"))


async def confirm(
    desk: desks.Desk, caller: callers.Caller, code: str, now: datetime
) -> Sequence[str]:
    """Puts the secret into force; its recovery codes, shown once. WRONG_OTP, NO_TWO_FACTOR."""
    person = await desks.person(caller)
    if person.totp_secret is None or person.totp_confirmed_at is not None:
        raise refusals.Refusal(
            "NO_TWO_FACTOR", "There is no second factor to confirm; ask for one first."
        )
    step = _step(desk, person, code, now)
    if step is None:
        raise _wrong("code")
    async with db.transaction():
        if not await stored.confirm(person.account_id, person.id, person.totp_secret, step, now):
            raise _wrong("code")
        await audit.write(caller, "second_factor.enable", _subject(person), now)
        return await _new_codes(person)


async def regenerate(
    desk: desks.Desk, caller: callers.Caller, password: str, now: datetime
) -> Sequence[str]:
    """Other recovery codes in place of those there are. WRONG_PASSWORD, NO_TWO_FACTOR."""
    person = await desks.proven(desk, caller, password)
    if person.totp_confirmed_at is None:
        raise _none()
    async with db.transaction():
        await desks.hold(person)
        await audit.write(caller, "second_factor.codes", _subject(person), now)
        return await _new_codes(person)


async def disable(desk: desks.Desk, caller: callers.Caller, password: str, now: datetime) -> None:
    """WRONG_PASSWORD, NO_TWO_FACTOR."""
    person = await desks.proven(desk, caller, password)
    async with db.transaction():
        await desks.hold(person)
        if not await stored.remove(person.account_id, person.id):
            raise _none()
        await audit.write(caller, "second_factor.disable", _subject(person), now)


async def remove_from_contact(caller: callers.Caller, contact_id: int, now: datetime) -> int:
    """Its customer. Without the contact's password, for who has lost its app and its codes; it is
    signed out and told by mail. NOT_FOUND, NO_TWO_FACTOR."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    found = await contacts.get(caller.account_id, contact_id)
    if found is None:
        raise refusals.no_such("Contact", "personId")
    await _remove(caller.account_id, found.login_id, audit.actor(caller), now)
    customer_id: int = found.customer_id
    return customer_id


async def remove_from_staff(caller: callers.Caller, staff_id: int, now: datetime) -> None:
    """As from a contact. OWN_TWO_FACTOR of one's own, which asks for the password."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    found = await staff.get(caller.account_id, staff_id)
    if found is None:
        raise refusals.no_such("Staff", "personId")
    if caller.kind is callers.Kind.STAFF and caller.person == staff_id:
        raise refusals.Refusal(
            "OWN_TWO_FACTOR", "Switch your own second factor off with disableTwoFactor.", "personId"
        )
    await _remove(caller.account_id, found.login_id, audit.actor(caller), now)


async def remove_by_command(email: str, now: datetime) -> None:
    """For who may run commands on the server, such as an account's only owner who is locked out.
    NOT_FOUND, NO_TWO_FACTOR."""
    login = await logins.of_email(people.email(email))
    if login is None:
        raise refusals.Refusal("NOT_FOUND", "Nobody signs in with this e-mail address.", "email")
    await _remove(login.account_id, login.id, stored_audit.COMMAND, now)


async def _remove(account_id: int, login_id: int, actor: stored_audit.Actor, now: datetime) -> None:
    async with db.transaction():
        await logins.lock(account_id, login_id)
        person = await logins.person(account_id, login_id)
        if person is None or not await stored.remove(account_id, login_id):
            raise _none()
        await sessions.end_all(account_id, login_id, now, staff_id=person.staff_id)
        kind = messages.Kind.SECOND_FACTOR_REMOVED
        await outbox.insert(account_id, kind, person.email, person.language, now)
        await stored_audit.insert(
            account_id,
            actor,
            "second_factor.remove",
            person.subject,
            now,
            customer_id=person.customer_id,
        )


async def require(
    desk: desks.Desk, person: logins.Person, otp: str | None, site: str | None, now: datetime
) -> None:
    """At sign-in, after the right password: OTP_REQUIRED, WRONG_OTP, TOO_MANY_TRIES.

    A code of the app is good once, and so is a recovery code.
    """
    if person.totp_confirmed_at is None:
        return
    if not otp:
        raise refusals.Refusal(
            "OTP_REQUIRED", "Give the code of your authenticator app, or a recovery code.", "otp"
        )
    tried = tries.otp(person.email, site, at_home=person.is_at_home)
    await tried.enter(desk.throttle)
    if not await _taken(desk, person, otp, now):
        raise _wrong("otp")
    await tried.give_back(desk.throttle)


async def _taken(desk: desks.Desk, person: logins.Person, otp: str, now: datetime) -> bool:
    step = _step(desk, person, otp, now)
    if step is not None:
        return await stored.take_step(person.account_id, person.id, step)
    digest = rules.recovery_digest(otp)
    return await stored.take_code(person.account_id, person.id, digest, now)


def _step(desk: desks.Desk, person: logins.Person, code: str, now: datetime) -> int | None:
    assert person.totp_secret is not None
    secret = sealed.unseal(desk.secret_key, _owner(person), person.totp_secret)
    return None if secret is None else rules.step(secret, code, now)


async def _new_codes(person: logins.Person) -> Sequence[str]:
    codes = rules.new_recovery_codes()
    digests = [rules.recovery_digest(code) for code in codes]
    await stored.replace_codes(person.account_id, person.id, digests)
    return codes


def _owner(person: logins.Person) -> str:
    return f"totp:{person.account_id}:{person.id}"


def _subject(person: logins.Person) -> str:
    return f"login:{person.id}"


def _wrong(field: str) -> refusals.Refusal:
    return refusals.Refusal(
        "WRONG_OTP", "This code is wrong, was used already or is too old; give the next one.", field
    )


def _none() -> refusals.Refusal:
    return refusals.Refusal("NO_TWO_FACTOR", "There is no second factor; ask for one first.")
