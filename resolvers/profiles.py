"""What people change of themselves."""

from collections.abc import Mapping
from datetime import datetime

from domain import callers, profiles, refusals
from models import db, logins
from resolvers import contacts, staff
from resolvers import desk as desks


async def update(
    desk: desks.Desk,
    caller: callers.Caller,
    given: Mapping[str, object],
    current_password: str | None,
    now: datetime,
) -> None:
    """Changes what is given alone; another e-mail address with the current password alone.

    FORBIDDEN to an API key; INVALID with the field, EMAIL_TAKEN, WRONG_PASSWORD, TOO_MANY_TRIES.
    """
    fields = profiles.OWN.get(caller.kind)
    if fields is None:
        raise refusals.Refusal("FORBIDDEN", "An API key has no profile; sign in as a person.")
    for name in given:
        if name not in fields:
            raise refusals.Refusal(
                "INVALID", "Staff have none of this; leave it out.", profiles.camel(name)
            )
    wanted = profiles.checked(fields, given)
    proven = None
    if "email" in wanted:
        proven = await _proven(desk, caller, str(wanted["email"]), current_password)
    change = staff.change if caller.kind is callers.Kind.STAFF else contacts.change
    async with db.transaction():
        if proven is not None:
            await desks.hold(proven, "currentPassword")
        await change(caller, caller.person, wanted, None, now)


async def _proven(
    desk: desks.Desk, caller: callers.Caller, email: str, current_password: str | None
) -> logins.Person | None:
    """Whoever finds a browser open must not be able to take the login over. None where the address
    stays."""
    if (await desks.person(caller)).email == email:
        return None
    return await desks.proven(desk, caller, current_password or "", "currentPassword")
