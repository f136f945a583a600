"""A worker that loses Redis continues once it returns."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from redis.asyncio import Redis

from tests.support.own_redis import OwnRedis, own_redis
from tests.support.programs import Program
from workers import main


async def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.05)


async def until_beating(redis: OwnRedis) -> None:
    async with asyncio.timeout(40), Redis.from_url(redis.url) as client:
        while not await client.exists(main.HEARTBEAT):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_worker_that_loses_redis_reconnects_and_logs_one_line(database: str) -> None:
    async with own_redis() as redis:
        environment = {"CALLBOARD_DATABASE_URL": database, "CALLBOARD_REDIS_URL": redis.url}
        worker = Program.worker(environment | {"CALLBOARD_SECRET_KEY": "k" * 40})
        with tempfile.TemporaryDirectory() as folder:
            worker.log = log = Path(folder) / "log"
            with worker:
                for losses in (1, 2):
                    await until_beating(redis)
                    redis.kill()
                    await until(lambda n=losses: log.read_text().count("redis unavailable") == n)
                    await redis.start()
                    await until(
                        lambda n=losses: log.read_text().count("redis available again") == n
                    )
                await until_beating(redis)
                redis.kill()
                await until(lambda: log.read_text().count("redis unavailable") == 3)
                assert worker.process is not None
                assert worker.process.poll() is None
                worker.process.terminate()
                assert await asyncio.to_thread(worker.process.wait, 15) == 0
            text = log.read_text()
        assert "Traceback" not in text
        assert text.count("redis unavailable") == 3


async def test_a_worker_can_start_before_redis(database: str) -> None:
    async with own_redis() as redis:
        redis.kill()
        environment = {"CALLBOARD_DATABASE_URL": database, "CALLBOARD_REDIS_URL": redis.url}
        with Program.worker(environment | {"CALLBOARD_SECRET_KEY": "k" * 40}) as worker:
            await redis.start()
            await until_beating(redis)
            assert worker.process is not None
            assert worker.process.poll() is None
