"""A Redis with the knowledge that no switch was active before."""

import pytest
from redis.asyncio import Redis

from live import channels
from tests.support.live.channel_state import ACCOUNT


@pytest.fixture
async def redis(redis: Redis) -> Redis:
    await channels.seed(redis, ACCOUNT, [])
    return redis
