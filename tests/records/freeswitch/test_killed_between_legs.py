"""No leg is lost and no call is counted twice, whichever process or connection is cut."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx2
from redis.asyncio import Redis

from runtime import clock
from tests.support import outside_connection
from tests.support.programs import Program
from tests.support.records import recorded_posts
from tests.support.records.freeswitch_account import (
    PATH,
    Client,
    FreeSwitch,
    account_with_references,
    basic,
)

RECORDS = """
SELECT call_id, leg, revision, final, talk_us, sip_code FROM call_records WHERE account_id = $1
ORDER BY call_id, leg
"""


async def expected_records(redis: Redis, posts: list[recorded_posts.Post]) -> list[tuple[object]]:
    """The records of another account that received each post once."""
    switch = FreeSwitch(redis, await account_with_references(), clock.now())
    await switch.send(*posts)
    await switch.pipeline.close()
    names = ("call_id", "leg", "revision", "final", "talk_us", "sip_code")
    return [tuple(record[name] for name in names) for record in await switch.records()]


async def until_acknowledged(post: Callable[[], Awaitable[httpx2.Response]]) -> None:
    """As mod_json_cdr does with enough retries."""
    while True:
        try:
            answer = await post()
        except httpx2.TransportError:
            await asyncio.sleep(0.02)
            continue
        if answer.status_code == 200:
            return
        assert answer.status_code == 503
        await asyncio.sleep(0.02)


async def stored(database: str, account_id: int) -> list[tuple[object, ...]]:
    async with outside_connection.connection(database) as apart:
        return [tuple(row) for row in await apart.fetch(RECORDS, account_id)]


async def test_killing_a_web_process_between_the_legs_of_calls_changes_no_record(
    client: Client, web: Program, redis: Redis, database: str
) -> None:
    _, account_id, key = client
    posts = recorded_posts.moved(recorded_posts.posts(recorded_posts.PLAIN), clock.now())
    expected = await expected_records(redis, posts)

    async def deliver(own: list[recorded_posts.Post]) -> None:
        for post in own:
            async with httpx2.AsyncClient(verify=False, timeout=5) as opened:
                await until_acknowledged(
                    lambda opened=opened, post=post: opened.post(
                        web.url + PATH, content=post.content, headers=basic("fs", key)
                    )
                )

    async def kill_twice() -> None:
        for goal in (5, 30):
            while len(await stored(database, account_id)) < goal:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            web.kill()
            await asyncio.to_thread(web.start)

    await asyncio.gather(kill_twice(), *(deliver(posts[n::3]) for n in range(3)))
    assert await stored(database, account_id) == expected


async def test_losing_database_connections_between_the_legs_of_calls_changes_no_record(
    client: Client, redis: Redis, database: str
) -> None:
    opened, account_id, key = client
    posts = recorded_posts.moved(recorded_posts.posts(recorded_posts.PLAIN), clock.now())
    expected = await expected_records(redis, posts)
    delivered = asyncio.Event()

    async def cut() -> None:
        async with outside_connection.connection(database) as apart:
            while not delivered.is_set():
                await apart.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND random() < 0.5"
                )
                await asyncio.sleep(0.05)

    async def deliver(own: list[recorded_posts.Post]) -> None:
        for post in own:
            await until_acknowledged(
                lambda post=post: opened.post(PATH, content=post.content, headers=basic("fs", key))
            )

    async def deliver_all() -> None:
        await asyncio.gather(*(deliver(posts[n::3]) for n in range(3)))
        delivered.set()

    await asyncio.gather(deliver_all(), cut())
    assert await stored(database, account_id) == expected
