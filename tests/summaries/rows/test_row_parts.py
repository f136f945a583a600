"""Costs of summary rows, and their parts by carrier, country and prefix, through the API."""

from collections.abc import Sequence
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
from tests.support.summaries.days import ACCOUNT, HOUR, Leg
from tests.support.summaries.reader import Asker

NOW = HOUR + timedelta(minutes=30)
DAY = timedelta(days=1)
GRANULARITIES = ("LIVE", "DAILY", "WEEKLY", "MONTHLY")

PARTS = """
query ($customer: ID!, $granularity: Granularity!, $first: Int!) {
  customer(id: $customer) { summary(granularity: $granularity, first: 1) { edges { node {
    byCarrier(first: $first) {
      hasMore rest { count attempts } parts { carrier { name } attempts ner }
    }
    byCountry(first: $first) { hasMore rest { count attempts } parts { country attempts } }
    byPrefix(first: $first) {
      hasMore rest { count attempts charges { amount } }
      parts { prefix ratedBy attempts unratedCalls pddMs charges { amount currency } }
    }
  } } } }
}
"""
COST = """
query ($customer: ID!, $granularity: Granularity!) {
  customer(id: $customer) { summary(granularity: $granularity, first: 1) { edges { node {
    id cost { amounts { amount currency } uncostedLegs profit { amount currency } marginPercent }
    byCarrier { parts { carrier { name } attempts cost { profit { amount } uncostedLegs } } }
  } } } }
}
"""
CELLS = """
query ($rows: [ID!]!, $column: SummaryColumn!) {
  summaryCells(rowIds: $rows, column: $column) { count sum cellAverage weightedAverage }
}
"""
ACCOUNT_COST = """
{ viewer { ... on Staff { account { summary(granularity: DAILY, first: 1) { edges { node {
  cost { amounts { amount currency } profit { amount } }
  byCarrier { parts { attempts charges { amount currency } } }
} } } } } } }
"""


@pytest.fixture
async def asker(database: str, redis: Redis) -> Asker:
    await accounts.insert("A carrier", NOW)
    await days.prepare()
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO carriers (account_id, id, reference, name, currency, created_at)"
            " SELECT $1, n, n, 'carrier ' || n, CASE n WHEN 3 THEN 'USD' ELSE 'EUR' END, $2"
            " FROM generate_series(1, 3) n",
            ACCOUNT,
            HOUR,
        )
    login = await logins.insert(ACCOUNT, "owner@carrier.example", "-", NOW)
    owner = await staff.insert(ACCOUNT, login, "The owner", "OWNER", NOW)
    await days.set_id("staff", owner.id, reader.staff(ACCOUNT).id)
    return Asker(reader.staff(ACCOUNT), NOW, redis)


async def store(legs: Sequence[Leg]) -> None:
    await days.put(legs)
    for hour in await hours.marked_hours(1_000):
        await hours.rebuild(*hour, NOW)


def values(granularity: str = "DAILY", **more: Any) -> dict[str, Any]:
    customer = base.encode_id("Customer", ACCOUNT, 1)
    return {"customer": customer, "granularity": granularity, **more}


async def row(asker: Asker, document: str, **more: Any) -> Any:
    data = await asker.ask(document, **values(**more))
    return data["customer"]["summary"]["edges"][0]["node"]


CALLS = [
    Leg("a", carrier=1, prefix="44", talk_us=1, charge=Decimal("0.5"), cost=Decimal("0.2")),
    Leg("b", carrier=1, prefix="44", talk_us=1, charge=Decimal("0.5"), cost=Decimal("0.1")),
    Leg("c", carrier=2, prefix="441", code=404, ringing_after_us=2_000),
    Leg("d", carrier=2, prefix="44", code=486, cost=Decimal("0.01")),
    Leg("e", carrier=0, rated_by=None, prefix=None, charge=None, code=503),
]


@pytest.mark.parametrize("granularity", GRANULARITIES)
async def test_a_row_is_split_by_carrier(asker: Asker, granularity: str) -> None:
    await store(CALLS)
    found = (await row(asker, PARTS, granularity=granularity, first=20))["byCarrier"]
    assert found == {
        "hasMore": False,
        "rest": None,
        "parts": [
            {"carrier": {"name": "carrier 1"}, "attempts": 2, "ner": 100.0},
            {"carrier": {"name": "carrier 2"}, "attempts": 2, "ner": 50.0},
            {"carrier": None, "attempts": 1, "ner": 0.0},
        ],
    }


@pytest.mark.parametrize("granularity", GRANULARITIES)
async def test_a_row_is_split_by_prefix(asker: Asker, granularity: str) -> None:
    await store(CALLS)
    found = (await row(asker, PARTS, granularity=granularity, first=20))["byPrefix"]
    charges = [{"amount": "0", "currency": "EUR"}]
    nothing = {"unratedCalls": 0, "pddMs": None, "charges": charges}
    charged = {**nothing, "charges": [{"amount": "1.0", "currency": "EUR"}]}
    assert found["parts"] == [
        {"prefix": "44", "ratedBy": "CARD", "attempts": 3, **charged},
        {"prefix": "441", "ratedBy": "CARD", "attempts": 1, **nothing, "pddMs": 2.0},
        {"prefix": None, "ratedBy": None, "attempts": 1, **nothing, "unratedCalls": 1},
    ]


