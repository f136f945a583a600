"""Measures pages of calls at the start of the list and from page 10,000 on, at growing sizes.

Each size has three months of records, as in `bench growth`. The pages are read over HTTP with the
cache off: of a customer (10 calls each) by its contact, of the account and of a carrier (50 calls
each) by staff. 100 pages from the first on alternate with 100 pages from the 10,000th on. Goal: the
median of the latter, and that of each size, is at most 1.2 times that of the first pages at the
smallest size. Also measured: a page whose filter matches nothing, which compares all calls that a
page may compare.

Run: `./callboard bench calls [MILLIONS …]`, by default `1 10`. 50 million records need 35 GB.
"""

import asyncio
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

import httpx2

from bench import growth, ingest
from bench.support import growth_data as data
from bench.support import scratch
from domain import epoch
from domain.identity import tokens
from domain.identity.callers import Role
from models import db
from models.identity import credentials, logins, staff
from models.records.stored_records import TIE
from resolvers.identity import sign_in
from runtime import clock
from runtime.settings import Settings
from schema.engine import base

GOAL = 1.2
PAGES, FAR = 100, 10_000
_NODE = """id callId source destination setupAt answerAt endAt talkTime billedSeconds pddMs ringMs
  sipCode releasedBy charge { amount currency } carrier { id name }"""
_CALLS = f"""calls(first: $first, after: $after, filter: $filter) {{
  edges {{ node {{ {_NODE} }} }} pageInfo {{ hasNextPage endCursor }} }}"""
_HEAD = "query P($id: ID!, $first: Int!, $after: String, $filter: CallFilter) { node(id: $id)"
_OFFSET = f"""
SELECT setup_at, {TIE} AS tie FROM call_records WHERE account_id = $1 AND {{condition}}
ORDER BY setup_at DESC, tie DESC OFFSET $2 LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class List:
    """A list of calls: of an object (its type and id), read by the owner of a token."""

    name: str
    type: str
    id: str
    token: str
    first: int
    condition: str  # in SQL

    async def read(
        self, client: httpx2.AsyncClient, after: str | None, filter: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        response = await client.post(
            "/graphql",
            json={
                "query": f"{_HEAD} {{ ... on {self.type} {{ {_CALLS} }} }} }}",
                "variables": {"id": self.id, "first": self.first, "after": after, "filter": filter},
            },
            headers={"Authorization": f"Bearer {self.token}"},
        )
        answer = response.json()
        assert "errors" not in answer, answer
        page: dict[str, Any] = answer["data"]["node"]["calls"]
        return page

    async def cursor(self, account_id: int, offset: int) -> str:
        async with db.connection() as conn:
            statement = _OFFSET.format(condition=self.condition)
            row = await conn.fetchrow(statement, account_id, offset - 1)
        return base.encode_cursor(epoch.to_microseconds(row["setup_at"]), row["tie"])


async def lists(world: data.World) -> list[List]:
    account_id, owner = world.account_id, await _owner(world.account_id)
    async with db.connection() as conn:
        carrier_id = await conn.fetchval(
            "SELECT min(id) FROM carriers WHERE account_id = $1", account_id
        )
    customer_id = world.customers[0]
    return [
        List(
            "customer",
            "Customer",
            base.encode_id("Customer", account_id, customer_id),
            world.token,
            10,
            f"customer_id = {customer_id} AND final",
        ),
        List(
            "account",
            "Account",
            base.encode_id("Account", account_id, account_id),
            owner,
            50,
            "final",
        ),
        List(
            "carrier",
            "Carrier",
            base.encode_id("Carrier", account_id, carrier_id),
            owner,
            50,
            f"carrier_id = {carrier_id}",
        ),
    ]


async def _owner(account_id: int) -> str:
    """The token of a session of a new owner."""
    now, secret = clock.now(), "s" * 43
    email = "owner@bench.example"
    password = await sign_in.hash_password("correct horse battery")
    login_id = await logins.insert(account_id, email, password, now)
    await staff.insert(account_id, login_id, "The owner", Role.OWNER, now)
    session = await credentials.insert_session(
        account_id,
        credentials.NewSession(
            login_id=login_id,
            secret_hash=tokens.digest(secret),
            expires_at=now + timedelta(days=1),
            ends_at=now + timedelta(days=1),
        ),
        now,
    )
    return str(tokens.Token(account_id, tokens.TokenKind.SESSION, session, secret))


async def measure(settings: Settings, world: data.World) -> dict[str, float]:
    """The median milliseconds of each kind of page."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    taken: dict[str, float] = {}
    urls = settings.database_url, settings.redis_url
    async with (
        ingest.web_process(*urls, growth.NO_LIMITS) as (port, _),
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        for calls in await lists(world):
            far = await calls.cursor(world.account_id, (FAR - 1) * calls.first)
            near_pages, far_pages = await walk(client, calls, [None, far])
            taken[f"{calls.name}, page 1 on"] = near_pages
            taken[f"{calls.name}, page 10,000 on"] = far_pages
            taken[f"{calls.name}, no match"] = await unmatched(client, calls)
    return taken


async def walk(client: httpx2.AsyncClient, calls: List, cursors: list[str | None]) -> list[float]:
    """The median of PAGES pages after each cursor, alternating, after some that warm up."""
    taken: list[list[float]] = [[] for _ in cursors]
    for number in range(-10, PAGES):
        for at, cursor in enumerate(cursors):
            start = time.perf_counter()
            page = await calls.read(client, cursor)
            if number >= 0:
                taken[at].append((time.perf_counter() - start) * 1000)
            assert len(page["edges"]) == calls.first
            cursors[at] = page["pageInfo"]["endCursor"]
    return [median(times) for times in taken]


async def unmatched(client: httpx2.AsyncClient, calls: List) -> float:
    times = []
    for _ in range(10):
        start = time.perf_counter()
        page = await calls.read(client, None, {"destination": "999"})
        times.append((time.perf_counter() - start) * 1000)
        assert page["edges"] == []
    return median(times)


async def run(millions: list[int]) -> None:
    sizes = []
    for number in millions:
        async with scratch.database(statement_timeout=None) as settings:
            await db.migrate()
            start = time.perf_counter()
            world = await data.fill(number * 1_000_000, clock.now())
            seconds = time.perf_counter() - start
            sizes.append(growth.Size(world.records, await measure(settings, world)))
            print(f"{world.records:,} records filled in {seconds:.0f} s", flush=True)
    growth.show(sizes)
    for name in ("customer", "account", "carrier"):
        first = sizes[0].taken[f"{name}, page 1 on"]
        ratio = max(size.taken[f"{name}, page 10,000 on"] / first for size in sizes)
        met = "met" if ratio <= GOAL else "missed"
        print(f"{name}: page 10,000 takes {ratio:.2f} times page 1 at most, goal {GOAL}: {met}")


if __name__ == "__main__":
    asyncio.run(run([int(value) for value in sys.argv[1:]] or [1, 10]))
