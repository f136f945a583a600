"""API keys and sessions: what a bearer token is looked up in."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import callers, texts, tokens
from models import db
from models.tables import ApiKey, Session


@dataclass(frozen=True, slots=True)
class Known:
    """A credential that is in force, with the hash its secret has to have."""

    secret_hash: bytes
    caller: callers.Caller


async def known(given: Collection[tokens.Token], now: datetime) -> dict[tokens.Token, Known]:
    """Those of the tokens that name a key or a session in force; their secrets are not compared.

    Left out: what does not exist, is revoked, has ended or expired.
    """
    keys = [token for token in given if token.of is tokens.Of.KEY]
    sessions = [token for token in given if token.of is tokens.Of.SESSION]
    async with db.connection() as conn:
        rows = await conn.fetch(_KEYS, *_columns(keys)) if keys else []
        found = {keys[row["at"] - 1]: Known(row["secret_hash"], _program(row)) for row in rows}
        rows = await conn.fetch(_SESSIONS, *_columns(sessions), now) if sessions else []
    return found | {
        sessions[row["at"] - 1]: Known(row["secret_hash"], _person(row)) for row in rows
    }


# Tokens come as two arrays; `at` is a token's place in them.
_KEYS = """
    SELECT given.at, k.account_id, k.id, k.secret_hash, k.scopes, k.customer_id, a.hide_carriers,
           a.language
    FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS given (account_id, id, at)
    JOIN api_keys k ON k.account_id = given.account_id AND k.id = given.id
    JOIN accounts a ON a.id = k.account_id
    WHERE k.revoked_at IS NULL
"""
_SESSIONS = """
    SELECT given.at, s.account_id, s.id, s.secret_hash, staff.id AS staff_id, staff.role,
           c.id AS contact_id, c.customer_id, c.time_zone, a.hide_carriers,
           coalesce(staff.language, c.language) AS language
    FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS given (account_id, id, at)
    JOIN sessions s ON s.account_id = given.account_id AND s.id = given.id
    JOIN accounts a ON a.id = s.account_id
    LEFT JOIN staff ON staff.account_id = s.account_id AND staff.login_id = s.login_id
    LEFT JOIN contacts c ON c.account_id = s.account_id AND c.login_id = s.login_id
    WHERE s.ended_at IS NULL AND s.expires_at > $3
        AND (staff.id IS NOT NULL OR c.id IS NOT NULL)
"""


def _columns(given: Sequence[tokens.Token]) -> tuple[list[int], list[int]]:
    return [token.account_id for token in given], [token.id for token in given]


def _program(row: Mapping[str, Any]) -> callers.Caller:
    return callers.Caller(
        row["account_id"],
        callers.Kind.KEY,
        row["id"],
        scopes=frozenset(map(callers.Scope, row["scopes"])),
        customer_id=row["customer_id"],
        sees_carriers=_sees_carriers(row),
        language=texts.supported(row["language"]),
    )


def _person(row: Mapping[str, Any]) -> callers.Caller:
    if row["staff_id"] is not None:
        return callers.Caller(
            row["account_id"],
            callers.Kind.STAFF,
            row["staff_id"],
            role=callers.Role(row["role"]),
            session_id=row["id"],
            language=texts.supported(row["language"]),
        )
    return callers.Caller(
        row["account_id"],
        callers.Kind.CONTACT,
        row["contact_id"],
        customer_id=row["customer_id"],
        session_id=row["id"],
        zone=row["time_zone"],
        sees_carriers=_sees_carriers(row),
        language=texts.supported(row["language"]),
    )


def _sees_carriers(row: Mapping[str, Any]) -> bool:
    """An account may hide its carriers from whoever sees one customer."""
    return row["customer_id"] is None or not row["hide_carriers"]


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
        ends_at=expires_at,
        last_used_at=now,
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
