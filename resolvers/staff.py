"""People of the account: made and read, as the caller may."""

from datetime import datetime

from domain import callers, people
from models import db, logins
from models import staff as stored
from models.tables import Staff
from resolvers import access, audit, sign_in
from resolvers.access import Capability


async def create(
    caller: callers.Caller, name: str, email: str, password: str, role: callers.Role, now: datetime
) -> Staff:
    access.require_account(caller, Capability.MANAGE_STAFF)
    name, email = people.name(name), people.email(email)
    password_hash = await sign_in.hash_password(people.password(password))
    async with db.transaction():
        login_id = await logins.insert(caller.account_id, email, password_hash, now)
        made = await stored.insert(caller.account_id, login_id, name, role, now)
        await audit.write(caller, "staff.create", f"staff:{made.id}", now)
    return made


async def one(caller: callers.Caller, staff_id: int) -> Staff | None:
    """None where there is none, and to all but staff."""
    if caller.kind is not callers.Kind.STAFF:
        return None
    return await stored.get(caller.account_id, staff_id)