@pytest.mark.parametrize("granularity", GRANULARITIES)
async def test_the_other_parts_are_summed(asker: Asker, granularity: str) -> None:
    await store(CALLS)
    found = await row(asker, PARTS, granularity=granularity, first=1)
    assert (found["byCarrier"]["hasMore"], found["byPrefix"]["hasMore"]) == (True, True)
    assert found["byCarrier"]["rest"] == {"count": 2, "attempts": 3}
    rest = found["byPrefix"]["rest"]
    assert (rest["count"], rest["attempts"], rest["charges"][0]["amount"]) == (2, 2, "0")


async def test_parts_that_a_correction_has_emptied_are_not_shown(asker: Asker) -> None:
    await store(CALLS[:3])
    await days.put([], gone=CALLS[2:3])
    await store([])
    found = await row(asker, PARTS, first=20)
    assert [part["attempts"] for part in found["byCarrier"]["parts"]] == [2]
    assert [part["prefix"] for part in found["byPrefix"]["parts"]] == ["44"]


async def test_more_than_100_parts_are_refused(asker: Asker) -> None:
    await store(CALLS)
    for first in (0, 101):
        assert await asker.refused(PARTS, **values(first=first)) == "BAD_PAGE_SIZE"


@pytest.mark.parametrize("granularity", GRANULARITIES)
async def test_the_costs_of_every_leg_are_subtracted(asker: Asker, granularity: str) -> None:
    tried = Leg("a", leg=1, carrier=2, final=False, code=503, charge=None, cost=Decimal("0.05"))
    await store([*CALLS[:2], tried])
    found = await row(asker, COST, granularity=granularity)
    assert found["cost"] == {
        "amounts": [{"amount": "0.35", "currency": "EUR"}],
        "uncostedLegs": 0,
        "profit": {"amount": "0.65", "currency": "EUR"},
        "marginPercent": 65.0,
    }
    profits = [(part["attempts"], part["cost"]["profit"]) for part in found["byCarrier"]["parts"]]
    assert profits == [(2, {"amount": "0.7"}), (0, {"amount": "-0.05"})]


async def test_there_is_no_profit_if_a_cost_is_not_known_or_in_another_currency(
    asker: Asker,
) -> None:
    await store([Leg("a", talk_us=1, charge=Decimal(1))])
    cost = (await row(asker, COST))["cost"]
    assert (cost["uncostedLegs"], cost["profit"], cost["marginPercent"]) == (1, None, None)
    await store([Leg("b", setup=HOUR - DAY, carrier=3, talk_us=1, charge=Decimal(1),
                     cost=Decimal(2))])  # fmt: skip
    cost = (await row(asker, COST, granularity="MONTHLY"))["cost"]
    assert cost["amounts"] == [
        {"amount": "0", "currency": "EUR"},
        {"amount": "2", "currency": "USD"},
    ]
    assert cost["profit"] is None


async def test_cells_of_costs_are_summed(asker: Asker) -> None:
    await store(CALLS[:2])
    found = await row(asker, COST)
    got = await asker.ask(CELLS, rows=[found["id"]], column="PROFIT")
    assert (got["summaryCells"]["sum"], got["summaryCells"]["cellAverage"]) == ("0.7", "0.7")
    got = await asker.ask(CELLS, rows=[found["id"]], column="MARGIN_PERCENT")
    assert (got["summaryCells"]["sum"], got["summaryCells"]["weightedAverage"]) == (None, "70")


async def test_the_account_has_costs_and_parts_of_all_customers(asker: Asker) -> None:
    await store([*CALLS[:2], Leg("f", customer=2, talk_us=1, cost=Decimal(1))])
    data = await asker.ask(ACCOUNT_COST)
    [edge] = data["viewer"]["account"]["summary"]["edges"]
    assert edge["node"] == {
        "cost": {
            "amounts": [{"amount": "1.3", "currency": "EUR"}],
            "profit": {"amount": "-0.3"},
        },
        "byCarrier": {
            "parts": [{"attempts": 3, "charges": [{"amount": "1.0", "currency": "EUR"}]}]
        },
    }


def key_of(*scopes: callers.Scope) -> callers.Caller:
    return callers.Caller(ACCOUNT, callers.Kind.KEY, 1, scopes=frozenset(scopes))


async def test_callers_who_may_not_see_costs_cannot_read_order_or_sum_them(asker: Asker) -> None:
    tried = Leg("a", leg=1, carrier=2, final=False, code=503, charge=None, cost=Decimal("0.05"))
    await store([*CALLS[:2], tried])
    id = (await row(asker, COST))["id"]
    ordered = """
    query ($customer: ID!, $column: SummaryColumn!) { customer(id: $customer) {
      summary(granularity: LIVE, orderBy: { column: $column }) { edges { node { id } } } } }
    """
    contact = await reader.contact(ACCOUNT, 1, "UTC", NOW)
    for caller in (contact, key_of(callers.Scope.STATS_READ), key_of(callers.Scope.BILLING_READ)):
        asker.caller = caller
        node = await row(asker, COST)
        costs = [node["cost"], *(part["cost"] for part in node["byCarrier"]["parts"])]
        assert costs == [None, None]
        for column in ("COST", "PROFIT", "MARGIN_PERCENT"):
            assert await asker.refused(CELLS, rows=[id], column=column) == "FORBIDDEN"
            request = {"customer": values()["customer"], "column": column}
            assert await asker.refused(ordered, **request) == "FORBIDDEN"
        parts = (await row(asker, PARTS, first=20))["byCarrier"]["parts"]
        assert [part["attempts"] for part in parts] == [2]  # not that carrier 2 was tried
