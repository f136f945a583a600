"""The second factor: enabled and disabled by its person, required at sign-in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import segno

from domain import refusals
from domain.identity import callers, personal_data, sealed_secrets, second_factor
from domain.messaging import messages
from models import db
from models.directory import audit_log
from models.identity import accounts, contacts, logins, second_factors, session_list, staff
from models.messaging import outbox
from resolvers import access, audit_entries
from resolvers.access import Capability
from resolvers.identity import sign_in_services, try_limits


@dataclass(frozen=True, slots=True)
class Setup:
    """Data for an authenticator app; `qr` is an SVG element of the URI."""

    secret: str
    uri: str
    qr: str


@dataclass(frozen=True, slots=True)
class State:
    """`enabled_at` is None without a second factor."""

    enabled_at: datetime | None
    recovery_codes_left: int


async def state(caller: callers.Caller) -> State:
    person = await sign_in_services.person(caller)
    if person.totp_confirmed_at is None:
        return State(None, 0)
    left = await second_factors.count_recovery_codes(person.account_id, person.id)
    return State(person.totp_confirmed_at, left)


async def enable(
    services: sign_in_services.SignInServices, caller: callers.Caller, password: str
) -> Setup:
    """Creates a secret that takes effect when it is confirmed. Each call creates a new one.

    Refuses WRONG_PASSWORD, TWO_FACTOR_ON.
    """
    person = await sign_in_services.require_password(services, caller, password)
    account = await accounts.get(person.account_id)
    secret = second_factor.new_secret()
    sealed_secret = sealed_secrets.seal(services.secret_key, _owner(person), secret)
    async with db.transaction():
        await sign_in_services.hold(person)
        if not await second_factors.offer(person.account_id, person.id, sealed_secret):
            raise refusals.Refusal(
                "TWO_FACTOR_ON", "A second factor is already set up. Switch it off first."
            )
    uri = second_factor.provisioning_uri(secret, person.email, account.name)
    return Setup(secret, uri, segno.make_qr(uri, error="m").svg_inline(scale=4, light="#fff"))


async def confirm(
    services: sign_in_services.SignInServices, caller: callers.Caller, code: str, now: datetime
) -> Sequence[str]:
    """Enables the second factor and returns its recovery codes, shown only once. Refuses
    WRONG_OTP, NO_TWO_FACTOR."""
    person = await sign_in_services.person(caller)
    if person.totp_secret is None or person.totp_confirmed_at is not None:
        raise refusals.Refusal(
            "NO_TWO_FACTOR", "There is no second factor to confirm. Start the setup first."
        )
    step = _step(services, person, code, now)
    if step is None:
        raise _wrong("code")
    async with db.transaction():
        if not await second_factors.confirm(
            person.account_id, person.id, person.totp_secret, step, now
        ):
            raise _wrong("code")
        await audit_entries.write(caller, "second_factor.enable", _subject(person), now)
        return await _new_codes(person)


async def regenerate(
    services: sign_in_services.SignInServices, caller: callers.Caller, password: str, now: datetime
) -> Sequence[str]:
    """Replaces the recovery codes. Refuses WRONG_PASSWORD, NO_TWO_FACTOR."""
    person = await sign_in_services.require_password(services, caller, password)
    if person.totp_confirmed_at is None:
        raise _none()
    async with db.transaction():
        await sign_in_services.hold(person)
        await audit_entries.write(caller, "second_factor.codes", _subject(person), now)
        return await _new_codes(person)


async def disable(
    services: sign_in_services.SignInServices, caller: callers.Caller, password: str, now: datetime
) -> None:
    """Disables the second factor. Refuses WRONG_PASSWORD, NO_TWO_FACTOR."""
    person = await sign_in_services.require_password(services, caller, password)
    async with db.transaction():
        await sign_in_services.hold(person)
        if not await second_factors.remove(person.account_id, person.id):
            raise _none()
        await audit_entries.write(caller, "second_factor.disable", _subject(person), now)


async def remove_from_contact(caller: callers.Caller, contact_id: int, now: datetime) -> None:
    """Removes the second factor of a contact who has lost the app and the codes. The contact is
    signed out and notified by e-mail. Refuses NOT_FOUND, NO_TWO_FACTOR."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    contact = await contacts.get(caller.account_id, contact_id)
    if contact is None:
        raise refusals.not_found("Contact", "id")
    await _remove(caller.account_id, contact.login_id, audit_entries.actor(caller), now)


