"""What signing in needs, and who somebody is that has signed in."""

from dataclasses import dataclass, field

from domain import callers, refusals, sessions
from live import throttle as throttles
from models import logins
from resolvers import access, hashing, refused, tries


@dataclass(frozen=True, slots=True)
class Desk:
    """`secret_key` signs links and seals second factors; `noted`: sign-ins that were refused."""

    secret_key: str = ""
    throttle: throttles.Throttle = field(default_factory=throttles.Throttle)
    lengths: sessions.Lengths = field(default_factory=sessions.Lengths)
    noted: refused.Noted = field(default_factory=refused.Noted)


async def person(caller: callers.Caller) -> logins.Person:
    """Who acts for itself; NO_SESSION, FORBIDDEN."""
    found = await logins.person_of_session(caller.account_id, access.require_self(caller))
    assert found is not None  # its session is in force
    return found


async def proven(
    desk: Desk, caller: callers.Caller, password: str, field: str = "password"
) -> logins.Person:
    """Who acts for itself and knows its password; WRONG_PASSWORD, TOO_MANY_TRIES, BUSY."""
    found = await person(caller)
    site = tries.site_of(caller.address)
    tried = tries.own_password(found.email, site)
    await tried.enter(desk.throttle)
    who = f"login:{found.id}"
    if not await hashing.is_right(found.password_hash, password, who, reserved=True):
        raise _wrong(field)
    await tried.give_back(desk.throttle)
    return found


async def hold(found: logins.Person, field: str = "password") -> None:
    """Locks the login of who was `proven`, in the open transaction; WRONG_PASSWORD where another
    password was set, or the login disabled, since then: that must not be undone."""
    if not await logins.hold(found):
        raise _wrong(field)


def _wrong(field: str) -> refusals.Refusal:
    return refusals.Refusal("WRONG_PASSWORD", "That is not your password; try again.", field)
