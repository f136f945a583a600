"""One connection to Redis for many readers: each gets its own answer, whatever became of others."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from own_redis import own_redis
from redis.asyncio import Redis
from redis.exceptions import RedisError
from silence import Wire

from live import line


@pytest.fixture
async def wire(services: Any) -> AsyncIterator[Wire]:
    async with Wire(services.redis_url).opened() as wire:
        yield wire


async def _echoed(reading: line.Line, said: bytes) -> bytes:
    answer: bytes = await reading.execute_command("ECHO", said)
    return answer


async def _is_answered(reading: line.Line, said: bytes) -> bool:
    try:
        return await _echoed(reading, said) == said
    except (RedisError, OSError):
        return False


async def test_many_at_once_get_their_own_answers_over_one_connection(redis: Redis) -> None:
    said = [str(n).encode() for n in range(200)]
    async with line.opened(redis) as reading:
        assert await asyncio.gather(*(_echoed(reading, one) for one in said)) == said
        ids = await asyncio.gather(*(reading.execute_command("CLIENT", "ID") for _ in range(20)))
        assert len(set(ids)) == 1


async def test_an_answer_that_nobody_waits_for_any_more_is_not_the_next_ones(wire: Wire) -> None:
    async with Redis.from_url(wire.url) as redis, line.opened(redis) as reading:
        assert await _is_answered(reading, b"first")
        wire.silence()
        for said in (b"given up", b"and again"):  # sent; then while it is opened anew
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await _echoed(reading, said)
        wire.mend()
        async with asyncio.timeout(5):
            assert await _echoed(reading, b"next") == b"next"


async def test_after_a_restart_of_redis_one_reader_at_most_asks_in_vain() -> None:
    async with (
        own_redis() as server,
        Redis.from_url(server.url) as redis,
        line.opened(redis) as reading,
    ):
        assert await _is_answered(reading, b"before")
        server.kill()
        assert not await _is_answered(reading, b"meanwhile")
        await server.start()
        assert await _is_answered(reading, b"after")
        server.kill()
        await server.start()
        found = [await _is_answered(reading, b"again") for _ in range(3)]
        assert found[1:] == [True, True]


async def test_what_redis_refuses_is_no_end_of_the_connection(redis: Redis) -> None:
    async with line.opened(redis) as reading:
        id = await reading.execute_command("CLIENT", "ID")
        with pytest.raises(RedisError):
            await reading.execute_command("EVALSHA", "0" * 40, 0)
        assert await reading.execute_command("CLIENT", "ID") == id
