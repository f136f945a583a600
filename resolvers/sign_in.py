"""E-mail and password to a session, and back."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain import callers, people, refusals, tokens
from models import credentials, db, logins

SESSION = timedelta(days=30)  # absolute: use does not lengthen it

_hasher = PasswordHasher()
# argon2 takes 64 MiB and a core for each: two at a time, whatever comes in.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`token` is shown once; only its hash is kept."""

    token: str
    expires_at: datetime


async def hash_password(password: str) -> str:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, _hasher.hash, _bytes(password))


async def hash_given(password: str | None) -> str | None:
    """None of none: who is invited sets one later. INVALID."""
    return None if password is None else await hash_password(people.password(password))


async def is_password(stored_hash: str | None, password: str) -> bool:
    """As slowly whether there is a hash or not."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, _verify, stored_hash, password)


async def login(email: str, password: str, now: datetime) -> SignedIn:
    """A session of 30 days; WRONG_CREDENTIALS, as slowly, whether the e-mail is known or not."""
    login = await logins.of_email(email) if _is_email(email) else None
    right = await is_password(login.password_hash if login else None, password)
    if login is None or not right or login.disabled_at is not None:
        raise refusals.Refusal(
            "WRONG_CREDENTIALS", "E-mail address and password do not fit together; try again."
        )
    secret = new_secret()
    expires_at = now + SESSION
    async with db.transaction():
        session = await credentials.insert_session(
            login.account_id, login.id, tokens.digest(secret), now, expires_at
        )
    token = tokens.Token(login.account_id, tokens.Of.SESSION, session.id, secret)
    return SignedIn(str(token), expires_at)


async def logout(caller: callers.Caller, now: datetime) -> None:
    """Ends the caller's session; NO_SESSION for an API key."""
    if caller.session_id is None:
        raise refusals.Refusal("NO_SESSION", "An API key has no session; revoke it instead.")
    await credentials.end_session(caller.account_id, caller.session_id, now)


def new_secret() -> str:
    return secrets.token_urlsafe(tokens.SECRET_BYTES)


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe(16))


def _verify(stored_hash: str | None, password: str) -> bool:
    try:
        _hasher.verify(stored_hash or _nobodys_hash(), _bytes(password[:2000]))
    except (VerificationError, InvalidHashError):
        return False
    return stored_hash is not None


def _bytes(password: str) -> bytes:
    # JSON can hold half a surrogate pair, which plain UTF-8 refuses.
    return password.encode("utf-8", "surrogatepass")


def _is_email(text: str) -> bool:
    try:
        people.email(text)
    except refusals.Refusal:
        return False
    return True
