"""What people change of themselves."""

from collections.abc import Mapping
from datetime import datetime

from domain import callers, profiles, refusals
from models import contacts as stored_contacts
from models import logins
from models import staff as stored_staff
from resolvers import contacts, sign_in, staff


async def update(
    caller: callers.Caller,
    given: Mapping[str, object],
    current_password: str | None,
    now: datetime,
) -> None:
    """Changes what is given alone; another e-mail address with the current password alone.

    FORBIDDEN to an API key; INVALID with the field, EMAIL_TAKEN, WRONG_CREDENTIALS.
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
    if "email" in wanted:
        await _require_password(caller, str(wanted["email"]), current_password)
    if caller.kind is callers.Kind.STAFF:
        await staff.change(caller, caller.person, wanted, None, now)
    else:
        await contacts.change(caller, caller.person, wanted, None, now)


async def _require_password(
    caller: callers.Caller, email: str, current_password: str | None
) -> None:
    """Whoever finds a browser open must not be able to take the login over."""
    login = await logins.get(caller.account_id, await _login_id(caller))
    if login.email == email:
        return
    right = await sign_in.is_password(login.password_hash, current_password or "")
    if not right:
        raise refusals.Refusal(
            "WRONG_CREDENTIALS",
            "Give your current password to change your e-mail address.",
            "currentPassword",
        )


async def _login_id(caller: callers.Caller) -> int:
    if caller.kind is callers.Kind.STAFF:
        of_staff = await stored_staff.get(caller.account_id, caller.person)
        assert of_staff is not None
        return int(of_staff.login_id)
    return int((await stored_contacts.existing(caller.account_id, caller.person)).login_id)
