"""The sliding window: attempts that ended in the last seconds, answered, talk time, PDD.

Every end that `channels.apply` is told of counts in it, once. What Redis has lost is filled again
from the records: `begin_fill`, `fill` with all of them, `end_fill`; until then there is nothing to
read. Any number of readers may fill at once. All functions raise `redis.exceptions.RedisError`
where Redis is away; repeating them is harmless.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
from redis.asyncio import Redis

from domain import calls, stats
from live import channels, keys, micros, scripts

LONGEST_SECONDS = 900
FILL_CHUNK = 1_000  # attempts a script may take

_encode = msgspec.msgpack.Encoder().encode
_Attempt = tuple[str, int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """The attempts whose final leg ended in the `seconds` full seconds before `as_of`.

    `cps` is attempts started per second over the 10 seconds before it. `sequence` rises whenever
    the figures of this scope and length differ from those shown last.
    """

    sequence: int
    as_of: datetime
    seconds: int
    sums: stats.Sums
    cps: float


@dataclass(frozen=True, slots=True)
class Fill:
    """`now` is Redis's."""

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
    """The window of a customer, or (None) of the account; None where it has to be filled first.

    `seconds`: up to LONGEST_SECONDS. `now` and `floor` as `channels.read` has them.
    """
    at = "" if now is None else micros.of(now)
    answer = await scripts.STATS.run(redis, account_id, keys.scope(customer_id), seconds, at, floor)
    found = msgspec.msgpack.decode(
        answer, type=tuple[int, int, int, tuple[int, int, int, int, int]] | Literal[False]
    )
    if found is False:
        return None
    sequence, second, recent, (attempts, answered, talk_us, pdd_us, pdd_count) = found
    return Window(
        sequence=sequence,
        as_of=micros.instant(second * 1_000_000),
        seconds=seconds,
        sums=stats.Sums(
            attempts=attempts,
            answered=answered,
            talk_us=talk_us,
            pdd_us=pdd_us,
            pdd_count=pdd_count,
        ),
        cps=recent / channels.CPS_SECONDS,
    )


async def begin_fill(redis: Redis, account_id: int) -> Fill | None:
    """None where it is filled, or where another reader fills it and gave a sign in the last 5 s."""
    answer = await scripts.BEGIN_FILL.run(redis, account_id, secrets.token_hex(8))
    found = msgspec.msgpack.decode(answer, type=tuple[str, int] | Literal[False])
    return None if found is False else Fill(found[0], micros.instant(found[1]))


async def fill(
    redis: Redis, account_id: int, begun: Fill, ended: Sequence[calls.Ended], now: datetime
) -> bool:
    """Counts attempts, at most FILL_CHUNK, as their records say; False: it has to begin anew."""
    groups: dict[str, list[_Attempt]] = {}
    for attempt in ended:
        groups.setdefault(attempt.switch, []).append(_attempt(attempt))
    given = _encode((micros.of(now), list(groups.items())))
    answer = await scripts.FILL_SOME.run(redis, account_id, begun.nonce, given)
    return msgspec.msgpack.decode(answer, type=bool)


async def end_fill(redis: Redis, account_id: int, begun: Fill) -> bool:
    """All records have been given. False: Redis lost some, or ends were missed meanwhile."""
    answer = await scripts.END_FILL.run(redis, account_id, begun.nonce)
    return msgspec.msgpack.decode(answer, type=bool)


async def distrust(redis: Redis, account_id: int) -> None:
    """Ends were stored that Redis was not told of: the window has to be filled again."""
    await redis.delete(keys.prefix(account_id) + keys.PATTERNS["window"])


def _attempt(ended: calls.Ended) -> _Attempt:
    outcome = ended.outcome
    return (
        ended.call_id,
        ended.customer_id,
        micros.of(ended.setup_at),
        micros.of(ended.end_at),
        int(outcome.answered),
        outcome.talk_us,
        channels.NO_PDD if outcome.pdd_us is None else outcome.pdd_us,
    )
