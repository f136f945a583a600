"""E-mail, password and second factor to a session."""

import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from domain import callers, networks, people, refusals, sessions, tokens
from models import contacts as stored_contacts
from models import credentials, db, logins
from resolvers import access, audit, hashing, second_factor, tries
from resolvers import desk as desks

_LONGEST_USER_AGENT = 300  # characters kept


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`token` is shown once; only its hash is kept."""

    token: str
    span: sessions.Span


async def hash_password(password: str) -> str:
    return await hashing.hashed(password)


async def hash_given(password: str | None) -> str | None:
    """None of none: who is invited sets one later. INVALID."""
    return None if password is None else await hash_password(people.password(password))


async def login(
    desk: desks.Desk,
    email: str,
    password: str,
    otp: str | None,
    client: callers.Client,
    now: datetime,
) -> SignedIn:
    """A session. WRONG_CREDENTIALS, as slowly, whether the e-mail is known or not; after the right
    password OTP_REQUIRED, WRONG_OTP, ADDRESS_NOT_ALLOWED; TOO_MANY_TRIES, BUSY."""
    site, entered = tries.site_of(client.address), email.strip().lower()
    person = await logins.person_of_email(_looked_up(entered), site)
    try:
        proven = await _proven(desk, entered, person, password, site)
        await second_factor.require(desk, proven, otp, site, now)
        if not networks.allow(tuple(proven.networks), client.address):
            raise not_allowed()
        caller = proven.caller(client.address)
        signed_in = await _begin(proven, caller, desk.lengths.of(caller.kind, now), client, now)
    except refusals.Refusal as refusal:
        desk.noted.add(person, entered, client.address, refusal.code, now)
        raise
    await _renew_hash(proven, password, site)
    return signed_in


async def _renew_hash(person: logins.Person, password: str, site: str | None) -> None:
    """Where it was made with parameters of before; at another sign-in where too many wait."""
    assert person.password_hash is not None
    if hashing.is_outdated(person.password_hash):
        with suppress(refusals.Refusal):
            renewed = await hashing.hashed(password, site)
            old = person.password_hash
            await logins.rehash_password(person.account_id, person.id, old, renewed)


async def _proven(
    desk: desks.Desk, entered: str, person: logins.Person | None, password: str, site: str | None
) -> logins.Person:
    """The person found by what was `entered`, if the password is right. Whatever is wrong, the same
    is done: text that is no e-mail address is counted by itself, as an unknown address is."""
    at_home = person is not None and person.is_at_home
    tried = tries.login(entered, site, at_home=at_home)
    await tried.enter(desk.throttle)
    stored_hash = None if person is None else person.password_hash
    try:
        right = await hashing.is_right(
            stored_hash, password, site, reserved=at_home, is_one=not at_home
        )
    except refusals.Refusal:
        await tried.give_back(desk.throttle)
        raise
    if person is None or not right or person.disabled_at is not None:
        raise _wrong()
    await tried.give_back(desk.throttle)
    return person


async def as_contact(
    desk: desks.Desk,
    caller: callers.Caller,
    contact_id: int,
    client: callers.Client,
    now: datetime,
) -> SignedIn:
    """Staff signed in as a contact for an hour, whatever networks that is let in from.

    NOT_FOUND; NO_LOGIN where the contact's own login is switched off.
    """
    access.require_account(caller, access.Capability.SIGN_IN_AS)
    contact = await stored_contacts.get(caller.account_id, contact_id)
    if contact is None:
        raise refusals.Refusal("NOT_FOUND", "There is no such Contact; check its id.", "contactId")
    person = await logins.person(caller.account_id, contact.login_id)
    if person is None or person.disabled_at is not None:
        raise refusals.Refusal(
            "NO_LOGIN", "This contact may not sign in; switch its login on first.", "contactId"
        )
    acting = replace(person.caller(client.address), staff_id=caller.person, role=caller.role)
    return await _begin(person, acting, desk.lengths.as_contact(now), client, now)


async def _begin(
    person: logins.Person,
    caller: callers.Caller,
    span: sessions.Span,
    client: callers.Client,
    now: datetime,
) -> SignedIn:
    secret = new_secret()
    async with db.transaction():
        if not await logins.hold(person):  # a password set meanwhile has ended all sessions
            raise _wrong()
        id = await credentials.insert_session(
            person.account_id,
            person.id,
            tokens.digest(secret),
            now,
            span.expires_at,
            ends_at=span.ends_at,
            client=replace(client, user_agent=_kept(client.user_agent)),
            staff_id=caller.staff_id,
        )
        await audit.write(caller, "session.begin", f"session:{id}", now)
    return SignedIn(str(tokens.Token(person.account_id, tokens.Of.SESSION, id, secret)), span)


def new_secret() -> str:
    return secrets.token_urlsafe(tokens.SECRET_BYTES)


def not_allowed() -> refusals.Refusal:
    return refusals.Refusal(
        "ADDRESS_NOT_ALLOWED",
        "You may not sign in from this address; use an allowed one, or ask for it to be added.",
    )


def _kept(user_agent: str | None) -> str | None:
    """Without what PostgreSQL does not store."""
    if user_agent is None:
        return None
    return user_agent.replace("\0", "")[:_LONGEST_USER_AGENT] or None


def _looked_up(entered: str) -> str:
    """As the e-mail is stored; of what is none, one that nobody has and PostgreSQL takes."""
    try:
        return people.email(entered)
    except refusals.Refusal:
        return ""


def _wrong() -> refusals.Refusal:
    return refusals.Refusal(
        "WRONG_CREDENTIALS", "E-mail address and password do not fit together; try again."
    )
