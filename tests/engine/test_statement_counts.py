"""No statement for each row: an operation sends as many for long lists as for short ones."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from domain import periods
from domain.periods import Granularity
from models.billing import invoicing
from models.identity import accounts, logins, staff
from models.summaries import hours
from schema.engine import base
from tests.support import queries
from tests.support.scale_out import recorder
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT, HOUR, Leg
from tests.support.summaries.reader import Asker

NOW = HOUR + timedelta(minutes=30)
DAY = timedelta(days=1)
FEW, MANY = 1, 2  # customers, with rows of 1 and of 20 days
DAYS = {FEW: 1, MANY: 20}

PARTS = """
query Parts($c: ID!) { customer(id: $c) { summary(granularity: DAILY, first: 50) { edges { node {
  cost { amounts { amount } profit { amount } }
  byCarrier { parts { carrier { name currency } attempts cost { uncostedLegs } } }
  byCountry { parts { country attempts } }
  byPrefix { parts { prefix attempts } }
  invoice { id } invoicing { state }
} } } } }
"""
SORTED = """
query Sorted($c: ID!, $from: DateTime!) { customer(id: $c) {
  summary(granularity: DAILY, first: 50, filter: { from: $from, invoicing: [NONE, FULLY] },
          orderBy: { column: PROFIT }) { edges { node { attempts } } } } }
"""


@pytest.fixture
async def asker(database: str, redis: Redis) -> Asker:
    await accounts.insert("A carrier", NOW)
    await days.prepare()
    login = await logins.insert(ACCOUNT, "owner@carrier.example", "-", NOW)
    owner = await staff.insert(ACCOUNT, login, "The owner", "OWNER", NOW)
    await days.set_id("staff", owner.id, reader.staff(ACCOUNT).id)
    for customer, count in DAYS.items():
        await store_days(customer, count)
    return Asker(reader.staff(ACCOUNT), NOW, redis)


async def store_days(customer: int, count: int) -> None:
    """A day for each of them but the present one is invoiced by itself."""
    setups = [HOUR - ago * DAY for ago in range(count + 1)]
    await days.put(
        [
            Leg(f"{customer}-{number}-{carrier}", customer=customer, setup=setup, carrier=carrier,
                prefix=str(carrier), talk_us=1, charge=Decimal(1), cost=Decimal("0.5"))
            for number, setup in enumerate(setups) for carrier in range(1, count + 1)
        ]
    )  # fmt: skip
    for hour in await hours.marked_hours(1_000):
        await hours.rebuild(*hour, NOW)
    for setup in setups[1:]:
        day = periods.period_containing(Granularity.DAILY, setup)
        selection = invoicing.Selection(customer, Granularity.DAILY, [day])
        key = f"{customer}-{setup:%d}"
        await invoicing.generate(ACCOUNT, selection, key=key, issue=True, now=NOW)


def customer_id(customer: int) -> str:
    return base.encode_id("Customer", ACCOUNT, customer)


def instants(customer: int) -> dict[str, str]:
    return {"from": (HOUR - DAYS[customer] * DAY).isoformat(), "to": HOUR.isoformat()}


Ask = Callable[[Asker, int], Awaitable[object]]


async def ask_dashboard(asker: Asker, customer: int) -> None:
    zone = {FEW: "Europe/Berlin", MANY: "Asia/Kathmandu"}[customer]
    asker.caller = contacts.get(customer) or await reader.contact(ACCOUNT, customer, zone, NOW)
    contacts[customer] = asker.caller
    await asker.ask(queries.DASHBOARD, carriers=None, **instants(customer))


async def ask_cells(asker: Asker, customer: int) -> None:
    starts = [HOUR.replace(hour=0) - ago * DAY for ago in range(DAYS[customer])]
    rows = [base.encode_id("SummaryRow", ACCOUNT, *key(customer, at).parts()) for at in starts]
    await asker.ask(queries.CELLS, rows=rows, column="CHARGE")


def key(customer: int, start: datetime) -> periods.RowKey:
    return periods.RowKey(ACCOUNT, customer, Granularity.DAILY, start)


async def ask_feed(asker: Asker, customer: int) -> None:
    data = await asker.ask(queries.BILLING_FEED, first=DAYS[customer], after=None)
    assert len(data["invoices"]["edges"]) == DAYS[customer]


async def ask_numbers(asker: Asker, customer: int) -> None:
    await asker.ask(queries.NUMBERS, c=customer_id(customer))


async def ask_proof(asker: Asker, customer: int) -> None:
    times = {"from": (HOUR - 20 * DAY).isoformat(), "to": (HOUR + DAY).isoformat()}
    await asker.ask(queries.PROOF, c=customer_id(customer), **times)


async def ask_parts(asker: Asker, customer: int) -> None:
    data = await asker.ask(PARTS, c=customer_id(customer))
    [*edges] = data["customer"]["summary"]["edges"]
    assert len(edges) == DAYS[customer] + 1
    assert len(edges[0]["node"]["byCarrier"]["parts"]) == min(DAYS[customer], 20)


async def ask_sorted(asker: Asker, customer: int) -> None:
    since = (HOUR - 30 * DAY).isoformat()
    data = await asker.ask(SORTED, c=customer_id(customer), **{"from": since})
    assert len(data["customer"]["summary"]["edges"]) == DAYS[customer] + 1


contacts: dict[int, Any] = {}
# By document: how many statements it sends at most. Which loads of the fields of one operation are
# sent together depends on their timing.
OPERATIONS: dict[str, tuple[Ask, int]] = {
    "Dashboard": (ask_dashboard, 22),
    "Cells": (ask_cells, 2),
    "BillingFeed": (ask_feed, 3),
    "Numbers": (ask_numbers, 4),
    "Proof": (ask_proof, 32),
    "Parts of rows": (ask_parts, 16),
    "Sorted rows": (ask_sorted, 8),
}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_operation_does_not_send_a_statement_for_each_row(name: str, asker: Asker) -> None:
    ask, most = OPERATIONS[name]
    sent = {}
    for customer in DAYS:
        await ask(asker, customer)  # fills the caches of the process
        sent[customer] = await recorder.sent(lambda: ask(asker, customer))  # noqa: B023
    for statements in sent.values():
        assert len(statements) <= most, statements
