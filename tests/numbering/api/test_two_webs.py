"""Concurrent assignments of numbers through two web processes."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from models import db
from tests.support.api.callers import Carrier
from tests.support.programs import Program

ASSIGN = """mutation A($c: ID!) { assignNumberBlock(customerId: $c) {
    ... on NumberBlock { first last } ... on Refusal { code } } }"""
CLAIM = """mutation C($i: CreateSipUserInput!) { createSipUser(input: $i) {
    ... on SipUser { username } ... on Refusal { code } } }"""
HUNDRED = 100


@pytest.fixture
def webs(api: Program) -> Iterator[list[Program]]:
    with Program.web(api.environment) as another:
        yield [api, another]


async def at_once(
    webs: list[Program], token: str | None, query: str, inputs: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What each was answered, half of them by each of the processes."""
    limits = httpx2.Limits(max_connections=HUNDRED)
    async with httpx2.AsyncClient(verify=False, timeout=60, limits=limits) as client:

        async def ask(number: int, variables: dict[str, Any]) -> dict[str, Any]:
            answer = await client.post(
                f"{webs[number % 2].url}/graphql",
                json={"query": query, "variables": variables},
                headers={"Authorization": f"Bearer {token}"},
            )
            body = answer.json()
            assert "errors" not in body, body
            [result] = body["data"].values()
            return dict(result)

        return await asyncio.gather(*(ask(n, claim) for n, claim in enumerate(inputs)))


async def test_a_hundred_assignments_through_two_web_processes_return_a_hundred_blocks(
    webs: list[Program], carrier: Carrier
) -> None:
    owner = carrier.owner
    customers = [await carrier.customer() for _ in range(4)]
    await owner.do("setNumberRange", "NumberRange", "start", start=1000, end=1999, blockSize=10)
    requests = [{"c": customers[n // 25]} for n in range(HUNDRED)]
    blocks = await at_once(webs, owner.token, ASSIGN, requests)
    assert sorted((block["first"], block["last"]) for block in blocks) == [
        (first, first + 9) for first in range(1000, 2000, 10)
    ]
    assert await at_once(webs, owner.token, ASSIGN, requests[:2]) == [{"code": "NO_FREE_BLOCK"}] * 2

    number = blocks[0]["first"]  # of the first customer
    claims = [{"i": {"customerId": customers[0], "username": str(number)}} for _ in range(HUNDRED)]
    answers = await at_once(webs, owner.token, CLAIM, claims)
    counts = Counter(answer.get("username") or answer["code"] for answer in answers)
    assert counts == {str(number): 1, "USERNAME_TAKEN": HUNDRED - 1}
    async with db.connection() as conn:
        for table, count in (("number_blocks", HUNDRED), ("sip_users", 1)):
            query = f"SELECT count(*) FROM {table} WHERE account_id = $1"
            assert await conn.fetchval(query, carrier.account_id) == count
