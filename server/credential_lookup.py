"""Looks up the credentials of requests: one statement for all requests that are waiting.

A lookup starts after its requests have arrived. So each request sees every change that any process
had confirmed by then. A credential that has not changed is not decoded again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from domain.identity import tokens
from models import faults, pool_shares
from models.identity import credentials

MAX_CACHED = 10_000
MAX_LOOKUPS = 2  # concurrent; the requests that arrive meanwhile share the next lookup
MAX_TOKENS = 1_000  # per lookup
TIMEOUT_SECONDS = 10.0

_Key: TypeAlias = tuple[int, tokens.TokenKind, int]
_FindChanged: TypeAlias = Callable[
    [Sequence[tuple[tokens.Token, int]], datetime],
    Awaitable[Mapping[int, credentials.Credential | None]],
]


@dataclass(frozen=True, slots=True)
class _Waiting:
    token: tokens.Token
    answer: asyncio.Future[credentials.Credential | None]


def _fail(batch: Iterable[_Waiting], error: BaseException) -> None:
    """Ends the wait of every request, which would wait forever otherwise."""
    failure = error if isinstance(error, Exception) else faults.UnavailableError(error, None)
    for waiting in batch:
        waiting.answer.set_exception(failure)
        waiting.answer.exception()  # if all its requests have ended: nothing to log


class CredentialLookup:
    """One per process. The cache contains no secrets, and a wrong secret adds no entry to it."""

    def __init__(self, find_changed: _FindChanged = credentials.find_changed) -> None:
        self._find_changed = find_changed
        self._cached: OrderedDict[_Key, credentials.Credential] = OrderedDict()
        self._waiting: dict[_Key, _Waiting] = {}
        self._now: datetime | None = None  # the latest of all requests
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, token: tokens.Token, now: datetime) -> credentials.Credential | None:
        """The current credential of the token; None if it is invalid. Does not compare the secret.

        Raises `faults.UNAVAILABLE_ERRORS` if the database does not answer.
        """
        key = token.account_id, token.kind, token.id
        if key not in self._waiting:
            answer = asyncio.get_running_loop().create_future()
            self._waiting[key] = _Waiting(token, answer)
        self._now = now if self._now is None else max(now, self._now)
        if len(self._tasks) < MAX_LOOKUPS:
            self._tasks.add(asyncio.create_task(self._run(), name="credential lookup"))
        # A request that ends must not end the lookup for the others.
        return await asyncio.shield(self._waiting[key].answer)

    async def _run(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            while self._waiting:
                batch = {key: self._waiting.pop(key) for key in list(self._waiting)[:MAX_TOKENS]}
                try:
                    await self._look_up(batch)
                except (Exception, asyncio.CancelledError) as error:
                    _fail(batch.values(), error)
                    # asyncpg may end a statement of a lost connection as if the task was canceled.
                    if task.cancelling():
                        raise
        finally:
            self._tasks.discard(task)  # at once: a request that arrives now starts another task

    async def _look_up(self, batch: dict[_Key, _Waiting]) -> None:
        assert self._now is not None
        cached = [self._cached.get(key) for key in batch]
        fingerprints = [
            credentials.NO_FINGERPRINT if credential is None else credential.fingerprint
            for credential in cached
        ]
        known_tokens = [
            (waiting.token, fingerprint)
            for waiting, fingerprint in zip(batch.values(), fingerprints, strict=True)
        ]
        with pool_shares.use_for(pool_shares.Purpose.LIVE):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                changed = await self._find_changed(known_tokens, self._now)
        for index, (key, waiting) in enumerate(batch.items()):
            # Not the cached value of now: an earlier lookup may have replaced it meanwhile.
            credential = changed[index] if index in changed else cached[index]
            if index in changed:
                self._store(key, credential)
            waiting.answer.set_result(credential)

    def _store(self, key: _Key, credential: credentials.Credential | None) -> None:
        if credential is None:
            self._cached.pop(key, None)
            return
        self._cached[key] = credential
        self._cached.move_to_end(key)
        if len(self._cached) > MAX_CACHED:
            self._cached.popitem(last=False)
