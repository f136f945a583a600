"""No acknowledged record is lost and none is stored twice, whichever process is killed."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

from models import db
from tests.support import outside_connection
from tests.support.programs import Program
from tests.support.records.posting import Switch

BATCHES, SIZE = 12, 100


async def record_count(database: str) -> int:
    """The number of records, read in one snapshot that is older than the plan of the statement.

    In READ COMMITTED a statement is planned before its own snapshot is taken: it would read the
    keys of records whose partition was attached in between, but not those records.
    """
    async with (
        outside_connection.connection(database) as apart,
        apart.transaction(isolation="repeatable_read", readonly=True),
    ):
        await apart.execute("SELECT 1")  # takes the snapshot
        keys, records, distinct = await apart.fetchrow(
            "SELECT (SELECT count(*) FROM record_keys), count(*), count(DISTINCT call_id)"
            " FROM call_records"
        )
    assert keys == records == distinct
    count: int = records
    return count


async def until_acknowledged(post: Callable[[bytes], Awaitable[Any]], content: bytes) -> None:
    """As a switch does: the same batch again until it is acknowledged."""
    while True:
        try:
            answer = await post(content)
        except httpx2.TransportError:
            await asyncio.sleep(0.02)
            continue
        if answer.status_code == 200:
            body = answer.json()
            assert body["accepted"] + body["duplicates"] == SIZE, body
            return
        assert answer.status_code == 503
        await asyncio.sleep(0.02)


def batches(switch: Switch) -> list[bytes]:
    return [
        json.dumps([switch.end(f"call-{n}-{m}") for m in range(SIZE)]).encode()
        for n in range(BATCHES)
    ]


async def test_killing_a_web_process_during_ingest_neither_loses_nor_repeats_a_record(
    switch: Switch, web: Program, database: str
) -> None:
    headers = {"Authorization": f"Bearer {switch.key}"}

    async def post(content: bytes) -> httpx2.Response:
        async with httpx2.AsyncClient(verify=False, timeout=5) as client:
            return await client.post(f"{web.url}/ingest/calls", content=content, headers=headers)

    async def killed_twice() -> None:
        for goal in (SIZE, BATCHES * SIZE // 2):
            while await record_count(database) < goal:  # noqa: ASYNC110 - another process stores
                await asyncio.sleep(0.005)
            web.kill()
            await asyncio.to_thread(web.start)

    async def deliver() -> None:
        for content in batches(switch):
            await until_acknowledged(post, content)

    await asyncio.gather(deliver(), killed_twice())
    assert await record_count(database) == BATCHES * SIZE


async def test_losing_database_connections_during_ingest_neither_loses_nor_repeats_a_record(
    switch: Switch, database: str
) -> None:
    delivered = asyncio.Event()

    async def cut() -> None:
        async with outside_connection.connection(database) as apart:  # those of the pool are cut
            while not delivered.is_set():
                await apart.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND random() < 0.5"
                )
                await asyncio.sleep(0.02)

    async def deliver(contents: list[bytes]) -> None:
        for content in contents:
            await until_acknowledged(switch.post, content)

    async def deliver_all() -> None:
        everything = batches(switch)
        await asyncio.gather(*(deliver(everything[n::3]) for n in range(3)))
        delivered.set()

    await asyncio.gather(deliver_all(), cut())
    assert await record_count(database) == BATCHES * SIZE


async def test_without_a_database_nothing_is_acknowledged(switch: Switch) -> None:
    await db.close_database()
    await db.open_database("postgres://postgres@127.0.0.1:1/none")
    answer = await switch.post(json.dumps([switch.end()]).encode())
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"
