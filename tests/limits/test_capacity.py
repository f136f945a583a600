"""The load of one account leaves others their share of a process and its database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from argon2 import PasswordHasher

from models import db
from resolvers.identity import password_hashing
from tests.support.api import past_calls
from tests.support.api.callers import PASSWORD, Caller, Carrier
from tests.support.api.live_channels import watching

AT_ONCE = 20
_WAITING = """
SELECT count(*) FROM pg_locks
WHERE NOT granted AND relation = $1::text::regclass
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_AUDIT = "a{}: auditLog(first: 1) {{ pageInfo {{ hasNextPage }} }}"
_PROOF = """query P($c: ID!, $from: DateTime!, $to: DateTime!) {
    reconciliation(customerId: $c, from: $from, to: $to) { balanced } }"""


@asynccontextmanager
async def lock_table(table: str) -> AsyncIterator[None]:
    """Every statement that reads the table waits until the end."""
    is_locked, is_over = asyncio.Event(), asyncio.Event()

    async def lock() -> None:
        async with db.transaction() as conn:
            await conn.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            is_locked.set()
            await is_over.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lock())
        await is_locked.wait()
        try:
            yield
        finally:
            is_over.set()


async def waiting(table: str) -> int:
    """How many statements wait for the table."""
    async with db.connection() as conn:
        return int(await conn.fetchval(_WAITING, table))


async def until_waiting(table: str, count: int) -> None:
    async with asyncio.timeout(30):
        while True:
            if await waiting(table) >= count:
                return
            await asyncio.sleep(0.02)


async def prove(caller: Caller, customer: str) -> httpx2.Response:
    days = {"from": past_calls.days_ago(30).isoformat(), "to": past_calls.days_ago(0).isoformat()}
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        return await client.post(
            f"{caller.url}/graphql",
            json={"query": _PROOF, "variables": {"c": customer, **days}},
            headers=caller.headers | {"Accept": "application/graphql-response+json"},
        )


def code(answer: httpx2.Response) -> str | None:
    """Of its error; None if it has none."""
    errors = answer.json().get("errors")
    return errors[0]["extensions"]["code"] if errors else None


async def test_queries_leave_connections_for_ingest_pushes_and_other_accounts(
    carrier: Carrier, other: Carrier
) -> None:
    reference = other.unique("acme")
    customer = await other.customer(reference=reference)
    switch = await other.key("INGEST")
    callers = [carrier.owner, await carrier.staff("SUPPORT"), await carrier.staff("FINANCE")]
    query = "{ " + " ".join(_AUDIT.format(number) for number in range(AT_ONCE)) + " }"
    async with lock_table("audit_log"):
        load = [asyncio.create_task(caller.send(query)) for caller in callers]
        await until_waiting("audit_log", 3)
        await past_calls.post(
            switch, past_calls.ended(reference, "a call", past_calls.days_ago(1), "1")
        )
        async with watching(other.owner, customer) as pushes:
            assert (await pushes.next())["inUse"] == 0
        assert (await other.owner.ask("{ viewer { __typename } }"))["viewer"]
        for task in load:
            task.cancel()


async def test_a_customer_runs_one_expensive_operation_at_a_time(
    carrier: Carrier, customer: str, other: Carrier
) -> None:
    contact, theirs = await carrier.contact(customer), await other.customer()
    async with asyncio.TaskGroup() as tasks, lock_table("rollup_codes"):
        requests = [tasks.create_task(prove(contact, customer)) for _ in range(AT_ONCE)]
        await until_waiting("rollup_codes", 1)
        ended = asyncio.as_completed(requests, timeout=60)
        errors = [await next(ended) for _ in range(AT_ONCE - 1)]
        assert await waiting("rollup_codes") == 1
        requests.append(tasks.create_task(prove(other.owner, theirs)))
        await until_waiting("rollup_codes", 2)
    answers = Counter(code(task.result()) for task in requests)
    assert answers == {None: 2, "BUSY": AT_ONCE - 1}
    for answer in errors:
        [error] = answer.json()["errors"]
        assert error["extensions"]["retryAfterSeconds"] == 5
        assert answer.headers["retry-after"] == "5"


async def test_an_account_checks_one_password_at_a_time_without_delaying_other_accounts() -> None:
    slow, quick = PasswordHasher(), PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    slow_hash, quick_hash = slow.hash(PASSWORD), quick.hash(PASSWORD)
    # Computes the hash for unknown logins
    await password_hashing.is_right(quick_hash, PASSWORD, None)
    ended: list[str] = []

    async def check(name: str, stored_hash: str, by: str) -> None:
        assert await password_hashing.is_right(stored_hash, PASSWORD, by)
        ended.append(name)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(6):
            tasks.create_task(check("attacker", slow_hash, "account:1"))
        tasks.create_task(check("other", quick_hash, "account:2"))
    assert ended.index("other") < 2


@pytest.fixture
async def people(carrier: Carrier, customer: str) -> dict[str, str]:
    """Ids of people whose e-mail address staff may change."""
    create = {"name": "A person", "customerId": customer}
    email = f"{carrier.unique('contact')}@acme.example"
    contact = await carrier.owner.do("createContact", "Contact", "id", email=email, **create)
    email = f"{carrier.unique('staff')}@voice.example"
    staff = await carrier.owner.do(
        "createStaff", "Staff", "id", email=email, name="A person", role="SUPPORT"
    )
    return {"contact": contact["id"], "staff": staff["id"], "customer": customer}


def sets_email(mutation: str, people: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """The type that the mutation returns, and its input without the e-mail address."""
    return {
        "createContact": ("Contact", {"name": "A person", "customerId": people["customer"]}),
        "createStaff": ("Staff", {"name": "A person", "role": "SUPPORT"}),
        "updateContact": ("Contact", {"contactId": people["contact"]}),
        "updateStaff": ("Staff", {"staffId": people["staff"]}),
        "updateProfile": ("Profile", {"currentPassword": PASSWORD}),
    }[mutation]


@pytest.mark.parametrize(
    "mutation", ["createContact", "createStaff", "updateContact", "updateStaff", "updateProfile"]
)
async def test_trying_many_addresses_to_find_a_login_is_limited(
    carrier: Carrier, other: Carrier, people: dict[str, str], mutation: str
) -> None:
    type, input = sets_email(mutation, people)
    support = await carrier.staff("SUPPORT")
    tries = [
        await carrier.owner.do(mutation, type, "__typename", email=other.email, **input)
        for _ in range(21)
    ]
    assert [answer["code"] for answer in tries] == ["EMAIL_TAKEN"] * 20 + ["TOO_MANY_TRIES"]
    if mutation == "createContact":  # another person of the account still may
        email = f"{carrier.unique('free')}@acme.example"
        reply = await support.do(mutation, type, "id", email=email, **input)
        assert reply["__typename"] == "Contact"


async def test_addresses_without_a_login_are_not_counted(carrier: Carrier, customer: str) -> None:
    for _ in range(25):
        answer = await carrier.owner.do(
            "createContact",
            "Contact",
            "id",
            customerId=customer,
            name="A person",
            email=f"{carrier.unique('free')}@acme.example",
        )
        assert answer["__typename"] == "Contact"
