"""People of the account: made, changed and read, as the caller may."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain import callers, people, profiles, refusals
from models import db, lists, logins
from models import staff as stored
from models.tables import Staff
from resolvers import access, addressees, audit, invitations, sign_in
from resolvers.access import Capability


async def create(
    caller: callers.Caller,
    name: str,
    email: str,
    password: str | None,
    role: callers.Role,
    now: datetime,
) -> Staff:
    """Without a password the person is invited by e-mail. EMAIL_TAKEN, INVALID with the field."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    name, email = people.name(name), people.email(email)
    password_hash = await sign_in.hash_given(password)
    async with db.transaction():
        login_id = await logins.insert(caller.account_id, email, password_hash, now)
        made = await stored.insert(caller.account_id, login_id, name, role, now)
        subject = f"staff:{made.id}"
        if password_hash is None:
            to = invitations.Invited(login_id, name, made.language, subject)
            await invitations.send(caller, to, email, now)
        await audit.write(
            caller,
            "staff.create",
            subject,
            now,
            after={"name": name, "email": email, "role": role, "invited": password is None},
        )
    return made


async def update(
    caller: callers.Caller,
    staff_id: int,
    given: Mapping[str, object],
    expected_version: int | None,
    now: datetime,
) -> Staff:
    """Changes what is given alone. NOT_FOUND, INVALID with the field, EMAIL_TAKEN, LAST_OWNER,
    CHANGED_MEANWHILE."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    wanted = profiles.checked(profiles.STAFF_BY_OWNER, given)
    return await change(caller, staff_id, wanted, expected_version, now)


async def change(
    caller: callers.Caller,
    staff_id: int,
    wanted: Mapping[str, Any],
    expected_version: int | None,
    now: datetime,
) -> Staff:
    """What is wanted has been checked, and whether the caller may. Another e-mail address or mobile
    number has to be verified again."""
    account_id = caller.account_id
    found = await stored.get(account_id, staff_id)
    if found is None:
        raise refusals.no_such("Staff", "staffId")
    async with db.transaction():
        if "role" in wanted:
            await stored.lock_owners(account_id)
        login = await logins.locked(account_id, found.login_id)
        plain = {name: wanted[name] for name in wanted if name not in ("email", "mobile")}
        made = await stored.change(account_id, staff_id, plain, expected_version)
        before, after = dict(made.before), dict(made.after)
        if "role" in after:
            await stored.require_owner(account_id)
        if "email" in wanted and login.email != wanted["email"]:
            await stored.change_email(account_id, staff_id, login.id, wanted["email"], now)
            before["email"], after["email"] = login.email, wanted["email"]
            at = login.email, wanted["email"]
            await addressees.moved(caller, login.id, made.row.language, *at, now)
        if "mobile" in wanted and await stored.change_mobile(
            account_id, staff_id, wanted["mobile"], now
        ):
            before["mobile"], after["mobile"] = made.row.mobile, wanted["mobile"]
        if after:
            await audit.write(
                caller, "staff.update", f"staff:{staff_id}", now, before=before, after=after
            )
    return await stored.existing(account_id, staff_id)


async def set_disabled(
    caller: callers.Caller, staff_id: int, disabled: bool, now: datetime
) -> Staff:
    """Whether the person may sign in; its sessions end at once. NOT_FOUND, LAST_OWNER. The same
    again is no change."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    found = await stored.get(caller.account_id, staff_id)
    if found is None:
        raise refusals.no_such("Staff", "staffId")
    async with db.transaction():
        await stored.lock_owners(caller.account_id)
        if await logins.set_disabled(caller.account_id, found.login_id, disabled, now):
            await stored.require_owner(caller.account_id)
            action = "staff.disable" if disabled else "staff.enable"
            await audit.write(caller, action, f"staff:{staff_id}", now)
    return found


async def one(caller: callers.Caller, staff_id: int) -> Staff | None:
    """None where there is none, and to all but staff."""
    if not access.may(caller, Capability.SEE_STAFF):
        return None
    return await stored.get(caller.account_id, staff_id)


async def page(caller: callers.Caller, after: int | None, limit: int) -> list[Staff]:
    """In order of their ids."""
    access.require_account(caller, Capability.SEE_STAFF)
    return await stored.page(caller.account_id, lists.Wanted(after, limit))
