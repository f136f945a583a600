"""Verification of e-mail addresses and mobile numbers."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain import refusals
from domain.identity import address_proofs, callers
from domain.identity.address_proofs import Purpose
from domain.messaging import messages
from models import db
from models.identity import logins, proofs
from models.messaging import outbox
from resolvers import audit_entries
from resolvers.identity import addressees
from resolvers.identity.addressees import Addressee


@dataclass(frozen=True, slots=True)
class Requested:
    """A message is being sent to the address. Another can be requested from `again_at` on."""

    address: str
    expires_at: datetime
    again_at: datetime


@dataclass(frozen=True, slots=True)
class Verified:
    address: str
    at: datetime


async def request_email(caller: callers.Caller, now: datetime) -> Requested:
    """Sends a link to the caller's address. Refuses FORBIDDEN, ALREADY_VERIFIED, TOO_SOON."""
    return await _request(caller, Purpose.VERIFY_EMAIL, now)


async def request_mobile(caller: callers.Caller, now: datetime) -> Requested:
    """Sends a code to the caller's number. Refuses FORBIDDEN, NO_MOBILE, ALREADY_VERIFIED,
    TOO_SOON."""
    return await _request(caller, Purpose.VERIFY_MOBILE, now)


async def verify_email(secret_key: str, token: str, now: datetime) -> Verified:
    """Verifies the address with the link, signed in or not. Valid once.

    Refuses BAD_LINK; ALREADY_VERIFIED if it was used.
    """
    purpose = Purpose.VERIFY_EMAIL
    link = address_proofs.read_link(secret_key, purpose, token, now)
    if link is None:
        raise _bad_link()
    async with db.transaction():
        if results := await proofs.find(link, purpose):
            await logins.lock(link.account_id, results.login_id)
        proof = await proofs.use(link, purpose, now)
        person = proof and await addressees.of_login(link.account_id, proof.login_id)
        if not (proof and person and await addressees.email_verified(person, proof.address, now)):
            raise await _why_not(link)
        await audit_entries.write(person.caller, f"{person.noun}.verify_email", person.subject, now)
    return Verified(proof.address, now)


async def verify_mobile(
    caller: callers.Caller, secret_key: str, code: str, now: datetime
) -> Verified:
    """Verifies the number with the code. Refuses FORBIDDEN, ALREADY_VERIFIED, NO_CODE,
    WRONG_CODE, TOO_MANY_TRIES."""
    person, purpose = await addressees.of_caller(caller), Purpose.VERIFY_MOBILE
    if person.mobile_verified_at is not None:
        raise _already_verified()
    outcome = await proofs.try_code(person.account_id, person.login_id, purpose, now)
    if outcome is None:
        raise await _no_code(person, now)
    proof = address_proofs.Link(person.account_id, outcome.id)
    typed = "".join(code.split())
    if not address_proofs.is_valid_code(secret_key, proof, typed, outcome.code_hash):
        raise _wrong_code(address_proofs.MAX_TRIES - outcome.tries)
    async with db.transaction():
        await logins.lock(person.account_id, person.login_id)
        used = await proofs.use(proof, purpose, now)
        if not (used and await addressees.mobile_verified(person, used.address, now)):
            raise await _no_code(
                person, now
            )  # a concurrent try was faster, or the number has changed
        await audit_entries.write(caller, f"{person.noun}.verify_mobile", person.subject, now)
    return Verified(used.address, now)


async def _request(caller: callers.Caller, purpose: Purpose, now: datetime) -> Requested:
    """Stores the message. The stored proofs limit the requests, under a lock of the person. So
    the limit holds without Redis, and concurrent requests send only one message."""
    async with db.transaction():
        person = await addressees.of_caller(caller, lock=True)
        address = _unverified(person, purpose)
        wait = await _wait(person, purpose, now)
        if wait > timedelta(0):
            seconds = math.ceil(wait / timedelta(seconds=1))
            raise refusals.Refusal(
                "TOO_SOON",
                "A message was already sent. Look for it, or request a new one in {seconds} s.",
                seconds=seconds,
            )
        proof_id = await proofs.insert(person.account_id, person.login_id, purpose, address, now)
        kind = messages.Kind(purpose)
        await outbox.insert(
            person.account_id,
            outbox.NewMessage(
                kind=kind, recipient=address, language=person.language, proof_id=proof_id
            ),
            now,
        )
        await audit_entries.write(
            caller, f"{person.noun}.request_{purpose.lower()}", person.subject, now
        )
        again_at = now + await _wait(person, purpose, now)
    return Requested(address, now + address_proofs.LIFETIME[purpose], again_at)


async def _wait(person: Addressee, purpose: Purpose, now: datetime) -> timedelta:
    longest = max(within for _, within in address_proofs.REQUEST_LIMITS)
    request_times = await proofs.request_times(
        person.account_id, person.login_id, purpose, now - longest
    )
    return address_proofs.remaining_wait(request_times, now)


def _unverified(person: Addressee, purpose: Purpose) -> str:
    """The address to verify, if there is one."""
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


async def _why_not(link: address_proofs.Link) -> refusals.Refusal:
    proof = await proofs.find(link, Purpose.VERIFY_EMAIL)
    person = proof and await addressees.of_login(link.account_id, proof.login_id)
    if proof and person and person.email == proof.address and person.email_verified_at:
        return refusals.Refusal(
            "ALREADY_VERIFIED",
            "Your e-mail address is already verified. Sign in with it and your password.",
        )
    return _bad_link()


async def _no_code(person: Addressee, now: datetime) -> refusals.Refusal:
    fresh = await addressees.of_login(person.account_id, person.login_id)
    if fresh is not None and fresh.mobile_verified_at is not None:
        return _already_verified()
    purpose = Purpose.VERIFY_MOBILE
    state = await proofs.state(person.account_id, person.login_id, purpose, now)
    if state is proofs.State.TRIED:
        return _wrong_code(0)
    if state is proofs.State.NOT_SENT:
        return refusals.Refusal(
            "NO_CODE", "The code has not been sent yet. Try again when it has arrived."
        )
    return refusals.Refusal(
        "NO_CODE", "No code was requested, or it has expired. Request a new one."
    )


def _wrong_code(left: int) -> refusals.Refusal:
    if left == 0:
        return refusals.Refusal(
            "TOO_MANY_TRIES", "There were too many incorrect codes. Request a new one.", "code"
        )
    return refusals.Refusal(
        "WRONG_CODE",
        "This code does not match the most recent one. Tries left: {left}.",
        "code",
        left=left,
    )


def _bad_link() -> refusals.Refusal:
    return refusals.Refusal(
        "BAD_LINK",
        "This link is no longer valid: it has expired, a newer link was sent, or the address has"
        " changed. Sign in and request a new link.",
        "token",
    )


def _already_verified() -> refusals.Refusal:
    return refusals.Refusal(
        "ALREADY_VERIFIED", "This is already verified. No further action is needed."
    )
