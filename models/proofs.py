"""Proofs that an address is somebody's: stored when asked for, good once."""

from dataclasses import dataclass
from datetime import datetime

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
