"""One connection to Redis for many readers: each gets its own reply, even if others cancel."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from live.shared_connection import SharedConnection, open_connection
from tests.support.own_redis import own_redis
from tests.support.silent_network import Wire


@pytest.fixture
async def wire(services: Any) -> AsyncIterator[Wire]:
    async with Wire(services.redis_url).open() as wire:
        yield wire


async def _echo(reading: SharedConnection, content: bytes) -> bytes:
    answer: bytes = await reading.execute_command("ECHO", content)
    return answer


async def _is_answered(reading: SharedConnection, content: bytes) -> bool:
    try:
        return await _echo(reading, content) == content
    except (RedisError, OSError):
        return False


async def test_concurrent_requests_get_their_own_replies_over_one_connection(redis: Redis) -> None:
    contents = [str(n).encode() for n in range(200)]
    async with open_connection(redis) as reading:
        assert await asyncio.gather(*(_echo(reading, content) for content in contents)) == contents
        ids = await asyncio.gather(*(reading.execute_command("CLIENT", "ID") for _ in range(20)))
        assert len(set(ids)) == 1


async def test_the_reply_to_a_canceled_request_is_not_that_of_the_next(wire: Wire) -> None:
    async with Redis.from_url(wire.url) as redis, open_connection(redis) as reading:
        assert await _is_answered(reading, b"first")
        wire.silence()
        for content in (b"given up", b"and again"):  # sent; then during the reconnection
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await _echo(reading, content)
        wire.mend()
        async with asyncio.timeout(5):
            assert await _echo(reading, b"next") == b"next"


async def test_after_a_restart_of_redis_at_most_one_reader_fails() -> None:
    async with (
        own_redis() as server,
        Redis.from_url(server.url) as redis,
        open_connection(redis) as reading,
    ):
        assert await _is_answered(reading, b"before")
        server.kill()
        assert not await _is_answered(reading, b"meanwhile")
        await server.start()
        assert await _is_answered(reading, b"after")
        server.kill()
        await server.start()
        answers = [await _is_answered(reading, b"again") for _ in range(3)]
        assert answers[1:] == [True, True]


async def test_a_redis_error_does_not_close_the_connection(redis: Redis) -> None:
    async with open_connection(redis) as reading:
        id = await reading.execute_command("CLIENT", "ID")
        with pytest.raises(RedisError):
            await reading.execute_command("EVALSHA", "0" * 40, 0)
        assert await reading.execute_command("CLIENT", "ID") == id
