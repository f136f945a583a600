"""The budgets of operations: leaky buckets in Redis. An operation never waits for its budget."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis

from domain.budgets import Budget
from live import circuit_breaker, scripts

TIMEOUT_SECONDS = 0.25  # for an answer of Redis


@dataclass(frozen=True, slots=True)
class SpendResult:
    """The result of spending a cost.

    - `remaining`: the cost that can still be spent.
    - `wait_seconds`: 0 if the cost was spent, otherwise the time after which it can be.
    - `decisive`: the budget that decides both.

    `remaining` and `decisive` are None if Redis is unavailable.
    """

    remaining: int | None
    wait_seconds: float = 0.0
    decisive: Budget | None = None


class Buckets:
    """The budgets of all accounts."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._breaker = circuit_breaker.CircuitBreaker()

    async def spend(self, account_id: int, budgets: Sequence[Budget], cost: int) -> SpendResult:
        """Spends `cost` from all of the budgets if each of them allows it, in one round trip.

        Allows every operation if Redis is unavailable.
        """
        result = await self._breaker.run(
            lambda: self._spend(account_id, budgets, cost),
            TIMEOUT_SECONDS,
            asyncio.get_running_loop().time(),
        )
        return result or SpendResult(None)

    async def _spend(self, account_id: int, budgets: Sequence[Budget], cost: int) -> SpendResult:
        arguments: list[str | int] = [cost]
        for budget in budgets:
            allowance = budget.allowance
            arguments += (budget.name, allowance.capacity, allowance.per_second, budget.reserve)
        answer = await scripts.BUCKET.run(self._redis, account_id, *arguments)
        remaining, wait_ms, decisive = msgspec.msgpack.decode(answer, type=tuple[int, int, int])
        return SpendResult(remaining, wait_ms / 1000, budgets[decisive - 1])
