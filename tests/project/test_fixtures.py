import urllib.request

from redis.asyncio import Redis

from models import db
from tests.support import processes
from tests.support.programs import Program


async def test_each_test_has_its_own_migrated_database(database: str) -> None:
    async with db.connection() as conn:
        await conn.execute("CREATE TABLE left_behind ()")
        assert await conn.fetchval("SELECT to_regclass('accounts') IS NOT NULL")


async def test_the_database_has_no_data_of_another_test(database: str) -> None:
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT to_regclass('left_behind')") is None


async def test_redis_is_empty_at_the_start(redis: Redis) -> None:
    assert await redis.dbsize() == 0
    await redis.set("left_behind", "1")


async def test_redis_has_no_data_of_another_test(redis: Redis) -> None:
    assert await redis.get("left_behind") is None


def test_a_killed_web_process_responds_again_after_a_restart(web: Program) -> None:
    first = web.pid
    web.kill()
    assert not processes.alive(first)
    web.start()
    assert web.pid != first
    with urllib.request.urlopen(f"{web.url}/healthz", timeout=5) as answer:
        assert answer.status == 200


def test_web_is_ready_while_a_worker_reports(web: Program, worker: Program) -> None:
    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"{web.url}/readyz", timeout=5):
                return True
        except OSError:
            return False

    assert processes.eventually(ready, 20)
