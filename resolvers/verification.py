"""That an e-mail address and a mobile number are somebody's: asked for, and proven."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis.asyncio import Redis

from domain import callers, messages, proofs, refusals
from domain.proofs import Purpose
from live import wake
from models import db, logins, outbox
from models import proofs as stored_proofs
from resolvers import addressees, audit, checklists
from resolvers.addressees import Addressee


@dataclass(frozen=True, slots=True)
class Requested:
    """A message is on its way to the address; another can be asked for after `again_at`."""

    address: str
    expires_at: datetime
    again_at: datetime


@dataclass(frozen=True, slots=True)
class Verified:
    address: str
    at: datetime


async def request_email(caller: callers.Caller, redis: Redis, now: datetime) -> Requested:
    """Sends a link to the caller's address. FORBIDDEN, ALREADY_VERIFIED, TOO_SOON."""
    return await _request(caller, Purpose.VERIFY_EMAIL, redis, now)


async def request_mobile(caller: callers.Caller, redis: Redis, now: datetime) -> Requested:
    """Sends a code to the caller's number. FORBIDDEN, NO_MOBILE, ALREADY_VERIFIED, TOO_SOON."""
    return await _request(caller, Purpose.VERIFY_MOBILE, redis, now)


async def verify_email(secret_key: str, token: str, redis: Redis, now: datetime) -> Verified:
    """Whoever brings the link has proven the address, signed in or not. Good once.

    BAD_LINK; ALREADY_VERIFIED where an earlier use has done it.
    """
    purpose = Purpose.VERIFY_EMAIL
    link = proofs.read(secret_key, purpose, token, now)
    if link is None:
        raise _bad_link()
    async with db.transaction():
        if found := await stored_proofs.find(link, purpose):
            await logins.lock(link.account_id, found.login_id)
        proof = await stored_proofs.use(link, purpose, now)
        person = proof and await addressees.of_login(link.account_id, proof.login_id)
        if not (proof and person and await addressees.email_verified(person, proof.address, now)):
            raise await _why_not(link)
        await audit.write(person.caller, f"{person.noun}.verify_email", person.subject, now)
    await checklists.settle(link.account_id, [person.customer_id], redis, now)
    return Verified(proof.address, now)


async def verify_mobile(
    caller: callers.Caller, secret_key: str, code: str, redis: Redis, now: datetime
) -> Verified:
    """FORBIDDEN, ALREADY_VERIFIED, NO_CODE, WRONG_CODE, TOO_MANY_TRIES."""
    person, purpose = await addressees.of_caller(caller), Purpose.VERIFY_MOBILE
    if person.mobile_verified_at is not None:
        raise _already_verified()
    tried = await stored_proofs.try_code(person.account_id, person.login_id, purpose, now)
    if tried is None:
        raise await _no_code(person, now)
    proof = proofs.Link(person.account_id, tried.id)
    typed = "".join(code.split())
    if not proofs.is_code(secret_key, proof, typed, tried.code_hash):
        raise _wrong_code(proofs.MOST_TRIES - tried.tries)
    async with db.transaction():
        await logins.lock(person.account_id, person.login_id)
        used = await stored_proofs.use(proof, purpose, now)
        if not (used and await addressees.mobile_verified(person, used.address, now)):
            raise await _no_code(person, now)  # another try was quicker, or a new number
        await audit.write(caller, f"{person.noun}.verify_mobile", person.subject, now)
    await checklists.settle(person.account_id, [person.customer_id], redis, now)
    return Verified(used.address, now)


async def _request(
    caller: callers.Caller, purpose: Purpose, redis: Redis, now: datetime
) -> Requested:
    """The throttle is kept by the rows of proofs under the person's lock: it holds whatever
    becomes of Redis, and asking many times at once sends one message."""
    async with db.transaction():
        person = await addressees.of_caller(caller, lock=True)
        address = _unverified(person, purpose)
        wait = await _wait(person, purpose, now)
        if wait > timedelta(0):
            seconds = math.ceil(wait / timedelta(seconds=1))
            raise refusals.Refusal(
                "TOO_SOON",
                "A message was sent already; look for it, or ask again in {seconds} s.",
                seconds=seconds,
            )
        proof_id = await stored_proofs.insert(
            person.account_id, person.login_id, purpose, address, now
        )
        kind = messages.Kind(purpose)
        await outbox.insert(
            person.account_id, kind, address, person.language, now, proof_id=proof_id
        )
        await audit.write(caller, f"{person.noun}.request_{purpose.lower()}", person.subject, now)
        again_at = now + await _wait(person, purpose, now)
    await wake.hint(redis, wake.For.MESSAGES)
    return Requested(address, now + proofs.GOOD_FOR[purpose], again_at)


async def _wait(person: Addressee, purpose: Purpose, now: datetime) -> timedelta:
    longest = max(within for _, within in proofs.ASKED_AT_MOST)
    asked = await stored_proofs.asked(person.account_id, person.login_id, purpose, now - longest)
    return proofs.wait(asked, now)


def _unverified(person: Addressee, purpose: Purpose) -> str:
    """The address that the purpose is about, where there is something to verify."""
    if purpose is Purpose.VERIFY_EMAIL:
        address, verified_at = person.email, person.email_verified_at
    elif person.mobile is None:
        raise refusals.Refusal(
            "NO_MOBILE", "Add a mobile number to your profile first, then verify it."
        )
    else:
        address, verified_at = person.mobile, person.mobile_verified_at
    if verified_at is not None:
        raise _already_verified()
    return address


async def _why_not(link: proofs.Link) -> refusals.Refusal:
    proof = await stored_proofs.find(link, Purpose.VERIFY_EMAIL)
    person = proof and await addressees.of_login(link.account_id, proof.login_id)
    if proof and person and person.email == proof.address and person.email_verified_at:
        return _already_verified()
    return _bad_link()


async def _no_code(person: Addressee, now: datetime) -> refusals.Refusal:
    fresh = await addressees.of_login(person.account_id, person.login_id)
    if fresh is not None and fresh.mobile_verified_at is not None:
        return _already_verified()
    purpose = Purpose.VERIFY_MOBILE
    state = await stored_proofs.state(person.account_id, person.login_id, purpose, now)
    if state is stored_proofs.State.TRIED:
        return _wrong_code(0)
    if state is stored_proofs.State.NOT_SENT:
        return refusals.Refusal(
            "NO_CODE", "Your code is still on its way; try again when it has arrived."
        )
    return refusals.Refusal(
        "NO_CODE", "There is no code to compare with, or it is too old; request a new one."
    )


def _wrong_code(left: int) -> refusals.Refusal:
    if left == 0:
        return refusals.Refusal(
            "TOO_MANY_TRIES", "There were too many wrong codes; request a new one.", "code"
        )
    return refusals.Refusal(
        "WRONG_CODE",
        "This is not the code that was sent last; tries left: {left}.",
        "code",
        left=left,
    )


def _bad_link() -> refusals.Refusal:
    return refusals.Refusal(
        "BAD_LINK",
        "This link is good no more: it is too old, a newer one was sent, or the address has"
        " changed since. Sign in and request a new one.",
        "token",
    )


def _already_verified() -> refusals.Refusal:
    return refusals.Refusal("ALREADY_VERIFIED", "This is verified already; all is done.")
