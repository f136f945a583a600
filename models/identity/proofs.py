"""Proofs that a person owns an address: stored when requested, valid once."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from domain.identity import address_proofs
from models import db

_WITHDRAW = """
UPDATE proofs SET used_at = $4
WHERE account_id = $1 AND login_id = $2 AND purpose = $3 AND used_at IS NULL
"""
_INSERT = """
INSERT INTO proofs (account_id, login_id, purpose, address, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
"""
_USE = """
UPDATE proofs SET used_at = $4
WHERE account_id = $1 AND id = $2 AND purpose = $3 AND used_at IS NULL AND expires_at > $4
RETURNING id, login_id, address
"""
_REQUEST_TIMES = """
SELECT created_at FROM proofs
WHERE account_id = $1 AND login_id = $2 AND purpose = $3 AND created_at > $4
"""
_REMOVE_EXPIRED = """
DELETE FROM proofs WHERE account_id = $1 AND id IN (
    SELECT id FROM proofs WHERE account_id = $1 AND expires_at < $2 ORDER BY id LIMIT $3
)
"""
_SET_CODE = "UPDATE proofs SET code_hash = $3 WHERE account_id = $1 AND id = $2"
# The row's lock counts simultaneous tries one by one.
_TRY_CODE = """
UPDATE proofs SET tries = tries + 1
WHERE account_id = $1 AND login_id = $2 AND purpose = $3 AND used_at IS NULL AND expires_at > $4
  AND code_hash IS NOT NULL AND tries < $5
RETURNING id, code_hash, tries
"""
_STATE = """
SELECT code_hash IS NULL AS not_sent FROM proofs
WHERE account_id = $1 AND login_id = $2 AND purpose = $3 AND used_at IS NULL AND expires_at > $4
"""
_FIND = (
    "SELECT id, login_id, address FROM proofs WHERE account_id = $1 AND id = $2 AND purpose = $3"
)


class State(Enum):
    """Why a code cannot be tried."""

    NONE = "no code was requested, or it is used, withdrawn or expired"
    NOT_SENT = "the code has not been sent yet"
    TRIED = "the code was tried too often"


@dataclass(frozen=True, slots=True)
class Try:
    """A counted try of a code: the proof, the stored hash, and the number of tries so far."""

    id: int
    code_hash: bytes
    tries: int


@dataclass(frozen=True, slots=True)
class Proof:
    id: int
    login_id: int
    address: str


async def insert(
    account_id: int, login_id: int, purpose: address_proofs.Purpose, address: str, now: datetime
) -> int:
    """Inserts a proof and returns its id; withdraws the login's earlier proofs for this purpose."""
    expires_at = now + address_proofs.LIFETIME[purpose]
    async with db.transaction() as conn:
        await conn.execute(_WITHDRAW, account_id, login_id, purpose, now)
        id: int = await conn.fetchval(
            _INSERT, account_id, login_id, purpose, address, now, expires_at
        )
    return id


async def withdraw(
    account_id: int, login_id: int, purpose: address_proofs.Purpose, now: datetime
) -> None:
    """Withdraws the login's open proofs for this purpose."""
    async with db.connection() as conn:
        await conn.execute(_WITHDRAW, account_id, login_id, purpose, now)


async def use(
    link: address_proofs.Link, purpose: address_proofs.Purpose, now: datetime
) -> Proof | None:
    """Marks the link's proof as used; None if it is not valid. One of several callers gets it."""
    async with db.connection() as conn:
        row = await conn.fetchrow(_USE, link.account_id, link.id, purpose, now)
    return None if row is None else Proof(**dict(row))


async def find(link: address_proofs.Link, purpose: address_proofs.Purpose) -> Proof | None:
    """The link's proof, even if it is no longer valid; None if there is none."""
    async with db.connection() as conn:
        row = await conn.fetchrow(_FIND, link.account_id, link.id, purpose)
    return None if row is None else Proof(**dict(row))


async def request_times(
    account_id: int, login_id: int, purpose: address_proofs.Purpose, since: datetime
) -> list[datetime]:
    """The times after `since` at which the login requested a proof for this purpose."""
    async with db.connection() as conn:
        rows = await conn.fetch(_REQUEST_TIMES, account_id, login_id, purpose, since)
    return [row["created_at"] for row in rows]


async def remove_expired(account_id: int, before: datetime, limit: int) -> int:
    """Removes up to `limit` proofs that expired before then, oldest first; returns the number."""
    return await db.delete_rows(_REMOVE_EXPIRED, account_id, before, limit)


async def set_code(account_id: int, proof_id: int, code_hash: bytes) -> None:
    """Replaces the proof's code. The tries of the earlier code still count."""
    async with db.connection() as conn:
        await conn.execute(_SET_CODE, account_id, proof_id, code_hash)


async def try_code(
    account_id: int, login_id: int, purpose: address_proofs.Purpose, now: datetime
) -> Try | None:
    """Counts a try of the login's open code; None if there is no code to try.

    Do not call it inside `db.transaction()`: a failed try must count even after a rollback.
    """
    async with db.connection() as conn:
        row = await conn.fetchrow(
            _TRY_CODE, account_id, login_id, purpose, now, address_proofs.MAX_TRIES
        )
    return None if row is None else Try(**dict(row))


async def state(
    account_id: int, login_id: int, purpose: address_proofs.Purpose, now: datetime
) -> State:
    """Why the login has no code that can be tried."""
    async with db.connection() as conn:
        not_sent = await conn.fetchval(_STATE, account_id, login_id, purpose, now)
    if not_sent is None:
        return State.NONE
    return State.NOT_SENT if not_sent else State.TRIED
