"""Sessions as people see them: listed, ended, and extended by use."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.identity import tokens
from models import db

LAST_USE_INTERVAL = timedelta(minutes=5)  # precision of a session's last use


@dataclass(frozen=True, slots=True)
class ActiveSession:
    """A session in force; `started_by` is the name of the staff who signed in as this contact."""

    id: int
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ends_at: datetime
    address: str | None
    user_agent: str | None
    started_by: str | None


_PAGE = """
    SELECT s.id, s.created_at, coalesce(s.last_used_at, s.created_at) AS last_used_at,
           s.expires_at, coalesce(s.ends_at, s.expires_at) AS ends_at, host(s.address) AS address,
           s.user_agent, a.name AS started_by
    FROM sessions s LEFT JOIN staff a ON a.account_id = $1 AND a.id = s.staff_id
    WHERE s.account_id = $1 AND s.login_id = $2 AND s.ended_at IS NULL AND s.expires_at > $3
        AND ($4::bigint IS NULL OR s.id < $4)
    ORDER BY s.id DESC LIMIT $5
"""
# Sessions that a person started, including those started as a contact.
_OWN = "account_id = $1 AND (login_id = $2 OR staff_id = $5)"
# Locks sessions in the order of their ids: see models/identity/logins.py.
_END_ALL = f"""
    UPDATE sessions s SET ended_at = $3
    FROM (SELECT id FROM sessions
          WHERE {_OWN} AND ended_at IS NULL AND id IS DISTINCT FROM $4
          ORDER BY id FOR NO KEY UPDATE) AS own
    WHERE s.account_id = $1 AND s.id = own.id
"""
_REMOVE_ENDED = """
    DELETE FROM sessions WHERE account_id = $1 AND id IN (
        SELECT id FROM sessions WHERE account_id = $1 AND least(ended_at, expires_at) < $2
        ORDER BY id LIMIT $3
    )
"""
# A use within LAST_USE_INTERVAL of the stored one writes nothing, so that many uses cost one write.
_EXTEND = """
    UPDATE sessions s
    SET last_used_at = given.used_at,
        expires_at = greatest(s.expires_at, least(s.ends_at, given.used_at + $4::interval))
    FROM (SELECT account_id, id, used_at
          FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[])
              AS one (account_id, id, used_at)
          JOIN sessions k USING (account_id, id)
          WHERE k.ended_at IS NULL AND k.expires_at > used_at
              AND k.last_used_at <= used_at - $5::interval
          ORDER BY account_id, id FOR NO KEY UPDATE OF k) AS given
    WHERE s.account_id = given.account_id AND s.id = given.id AND s.ended_at IS NULL
"""


async def page(
    account_id: int, login_id: int, now: datetime, *, before: int | None, limit: int
) -> list[ActiveSession]:
    """The newest first, with ids below `before`."""
    async with db.connection() as conn:
        rows = await conn.fetch(_PAGE, account_id, login_id, now, before, limit)
    return [ActiveSession(**dict(row)) for row in rows]


async def end(account_id: int, login_id: int, session_id: int, now: datetime) -> datetime | None:
    """Ends the login's session; returns when it ended, or None if it has no such session."""
    async with db.connection() as conn:
        at: datetime | None = await conn.fetchval(
            "UPDATE sessions SET ended_at = coalesce(ended_at, $4)"
            " WHERE account_id = $1 AND login_id = $2 AND id = $3 RETURNING ended_at",
            account_id,
            login_id,
            session_id,
            now,
        )
    return at


async def end_all(
    account_id: int,
    login_id: int,
    now: datetime,
    *,
    except_id: int | None = None,
    staff_id: int | None = None,
) -> None:
    """Ends all sessions of a login except one, and those that `staff_id` started as contacts."""
    async with db.connection() as conn:
        await conn.execute(_END_ALL, account_id, login_id, now, except_id, staff_id)


async def remove_ended(account_id: int, before: datetime, limit: int) -> int:
    """Removes up to `limit` sessions that ended or expired before then; returns the number."""
    return await db.delete_rows(_REMOVE_ENDED, account_id, before, limit)


async def extend(uses: Mapping[tokens.Token, datetime], idle: timedelta) -> None:
    """Records uses. A used session expires `idle` after its last use, but not after its end."""
    async with db.connection() as conn:
        await conn.execute(
            _EXTEND,
            [token.account_id for token in uses],
            [token.id for token in uses],
            list(uses.values()),
            idle,
            LAST_USE_INTERVAL,
        )
