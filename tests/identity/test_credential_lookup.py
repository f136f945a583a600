"""How the credentials of requests are looked up."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest

from domain.identity.tokens import Token, TokenKind
from models import faults
from runtime import clock
from server.credential_lookup import MAX_LOOKUPS, CredentialLookup
from tests.support import outside_connection


def token(id: int) -> Token:
    return Token(1, TokenKind.KEY, id, "x" * 43)


async def test_a_request_whose_look_up_is_canceled_fails_and_later_requests_are_answered(
    database: str,
) -> None:
    lookup = CredentialLookup()
    async with outside_connection.connection(database) as outside:
        async with outside.transaction():
            await outside.execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
            request = asyncio.create_task(lookup.get(token(1), clock.now()))
            await outside_connection.until_waiting(outside, [request])
            (running,) = (
                task for task in asyncio.all_tasks() if task.get_name() == "credential lookup"
            )
            running.cancel()
            with pytest.raises(faults.UnavailableError):
                async with asyncio.timeout(10):
                    await request
        async with asyncio.timeout(10):
            assert await lookup.get(token(1), clock.now()) is None


async def test_a_request_that_arrives_as_all_look_ups_end_is_answered() -> None:
    starts, answers = asyncio.Semaphore(0), asyncio.Event()

    async def find_changed(*_: object) -> dict[int, None]:
        starts.release()
        await answers.wait()
        return {}

    lookup, requests = CredentialLookup(find_changed), []
    for id in range(MAX_LOOKUPS):
        requests.append(asyncio.create_task(lookup.get(token(id), clock.now())))
        await starts.acquire()
    answers.set()
    await asyncio.sleep(0)  # all look-ups end in this turn of the event loop
    async with asyncio.timeout(5):
        assert await lookup.get(token(MAX_LOOKUPS), clock.now()) is None
        assert await asyncio.gather(*requests) == [None] * MAX_LOOKUPS


async def test_a_look_up_that_a_lost_connection_cancels_ends_only_its_own_requests() -> None:
    starts, is_lost = asyncio.Semaphore(0), asyncio.Event()

    async def find_changed(
        tokens_to_check: Sequence[tuple[Token, int]], _: datetime
    ) -> dict[int, None]:
        if tokens_to_check[0][0].id < MAX_LOOKUPS:
            starts.release()
            await is_lost.wait()
            raise asyncio.CancelledError
        return {}

    lookup, requests = CredentialLookup(find_changed), []
    async with asyncio.timeout(5):
        for id in range(MAX_LOOKUPS):
            requests.append(asyncio.create_task(lookup.get(token(id), clock.now())))
            await starts.acquire()
        last = asyncio.create_task(lookup.get(token(MAX_LOOKUPS), clock.now()))
        await asyncio.sleep(0)  # it waits for the end of a look-up
        is_lost.set()
        results = await asyncio.gather(*requests, return_exceptions=True)
        assert [type(result) for result in results] == [faults.UnavailableError] * MAX_LOOKUPS
        assert await last is None
