"""Filters, orders and pages of the summary, through the API."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from domain import periods
from domain.identity import callers
from domain.periods import Granularity
from models import db
from models.billing import invoicing
from models.identity import accounts, logins, staff
from models.summaries import hours
from schema.engine import base
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT, HOUR, Leg
from tests.support.summaries.reader import Asker

NOW = HOUR + timedelta(minutes=30)
TODAY = HOUR.replace(hour=0)
DAY = timedelta(days=1)

SUMMARY = """
query ($customer: ID!, $granularity: Granularity!, $first: Int!, $after: String,
       $filter: SummaryFilter, $order: SummaryOrder) {
  customer(id: $customer) {
    summary(granularity: $granularity, first: $first, after: $after, filter: $filter,
            orderBy: $order) {
      pageInfo { hasNextPage endCursor } edges { cursor node { periodStart attempts } }
    }
  }
}
"""
ACCOUNT_SUMMARY = """
query ($filter: AccountSummaryFilter, $order: SummaryOrder) {
  viewer { ... on Staff { account {
    summary(granularity: DAILY, filter: $filter, orderBy: $order) {
      edges { node { periodStart } }
    }
  } } }
}
"""
# By the number of days ago: attempts, of which answered, and the charge of each.
CALLS = {0: (2, 1, "0.5"), 1: (3, 3, "0.1"), 3: (1, 0, "0"), 9: (2, 2, "0.5"), 40: (4, 1, "9")}


@pytest.fixture
async def asker(database: str, redis: Redis) -> Asker:
    await accounts.insert("A carrier", NOW)
    await days.prepare()
    login = await logins.insert(ACCOUNT, "owner@carrier.example", "-", NOW)
    owner = await staff.insert(ACCOUNT, login, "The owner", "OWNER", NOW)
    await days.set_id("staff", owner.id, reader.staff(ACCOUNT).id)
    return Asker(reader.staff(ACCOUNT), NOW, redis)


@pytest.fixture
async def calls(asker: Asker) -> None:
    await store(
        [
            Leg(
                f"{ago}-{n}",
                setup=HOUR - ago * DAY,
                talk_us=1 if n < answered else None,
                charge=Decimal(charge),
            )
            for ago, (attempts, answered, charge) in CALLS.items()
            for n in range(attempts)
        ]
    )


async def store(legs: Sequence[Leg]) -> None:
    await days.put(legs)
    for hour in await hours.marked_hours(1_000):
        await hours.rebuild(*hour, NOW)


def at(ago: int) -> str:
    return (TODAY - ago * DAY).isoformat()


def values(granularity: str = "DAILY", **more: Any) -> dict[str, Any]:
    customer = base.encode_id("Customer", ACCOUNT, 1)
    return {"customer": customer, "granularity": granularity, "first": 50, **more}


async def read(asker: Asker, **more: Any) -> Any:
    return (await asker.ask(SUMMARY, **values(**more)))["customer"]["summary"]


async def days_ago(asker: Asker, **more: Any) -> list[int]:
    page = await read(asker, **more)
    starts = [datetime.fromisoformat(edge["node"]["periodStart"]) for edge in page["edges"]]
    return [(TODAY - start).days for start in starts]


async def refused(asker: Asker, **more: Any) -> str:
    return await asker.refused(SUMMARY, **values(**more))


@pytest.mark.usefixtures("calls")
async def test_a_filter_selects_rows_by_the_start_of_their_period(asker: Asker) -> None:
    assert await days_ago(asker, filter={"from": at(9)}) == [0, 1, 3, 9]
    assert await days_ago(asker, filter={"from": at(9), "to": at(1)}) == [3, 9]
    assert await days_ago(asker, filter={"to": at(3)}) == [9, 40]
    just_after = (TODAY - 9 * DAY + timedelta(microseconds=1)).isoformat()
    assert await days_ago(asker, filter={"from": just_after}) == [0, 1, 3]


@pytest.mark.usefixtures("calls")
async def test_a_filter_selects_open_or_closed_rows(asker: Asker) -> None:
    assert await days_ago(asker, filter={"open": True}) == [0]
    assert await days_ago(asker, filter={"open": False}) == [1, 3, 9, 40]
    assert await days_ago(asker, filter={"open": False, "from": at(5)}) == [1, 3]
    live = await read(asker, granularity="LIVE", filter={"open": True})
    assert [edge["node"]["attempts"] for edge in live["edges"]] == [2]


@pytest.mark.usefixtures("calls")
async def test_a_filter_selects_invoiced_or_other_rows(asker: Asker) -> None:
    day = periods.period_containing(Granularity.DAILY, TODAY - 3 * DAY)
    selection = invoicing.Selection(1, Granularity.DAILY, [day])
    await invoicing.generate(ACCOUNT, selection, key="once", issue=True, now=NOW)

    async def with_states(*states: str, granularity: str = "DAILY") -> list[int]:
        filter = {"from": at(45), "invoicing": list(states)}
        return await days_ago(asker, granularity=granularity, filter=filter)

    assert await with_states("FULLY") == [3]
    assert await with_states("NONE") == [0, 1, 9, 40]
    assert await with_states("NONE", "FULLY") == [0, 1, 3, 9, 40]
    assert await with_states("PARTLY") == []
    assert await with_states("PARTLY", granularity="MONTHLY") == [19]
    assert await refused(asker, filter={"from": at(45), "invoicing": []}) == "EMPTY_SELECTION"
    assert await refused(asker, filter={"invoicing": ["FULLY"]}) == "BAD_RANGE"


@pytest.mark.usefixtures("calls")
async def test_rows_are_ordered_by_a_column_in_both_directions(asker: Asker) -> None:
    recent = {"from": at(45)}

    async def by(column: str | None, direction: str) -> list[int]:
        order = {"column": column, "direction": direction}
        return await days_ago(asker, filter=recent, order=order)

    assert await by("ATTEMPTS", "DESC") == [40, 1, 0, 9, 3]
    assert await by("ATTEMPTS", "ASC") == [3, 0, 9, 1, 40]
    assert await by("CHARGE", "DESC") == [40, 0, 9, 1, 3]
    assert await by("ASR", "DESC") == [1, 9, 0, 40, 3]
    assert (await by("ACD_SECONDS", "ASC"))[-1] == 3  # no answer: without a value
    assert await by(None, "DESC") == [0, 1, 3, 9, 40]
    assert await by(None, "ASC") == [40, 9, 3, 1, 0]


@pytest.mark.parametrize("granularity", ["DAILY", "WEEKLY", "MONTHLY", "LIVE"])
@pytest.mark.parametrize("column", [None, "ATTEMPTS", "ASR", "CHARGE"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.usefixtures("calls")
async def test_pages_of_every_order_return_each_row_once(
    asker: Asker, granularity: str, column: str | None, direction: str
) -> None:
    request: dict[str, Any] = {
        "granularity": granularity,
        "filter": {"from": at(100)},
        "order": {"column": column, "direction": direction},
    }
    whole = [edge["node"] for edge in (await read(asker, **request))["edges"]]
    assert len(whole) == {"DAILY": 5, "WEEKLY": 3, "MONTHLY": 2, "LIVE": 24}[granularity]
    pages, after, has_next = [], None, True
    while has_next:
        page = await read(asker, **request, **({"after": after} if after else {}) | {"first": 2})
        pages += [edge["node"] for edge in page["edges"]]
        after, has_next = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert pages == whole


@pytest.mark.usefixtures("calls")
async def test_an_order_by_a_column_needs_a_range_of_at_most_two_years(asker: Asker) -> None:
    order = {"column": "CHARGE"}
    assert await refused(asker, order=order) == "BAD_RANGE"
    assert await refused(asker, order=order, filter={"to": at(0)}) == "BAD_RANGE"
    assert await refused(asker, order=order, filter={"from": at(732)}) == "BAD_RANGE"
    longest = {"from": at(731), "to": at(0)}
    assert await days_ago(asker, order=order, filter=longest) == [40, 9, 1, 3]
    assert len((await read(asker, granularity="LIVE", order=order))["edges"]) == 24


@pytest.mark.usefixtures("calls")
async def test_bad_ranges_and_times_are_refused(asker: Asker) -> None:
    assert await refused(asker, filter={"from": at(1), "to": at(1)}) == "BAD_RANGE"
    assert await refused(asker, filter={"from": at(1), "to": at(2)}) == "BAD_RANGE"
    assert await refused(asker, filter={"from": "2026-11-01T00:00:00"}) == "NAIVE_TIME"
    assert await refused(asker, filter={"to": "yesterday"}) == "BAD_TIME"


@pytest.mark.usefixtures("calls")
async def test_a_cursor_of_another_order_is_refused(asker: Asker) -> None:
    recent = {"from": at(45)}
    orders: list[Any] = [
        None,
        {"direction": "ASC"},
        {"column": "ATTEMPTS"},
        {"column": "ATTEMPTS", "direction": "ASC"},
        {"column": "ASR"},
    ]
    for order in orders:
        page = await read(asker, filter=recent, order=order, first=1)
        cursor = page["pageInfo"]["endCursor"]
        for other in orders:
            if other != order:
                request = {"filter": recent, "order": other, "after": cursor}
                assert await refused(asker, **request) == "BAD_CURSOR"
    noon = int(HOUR.timestamp())
    for value in ("1/0", "1", "x/1", "1/" + "9" * 5_000, "١/1"):
        request = {
            "filter": recent,
            "order": {"column": "ATTEMPTS"},
            "after": base.encode_cursor("ATTEMPTS.DESC", value, noon),
        }
        assert await refused(asker, **request) == "BAD_CURSOR"


@pytest.mark.usefixtures("calls")
async def test_states_of_invoices_need_permission_to_see_them(asker: Asker) -> None:
    asker.caller = callers.Caller(
        ACCOUNT, callers.Kind.KEY, 1, scopes=frozenset({callers.Scope.STATS_READ})
    )
    recent = {"from": at(45)}
    assert await refused(asker, filter={**recent, "invoicing": ["NONE"]}) == "FORBIDDEN"
    assert len(await days_ago(asker, filter=recent, order={"column": "CHARGE"})) == 5


@pytest.mark.usefixtures("calls")
async def test_the_rows_of_the_account_are_filtered_and_ordered(asker: Asker) -> None:
    async with db.connection() as conn:
        await conn.execute("UPDATE customers SET currency = 'USD' WHERE id = 2")
    await store([Leg(f"{n}", customer=2, setup=HOUR - 3 * DAY) for n in range(6)])

    async def read_account(**request: Any) -> list[int]:
        data = await asker.ask(ACCOUNT_SUMMARY, **request)
        edges = data["viewer"]["account"]["summary"]["edges"]
        starts = [datetime.fromisoformat(edge["node"]["periodStart"]) for edge in edges]
        return [(TODAY - start).days for start in starts]

    closed = {"from": at(45), "open": False}
    by_attempts = {"column": "ATTEMPTS"}
    assert await read_account(filter=closed, order=by_attempts) == [3, 40, 1, 9]
    assert await read_account(filter={"to": at(2)}) == [3, 9, 40]
    by_charge = {"filter": closed, "order": {"column": "CHARGE"}}
    assert await asker.refused(ACCOUNT_SUMMARY, **by_charge) == "MIXED_CURRENCIES"


def test_the_days_of_these_tests_are_in_three_weeks_and_two_months() -> None:
    instants = [HOUR - ago * DAY for ago in CALLS]
    for kind, count in ((Granularity.WEEKLY, 3), (Granularity.MONTHLY, 2)):
        assert len({periods.period_containing(kind, each) for each in instants}) == count
    assert HOUR.tzinfo is UTC
