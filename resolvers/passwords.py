"""Passwords: changed by who knows them, set by who was sent a link."""

import asyncio
from datetime import datetime

from domain import callers, messages, people, proofs, refusals
from models import contacts, db, logins, outbox, sessions, staff
from models import proofs as stored
from resolvers import audit, hashing, tries
from resolvers import desk as desks

_ANSWERED_AFTER = 0.25  # seconds a request for a reset takes, known e-mail or not

Purpose = proofs.Purpose


async def change(
    desk: desks.Desk, caller: callers.Caller, current: str, new: str, now: datetime
) -> None:
    """Ends all other sessions of the person. WRONG_PASSWORD, INVALID with the field."""
    person = await desks.person(caller)
    people.password(new, "new", email=person.email)
    person = await desks.proven(desk, caller, current, "current")
    password_hash = await hashing.hashed(new, tries.site_of(caller.address))
    async with db.transaction():
        await desks.hold(person, "current")
        await _set(person, password_hash, now, but=caller.session_id)
        await audit.write(caller, "password.change", f"login:{person.id}", now)


async def request_reset(
    desk: desks.Desk, email: str, client: callers.Client, now: datetime
) -> None:
    """A link by e-mail, if there is such a login; who asks cannot tell. TOO_MANY_TRIES, INVALID."""
    email, time = people.email(email), asyncio.get_running_loop().time
    answered = time() + _ANSWERED_AFTER
    await tries.links(tries.site_of(client.address)).enter(desk.throttle)
    await _ask_for_reset(desk, email, now)
    await asyncio.sleep(answered - time())


async def _ask_for_reset(desk: desks.Desk, email: str, now: datetime) -> None:
    person = await logins.person_of_email(email, None)
    try:
        await tries.reset_mails(email).enter(desk.throttle)
    except refusals.Refusal:
        return  # enough are on their way, each of which would do
    account_id, login_id = (person.account_id, person.id) if person else (0, 0)
    language = person.language if person else "en"
    try:
        async with db.transaction():
            await logins.lock(account_id, login_id)
            person = await logins.person_of_email(email, None)
            proof = await stored.insert(account_id, login_id, Purpose.RESET_PASSWORD, email, now)
            kind = messages.Kind.RESET_PASSWORD
            await outbox.insert(account_id, kind, email, language, now, proof_id=proof)
            if person is None or person.id != login_id or person.disabled_at is not None:
                raise _NobodyError
    except _NobodyError:
        pass


class _NobodyError(Exception):
    """Undoes what was done for nobody, which took as long."""


async def reset(
    desk: desks.Desk, token: str, password: str, client: callers.Client, now: datetime
) -> logins.Person:
    """Whose it was. Ends all sessions of the person; its second factor stays. LINK_NOT_GOOD,
    INVALID."""
    return await _set_by_link(desk, Purpose.RESET_PASSWORD, token, password, client, now)


async def accept_invitation(
    desk: desks.Desk, token: str, password: str, client: callers.Client, now: datetime
) -> logins.Person:
    """The first password of a login, and whose. LINK_NOT_GOOD, INVALID."""
    return await _set_by_link(desk, Purpose.INVITATION, token, password, client, now)


async def _set_by_link(
    desk: desks.Desk,
    purpose: proofs.Purpose,
    token: str,
    password: str,
    client: callers.Client,
    now: datetime,
) -> logins.Person:
    site = tries.site_of(client.address)
    await tries.links(site).enter(desk.throttle)
    link = proofs.read(desk.secret_key, purpose, token, now)
    if link is None:
        raise _not_good()
    people.password(password)
    password_hash = await hashing.hashed(password, site)
    async with db.transaction():  # what is refused here leaves the link as good as it was
        person = await _person_of(link, purpose, now)
        people.password(password, email=person.email)
        await _set(person, password_hash, now)
        of_staff = person.staff_id is not None
        verified = staff.email_verified if of_staff else contacts.email_verified
        await verified(person.account_id, person.id, person.email, now)
        action = "password.reset" if purpose is Purpose.RESET_PASSWORD else "invitation.accept"
        await audit.write(person.caller(client.address), action, f"login:{person.id}", now)
    await tries.trust(desk.throttle, person.email, site)
    return person


async def _person_of(link: proofs.Link, purpose: proofs.Purpose, now: datetime) -> logins.Person:
    """Whom the link was sent to, if that is still its address; uses the link up."""
    if found := await stored.find(link, purpose):
        await logins.lock(link.account_id, found.login_id)
    proof = await stored.use(link, purpose, now)
    person = None if proof is None else await logins.person(link.account_id, proof.login_id)
    if proof is None or person is None or person.disabled_at is not None:
        raise _not_good()
    has_password = person.password_hash is not None
    if person.email != proof.address or (purpose is Purpose.INVITATION and has_password):
        raise _not_good()
    return person


async def _set(
    person: logins.Person, password_hash: str, now: datetime, *, but: int | None = None
) -> None:
    """Ends the sessions but one, and withdraws the links that could set another password."""
    await logins.set_password(person.account_id, person.id, password_hash)
    await sessions.end_all(person.account_id, person.id, now, but=but, staff_id=person.staff_id)
    for purpose in (Purpose.RESET_PASSWORD, Purpose.INVITATION):
        await stored.withdraw(person.account_id, person.id, purpose, now)


def _not_good() -> refusals.Refusal:
    return refusals.Refusal(
        "LINK_NOT_GOOD", "This link was used already or is too old; ask for a new one.", "token"
    )
