"""API keys and sessions: what a bearer token is looked up in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain import callers
from models import db
from models.tables import ApiKey, Session


@dataclass(frozen=True, slots=True)
class Known:
    """A credential that is in force, with the hash its secret has to have."""

    secret_hash: bytes
    caller: callers.Caller


async def known_key(account_id: int, key_id: int) -> Known | None:
    """The key's caller; None where there is no such key or it is revoked."""
    async with db.connection() as conn:
        row = await conn.fetchrow(
            "SELECT secret_hash, scopes, customer_id FROM api_keys"
            " WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL",
            account_id,
            key_id,
        )
    if row is None:
        return None
    caller = callers.Caller(
        account_id,
        callers.Kind.KEY,
        key_id,
        scopes=frozenset(map(callers.Scope, row["scopes"])),
        customer_id=row["customer_id"],
    )
    return Known(row["secret_hash"], caller)


async def known_session(account_id: int, session_id: int, now: datetime) -> Known | None:
    """The session's person; None where there is no such session, or it has ended or expired."""
    async with db.connection() as conn:
        row = await conn.fetchrow(
            """
            SELECT s.secret_hash, staff.id AS staff_id, staff.role,
                   contacts.id AS contact_id, contacts.customer_id
            FROM sessions s
            LEFT JOIN staff ON staff.account_id = s.account_id AND staff.login_id = s.login_id
            LEFT JOIN contacts
                ON contacts.account_id = s.account_id AND contacts.login_id = s.login_id
            WHERE s.account_id = $1 AND s.id = $2 AND s.ended_at IS NULL AND s.expires_at > $3
            """,
            account_id,
            session_id,
            now,
        )
    if row is None:
        return None
    if row["staff_id"] is not None:
        caller = callers.Caller(
            account_id,
            callers.Kind.STAFF,
            row["staff_id"],
            role=callers.Role(row["role"]),
            session_id=session_id,
        )
    elif row["contact_id"] is not None:
        caller = callers.Caller(
            account_id,
            callers.Kind.CONTACT,
            row["contact_id"],
            customer_id=row["customer_id"],
            session_id=session_id,
        )
    else:
        return None
    return Known(row["secret_hash"], caller)


async def insert_key(
    account_id: int,
    *,
    name: str,
    scopes: Sequence[str],
    customer_id: int | None,
    secret_hash: bytes,
    now: datetime,
) -> ApiKey:
    return await ApiKey.create(
        account_id=account_id,
        name=name,
        scopes=list(scopes),
        customer_id=customer_id,
        secret_hash=secret_hash,
        created_at=now,
    )


async def key(account_id: int, key_id: int) -> ApiKey | None:
    return await ApiKey.get_or_none(account_id=account_id, id=key_id)


async def revoke_key(account_id: int, key_id: int, now: datetime) -> bool:
    """False where there is no such key. A key revoked before keeps its instant."""
    async with db.connection() as conn:
        done = await conn.fetchval(
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3)"
            " WHERE account_id = $1 AND id = $2 RETURNING id",
            account_id,
            key_id,
            now,
        )
    return done is not None


async def insert_session(
    account_id: int, login_id: int, secret_hash: bytes, now: datetime, expires_at: datetime
) -> Session:
    return await Session.create(
        account_id=account_id,
        login_id=login_id,
        secret_hash=secret_hash,
        created_at=now,
        expires_at=expires_at,
    )


async def end_session(account_id: int, session_id: int, now: datetime) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE sessions SET ended_at = coalesce(ended_at, $3)"
            " WHERE account_id = $1 AND id = $2",
            account_id,
            session_id,
            now,
        )
