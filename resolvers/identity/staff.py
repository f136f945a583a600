"""Staff: created, changed and read, with the caller's permissions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain import refusals
from domain.directory import profiles
from domain.identity import callers, personal_data
from models import db, listing
from models.identity import logins, staff
from models.tables import Staff
from resolvers import access, audit_entries
from resolvers.access import Capability
from resolvers.identity import addressees, invitations, sign_in, sign_in_services, try_limits


async def create(
    services: sign_in_services.SignInServices,
    caller: callers.Caller,
    name: str,
    email: str,
    password: str | None,
    role: callers.Role,
    now: datetime,
) -> Staff:
    """Creates staff. Without a password the person is invited by e-mail. Refuses EMAIL_TAKEN,
    INVALID with the field."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    name, email = personal_data.validate_name(name), personal_data.validate_email(email)
    password_hash = await sign_in.hash_given(caller, password)
    async with try_limits.setting_email(services.throttle, caller), db.transaction():
        login_id = await logins.insert(caller.account_id, email, password_hash, now)
        person = await staff.insert(caller.account_id, login_id, name, role, now)
        subject = f"staff:{person.id}"
        if password_hash is None:
            to = invitations.Invited(login_id, name, person.language, subject)
            await invitations.send(caller, to, email, now)
        await audit_entries.write(
            caller,
            "staff.create",
            subject,
            now,
            after={"name": name, "email": email, "role": role, "invited": password is None},
        )
    return person


async def update(
    services: sign_in_services.SignInServices,
    caller: callers.Caller,
    staff_id: int,
    fields: Mapping[str, object],
    expected_version: int | None,
    now: datetime,
) -> Staff:
    """Changes only the given values. Refuses NOT_FOUND, INVALID with the field, EMAIL_TAKEN,
    LAST_OWNER, CHANGED_MEANWHILE."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    values = profiles.validate(profiles.STAFF_BY_OWNER, fields)
    async with try_limits.setting_email(services.throttle, caller, is_set="email" in values):
        return await change(caller, staff_id, values, expected_version, now)


async def change(
    caller: callers.Caller,
    staff_id: int,
    fields: Mapping[str, Any],
    expected_version: int | None,
    now: datetime,
) -> Staff:
    """Applies changes that have been validated and permitted. A new e-mail address or mobile
    number has to be verified."""
    account_id = caller.account_id
    person = await staff.get(account_id, staff_id)
    if person is None:
        raise refusals.not_found("Staff", "id")
    async with db.transaction():
        if "role" in fields:
            await staff.lock_owners(account_id)
        login = await logins.lock_and_get(account_id, person.login_id)
        plain = {name: fields[name] for name in fields if name not in ("email", "mobile")}
        result = await staff.change(account_id, staff_id, plain, expected_version)
        before, after = dict(result.before), dict(result.after)
        if "role" in after:
            await staff.require_owner(account_id)
        if "email" in fields and login.email != fields["email"]:
            await staff.change_email(account_id, staff_id, login.id, fields["email"], now)
            before["email"], after["email"] = login.email, fields["email"]
            at = login.email, fields["email"]
            await addressees.moved(caller, login.id, result.row.language, *at, now)
        if "mobile" in fields and await staff.change_mobile(
            account_id, staff_id, fields["mobile"], now
        ):
            before["mobile"], after["mobile"] = result.row.mobile, fields["mobile"]
        if after:
            await audit_entries.write(
                caller, "staff.update", f"staff:{staff_id}", now, before=before, after=after
            )
    return await staff.get_existing(account_id, staff_id)


async def set_disabled(
    caller: callers.Caller, staff_id: int, disabled: bool, now: datetime
) -> Staff:
    """Disables or enables the login; disabling ends its sessions at once. Refuses NOT_FOUND,
    LAST_OWNER."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    person = await staff.get(caller.account_id, staff_id)
    if person is None:
        raise refusals.not_found("Staff", "id")
    async with db.transaction():
        await staff.lock_owners(caller.account_id)
        if await logins.set_disabled(caller.account_id, person.login_id, disabled, now):
            await staff.require_owner(caller.account_id)
            action = "staff.disable" if disabled else "staff.enable"
            await audit_entries.write(caller, action, f"staff:{staff_id}", now)
    return person


async def find(caller: callers.Caller, staff_id: int) -> Staff | None:
    """A member of staff. None if there is none, and for callers that are not staff."""
    if not access.may(caller, Capability.SEE_STAFF):
        return None
    return await staff.get(caller.account_id, staff_id)


async def page(caller: callers.Caller, after: int | None, limit: int) -> list[Staff]:
    """Staff in order of their ids."""
    access.require_account(caller, Capability.SEE_STAFF)
    return await staff.page(caller.account_id, listing.PageRequest(after, limit))
