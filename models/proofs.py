"""Proofs that an address is somebody's: stored when asked for, good once."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from domain import proofs
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
_ASKED = """
SELECT created_at FROM proofs
WHERE account_id = $1 AND login_id = $2 AND purpose = $3 AND created_at > $4
"""
_REMOVE_OVER = """
DELETE FROM proofs WHERE account_id = $1 AND id IN (
    SELECT id FROM proofs WHERE account_id = $1 AND expires_at < $2 ORDER BY id LIMIT $3
)
"""
_SET_CODE = "UPDATE proofs SET code_hash = $3 WHERE account_id = $1 AND id = $2"
# The row's lock makes the tries of many at once count one by one.
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

    NONE = "it was not asked for, or is used, withdrawn or expired"
    NOT_SENT = "it has not been sent yet"
    TRIED = "it was tried too often"


@dataclass(frozen=True, slots=True)
class Try:
    """A try of a code that counts: the proof, the kept hash, how many tries there were with it."""

    id: int
    code_hash: bytes
    tries: int


@dataclass(frozen=True, slots=True)
class Proof:
    id: int
    login_id: int
    address: str


async def insert(
    account_id: int, login_id: int, purpose: proofs.Purpose, address: str, now: datetime
) -> int:
    """A new proof's id; earlier ones of the login for this purpose are good no more."""
    expires_at = now + proofs.GOOD_FOR[purpose]
    async with db.transaction() as conn:
        await conn.execute(_WITHDRAW, account_id, login_id, purpose, now)
        id: int = await conn.fetchval(
            _INSERT, account_id, login_id, purpose, address, now, expires_at
        )
    return id


async def withdraw(account_id: int, login_id: int, purpose: proofs.Purpose, now: datetime) -> None:
    """Those that are open are good no more."""
    async with db.connection() as conn:
        await conn.execute(_WITHDRAW, account_id, login_id, purpose, now)


async def use(link: proofs.Link, purpose: proofs.Purpose, now: datetime) -> Proof | None:
    """Uses it up; None where there is none that is good. Of many at once one gets it."""
    async with db.connection() as conn:
        row = await conn.fetchrow(_USE, link.account_id, link.id, purpose, now)
    return None if row is None else Proof(**dict(row))


async def find(link: proofs.Link, purpose: proofs.Purpose) -> Proof | None:
    """Good or not."""
    async with db.connection() as conn:
        row = await conn.fetchrow(_FIND, link.account_id, link.id, purpose)
    return None if row is None else Proof(**dict(row))


async def asked(
    account_id: int, login_id: int, purpose: proofs.Purpose, since: datetime
) -> list[datetime]:
    """When the login asked for such a proof, after `since`."""
    async with db.connection() as conn:
        rows = await conn.fetch(_ASKED, account_id, login_id, purpose, since)
    return [row["created_at"] for row in rows]


async def remove_over(account_id: int, before: datetime, most: int) -> int:
    """Removes so many at most that expired before then, used or not, the oldest first; how many."""
    return await db.removed(_REMOVE_OVER, account_id, before, most)


async def set_code(account_id: int, proof_id: int, code_hash: bytes) -> None:
    """A code made before for this proof is good no more; its tries count on."""
    async with db.connection() as conn:
        await conn.execute(_SET_CODE, account_id, proof_id, code_hash)


async def try_code(
    account_id: int, login_id: int, purpose: proofs.Purpose, now: datetime
) -> Try | None:
    """Counts a try of the login's open code, for good; None where there is none to be tried.

    Not inside `db.transaction()`: a try that fails must count all the same.
    """
    async with db.connection() as conn:
        row = await conn.fetchrow(_TRY_CODE, account_id, login_id, purpose, now, proofs.MOST_TRIES)
    return None if row is None else Try(**dict(row))


async def state(account_id: int, login_id: int, purpose: proofs.Purpose, now: datetime) -> State:
    """Of the login's code that cannot be tried."""
    async with db.connection() as conn:
        not_sent = await conn.fetchval(_STATE, account_id, login_id, purpose, now)
    if not_sent is None:
        return State.NONE
    return State.NOT_SENT if not_sent else State.TRIED
