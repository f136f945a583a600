"""When tokens were last used, and what sign-ins were refused: noted at once, told to the database a
few seconds later, together."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from domain import tokens
from models import credentials, faults, sessions
from resolvers import refused

EVERY = 3.0  # seconds
_KEY_EVERY = timedelta(minutes=1)  # as exactly as the last use of a key is known
_MOST_TOLD = 50_000

_noted: dict[tokens.Token, datetime] = {}
_log = structlog.get_logger("server")


def note(token: tokens.Token, now: datetime) -> None:
    """Of a token that is in force."""
    _noted[token] = now


class Uses:
    """Tells what was noted in this process, and its `refusals`. `held`: the tokens of open
    connections, which are use.

    A use that could not be told is lost; the next one is told.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        held: Callable[[], Iterable[tokens.Token]],
        idle: timedelta,
        refusals: refused.Noted,
    ) -> None:
        self._clock = clock
        self._held = held
        self._idle = idle
        self._refusals = refusals
        self._told: dict[tokens.Token, datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="uses")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(*faults.AWAY):
            await self._tell()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self._tell()
            except (*faults.AWAY, *faults.COLLISION):
                pass
            except Exception:
                _log.exception("uses not told")

    async def _tell(self) -> None:
        now = self._clock()
        used = dict.fromkeys(self._held(), now) | _noted
        _noted.clear()
        # In order, so that two processes that tell of the same do not wait for each other.
        due = {one: used[one] for one in sorted(used, key=_order) if self._is_due(one, used[one])}
        keys = {one: at for one, at in due.items() if one.of is tokens.Of.KEY}
        people = {one: at for one, at in due.items() if one.of is tokens.Of.SESSION}
        if keys:
            await credentials.tell_used(keys)
        if people:
            await sessions.keep(people, self._idle)
        if len(self._told) > _MOST_TOLD:
            self._told.clear()
        self._told |= due
        await self._refusals.tell()

    def _is_due(self, token: tokens.Token, at: datetime) -> bool:
        told = self._told.get(token)
        if told is None:
            return True
        every = _KEY_EVERY if token.of is tokens.Of.KEY else sessions.KEPT_EVERY
        return at - told >= every


def _order(token: tokens.Token) -> tuple[int, int]:
    return token.account_id, token.id
