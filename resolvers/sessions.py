"""A person's sessions: listed, and ended one by one or everywhere."""

from datetime import datetime

from domain import callers, refusals
from models import credentials, db
from models import sessions as stored
from resolvers import audit
from resolvers import desk as desks


async def page(
    caller: callers.Caller, now: datetime, *, before: int | None, limit: int
) -> list[stored.Row]:
    """Those in force, the latest first; NO_SESSION to an API key, FORBIDDEN to staff acting as the
    contact."""
    person = await desks.person(caller)
    return await stored.page(person.account_id, person.id, now, before=before, limit=limit)


async def logout(caller: callers.Caller, now: datetime) -> None:
    """Ends the caller's session; NO_SESSION for an API key."""
    if caller.session_id is None:
        raise refusals.Refusal("NO_SESSION", "An API key has no session; revoke it instead.")
    async with db.transaction():
        await credentials.end_session(caller.account_id, caller.session_id, now)
        await audit.write(caller, "session.end", f"session:{caller.session_id}", now)


async def end(caller: callers.Caller, session_id: int, now: datetime) -> datetime:
    """When that session of the caller's ended: one that has ended before stays as it is.

    NOT_FOUND, NO_SESSION, FORBIDDEN.
    """
    person = await desks.person(caller)
    async with db.transaction():
        at = await stored.end(person.account_id, person.id, session_id, now)
        if at is None:
            raise refusals.Refusal("NOT_FOUND", "There is no such session; check its id.", "id")
        if at == now:
            await audit.write(caller, "session.end", f"session:{session_id}", now)
    return at


async def end_everywhere(caller: callers.Caller, now: datetime) -> None:
    """All of the person's, the asking one too, and those it began as somebody else."""
    person = await desks.person(caller)
    async with db.transaction():
        await stored.end_all(person.account_id, person.id, now, staff_id=person.staff_id)
        await audit.write(caller, "session.end_all", f"login:{person.id}", now)
