"""Looks twice a second whether those who listen still may: one question for all of them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import structlog

from domain import callers, refusals, tokens
from models import credentials, faults
from resolvers import access
from server import auth

EVERY = 0.5  # seconds
_WITHIN = 0.8  # seconds for an answer
_AT_ONCE = 1_000  # tokens asked about in one statement: others get a turn between two
MOST_STRANGERS = 1_000  # sockets of a process that have not signed in
SIGN_IN_WITHIN = 2.0  # seconds in which none of them has to make room

Ended = Callable[[refusals.Refusal], None]

_log = structlog.get_logger("server")


class _Held:
    """Who holds connections with a token as one caller; `print`: as it was found good last."""

    __slots__ = ("ended", "print")

    def __init__(self) -> None:
        self.ended: dict[object, Ended] = {}
        self.print = credentials.NEVER_SEEN


class Watch:
    """Whoever holds a connection open registers it here, and is told when it may no longer."""

    def __init__(self, clock: Callable[[], datetime], most: int) -> None:
        self._clock = clock
        self._most = most
        self._held: dict[tuple[tokens.Token, callers.Caller], _Held] = {}
        self._open: Counter[tokens.Token] = Counter()
        self._strangers: dict[object, tuple[float, Callable[[], None]]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="watch")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @contextmanager
    def hold(self, token: tokens.Token, caller: callers.Caller, ended: Ended) -> Iterator[None]:
        """Calls `ended` when the token is in force no more, or its caller sees other things.

        Within, `ended` may be called again.
        TOO_MANY_CONNECTIONS where the token holds the most it may.
        """
        if self._open[token] >= self._most:
            raise refusals.Refusal(
                "TOO_MANY_CONNECTIONS",
                "A token holds at most {most} connections open; close some.",
                most=self._most,
            )
        self._open[token] += 1
        held = self._held.setdefault((token, caller), _Held())
        mark = object()
        held.ended[mark] = ended
        try:
            yield
        finally:
            del held.ended[mark]
            if not held.ended:
                del self._held[token, caller]
            self._open[token] -= 1
            if not self._open[token]:
                del self._open[token]

    def holders(self) -> set[tokens.Token]:
        """Those that hold a connection open."""
        return set(self._open)

    @contextmanager
    def stranger(self, ended: Callable[[], None]) -> Iterator[None]:
        """Holds a connection of nobody known yet; calls `ended` where there are too many.

        The oldest has to go, not the newest, and only once it has had time to sign in: neither a
        crowd of strangers nor that of a restart keeps out who signs in at once.
        """
        now = asyncio.get_running_loop().time()
        if len(self._strangers) >= MOST_STRANGERS:
            oldest = next(iter(self._strangers))
            since, make_room = self._strangers[oldest]
            if since + SIGN_IN_WITHIN < now:
                del self._strangers[oldest]
                make_room()
        mark = object()
        self._strangers[mark] = (now, ended)
        try:
            yield
        finally:
            self._strangers.pop(mark, None)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            held = list(self._held.items())
            for first in range(0, len(held), _AT_ONCE):
                try:
                    await self._look(held[first : first + _AT_ONCE])
                except faults.AWAY:
                    break  # who was believed stays believed
                except Exception:
                    _log.exception("tokens not looked at")

    async def _look(self, at: list[tuple[tuple[tokens.Token, callers.Caller], _Held]]) -> None:
        asked = [(token, held.print) for (token, _), held in at]
        async with asyncio.timeout(_WITHIN):  # a connection that hangs must not hold up the next
            changed = await credentials.changed(asked, self._clock())
        for place, known in changed.items():
            (token, caller), held = at[place]
            refusal = _why_not(token, caller, known)
            if refusal is not None:
                for ended in list(held.ended.values()):
                    ended(refusal)
            elif known is not None:
                held.print = known.print


def _why_not(
    token: tokens.Token, caller: callers.Caller, known: credentials.Known | None
) -> refusals.Refusal | None:
    if known is None or not auth.is_secret(token, known) or not access.may_act(known.caller):
        return auth.not_in_force()
    if known.caller.at(caller.address) != caller:
        return refusals.Refusal("RIGHTS_CHANGED", "What you may see has changed; connect again.")
    return None
