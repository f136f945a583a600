"""Changes of a person's own profile."""

from collections.abc import Mapping
from datetime import datetime

from domain import refusals
from domain.directory import profiles
from domain.identity import callers
from models import db
from models.identity import contacts as contact_queries
from models.identity import credentials, logins
from models.identity import staff as staff_queries
from models.tables import ApiKey, Contact, Staff
from resolvers import access
from resolvers.identity import contacts, sign_in_services, staff, try_limits


async def of(caller: callers.Caller) -> Staff | Contact | ApiKey:
    """The caller's own row, which exists while its token is valid."""
    account_id, id = caller.account_id, caller.person_id
    row: Staff | Contact | ApiKey | None
    if caller.kind is callers.Kind.STAFF:
        row = await staff_queries.get(account_id, id)
    elif caller.kind is callers.Kind.CONTACT:
        row = await contact_queries.get(account_id, id)
    else:
        row = await credentials.get_key(account_id, id)
    assert row is not None
    return row


async def update(
    services: sign_in_services.SignInServices,
    caller: callers.Caller,
    profile_fields: Mapping[str, object],
    current_password: str | None,
    now: datetime,
) -> None:
    """Changes only the given values. A new e-mail address requires the current password.

    Refuses FORBIDDEN for an API key, INVALID with the field, EMAIL_TAKEN, WRONG_PASSWORD,
    TOO_MANY_TRIES.
    """
    access.require_identity(caller, access.Identity.PERSON)
    fields = profiles.OWN_PROFILE[caller.kind]
    for name in profile_fields:
        if name not in fields:
            raise refusals.Refusal(
                "INVALID",
                "Staff do not have this field. Leave it out.",
                profiles.to_camel_case(name),
            )
    values = profiles.validate(fields, profile_fields)
    person = None
    if "email" in values:
        person = await _require_password(services, caller, str(values["email"]), current_password)
    change = staff.change if caller.kind is callers.Kind.STAFF else contacts.change
    is_set = person is not None
    async with try_limits.setting_email(services.throttle, caller, is_set=is_set), db.transaction():
        if person is not None:
            await sign_in_services.hold(person, "currentPassword")
        await change(caller, caller.person_id, values, None, now)


async def _require_password(
    services: sign_in_services.SignInServices,
    caller: callers.Caller,
    email: str,
    current_password: str | None,
) -> logins.Person | None:
    """The person, after a check of the password; otherwise an unattended browser would be
    enough to take over the login. None if the address does not change."""
    if (await sign_in_services.person(caller)).email == email:
        return None
    return await sign_in_services.require_password(
        services, caller, current_password or "", "currentPassword"
    )
