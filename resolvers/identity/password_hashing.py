"""Hashes and compares passwords with argon2id (RFC 9106): a few at a time, in a fair order."""

import asyncio
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from functools import cache, partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain import refusals
from domain.identity import callers, personal_data
from models import turn_queue
from resolvers import capacity

MAX_WAITING = 40  # running or waiting in total; some seconds on a slow machine
RESERVED = 20  # additional places for logins at addresses from which they have signed in before
MAX_PER_HOLDER = 8  # of one person, or from one new address
_MAX_CONCURRENT = 2  # each needs 64 MiB and a core
_WAIT_SECONDS = 15.0
_RETRY_SECONDS = 5
_NICE = 10  # lower priority than ingest, pushes and queries

T = TypeVar("T")


class Match(Enum):
    """Whether a password is correct, and in which form."""

    WRONG = "WRONG"
    CANONICAL = "CANONICAL"
    AS_ENTERED = "AS_ENTERED"  # hashed before passwords were normalized


_hasher = PasswordHasher()


def _give_way() -> None:
    """Lowers the priority. On Linux each thread has its own, and threads that argon2 starts
    inherit it."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


_threads = ThreadPoolExecutor(
    max_workers=_MAX_CONCURRENT, thread_name_prefix="argon2", initializer=_give_way
)
# One account or address runs at most one comparison, so that another place stays available.
_turns = turn_queue.Turns(
    turn_queue.Limits(total=_MAX_CONCURRENT, group=1, member=1),
    turn_queue.WaitLimits(_WAIT_SECONDS, max_of_holder=MAX_PER_HOLDER, max_total=MAX_WAITING),
)


async def hashed(password: str, by: str | None = None, member: str | None = None) -> str:
    """The hash of the canonical form. Refuses BUSY. `by` and `member` as in `compare`."""
    canonical = personal_data.canonical_password(password)
    return await _in_turn(lambda: _hasher.hash(_bytes(canonical)), _holder(by, member))


async def is_right(
    stored_hash: str | None,
    password: str,
    by: str | None,
    member: str | None = None,
    *,
    reserved: bool = False,
) -> bool:
    """Whether the password is correct in either form; see `compare`."""
    match = await compare(stored_hash, password, by, member, reserved=reserved)
    return match is not Match.WRONG


async def compare(
    stored_hash: str | None,
    password: str,
    by: str | None,
    member: str | None = None,
    *,
    reserved: bool = False,
) -> Match:
    """Compares the password. Without a hash the result is WRONG after the same time. Refuses
    BUSY if too many passwords are waiting in total or of one caller.

    `by` is the account or the network from which the password comes, and `member` the person in
    it. One `by` has one comparison at a time. If all places are taken, a `by` with fewer
    waiting passwords displaces one with more. `reserved`: uses the reserved places. A password
    that differs from its canonical form can take a second turn, in which it is compared as
    entered.
    """
    holder, more = _holder(by, member), RESERVED if reserved else 0
    entered = password[: personal_data.MAX_ENTERED_CHARACTERS]
    canonical = personal_data.canonical_password(entered)
    if await _in_turn(partial(_verify, stored_hash, canonical), holder, more=more):
        return Match.CANONICAL
    if canonical == entered:
        return Match.WRONG
    is_right = await _in_turn(partial(_verify, stored_hash, entered), holder, more=more)
    return Match.AS_ENTERED if is_right else Match.WRONG


def of(caller: callers.Caller) -> tuple[str, str]:
    """`by` and `member` of a signed-in caller."""
    return of_account(caller.account_id), caller.actor


def of_account(account_id: int) -> str:
    return f"account:{account_id}"


def is_outdated(stored_hash: str) -> bool:
    """Whether the hash was made with other than the present parameters."""
    return _hasher.check_needs_rehash(stored_hash)


def _holder(by: str | None, member: str | None) -> turn_queue.Holder:
    """The holder of turns. Work of unknown origin forms its own group."""
    return turn_queue.Holder(object() if by is None else by, member)


async def _in_turn(work: Callable[[], T], holder: turn_queue.Holder, *, more: int = 0) -> T:
    async with capacity.aside():
        try:
            await _turns.enter(holder, more=more)
        except turn_queue.BusyError:
            raise refusals.TemporaryRefusal(
                "BUSY",
                "Too many passwords are being checked. Try again in {seconds} seconds.",
                seconds=_RETRY_SECONDS,
            ) from None
        running, loop = _threads.submit(work), asyncio.get_running_loop()
        running.add_done_callback(
            lambda _: _end_turn(loop, holder)
        )  # even if its request has ended
        return await asyncio.wrap_future(running)


def _end_turn(loop: asyncio.AbstractEventLoop, holder: turn_queue.Holder) -> None:
    try:
        loop.call_soon_threadsafe(_turns.leave, holder)
    except RuntimeError:  # the loop is closed
        _turns.leave(holder)


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe(16))


def _verify(stored_hash: str | None, password: str) -> bool:
    nobodys = _nobodys_hash()  # computed by the first request, for a known or unknown e-mail
    try:
        _hasher.verify(stored_hash or nobodys, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False
    return stored_hash is not None


def _bytes(password: str) -> bytes:
    # JSON can contain a lone surrogate, which UTF-8 cannot encode.
    return password.encode("utf-8", "surrogatepass")
