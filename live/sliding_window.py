"""The sliding window: sums of the attempts that ended in the last seconds.

`channels.apply` counts each end once. After a loss of Redis, a reader fills the window again from
the records: `begin_fill`, `fill` for all of them, `end_fill`. Until then, `read` returns None.
Several readers may fill at the same time. All functions are idempotent and raise
`redis.exceptions.RedisError` if Redis is unavailable.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import msgspec
from redis.asyncio import Redis

from domain import epoch
from domain.records import calls
from domain.summaries import ratios
from live import channels, event_rows, keys, scripts

MAX_SECONDS = 900
MAX_FILL_ATTEMPTS = 1_000  # per call, because a script blocks Redis

_encode = msgspec.msgpack.Encoder().encode
_Attempt = tuple[str, int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """The attempts whose final leg ended in the `seconds` full seconds before `as_of`.

    `cps`: attempts per second over the 10 seconds before `as_of`. `sequence` increases whenever
    the figures of this scope and length differ from the last ones read.
    """

    sequence: int
    as_of: datetime
    seconds: int
    sums: ratios.Sums
    cps: float
    completeness: channels.Completeness = channels.Completeness.COMPLETE

    @property
    def complete(self) -> bool:
        return self.completeness is channels.Completeness.COMPLETE

    def as_incomplete(self, sequence: int) -> "Window":
        """The same figures, which may be outdated."""
        return replace(self, sequence=sequence, completeness=channels.Completeness.INCOMPLETE)


@dataclass(frozen=True, slots=True)
class Fill:
    """A fill that has begun, at the time `now` of Redis."""

    nonce: str
    now: datetime


async def read(
    redis: Redis,
    account_id: int,
    customer_id: int | None,
    seconds: int,
    now: datetime | None = None,
    floor: int = 0,
) -> Window | None:
    """The window of a customer, or (None) of the account; None if it has to be filled first.

    `seconds`: up to MAX_SECONDS. `now` and `floor`: as for `channels.read`.
    """
    at = "" if now is None else epoch.to_microseconds(now)
    answer = await scripts.STATS.run(redis, account_id, keys.scope(customer_id), seconds, at, floor)
    window = msgspec.msgpack.decode(
        answer, type=tuple[int, int, int, tuple[int, int, int, int, int], int] | Literal[False]
    )
    if window is False:
        return None
    sequence, second, recent, sums, completeness = window
    attempts, answered, talk_us, pdd_us, pdd_count = sums
    return Window(
        sequence=sequence,
        as_of=epoch.from_microseconds(second * 1_000_000),
        seconds=seconds,
        sums=ratios.Sums(
            attempts=attempts,
            answered=answered,
            talk_us=talk_us,
            pdd_us=pdd_us,
            pdd_count=pdd_count,
        ),
        cps=recent / channels.CPS_SECONDS,
        completeness=channels.Completeness(completeness),
    )


async def begin_fill(redis: Redis, account_id: int) -> Fill | None:
    """Returns None if the window is filled, or if another reader is filling it (active in the last
    5 s)."""
    answer = await scripts.BEGIN_FILL.run(redis, account_id, secrets.token_hex(8))
    result = msgspec.msgpack.decode(answer, type=tuple[str, int] | Literal[False])
    if result is False:
        return None
    nonce, now_us = result
    return Fill(nonce, epoch.from_microseconds(now_us))


async def fill(
    redis: Redis,
    account_id: int,
    current: Fill,
    attempts: Sequence[calls.EndedAttempt],
    now: datetime,
) -> bool:
    """Counts up to MAX_FILL_ATTEMPTS attempts from their records.

    Returns False if the fill has to begin again.
    """
    groups: dict[str, list[_Attempt]] = {}
    for attempt in attempts:
        groups.setdefault(attempt.switch, []).append(_attempt_row(attempt))
    arguments = _encode((epoch.to_microseconds(now), list(groups.items())))
    answer = await scripts.FILL_SOME.run(redis, account_id, current.nonce, arguments)
    return msgspec.msgpack.decode(answer, type=bool)


async def end_fill(redis: Redis, account_id: int, current: Fill) -> bool:
    """Ends a fill after its last record.

    Returns False if Redis lost data or missed ends during the fill.
    """
    answer = await scripts.END_FILL.run(redis, account_id, current.nonce)
    return msgspec.msgpack.decode(answer, type=bool)


async def invalidate(redis: Redis, account_id: int) -> None:
    """Requires a new fill, because Redis has missed ends that were stored."""
    await redis.delete(keys.prefix(account_id) + keys.PATTERNS["window"])


def _attempt_row(attempt: calls.EndedAttempt) -> _Attempt:
    outcome = attempt.outcome
    return (
        attempt.call_id,
        attempt.customer_id,
        epoch.to_microseconds(attempt.setup_at),
        epoch.to_microseconds(attempt.end_at),
        int(outcome.answered),
        outcome.talk_us,
        event_rows.NO_PDD if outcome.pdd_us is None else outcome.pdd_us,
    )
