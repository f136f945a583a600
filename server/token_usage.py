"""Records when tokens were last used and which sign-ins were refused.

They are collected in memory and written to the database together every few seconds.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from domain.identity import tokens
from models import faults, pool_shares
from models.identity import credentials, session_list
from resolvers.identity import refused_sign_ins

WRITE_INTERVAL_SECONDS = 3.0
_KEY_INTERVAL = timedelta(minutes=1)  # precision of the last use of a key
_MAX_WRITTEN = 50_000

_last_uses: dict[tokens.Token, datetime] = {}
_log = structlog.get_logger("server")


def record(token: tokens.Token, now: datetime) -> None:
    """Records the use of a valid token."""
    _last_uses[token] = now


class TokenUsage:
    """Writes the uses and `refusals` recorded in this process.

    A token of an open connection (`held_tokens`) counts as in use. A use that cannot be written is
    lost; later ones are written.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        held_tokens: Callable[[], Iterable[tokens.Token]],
        idle: timedelta,
        refusals: refused_sign_ins.RefusedSignIns,
    ) -> None:
        self._clock = clock
        self._held_tokens = held_tokens
        self._idle = idle
        self._refusals = refusals
        self._written: dict[tokens.Token, datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="token usage")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(*faults.UNAVAILABLE_ERRORS):
            await self._write()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(WRITE_INTERVAL_SECONDS)
            try:
                with pool_shares.use_for(pool_shares.Purpose.LIVE):
                    await self._write()
            except (*faults.UNAVAILABLE_ERRORS, *faults.COLLISION_ERRORS):
                pass
            except Exception:
                _log.exception("uses not written")

    async def _write(self) -> None:
        now = self._clock()
        last_uses = dict.fromkeys(self._held_tokens(), now) | _last_uses
        _last_uses.clear()
        # In order, so that two processes that write the same rows cannot deadlock.
        due = {
            token: last_uses[token]
            for token in sorted(last_uses, key=_order)
            if self._is_due(token, last_uses[token])
        }
        keys = {
            token: used_at for token, used_at in due.items() if token.kind is tokens.TokenKind.KEY
        }
        sessions = {
            token: used_at
            for token, used_at in due.items()
            if token.kind is tokens.TokenKind.SESSION
        }
        if keys:
            await credentials.record_last_use(keys)
        if sessions:
            await session_list.extend(sessions, self._idle)
        if len(self._written) > _MAX_WRITTEN:
            self._written.clear()
        self._written |= due
        await self._refusals.write()

    def _is_due(self, token: tokens.Token, used_at: datetime) -> bool:
        written_at = self._written.get(token)
        if written_at is None:
            return True
        interval = (
            _KEY_INTERVAL if token.kind is tokens.TokenKind.KEY else session_list.LAST_USE_INTERVAL
        )
        return used_at - written_at >= interval


def _order(token: tokens.Token) -> tuple[int, int]:
    return token.account_id, token.id
