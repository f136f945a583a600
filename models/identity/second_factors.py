"""Second factors of logins: the sealed secret, the last used step, and recovery codes."""

from collections.abc import Sequence
from datetime import datetime

from models import db


async def offer(account_id: int, login_id: int, sealed: bytes) -> bool:
    """Stores a secret that is not in force yet; False if another one is in force."""
    async with db.connection() as conn:
        done = await conn.fetchval(
            "UPDATE logins SET totp_secret = $3, totp_last_step = 0"
            " WHERE account_id = $1 AND id = $2 AND totp_confirmed_at IS NULL RETURNING id",
            account_id,
            login_id,
            sealed,
        )
    return done is not None


async def confirm(account_id: int, login_id: int, sealed: bytes, step: int, now: datetime) -> bool:
    """Puts the secret into force; False if it is no longer the offered one."""
    async with db.connection() as conn:
        done = await conn.fetchval(
            "UPDATE logins SET totp_confirmed_at = $5, totp_last_step = $4"
            " WHERE account_id = $1 AND id = $2 AND totp_secret = $3 AND totp_confirmed_at IS NULL"
            " RETURNING id",
            account_id,
            login_id,
            sealed,
            step,
            now,
        )
    return done is not None


async def use_step(account_id: int, login_id: int, step: int) -> bool:
    """Marks a code as used; False if this or a later step was used. One of several callers wins."""
    async with db.connection() as conn:
        done = await conn.fetchval(
            "UPDATE logins SET totp_last_step = $3"
            " WHERE account_id = $1 AND id = $2 AND totp_last_step < $3 RETURNING id",
            account_id,
            login_id,
            step,
        )
    return done is not None


async def remove(account_id: int, login_id: int) -> bool:
    """Removes the second factor and its recovery codes; False if none is in force."""
    async with db.transaction() as conn:
        done = await conn.fetchval(
            "UPDATE logins SET totp_secret = NULL, totp_confirmed_at = NULL"
            " WHERE account_id = $1 AND id = $2 AND totp_confirmed_at IS NOT NULL RETURNING id",
            account_id,
            login_id,
        )
        await _delete_recovery_codes(conn, account_id, login_id)
    return done is not None


async def replace_recovery_codes(account_id: int, login_id: int, hashes: Sequence[bytes]) -> None:
    async with db.transaction() as conn:
        await _delete_recovery_codes(conn, account_id, login_id)
        await conn.execute(
            "INSERT INTO recovery_codes (account_id, login_id, code_hash)"
            " SELECT $1, $2, unnest($3::bytea[])",
            account_id,
            login_id,
            list(hashes),
        )


async def use_recovery_code(
    account_id: int, login_id: int, code_hash: bytes, now: datetime
) -> bool:
    """Marks a recovery code as used; False if there is no such unused code."""
    async with db.connection() as conn:
        done = await conn.fetchval(
            "UPDATE recovery_codes SET used_at = $4 WHERE account_id = $1 AND login_id = $2"
            " AND code_hash = $3 AND used_at IS NULL RETURNING login_id",
            account_id,
            login_id,
            code_hash,
            now,
        )
    return done is not None


async def count_recovery_codes(account_id: int, login_id: int) -> int:
    async with db.connection() as conn:
        count: int = await conn.fetchval(
            "SELECT count(*) FROM recovery_codes"
            " WHERE account_id = $1 AND login_id = $2 AND used_at IS NULL",
            account_id,
            login_id,
        )
    return count


async def _delete_recovery_codes(conn: db.Connection, account_id: int, login_id: int) -> None:
    await conn.execute(
        "DELETE FROM recovery_codes WHERE account_id = $1 AND login_id = $2", account_id, login_id
    )
