"""A person's sessions: listed, and ended one by one or all together."""

from datetime import datetime

from domain import refusals
from domain.identity import callers
from models import db
from models.identity import credentials, session_list
from models.identity.session_list import ActiveSession as ActiveSession
from resolvers import access, audit_entries
from resolvers.identity import sign_in_services


async def page(
    caller: callers.Caller, now: datetime, *, before: int | None, limit: int
) -> list[session_list.ActiveSession]:
    """The active sessions, latest first. Refuses NO_SESSION for an API key, FORBIDDEN for staff
    signed in as the contact."""
    person = await sign_in_services.person(caller)
    return await session_list.page(person.account_id, person.id, now, before=before, limit=limit)


async def logout(caller: callers.Caller, now: datetime) -> None:
    """Ends the caller's session. Refuses NO_SESSION for an API key."""
    session_id = access.require_session(caller)
    async with db.transaction():
        await credentials.end_session(caller.account_id, session_id, now)
        await audit_entries.write(caller, "session.end", f"session:{session_id}", now)


async def end(caller: callers.Caller, session_id: int, now: datetime) -> datetime:
    """Ends a session of the caller and returns the time. An ended session is unchanged.

    Refuses NOT_FOUND, NO_SESSION, FORBIDDEN.
    """
    person = await sign_in_services.person(caller)
    async with db.transaction():
        at = await session_list.end(person.account_id, person.id, session_id, now)
        if at is None:
            raise refusals.not_found("Session", "id")
        if at == now:
            await audit_entries.write(caller, "session.end", f"session:{session_id}", now)
    return at


async def end_everywhere(caller: callers.Caller, now: datetime) -> None:
    """Ends all sessions of the person, including the current one and those as a contact."""
    person = await sign_in_services.person(caller)
    async with db.transaction():
        await session_list.end_all(person.account_id, person.id, now, staff_id=person.staff_id)
        await audit_entries.write(caller, "session.end_all", f"login:{person.id}", now)
