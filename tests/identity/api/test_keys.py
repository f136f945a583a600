"""API keys: their prefix, their list and their expiry."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from models import db
from runtime import clock
from tests.support.api.browsers import VIEWER, WITHIN, until_refused
from tests.support.api.callers import Caller, Carrier
from tests.support.api.sockets import closed, signed_in

KEYS = """query K($after: String) { apiKeys(first: 2, after: $after) {
    edges { node { id prefix expiresAt lastUsedAt revokedAt } }
    pageInfo { hasNextPage endCursor } } }"""


async def _made(carrier: Carrier, **more: Any) -> dict[str, Any]:
    return await carrier.owner.do(
        "createApiKey",
        "CreatedApiKey",
        "id secret key { prefix expiresAt lastUsedAt }",
        **{"name": "a program", "scopes": ["LIVE_READ"]} | more,
    )


async def test_a_key_is_identified_by_the_start_of_its_secret(carrier: Carrier) -> None:
    key = await _made(carrier)
    prefix = key["key"]["prefix"]
    assert key["secret"].startswith(prefix)
    assert len(key["secret"]) - len(prefix) == 43 - 6
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT * FROM api_keys WHERE account_id = $1", carrier.account_id)
    assert key["secret"][-37:] not in f"{[dict(row) for row in rows]}"


async def test_a_key_and_its_socket_end_at_its_expiry_time(carrier: Carrier) -> None:
    ends = clock.now() + timedelta(seconds=1.5)
    key = await _made(carrier, expiresAt=ends.isoformat())
    program = Caller(carrier.url, key["secret"])
    async with signed_in(carrier.url, program.token) as socket:
        assert await closed(socket) == 4403
    late = (clock.now() - ends) / timedelta(seconds=1)
    assert 0 < late < WITHIN
    await until_refused(program)


@pytest.mark.parametrize("before", [timedelta(0), timedelta(days=1)])
async def test_a_key_cannot_be_created_with_an_expiry_time_in_the_past(
    carrier: Carrier, before: timedelta
) -> None:
    answer = await _made(carrier, expiresAt=(clock.now() - before).isoformat())
    assert (answer["code"], answer["field"]) == ("INVALID", "expiresAt")


async def test_the_last_use_of_a_key_is_recorded_to_the_minute(carrier: Carrier) -> None:
    used, listening, unused = [await _made(carrier) for _ in range(3)]
    async with signed_in(carrier.url, listening["secret"]):
        await Caller(carrier.url, used["secret"]).ask(VIEWER)
        async with asyncio.timeout(15):
            while True:
                keys = await _all(carrier)
                if keys[used["id"]]["lastUsedAt"] and keys[listening["id"]]["lastUsedAt"]:
                    break
                await asyncio.sleep(0.1)
    assert keys[used["id"]]["lastUsedAt"].endswith(":00.000000Z")
    assert keys[unused["id"]]["lastUsedAt"] is None


async def test_the_owner_lists_all_keys_in_pages_including_revoked_ones(
    carrier: Carrier, other: Carrier
) -> None:
    ids = [(await _made(carrier))["id"] for _ in range(3)]
    await carrier.owner.do("revokeApiKey", "ApiKey", "id", id=ids[0])
    keys = await _all(carrier)
    assert list(keys) == ids
    assert [bool(key["revokedAt"]) for key in keys.values()] == [True, False, False]
    assert await _all(other) == {}


@pytest.mark.parametrize("who", ["SUPPORT", "key"])
async def test_only_the_owner_lists_keys(carrier: Carrier, who: str) -> None:
    caller = await carrier.key("BILLING_WRITE") if who == "key" else await carrier.staff(who)
    assert await caller.code(KEYS) == "FORBIDDEN"


async def _all(carrier: Carrier) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    after = None
    while True:
        page = (await carrier.owner.ask(KEYS, after=after))["apiKeys"]
        keys |= {edge["node"]["id"]: edge["node"] for edge in page["edges"]}
        if not page["pageInfo"]["hasNextPage"]:
            return keys
        after = page["pageInfo"]["endCursor"]
