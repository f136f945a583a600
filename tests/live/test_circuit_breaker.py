"""The circuit breaker of Redis: one timeout per pause for all callers."""

import asyncio

import pytest
from redis.exceptions import ConnectionError

from live.circuit_breaker import PAUSE_SECONDS, CircuitBreaker


async def test_a_redis_that_hangs_costs_one_timeout_per_pause() -> None:
    breaker, calls = CircuitBreaker(), list[float]()

    async def command(now: float, *, hangs: bool) -> str:
        calls.append(now)
        if hangs:
            await asyncio.sleep(60)
        return "answer"

    async def run(now: float, *, hangs: bool) -> str | None:
        return await breaker.run(lambda: command(now, hangs=hangs), 0.05, now)

    assert await run(0.0, hangs=False) == "answer"
    assert await run(1.0, hangs=True) is None
    assert await run(1.0 + PAUSE_SECONDS - 0.1, hangs=False) is None  # skipped
    assert await run(1.0 + PAUSE_SECONDS, hangs=False) == "answer"
    assert calls == [0.0, 1.0, 1.0 + PAUSE_SECONDS]


async def test_a_redis_that_is_unavailable_is_skipped_but_other_errors_are_raised() -> None:
    breaker = CircuitBreaker()

    async def refused() -> str:
        raise ConnectionError

    async def broken() -> str:
        raise KeyError

    async def answer() -> str:
        return "answer"

    with pytest.raises(KeyError):
        await breaker.run(broken, 1, 0.0)
    assert await breaker.run(answer, 1, 0.0) == "answer"
    assert await breaker.run(refused, 1, 0.0) is None
    assert await breaker.run(answer, 1, 0.0) is None
