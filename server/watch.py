"""Looks twice a second whether those who listen still may: one question for all of them."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog

from domain import callers, refusals, tokens
from models import credentials, faults
from server import auth

EVERY = 0.5  # seconds
_WITHIN = 3.0  # seconds for an answer
_AT_ONCE = 5_000  # tokens asked about in one statement

Ended = Callable[[refusals.Refusal], None]

_log = structlog.get_logger("server")


class Watch:
    """Whoever holds a connection open registers it here, and is told when it may no longer."""

    def __init__(self, clock: Callable[[], datetime], most: int) -> None:
        self._clock = clock
        self._most = most
        self._held: dict[tuple[tokens.Token, callers.Caller], dict[object, Ended]] = {}
        self._open: Counter[tokens.Token] = Counter()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="watch")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def hold(self, token: tokens.Token, caller: callers.Caller, ended: Ended) -> Callable[[], None]:
        """Calls `ended` when the token is in force no more, or its caller sees other things.

        Returns what lets it go; until then `ended` may be called again.
        TOO_MANY_CONNECTIONS where the token holds the most it may.
        """
        if self._open[token] >= self._most:
            raise refusals.Refusal(
                "TOO_MANY_CONNECTIONS",
                "A token holds at most {most} connections open; close some.",
                most=self._most,
            )
        self._open[token] += 1
        mark = object()
        self._held.setdefault((token, caller), {})[mark] = ended
        return lambda: self._release(token, caller, mark)

    def _release(self, token: tokens.Token, caller: callers.Caller, mark: object) -> None:
        held = self._held.get((token, caller), {})
        if held.pop(mark, None) is None:
            return
        if not held:
            del self._held[token, caller]
        self._open[token] -= 1
        if not self._open[token]:
            del self._open[token]

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            given = list({token for token, _ in self._held})
            for first in range(0, len(given), _AT_ONCE):
                try:
                    await self._look(given[first : first + _AT_ONCE])
                except faults.AWAY:
                    pass  # who was believed stays believed
                except Exception:
                    _log.exception("tokens not looked at")

    async def _look(self, given: list[tokens.Token]) -> None:
        async with asyncio.timeout(_WITHIN):  # a connection that hangs must not hold up the next
            known = await credentials.known(given, self._clock())
        looked_at = set(given)
        for token, caller in [one for one in self._held if one[0] in looked_at]:
            refusal = _why_not(token, caller, known.get(token))
            if refusal is not None:
                for ended in list(self._held.get((token, caller), {}).values()):
                    ended(refusal)


def _why_not(
    token: tokens.Token, caller: callers.Caller, known: credentials.Known | None
) -> refusals.Refusal | None:
    if known is None or not auth.is_secret(token, known):
        return auth.not_in_force()
    if known.caller != caller:
        return refusals.Refusal("RIGHTS_CHANGED", "What you may see has changed; connect again.")
    return None
