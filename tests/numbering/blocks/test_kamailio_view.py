"""The view that auth_db of Kamailio reads, with the database role of a switch."""

import os
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import asyncpg
import pytest

from domain.numbering import number_ranges
from models import db
from resolvers.numbering import sip_users
from tests.support.numbering.number_plan import NOW, REALM, NumberPlan, open_plan

_roles = count(1)


@pytest.fixture
async def role(plan_url: str) -> AsyncIterator[str]:
    """A role that may sign in, and read the view; created as docs/numbers.md describes."""
    name = f"edge_{os.getpid()}_{next(_roles)}"
    async with db.connection() as conn:
        await conn.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'for tests alone'")
        await conn.execute(f"GRANT SELECT ON kamailio_subscriber TO {name}")
    try:
        yield name
    finally:
        async with db.connection() as conn:
            await conn.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
async def switch(plan_url: str, role: str) -> AsyncIterator[Any]:
    """A connection of that role."""
    options = db.config(plan_url)["connections"]["default"]["credentials"]
    options_of_database = {key: options[key] for key in ("host", "port", "database")}
    connection = await asyncpg.connect(**options_of_database, user=role, password="for tests alone")
    try:
        yield connection
    finally:
        await connection.close()


async def reads(plan: NumberPlan, role: str) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO kamailio_readers (account_id, role_name) VALUES ($1, $2)",
            plan.account_id,
            role,
        )


async def test_a_switch_reads_the_users_of_only_its_account(
    plan: NumberPlan, switch: Any, role: str
) -> None:
    other = await open_plan(1)
    await other.range()
    for each in (plan, other):
        await each.create(each.customers[0], 1000, f"secret-of-{each.account_id:010}")
    query = "SELECT username, domain, ha1, ha1b FROM kamailio_subscriber WHERE username = '1000'"
    assert await switch.fetch(query) == []
    await reads(plan, role)
    digests = number_ranges.digests("1000", REALM, f"secret-of-{plan.account_id:010}")
    assert [tuple(row) for row in await switch.fetch(query)] == [
        ("1000", REALM, digests.ha1, digests.ha1b)
    ]


async def test_a_switch_cannot_act_as_another(plan: NumberPlan, switch: Any, role: str) -> None:
    await plan.create(plan.customers[0], 1000)
    await reads(plan, "another_switch")
    for attempt in (
        "SET ROLE another_switch",
        "SET SESSION AUTHORIZATION another_switch",
        f"INSERT INTO kamailio_readers VALUES ({plan.account_id}, '{role}')",
        "SELECT * FROM sip_users",
        "SELECT * FROM kamailio_readers",
        "SELECT * FROM customers",
        "DELETE FROM kamailio_subscriber",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await switch.execute(attempt)
    assert await switch.fetch("SELECT FROM kamailio_subscriber") == []


async def test_a_switch_does_not_see_users_that_cannot_sign_in(
    plan: NumberPlan, switch: Any, role: str
) -> None:
    await reads(plan, role)
    acme, _ = plan.customers
    users = [await plan.create(acme, number) for number in (1000, 1001, 1002)]
    await plan.remove(users[0].id)
    await sip_users.update(plan.staff, users[1].id, None, number_ranges.Status.DISABLED, NOW)
    query = "SELECT username FROM kamailio_subscriber"
    assert [row["username"] for row in await switch.fetch(query)] == ["1002"]
    async with db.connection() as conn:
        await conn.execute("UPDATE customers SET status = 'SUSPENDED' WHERE id = $1", acme)
    assert await switch.fetch(query) == []
