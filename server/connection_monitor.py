"""Checks twice a second, in one statement, whether the callers with open connections still have
their rights."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import structlog

from domain import refusals
from domain.identity import callers, tokens
from models import faults, pool_shares
from models.identity import credentials
from server import auth

CHECK_INTERVAL_SECONDS = 0.5
_CHECK_TIMEOUT_SECONDS = 0.8
_TOKENS_PER_STATEMENT = 1_000  # other tasks get a turn between two statements
MAX_UNAUTHENTICATED_SOCKETS = 1_000  # of a process
SIGN_IN_SECONDS = 2.0  # a younger unauthenticated socket is not closed for a newer one

OnEnd = Callable[[refusals.Refusal], None]

_log = structlog.get_logger("server")


class _Holder:
    """The connections of a token and caller; `fingerprint` is that of the last successful check."""

    __slots__ = ("fingerprint", "on_end")

    def __init__(self) -> None:
        self.on_end: dict[object, OnEnd] = {}
        self.fingerprint = credentials.NO_FINGERPRINT


class ConnectionMonitor:
    """The open connections of this process. Calls back when one must end."""

    def __init__(self, clock: Callable[[], datetime], limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._holders: dict[tuple[tokens.Token, callers.Caller], _Holder] = {}
        self._open: Counter[tokens.Token] = Counter()
        self._unauthenticated: dict[object, tuple[float, Callable[[], None]]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="connection monitor")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @contextmanager
    def hold(self, token: tokens.Token, caller: callers.Caller, on_end: OnEnd) -> Iterator[None]:
        """Calls `on_end` when the token is no longer valid or the rights of its caller change.

        `on_end` may be called more than once. Refuses TOO_MANY_CONNECTIONS if the token already
        has as many connections as are allowed.
        """
        if self._open[token] >= self._limit:
            raise refusals.Refusal(
                "TOO_MANY_CONNECTIONS",
                "A token can keep {most} connections open. Close one first.",
                most=self._limit,
            )
        self._open[token] += 1
        holder = self._holders.setdefault((token, caller), _Holder())
        key = object()
        holder.on_end[key] = on_end
        try:
            yield
        finally:
            del holder.on_end[key]
            if not holder.on_end:
                del self._holders[token, caller]
            self._open[token] -= 1
            if not self._open[token]:
                del self._open[token]

    def held_tokens(self) -> set[tokens.Token]:
        """The tokens with open connections."""
        return set(self._open)

    @contextmanager
    def hold_unauthenticated(self, on_end: Callable[[], None]) -> Iterator[None]:
        """Registers a connection that has not signed in. Calls `on_end` if there are too many.

        The oldest is closed, not the newest, and only after it has had time to sign in. So
        clients that sign in at once can always connect, even during an attack or a restart.
        """
        now = asyncio.get_running_loop().time()
        if len(self._unauthenticated) >= MAX_UNAUTHENTICATED_SOCKETS:
            oldest = next(iter(self._unauthenticated))
            since, close_oldest = self._unauthenticated[oldest]
            if since + SIGN_IN_SECONDS < now:
                del self._unauthenticated[oldest]
                close_oldest()
        key = object()
        self._unauthenticated[key] = (now, on_end)
        try:
            yield
        finally:
            self._unauthenticated.pop(key, None)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL_SECONDS)
            holders = list(self._holders.items())
            for first in range(0, len(holders), _TOKENS_PER_STATEMENT):
                try:
                    await self._check(holders[first : first + _TOKENS_PER_STATEMENT])
                except faults.UNAVAILABLE_ERRORS:
                    break  # connections stay open while the database is unavailable
                except Exception:
                    _log.exception("tokens not checked")

    async def _check(
        self, holders: list[tuple[tuple[tokens.Token, callers.Caller], _Holder]]
    ) -> None:
        known_tokens = [(token, holder.fingerprint) for (token, _), holder in holders]
        with pool_shares.use_for(pool_shares.Purpose.LIVE):
            async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS):  # must not delay the next check
                changed = await credentials.find_changed(known_tokens, self._clock())
        for index, credential in changed.items():
            (token, caller), holder = holders[index]
            refusal = auth.refusal_of(token, caller, credential)
            if refusal is not None:
                for on_end in list(holder.on_end.values()):
                    on_end(refusal)
            elif credential is not None:
                holder.fingerprint = credential.fingerprint
