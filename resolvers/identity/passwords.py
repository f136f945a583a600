"""Passwords: changed by their owner, or set with a link."""

import asyncio
from datetime import datetime

from domain import refusals
from domain.identity import address_proofs, callers, personal_data
from domain.messaging import messages
from models import db
from models.identity import contacts, logins, proofs, session_list, staff
from models.messaging import outbox
from resolvers import audit_entries
from resolvers.identity import password_hashing, sign_in_services, try_limits

_RESPONSE_SECONDS = 0.25  # of a reset request, whether the e-mail address exists or not

Purpose = address_proofs.Purpose


async def change(
    services: sign_in_services.SignInServices,
    caller: callers.Caller,
    current: str,
    new: str,
    now: datetime,
) -> None:
    """Changes the password and ends the person's other sessions. Refuses WRONG_PASSWORD,
    INVALID with the field."""
    person = await sign_in_services.person(caller)
    personal_data.validate_password(new, "new", email=person.email)
    person = await sign_in_services.require_password(services, caller, current, "current")
    password_hash = await password_hashing.hashed(new, *password_hashing.of(caller))
    async with db.transaction():
        await sign_in_services.hold(person, "current")
        await _set(person, password_hash, now, except_id=caller.session_id)
        await audit_entries.write(caller, "password.change", f"login:{person.id}", now)


async def request_reset(
    services: sign_in_services.SignInServices, email: str, client: callers.Client, now: datetime
) -> None:
    """Sends a link if the login exists; the caller cannot tell. Refuses TOO_MANY_TRIES, INVALID."""
    email, time = personal_data.validate_email(email), asyncio.get_running_loop().time
    response_at = time() + _RESPONSE_SECONDS
    await try_limits.links(try_limits.site_of(client.address)).enter(services.throttle)
    await _ask_for_reset(services, email, now)
    await asyncio.sleep(response_at - time())


async def _ask_for_reset(
    services: sign_in_services.SignInServices, email: str, now: datetime
) -> None:
    person = await logins.person_of_email(email, None)
    try:
        await try_limits.reset_mails(email).enter(services.throttle)
    except refusals.Refusal:
        return  # enough valid links have been sent
    account_id, login_id = (person.account_id, person.id) if person else (0, 0)
    language = person.language if person else "en"
    try:
        async with db.transaction():
            await logins.lock(account_id, login_id)
            person = await logins.person_of_email(email, None)
            proof = await proofs.insert(account_id, login_id, Purpose.RESET_PASSWORD, email, now)
            kind = messages.Kind.RESET_PASSWORD
            await outbox.insert(
                account_id,
                outbox.NewMessage(kind=kind, recipient=email, language=language, proof_id=proof),
                now,
            )
            if person is None or person.id != login_id or person.disabled_at is not None:
                raise _NobodyError
    except _NobodyError:
        pass


class _NobodyError(Exception):
    """Rolls back the work for an unknown address, which takes as long as for a known one."""


async def reset(
    services: sign_in_services.SignInServices,
    token: str,
    password: str,
    client: callers.Client,
    now: datetime,
) -> logins.Person:
    """Sets the password and returns the person. Ends all sessions; the second factor remains.
    Refuses LINK_NOT_GOOD, INVALID."""
    return await _set_by_link(services, Purpose.RESET_PASSWORD, token, password, client, now)


async def accept_invitation(
    services: sign_in_services.SignInServices,
    token: str,
    password: str,
    client: callers.Client,
    now: datetime,
) -> logins.Person:
    """Sets the first password of a login and returns the person. Refuses LINK_NOT_GOOD, INVALID."""
    return await _set_by_link(services, Purpose.INVITATION, token, password, client, now)


async def _set_by_link(
    services: sign_in_services.SignInServices,
    purpose: address_proofs.Purpose,
    token: str,
    password: str,
    client: callers.Client,
    now: datetime,
) -> logins.Person:
    site = try_limits.site_of(client.address)
    await try_limits.links(site).enter(services.throttle)
    link = address_proofs.read_link(services.secret_key, purpose, token, now)
    if link is None:
        raise _not_good()
    personal_data.validate_password(password)
    password_hash = await password_hashing.hashed(password, site)
    async with db.transaction():  # a refusal does not use the link
        person = await _person_of(link, purpose, now)
        personal_data.validate_password(password, email=person.email)
        await _set(person, password_hash, now)
        of_staff = person.staff_id is not None
        verified = staff.record_verified_email if of_staff else contacts.record_verified_email
        await verified(person.account_id, person.id, person.email, now)
        action = "password.reset" if purpose is Purpose.RESET_PASSWORD else "invitation.accept"
        await audit_entries.write(person.caller(client.address), action, f"login:{person.id}", now)
    await try_limits.trust(services.throttle, person.email, site)
    return person


async def _person_of(
    link: address_proofs.Link, purpose: address_proofs.Purpose, now: datetime
) -> logins.Person:
    """The person to whom the link was sent, if the address is still the same. Uses the link."""
    if results := await proofs.find(link, purpose):
        await logins.lock(link.account_id, results.login_id)
    proof = await proofs.use(link, purpose, now)
    person = None if proof is None else await logins.person(link.account_id, proof.login_id)
    if proof is None or person is None or person.disabled_at is not None:
        raise _not_good()
    has_password = person.password_hash is not None
    if person.email != proof.address or (purpose is Purpose.INVITATION and has_password):
        raise _not_good()
    return person


async def _set(
    person: logins.Person, password_hash: str, now: datetime, *, except_id: int | None = None
) -> None:
    """Sets the password, ends all sessions except one, and invalidates other links that could
    set one."""
    await logins.set_password(person.account_id, person.id, password_hash)
    await session_list.end_all(
        person.account_id, person.id, now, except_id=except_id, staff_id=person.staff_id
    )
    for purpose in (Purpose.RESET_PASSWORD, Purpose.INVITATION):
        await proofs.withdraw(person.account_id, person.id, purpose, now)


def _not_good() -> refusals.Refusal:
    return refusals.Refusal(
        "LINK_NOT_GOOD",
        "This link has already been used or has expired. If you have set a password, sign in with"
        " your e-mail address and that password. Otherwise, request a new link.",
        "token",
    )
