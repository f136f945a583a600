"""Signs people in with e-mail address, password and second factor."""

import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from domain import refusals
from domain.identity import callers, networks, personal_data, session_lifetimes, tokens
from models import db
from models.identity import contacts, credentials, logins
from resolvers import access, audit_entries
from resolvers.identity import password_hashing, second_factor, sign_in_services, try_limits

_MAX_USER_AGENT_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`token` is shown only once; only its hash is stored."""

    token: str
    span: session_lifetimes.Lifetime


async def hash_password(password: str) -> str:
    return await password_hashing.hashed(password)


async def hash_given(caller: callers.Caller, password: str | None) -> str | None:
    """The hash of a given password; None without one, because an invited person sets it later.
    Refuses INVALID, BUSY."""
    if password is None:
        return None
    return await password_hashing.hashed(
        personal_data.validate_password(password), *password_hashing.of(caller)
    )


async def login(
    services: sign_in_services.SignInServices,
    email: str,
    password: str,
    otp: str | None,
    client: callers.Client,
    now: datetime,
) -> SignedIn:
    """Creates a session. Refuses WRONG_CREDENTIALS, after the same time for known and unknown
    addresses; after the correct password OTP_REQUIRED, WRONG_OTP, ADDRESS_NOT_ALLOWED; also
    TOO_MANY_TRIES and BUSY."""
    site, entered = try_limits.site_of(client.address), email.strip().lower()
    person = await logins.person_of_emails(personal_data.stored_emails(entered), site)
    try:
        login_person, match = await _check_password(services, entered, person, password, site)
        await second_factor.require(services, login_person, otp, site, now)
        if not networks.is_allowed(tuple(login_person.networks), client.address):
            raise not_allowed()
        caller = login_person.caller(client.address)
        signed_in = await _begin(
            login_person, caller, services.lifetimes.of(caller.kind, now), client, now
        )
    except refusals.Refusal as refusal:
        services.refused_sign_ins.add(person, entered, client.address, refusal.code, now)
        raise
    if match is password_hashing.Match.AS_ENTERED or password_hashing.is_outdated(
        login_person.password_hash or ""
    ):
        await _renew_hash(login_person, password, site)
    return signed_in


async def _renew_hash(person: logins.Person, password: str, site: str | None) -> None:
    """Hashes the password again, in its canonical form and with the present parameters.

    If too many are waiting, a later sign-in does it.
    """
    old = person.password_hash
    assert old is not None
    with suppress(refusals.Refusal):
        renewed = await password_hashing.hashed(password, site)
        await logins.rehash_password(person.account_id, person.id, old, renewed)


async def _check_password(
    services: sign_in_services.SignInServices,
    entered: str,
    person: logins.Person | None,
    password: str,
    site: str | None,
) -> tuple[logins.Person, password_hashing.Match]:
    """The person with the entered address, if the password is correct. The steps are the same
    for every failure. Text that is not an e-mail address is counted like an unknown address."""
    at_home = person is not None and person.has_used_site
    tries = try_limits.login(entered, site, at_home=at_home)
    await tries.enter(services.throttle)
    stored_hash = None if person is None else person.password_hash
    by, member = site, None
    if person is not None and at_home:  # many people may share the network, such as in an office
        by, member = password_hashing.of_account(person.account_id), person.subject
    try:
        match = await password_hashing.compare(stored_hash, password, by, member, reserved=at_home)
    except refusals.Refusal:
        await tries.give_back(services.throttle)
        raise
    if person is None or match is password_hashing.Match.WRONG or person.disabled_at is not None:
        raise _wrong()
    await tries.give_back(services.throttle)
    return person, match


async def as_contact(
    services: sign_in_services.SignInServices,
    caller: callers.Caller,
    contact_id: int,
    client: callers.Client,
    now: datetime,
) -> SignedIn:
    """Signs staff in as a contact for an hour, regardless of the contact's networks.

    Refuses NOT_FOUND; NO_LOGIN if the contact's own login is disabled.
    """
    access.require_account(caller, access.Capability.SIGN_IN_AS)
    contact = await contacts.get(caller.account_id, contact_id)
    if contact is None:
        raise refusals.not_found("Contact", "id")
    person = await logins.person(caller.account_id, contact.login_id)
    if person is None or person.disabled_at is not None:
        raise refusals.Refusal(
            "NO_LOGIN", "This contact's login is disabled. Enable it first.", "id"
        )
    acting = replace(person.caller(client.address), staff_id=caller.person_id, role=caller.role)
    return await _begin(person, acting, services.lifetimes.as_contact(now), client, now)


async def _begin(
    person: logins.Person,
    caller: callers.Caller,
    span: session_lifetimes.Lifetime,
    client: callers.Client,
    now: datetime,
) -> SignedIn:
    secret = new_secret()
    async with db.transaction():
        if not await logins.lock_unchanged(
            person
        ):  # a password that was set meanwhile has ended all sessions
            raise _wrong()
        id = await credentials.insert_session(
            person.account_id,
            credentials.NewSession(
                login_id=person.id,
                secret_hash=tokens.digest(secret),
                expires_at=span.expires_at,
                ends_at=span.ends_at,
                client=replace(client, user_agent=_kept(client.user_agent)),
                staff_id=caller.staff_id,
            ),
            now,
        )
        await audit_entries.write(caller, "session.begin", f"session:{id}", now)
    return SignedIn(
        str(tokens.Token(person.account_id, tokens.TokenKind.SESSION, id, secret)), span
    )


def new_secret() -> str:
    return secrets.token_urlsafe(tokens.SECRET_BYTES)


def not_allowed() -> refusals.Refusal:
    return refusals.Refusal(
        "ADDRESS_NOT_ALLOWED",
        "Signing in from this address is not allowed. Use an allowed address, or request that this"
        " one be added.",
    )


def _kept(user_agent: str | None) -> str | None:
    """The text without characters that PostgreSQL cannot store."""
    if user_agent is None:
        return None
    return user_agent.replace("\0", "")[:_MAX_USER_AGENT_CHARACTERS] or None


def _wrong() -> refusals.Refusal:
    return refusals.Refusal(
        "WRONG_CREDENTIALS",
        "The e-mail address or password is incorrect. Try again, or request a new password.",
    )
