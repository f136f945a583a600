"""Limits how often an action can be tried: leaky buckets in Redis, or in this process if Redis is
unavailable."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from redis.asyncio import Redis

from live import circuit_breaker, keys

TIMEOUT_SECONDS = 0.25  # for an answer of Redis
_MAX_LOCAL_BUCKETS = 10_000  # while Redis is unavailable; then the oldest are dropped
_SCRIPT = (Path(__file__).parent / "scripts" / "tries.lua").read_text()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Allows `capacity` tries at once, and one more every `seconds`."""

    name: str
    capacity: int
    seconds: float


class Throttle:
    """Counts tries in Redis; in this process only if `redis` is None."""

    def __init__(
        self, redis: Redis | None = None, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._redis = redis
        self._timeout_seconds = timeout_seconds
        self._script: Any = None if redis is None else redis.register_script(_SCRIPT)
        self._breaker = circuit_breaker.CircuitBreaker()
        self._local = _LocalBuckets()

    async def enter(
        self,
        buckets: Sequence[Bucket],
        *,
        unless_trusted: Sequence[Bucket] = (),
        trusted: str = "",
    ) -> float:
        """Counts a try in every bucket and returns 0. If a bucket is full, counts it in none of
        them and returns the seconds to wait.

        The buckets of `unless_trusted` do not apply if the name `trusted` is trusted.
        """
        return await self._count(1, buckets, unless_trusted, trusted)

    async def wait(self, buckets: Sequence[Bucket]) -> float:
        """The seconds until every bucket allows a try; 0 if all of them do now. Counts none."""
        return await self._count(0, buckets, (), "")

    async def give_back(
        self,
        buckets: Sequence[Bucket],
        *,
        unless_trusted: Sequence[Bucket] = (),
        trusted: str = "",
    ) -> None:
        """Reverses a try that does not count, such as a correct password."""
        await self._count(-1, buckets, unless_trusted, trusted)

    async def trust(self, name: str, seconds: int) -> None:
        """Trusts the name for `seconds`. If Redis loses its data, the trust is lost."""

        async def mark(redis: Redis) -> None:
            await redis.set(keys.tries(name), b"1", ex=seconds)

        await self._with_redis(mark)

    async def _count(
        self, tries: int, always: Sequence[Bucket], others: Sequence[Bucket], trusted: str
    ) -> float:
        buckets = [*always, *others]
        names = [keys.tries(name) for name in [*(bucket.name for bucket in buckets), trusted]]
        limits = [(bucket.capacity, math.ceil(bucket.seconds * 1000)) for bucket in buckets]

        async def count(_: Redis) -> int:
            arguments = [tries, len(others), *(number for pair in limits for number in pair)]
            return int(await cast(Awaitable[int], self._script(keys=names, args=arguments)))

        wait_ms = await self._with_redis(count)
        if wait_ms is None:
            return self._local.count(tries, buckets)
        return wait_ms / 1000

    async def _with_redis(self, command: Callable[[Redis], Awaitable[T]]) -> T | None:
        """Returns the command's result; None if Redis is unavailable."""
        redis = self._redis
        if redis is None:
            return None
        now = asyncio.get_running_loop().time()
        return await self._breaker.run(lambda: command(redis), self._timeout_seconds, now)


class _LocalBuckets:
    """Leaky buckets in this process, with the rules of tries.lua."""

    def __init__(self) -> None:
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, tries: int, buckets: Sequence[Bucket]) -> float:
        now = asyncio.get_running_loop().time()
        levels = {bucket: self._level(bucket, now) + tries for bucket in buckets}
        more = 1 if tries == 0 else 0
        waits = [
            (level + more - bucket.capacity) * bucket.seconds for bucket, level in levels.items()
        ]
        if tries >= 0 and max(waits, default=0.0) > 0:
            return max(waits)
        if tries == 0:
            return 0.0
        for bucket, level in levels.items():
            self._levels[bucket.name] = (max(0.0, level), now)
            self._levels.move_to_end(bucket.name)
        while len(self._levels) > _MAX_LOCAL_BUCKETS:
            self._levels.popitem(last=False)
        return 0.0

    def _level(self, bucket: Bucket, now: float) -> float:
        level, at = self._levels.get(bucket.name, (0.0, now))
        return max(0.0, level - (now - at) / bucket.seconds)
