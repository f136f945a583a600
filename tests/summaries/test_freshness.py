"""`asOf` of summaries and balances: every call acknowledged before it is included."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from domain.identity import callers, tokens
from models import db
from models.identity import accounts, credentials
from models.summaries import hours, marks
from runtime import clock
from schema.engine import base
from tests.support import buffer_counts
from tests.support.programs import Program
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT, HOUR, Leg

NOW = HOUR + timedelta(minutes=30)
QUERY = """query Q($c: ID!) { customer(id: $c) {
  balance { amount asOf stale } summary(granularity: LIVE) { asOf stale } } }"""
OF_ACCOUNT = """{ viewer { ... on ApiKey { account {
  summary(granularity: LIVE, first: 1) { asOf stale } } } } }"""
LIVE = """query Q($c: ID!) { customer(id: $c) {
  summary(granularity: LIVE, first: 2) { asOf edges { node { attempts } } } } }"""


@pytest.fixture
async def customers(database: str) -> None:
    """1 and 2, of an account."""
    await accounts.insert("A carrier", HOUR)
    await days.prepare(2)


def customer(id: int) -> str:
    return base.encode_id("Customer", ACCOUNT, id)


async def shown(redis: Redis, id: int, now: datetime = NOW) -> list[tuple[datetime, bool]]:
    """(asOf, stale) of the balance and of the summary."""
    answer = await reader.Asker(reader.staff(ACCOUNT), now, redis).ask(QUERY, c=customer(id))
    return [
        (datetime.fromisoformat(part["asOf"]), part["stale"])
        for part in (answer["customer"]["balance"], answer["customer"]["summary"])
    ]


async def of_account(redis: Redis, now: datetime = NOW) -> tuple[datetime, bool]:
    key = callers.Caller(
        ACCOUNT, callers.Kind.KEY, await stored_key(), scopes=frozenset(callers.Scope)
    )
    answer = await reader.Asker(key, now, redis).ask(OF_ACCOUNT)
    summary = answer["viewer"]["account"]["summary"]
    return datetime.fromisoformat(summary["asOf"]), summary["stale"]


async def stored_key(*scopes: str, secret: str = "s" * 43) -> int:
    key = await credentials.insert_key(
        ACCOUNT,
        credentials.NewKey(
            name="a program",
            scopes=list(scopes or callers.Scope),
            customer_id=None,
            secret_hash=tokens.digest(secret),
        ),
        HOUR,
    )
    return key.id


async def mark(customer: int, hour: datetime, marked_at: datetime) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO hour_marks (account_id, customer_id, hour, marked_at)"
            " VALUES ($1, $2, $3, $4)",
            *(ACCOUNT, customer, hour, marked_at),
        )


@pytest.mark.usefixtures("customers")
async def test_sums_without_a_mark_are_as_of_the_request(redis: Redis) -> None:
    assert await shown(redis, 1) == [(NOW, False)] * 2
    assert await of_account(redis) == (NOW, False)


@pytest.mark.usefixtures("customers")
async def test_the_oldest_mark_decides_for_its_customer_and_for_the_account(redis: Redis) -> None:
    earlier, late = NOW - timedelta(seconds=90), NOW - timedelta(seconds=121)
    await mark(1, HOUR, NOW - timedelta(seconds=5))
    await mark(1, HOUR - timedelta(days=300), earlier)
    assert await shown(redis, 1) == [(earlier, False)] * 2
    assert await shown(redis, 2) == [(NOW, False)] * 2
    assert await of_account(redis) == (earlier, False)
    await mark(2, HOUR, late)
    assert await shown(redis, 1) == [(earlier, False)] * 2
    assert await shown(redis, 2) == [(late, True)] * 2
    assert await of_account(redis) == (late, True)


@pytest.mark.usefixtures("customers")
async def test_a_rebuild_brings_the_sums_up_to_date(redis: Redis) -> None:
    await days.put([Leg("call-1")])
    [(before, _), _] = await shown(redis, 1)
    assert before == HOUR  # what days.put marks with
    for hour in await hours.marked_hours(10):
        await hours.rebuild(*hour, NOW)
    assert await shown(redis, 1) == [(NOW, False)] * 2


@pytest.mark.usefixtures("customers")
async def test_a_mark_from_a_fast_clock_is_not_in_the_future(redis: Redis) -> None:
    await mark(1, HOUR, NOW + timedelta(seconds=3))
    assert await shown(redis, 1) == [(NOW, False)] * 2


async def fill(first: int, last: int) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO hour_marks (account_id, customer_id, hour, marked_at)"
            " SELECT $1, 1 + n % 2, $2::timestamptz - n * interval '1 hour',"
            " $2::timestamptz + n * interval '1 second'"
            " FROM generate_series($3::int, $4::int) n",
            *(ACCOUNT, HOUR, first, last),
        )
        await conn.execute("ANALYZE hour_marks")


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.usefixtures("customers")
async def test_the_cost_does_not_depend_on_the_number_of_marks(plans: buffer_counts.Plans) -> None:
    found = []
    for first, last in ((1, 200), (201, 40_000)):
        await fill(first, last)
        found.append(
            (
                await buffer_counts.buffers(lambda: marks.oldest(ACCOUNT), plans),
                await buffer_counts.buffers(lambda: marks.oldest_of(ACCOUNT, [1, 2]), plans),
            )
        )
    few, many = found
    for less, more in zip(few, many, strict=True):
        assert more <= less + 6, found  # a level of the index for each customer


def call(number: int, now: datetime) -> dict[str, Any]:
    setup = now - timedelta(seconds=20)
    return {
        "type": "end",
        "call_id": f"call-{number}",
        "switch": "edge-1",
        "customer": "customer-1",
        "source": "+441632960000",
        "destination": "+15550100",
        "setup_at": setup.isoformat(),
        "end_at": (setup + timedelta(seconds=5)).isoformat(),
        "sip_code": 486,
        "charge": "0",
    }


@pytest.mark.usefixtures("customers", "worker")
async def test_each_response_includes_all_calls_acknowledged_before_its_time(web: Program) -> None:
    secret = "p" * 43
    token = f"cb_{ACCOUNT}_k{await stored_key(secret=secret)}_{secret}"
    acknowledged: list[datetime] = []
    async with httpx2.AsyncClient(
        verify=False, timeout=60, headers={"Authorization": f"Bearer {token}"}
    ) as client:

        async def post() -> None:
            for number in range(60):
                answer = await client.post(
                    f"{web.url}/ingest/calls", json=[call(number, clock.now())]
                )
                assert answer.json()["accepted"] == 1, answer.text
                acknowledged.append(clock.now())

        async def ask() -> tuple[datetime, int]:
            query = {"query": LIVE, "variables": {"c": customer(1)}}
            answer = (await client.post(f"{web.url}/graphql", json=query)).json()
            summary = answer["data"]["customer"]["summary"]
            attempts = sum(edge["node"]["attempts"] for edge in summary["edges"])
            return datetime.fromisoformat(summary["asOf"]), attempts

        posting = asyncio.create_task(post())
        async with asyncio.timeout(120):
            while True:
                finished = posting.done()
                as_of, attempts = await ask()
                assert attempts >= sum(at < as_of for at in acknowledged)
                if finished and attempts == 60:
                    break
        await posting
        before = clock.now()
        as_of, _ = await ask()
        assert as_of >= before  # no mark is left


@pytest.mark.usefixtures("customers")
async def test_without_a_worker_as_of_ages_and_becomes_stale_after_120_seconds(
    web: Program, redis: Redis
) -> None:
    secret = "p" * 43
    token = f"cb_{ACCOUNT}_k{await stored_key(secret=secret)}_{secret}"
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(verify=False, timeout=60, headers=headers) as client:
        before = clock.now()
        answer = await client.post(f"{web.url}/ingest/calls", json=[call(1, before)])
        assert answer.json()["accepted"] == 1
        acknowledged = clock.now()
        query = {"query": QUERY, "variables": {"c": customer(1)}}
        shown_by_web = []
        for _ in range(2):
            answer = await client.post(f"{web.url}/graphql", json=query)
            shown_by_web.append(answer.json()["data"]["customer"]["summary"])
    first, second = shown_by_web
    assert first == second  # although time has passed
    as_of = datetime.fromisoformat(first["asOf"])
    assert before <= as_of <= acknowledged
    for age, stale in ((1, False), (120, False), (121, True), (86_400, True)):
        now = as_of + timedelta(seconds=age)
        assert await shown(redis, 1, now) == [(as_of, stale)] * 2
        assert await of_account(redis, now) == (as_of, stale)
