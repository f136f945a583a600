"""What each account may spend on operations: a leaky bucket in Redis, and nobody waits for it."""

import asyncio
from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from live import scripts

PATIENCE = 0.25  # seconds an operation waits for Redis
PAUSE = 2.0  # seconds Redis is left alone after it failed


@dataclass(frozen=True, slots=True)
class Taken:
    """`remaining`: what is left to spend, None where Redis is away. `wait`: 0, or it was too much
    and there is room for it after so many seconds."""

    remaining: int | None
    wait: float = 0.0


class Bucket:
    """Of every account: `capacity` at most at once, of which `per_second` comes back."""

    def __init__(self, redis: Redis, capacity: int, per_second: int) -> None:
        self._redis = redis
        self._capacity, self._per_second = capacity, per_second
        self._left_alone_until = 0.0

    async def take(self, account_id: int, cost: int) -> Taken:
        """Spends `cost` if there is room for it. Without Redis everything is free."""
        now = asyncio.get_running_loop().time()
        if now < self._left_alone_until:
            return Taken(None)
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._take(account_id, cost)
        except (RedisError, OSError, TimeoutError):
            self._left_alone_until = now + PAUSE
            return Taken(None)

    async def _take(self, account_id: int, cost: int) -> Taken:
        answer = await scripts.BUCKET.run(
            self._redis, account_id, cost, self._capacity, self._per_second
        )
        remaining, milliseconds = msgspec.msgpack.decode(answer, type=tuple[int, int])
        return Taken(remaining, milliseconds / 1000)
