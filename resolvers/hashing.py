"""Passwords hashed and compared: argon2id (RFC 9106), two at a time, with so many waiting."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain import refusals

MOST_WAITING = 40  # for a place, of all; some seconds on a slow machine
RESERVED = 20  # more, for who comes from where it has signed in before
MOST_OF_ONE = 8  # of one person, or from one address that it has not signed in from before
_RETRY_SECONDS = 5

_LONGEST = 2_000  # characters compared; none that was set is longer

T = TypeVar("T")

_hasher = PasswordHasher()
# argon2 takes 64 MiB and a core for each: two at a time, whatever comes in.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
_waiting: Counter[str | None] = Counter()


async def hashed(password: str, by: str | None = None) -> str:
    """BUSY where too many wait; `by` is the network it is asked from."""
    return await _in_turn(lambda: _hasher.hash(_bytes(password)), by)


async def is_right(
    stored_hash: str | None,
    password: str,
    by: str | None,
    *,
    reserved: bool = False,
    is_one: bool = True,
) -> bool:
    """False, and as slowly, where there is no hash. BUSY where too many wait, or of one `by`.

    `reserved`: places are kept for it; not `is_one`: many people may share `by`, such as an office.
    """
    work = partial(_verify, stored_hash, password)
    return await _in_turn(work, by, reserved=reserved, is_one=is_one)


def is_outdated(stored_hash: str) -> bool:
    """Whether it was made with parameters other than those of today."""
    return _hasher.check_needs_rehash(stored_hash)


async def _in_turn(
    work: Callable[[], T], by: str | None, *, reserved: bool = False, is_one: bool = True
) -> T:
    most = MOST_WAITING + (RESERVED if reserved else 0)
    of_one = MOST_OF_ONE if is_one and by is not None else most
    if _waiting.total() >= most or _waiting[by] >= of_one:
        raise refusals.Refusal(
            "BUSY",
            "Too many people are signing in just now; try again in {seconds} seconds.",
            seconds=_RETRY_SECONDS,
        )
    _waiting[by] += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work)
    finally:
        _waiting[by] -= 1
        if not _waiting[by]:
            del _waiting[by]


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe(16))


def _verify(stored_hash: str | None, password: str) -> bool:
    nobodys = _nobodys_hash()  # made by whoever is first, known or not
    try:
        _hasher.verify(stored_hash or nobodys, _bytes(password[:_LONGEST]))
    except (VerificationError, InvalidHashError):
        return False
    return stored_hash is not None


def _bytes(password: str) -> bytes:
    # JSON can hold half a surrogate pair, which plain UTF-8 refuses.
    return password.encode("utf-8", "surrogatepass")
