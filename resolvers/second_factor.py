"""The second factor: switched on and off by its person, asked for at sign-in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import segno

from domain import callers, refusals, sealed
from domain import second_factor as rules
from models import accounts, db, logins
from models import second_factors as stored
from resolvers import audit, tries
from resolvers import desk as desks


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
