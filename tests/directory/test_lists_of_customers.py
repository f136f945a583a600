"""A page of 50 customers needs as many statements as a page of 2."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.identity import callers
from models import db
from models.identity import accounts, logins, staff
from models.summaries import hours
from schema.engine import base
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT, CLOSED, Leg
from tests.support.summaries.reader import Asker

NOW = CLOSED
MANY = 50
LIST = "query ($n: Int!) {{ customers(first: $n) {{ edges {{ node {{ id {field} }} }} }} }}"


@pytest.fixture
async def asker(database: str, redis: Redis) -> Asker:
    await accounts.insert("A carrier", NOW)
    await days.prepare(MANY)
    login = await logins.insert(ACCOUNT, "owner@voice.example", "-", NOW)
    owner = await staff.insert(ACCOUNT, login, "The owner", callers.Role.OWNER, NOW)
    await days.set_id("staff", owner.id, reader.staff(ACCOUNT).id)
    return Asker(reader.staff(ACCOUNT), NOW, redis)


async def statements(asker: Asker, query: str, **variables: Any) -> list[str]:
    """What the database is sent to answer the query."""
    queries: list[str] = []

    def log(record: Any) -> None:
        queries.append(record.query)

    async with db.transaction() as conn:  # so that all is sent on its connection
        conn.add_query_logger(log)
        await asker.ask(query, **variables)
        conn.remove_query_logger(log)
    return queries


async def nodes(asker: Asker, field: str, n: int = MANY) -> list[Any]:
    answer = await asker.ask(LIST.format(field=field), n=n)
    return [edge["node"] for edge in answer["customers"]["edges"]]


@pytest.mark.parametrize(
    "field",
    [
        "balance { amount }",
        "debitLimit { amount }",
        "checklist { outstanding items { code } snoozed { code } }",
        "channels { inUse limit byCarrier { carrier { name } inUse } }",
        "liveStats(windowSeconds: 60) { attempts }",
        "numberBlocks(first: 2) { first }",
        'sipUsers(first: 2, startingWith: "7") { edges { node { username } } }',
    ],
)
async def test_50_customers_need_as_many_statements_as_2(asker: Asker, field: str) -> None:
    query = LIST.format(field=field)
    await asker.ask(query, n=1)  # fills the sliding window, once
    few = await statements(asker, query, n=2)
    many = await statements(asker, query, n=MANY)
    assert len(many) == len(few), many


async def test_each_customer_of_a_page_has_its_own_balance(asker: Asker) -> None:
    await days.put([Leg(f"c{n}", customer=n, charge=Decimal(n)) for n in range(1, MANY, 2)])
    for which in await hours.marked_hours(1_000):
        await hours.rebuild(*which, NOW)
    assert [node["balance"] for node in await nodes(asker, "balance { amount currency }")] == [
        {"amount": str(-n if n % 2 else 0), "currency": "EUR"} for n in range(1, MANY + 1)
    ]


async def test_each_customer_of_a_page_has_its_own_checklist_and_snoozes(asker: Asker) -> None:
    async with db.connection() as conn:
        await conn.execute("UPDATE customers SET city = '' WHERE id IN (2, 3)")
    snooze = """mutation ($id: ID!, $until: DateTime!) {
      snoozeChecklistItem(input: {code: "COMPLETE_PROFILE", until: $until, customerId: $id}) {
        ... on Checklist { snoozed { code } } } }"""
    until = (NOW + timedelta(days=1)).isoformat()
    await asker.ask(snooze, id=base.encode_id("Customer", ACCOUNT, 3), until=until)
    customers = await nodes(asker, "checklist { items { code } snoozed { code } }", 4)
    nothing: dict[str, Any] = {"items": [], "snoozed": []}
    profile = [{"code": "COMPLETE_PROFILE"}]
    assert [node["checklist"] for node in customers] == [
        nothing,
        {"items": profile, "snoozed": []},
        {"items": [], "snoozed": profile},
        nothing,
    ]


async def test_each_mutation_of_an_operation_returns_the_checklist_after_it(
    asker: Asker,
) -> None:
    answer = await asker.ask(
        """mutation ($id: ID!) {
          before: updateCustomer(input: {customerId: $id, city: null}) { ...shown }
          after: updateCustomer(input: {customerId: $id, city: "Anytown"}) { ...shown }
        } fragment shown on Customer { checklist { items { code } } }""",
        id=base.encode_id("Customer", ACCOUNT, 1),
    )
    assert answer["before"]["checklist"]["items"] == [{"code": "COMPLETE_PROFILE"}]
    assert answer["after"]["checklist"]["items"] == []