async def remove_from_staff(caller: callers.Caller, staff_id: int, now: datetime) -> None:
    """As `remove_from_contact`. Refuses OWN_TWO_FACTOR for the caller's own, which requires the
    password."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    person = await staff.get(caller.account_id, staff_id)
    if person is None:
        raise refusals.not_found("Staff", "id")
    if caller.kind is callers.Kind.STAFF and caller.person_id == staff_id:
        raise refusals.Refusal(
            "OWN_TWO_FACTOR", "Switch your own second factor off with disableTwoFactor.", "id"
        )
    await _remove(caller.account_id, person.login_id, audit_entries.actor(caller), now)


async def remove_by_command(email: str, now: datetime) -> None:
    """Removes it by a command on the server, for example for an account's only owner.

    Refuses NOT_FOUND, NO_TWO_FACTOR.
    """
    login = await logins.of_emails(personal_data.stored_emails(email))
    if login is None:
        raise refusals.Refusal("NOT_FOUND", "No login has this e-mail address.", "email")
    await _remove(login.account_id, login.id, audit_log.COMMAND, now)


async def _remove(account_id: int, login_id: int, actor: audit_log.Actor, now: datetime) -> None:
    async with db.transaction():
        await logins.lock(account_id, login_id)
        person = await logins.person(account_id, login_id)
        if person is None or not await second_factors.remove(account_id, login_id):
            raise _none()
        await session_list.end_all(account_id, login_id, now, staff_id=person.staff_id)
        kind = messages.Kind.SECOND_FACTOR_REMOVED
        await outbox.insert(
            account_id,
            outbox.NewMessage(kind=kind, recipient=person.email, language=person.language),
            now,
        )
        await audit_log.insert(
            account_id,
            actor,
            audit_log.NewEntry(
                action="second_factor.remove",
                subject=person.subject,
                customer_id=person.customer_id,
            ),
            now,
        )


async def require(
    services: sign_in_services.SignInServices,
    person: logins.Person,
    otp: str | None,
    site: str | None,
    now: datetime,
) -> None:
    """Checks it at sign-in, after the correct password. Refuses OTP_REQUIRED, WRONG_OTP,
    TOO_MANY_TRIES.

    Each code of the app and each recovery code is valid once.
    """
    if person.totp_confirmed_at is None:
        return
    if not otp:
        raise refusals.Refusal(
            "OTP_REQUIRED", "Enter the code of your authenticator app, or a recovery code.", "otp"
        )
    tries = try_limits.otp(person.email, site, at_home=person.has_used_site)
    await tries.enter(services.throttle)
    if not await _taken(services, person, otp, now):
        raise _wrong("otp")
    await tries.give_back(services.throttle)


async def _taken(
    services: sign_in_services.SignInServices, person: logins.Person, otp: str, now: datetime
) -> bool:
    step = _step(services, person, otp, now)
    if step is not None:
        return await second_factors.use_step(person.account_id, person.id, step)
    digest = second_factor.recovery_digest(otp)
    return await second_factors.use_recovery_code(person.account_id, person.id, digest, now)


def _step(
    services: sign_in_services.SignInServices, person: logins.Person, code: str, now: datetime
) -> int | None:
    assert person.totp_secret is not None
    secret = sealed_secrets.unseal(services.secret_key, _owner(person), person.totp_secret)
    return None if secret is None else second_factor.matching_step(secret, code, now)


async def _new_codes(person: logins.Person) -> Sequence[str]:
    codes = second_factor.new_recovery_codes()
    digests = [second_factor.recovery_digest(code) for code in codes]
    await second_factors.replace_recovery_codes(person.account_id, person.id, digests)
    return codes


def _owner(person: logins.Person) -> str:
    return f"totp:{person.account_id}:{person.id}"


def _subject(person: logins.Person) -> str:
    return f"login:{person.id}"


def _wrong(field: str) -> refusals.Refusal:
    return refusals.Refusal(
        "WRONG_OTP",
        "The code is incorrect, has expired or was already used. Enter the next one.",
        field,
    )


def _none() -> refusals.Refusal:
    return refusals.Refusal("NO_TWO_FACTOR", "No second factor is set up. Set one up first.")
