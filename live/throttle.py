"""How often something may be tried: leaky buckets in Redis, or in this process while it is away."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from live import keys

PATIENCE = 0.25  # seconds a try waits for Redis
PAUSE = 2.0  # seconds Redis is left alone after it failed
_MOST_HERE = 10_000  # buckets held while Redis is away, the oldest forgotten
_SCRIPT = (Path(__file__).parent / "scripts" / "tries.lua").read_text()


@dataclass(frozen=True, slots=True)
class Bucket:
    """`capacity` tries at once, one more every `seconds`."""

    name: str
    capacity: int
    seconds: float


class Throttle:
    """Counts tries. Without Redis (None) in this process alone."""

    def __init__(self, redis: Redis | None = None, patience: float = PATIENCE) -> None:
        self._redis = redis
        self._patience = patience
        self._script: Any = None if redis is None else redis.register_script(_SCRIPT)
        self._left_alone_until = 0.0
        self._here = _Here()

    async def enter(
        self,
        buckets: Sequence[Bucket],
        *,
        unless_trusted: Sequence[Bucket] = (),
        trusted: str = "",
    ) -> float:
        """Counts a try in every bucket and gives 0; or counts it nowhere and gives the seconds
        after which there is room. Those of `unless_trusted` do not hold for a `trusted` name."""
        return await self._count(1, buckets, unless_trusted, trusted)

    async def wait(self, buckets: Sequence[Bucket]) -> float:
        """The seconds after which there is room for a try in every bucket; 0: now. Counts none."""
        return await self._count(0, buckets, (), "")

    async def give_back(
        self,
        buckets: Sequence[Bucket],
        *,
        unless_trusted: Sequence[Bucket] = (),
        trusted: str = "",
    ) -> None:
        """The try was none that counts."""
        await self._count(-1, buckets, unless_trusted, trusted)

    async def trust(self, name: str, seconds: int) -> None:
        """Lost with Redis; then the buckets hold for the name as for others."""

        async def mark(redis: Redis) -> None:
            await redis.set(keys.tries(name), b"1", ex=seconds)

        await self._with_redis(mark)

    async def _count(
        self, tries: int, always: Sequence[Bucket], others: Sequence[Bucket], trusted: str
    ) -> float:
        buckets = [*always, *others]
        named = [keys.tries(name) for name in [*(one.name for one in buckets), trusted]]
        numbers = [(one.capacity, math.ceil(one.seconds * 1000)) for one in buckets]

        async def count(_: Redis) -> int:
            arguments = [tries, len(others), *(number for pair in numbers for number in pair)]
            return int(await cast(Awaitable[int], self._script(keys=named, args=arguments)))

        wait = await self._with_redis(count)
        if wait is None:
            return self._here.count(tries, buckets)
        return float(wait) / 1000

    async def _with_redis(self, ask: Callable[[Redis], Awaitable[Any]]) -> Any:
        """Its answer; None where Redis is away."""
        now = asyncio.get_running_loop().time()
        if self._redis is None or now < self._left_alone_until:
            return None
        try:
            async with asyncio.timeout(self._patience):
                return await ask(self._redis)
        except (RedisError, OSError, TimeoutError):
            self._left_alone_until = now + PAUSE
            return None


class _Here:
    """The same in this process."""

    def __init__(self) -> None:
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, tries: int, buckets: Sequence[Bucket]) -> float:
        now = asyncio.get_running_loop().time()
        levels = {bucket: self._level(bucket, now) + tries for bucket in buckets}
        more = 1 if tries == 0 else 0
        waits = [(level + more - one.capacity) * one.seconds for one, level in levels.items()]
        if tries >= 0 and max(waits, default=0.0) > 0:
            return max(waits)
        if tries == 0:
            return 0.0
        for bucket, level in levels.items():
            self._levels[bucket.name] = (max(0.0, level), now)
            self._levels.move_to_end(bucket.name)
        while len(self._levels) > _MOST_HERE:
            self._levels.popitem(last=False)
        return 0.0

    def _level(self, bucket: Bucket, now: float) -> float:
        level, at = self._levels.get(bucket.name, (0.0, now))
        return max(0.0, level - (now - at) / bucket.seconds)
