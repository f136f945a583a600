"""The services of signing in, and checks of a signed-in person's password."""

from dataclasses import dataclass, field

from domain import refusals
from domain.identity import callers, session_lifetimes
from live import throttle as throttles
from models.identity import logins
from resolvers import access
from resolvers.identity import password_hashing, try_limits
from resolvers.identity import refused_sign_ins as refused


@dataclass(frozen=True, slots=True)
class SignInServices:
    """`secret_key` signs links and encrypts secrets of second factors. `refused_sign_ins` are
    written later."""

    secret_key: str = ""
    throttle: throttles.Throttle = field(default_factory=throttles.Throttle)
    lifetimes: session_lifetimes.Lifetimes = field(default_factory=session_lifetimes.Lifetimes)
    refused_sign_ins: refused.RefusedSignIns = field(default_factory=refused.RefusedSignIns)


async def person(caller: callers.Caller) -> logins.Person:
    """The person who acts for itself. Refuses NO_SESSION, FORBIDDEN."""
    current = await logins.person_of_session(caller.account_id, access.require_self(caller))
    assert current is not None  # its session is active
    return current


async def require_password(
    services: SignInServices, caller: callers.Caller, password: str, field: str = "password"
) -> logins.Person:
    """The person who acts for itself, after a check of the password. Refuses WRONG_PASSWORD,
    TOO_MANY_TRIES, BUSY."""
    current = await person(caller)
    site = try_limits.site_of(caller.address)
    tries = try_limits.own_password(current.email, site)
    await tries.enter(services.throttle)
    by = password_hashing.of(caller)
    if not await password_hashing.is_right(current.password_hash, password, *by, reserved=True):
        raise _wrong(field)
    await tries.give_back(services.throttle)
    return current


async def hold(person: logins.Person, field: str = "password") -> None:
    """Locks the login of a person, checked by `require_password`, in the open transaction.
    Refuses WRONG_PASSWORD if the password was changed or the login disabled since the check."""
    if not await logins.lock_unchanged(person):
        raise _wrong(field)


def _wrong(field: str) -> refusals.Refusal:
    return refusals.Refusal("WRONG_PASSWORD", "The password is incorrect. Try again.", field)
