"""Accounts: made from the command line, with their owner; their settings, changed by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain import callers, people, profiles
from models import accounts as stored
from models import audit as stored_audit
from models import db, logins
from models import staff as stored_staff
from models.tables import Account, Staff
from resolvers import access, audit, sign_in
from resolvers.access import Capability


@dataclass(frozen=True, slots=True)
class NewAccount:
    account: Account
    owner: Staff


async def create(name: str, email: str, password: str, now: datetime) -> NewAccount:
    """An account with its owner; EMAIL_TAKEN, INVALID."""
    name, email = people.name(name), people.email(email)
    password_hash = await sign_in.hash_password(people.password(password))
    async with db.transaction():
        account = await stored.insert(name, now)
        login_id = await logins.insert(account.id, email, password_hash, now)
        owner = await stored_staff.insert(account.id, login_id, email, callers.Role.OWNER, now)
        await stored_audit.insert(
            account.id, stored_audit.COMMAND, "account.create", f"staff:{owner.id}", now
        )
    return NewAccount(account, owner)


async def update(
    caller: callers.Caller,
    given: Mapping[str, object],
    expected_version: int | None,
    now: datetime,
) -> Account:
    """Changes what is given alone. INVALID with the field, CHANGED_MEANWHILE."""
    access.require_account(caller, Capability.MANAGE_ACCOUNT)
    wanted = profiles.checked(profiles.ACCOUNT, given)
    async with db.transaction():
        made = await stored.change(caller.account_id, wanted, expected_version)
        if made.after:
            await audit.write(
                caller,
                "account.update",
                f"account:{caller.account_id}",
                now,
                before=made.before,
                after=made.after,
            )
    return made.row
