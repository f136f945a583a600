"""Accounts: created by a command, with their owner; their settings, changed by owners."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.directory import profiles
from domain.identity import callers, personal_data
from models import db
from models.directory import audit_log
from models.identity import accounts, logins, staff
from models.tables import Account, Staff
from resolvers import access, audit_entries
from resolvers.access import Capability
from resolvers.identity import sign_in


@dataclass(frozen=True, slots=True)
class NewAccount:
    account: Account
    owner: Staff


async def create(name: str, email: str, password: str, now: datetime) -> NewAccount:
    """Creates an account with its owner. Refuses EMAIL_TAKEN, INVALID."""
    name, email = personal_data.validate_name(name), personal_data.validate_email(email)
    password_hash = await sign_in.hash_password(personal_data.validate_password(password))
    async with db.transaction():
        account = await accounts.insert(name, now)
        login_id = await logins.insert(account.id, email, password_hash, now)
        owner = await staff.insert(account.id, login_id, email, callers.Role.OWNER, now)
        await audit_log.insert(
            account.id,
            audit_log.COMMAND,
            audit_log.NewEntry(action="account.create", subject=f"staff:{owner.id}"),
            now,
        )
    return NewAccount(account, owner)


async def update(
    caller: callers.Caller,
    fields: Mapping[str, object],
    expected_version: int | None,
    now: datetime,
) -> Account:
    """Changes only the given values. Refuses INVALID with the field, CHANGED_MEANWHILE."""
    access.require_account(caller, Capability.MANAGE_ACCOUNT)
    values = profiles.validate(profiles.ACCOUNT, fields)
    async with db.transaction():
        result = await accounts.change(caller.account_id, values, expected_version)
        if result.after:
            await audit_entries.write(
                caller,
                "account.update",
                f"account:{caller.account_id}",
                now,
                before=result.before,
                after=result.after,
            )
    return result.row


async def existing(account_id: int) -> Account:
    return await accounts.get(account_id)
