import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from redis.asyncio import Redis

from domain import periods
from domain.periods import Granularity
from domain.summaries import cells
from live import topics
from models import db
from models.billing import invoicing
from models.identity import accounts, logins, staff
from models.summaries import hours
from resolvers.summaries.summaries import Changes
from schema.engine import base
from schema.summaries.columns import SummaryColumn
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT, HOUR, Leg
from tests.support.summaries.reader import Asker
from workers import jobs

NOW = HOUR + timedelta(minutes=30)  # a Friday morning

SUMMARY = """
query ($customer: ID!, $granularity: Granularity!, $first: Int!, $after: String) {
  customer(id: $customer) {
    summary(granularity: $granularity, first: $first, after: $after) {
      asOf billable pageInfo { hasNextPage endCursor }
      edges { cursor node {
        id periodStart periodEnd open version attempts answered asr acdSeconds talkSeconds talkTime
        billedSeconds charge { amount currency } invoice { id number }
      } }
    }
  }
}
"""
ACCOUNT_SUMMARY = """
query ($granularity: Granularity!) {
  viewer { ... on Staff { account { summary(granularity: $granularity) {
    billable edges { node { id version attempts charges { amount currency } } }
  } } } }
}
"""
CELLS = """
query ($rows: [ID!]!, $column: SummaryColumn!) {
  summaryCells(rowIds: $rows, column: $column) { count sum cellAverage weightedAverage }
}
"""


@pytest.fixture
async def asker(database: str, redis: Redis) -> Asker:
    await accounts.insert("A carrier", NOW)
    await days.prepare()
    login = await logins.insert(ACCOUNT, "owner@carrier.example", "-", NOW)
    owner = await staff.insert(ACCOUNT, login, "The owner", "OWNER", NOW)
    await days.set_id("staff", owner.id, reader.staff(ACCOUNT).id)
    return Asker(reader.staff(ACCOUNT), NOW, redis)


async def store(legs: Sequence[Leg]) -> None:
    await days.put(legs)
    for which in await hours.marked_hours(1_000):
        await hours.rebuild(*which, NOW)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


async def summary(asker: Asker, granularity: str, customer: int = 1, **page: Any) -> Any:
    data = await asker.ask(
        SUMMARY,
        customer=base.encode_id("Customer", ACCOUNT, customer),
        granularity=granularity,
        **{"first": 50, **page},
    )
    return data["customer"]["summary"]


def nodes(page: Any) -> list[Any]:
    return [edge["node"] for edge in page["edges"]]


async def test_live_always_has_24_rows_with_the_open_hour_first(asker: Asker) -> None:
    await store([Leg("a", setup=ago(2)), Leg("old", setup=ago(24))])
    page = await summary(asker, "LIVE")
    rows = nodes(page)
    assert len(rows) == 24
    assert [row["open"] for row in rows] == [True] + [False] * 23
    assert [(row["version"], row["attempts"]) for row in rows[:4]] == [
        (0, 0),
        (0, 0),
        (1, 1),
        (0, 0),
    ]
    assert rows[23]["periodStart"] == "2026-11-19T10:00:00.000000Z"
    assert (rows[0]["asr"], rows[0]["acdSeconds"], rows[0]["charge"]["amount"]) == (None, None, "0")
    assert page["billable"] is False


async def test_a_row_shows_the_sums_of_its_calls(asker: Asker) -> None:
    await store(
        [
            Leg("a", talk_us=61_500_001, billed=66, charge=Decimal("0.10")),
            Leg("b", talk_us=1, billed=30, charge=Decimal("0.000001")),
            Leg("c", charge=Decimal(0), code=486),
        ]
    )
    (row,) = nodes(await summary(asker, "DAILY"))
    assert (row["attempts"], row["answered"], row["billedSeconds"]) == (3, 2, 96)
    assert (row["talkSeconds"], row["talkTime"]) == (62, "61.500002")
    assert row["asr"] == float(Fraction(200, 3))
    assert row["acdSeconds"] == 30.750001
    assert row["charge"] == {"amount": "0.100001", "currency": "EUR"}
    assert (row["open"], row["invoice"]) == (True, None)


async def test_longer_rows_sum_the_versions_of_their_hours(asker: Asker) -> None:
    monday, sunday = HOUR - timedelta(days=4), HOUR - timedelta(days=5)
    await store([Leg("a", setup=monday), Leg("b", setup=monday + timedelta(hours=1))])
    await store([Leg("c", setup=monday), Leg("d", setup=sunday)])
    weeks = nodes(await summary(asker, "WEEKLY"))
    assert [(w["periodStart"][:10], w["version"], w["attempts"]) for w in weeks] == [
        ("2026-11-16", 3, 3),
        ("2026-11-09", 1, 1),
    ]
    (month,) = nodes(await summary(asker, "MONTHLY"))
    assert (month["periodEnd"][:10], month["version"]) == ("2026-12-01", 4)


async def test_pages_return_every_row_once_newest_first(asker: Asker) -> None:
    await store([Leg(f"{n}", setup=HOUR - timedelta(days=3 * n)) for n in range(7)])
    whole = await summary(asker, "DAILY")
    assert whole["billable"] is True
    found: list[str] = []
    after = None
    while True:
        page = await summary(asker, "DAILY", first=3, after=after)
        found += [node["id"] for node in nodes(page)]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found == [node["id"] for node in nodes(whole)]
    assert len(found) == 7


async def test_live_pages_end_after_24_rows(asker: Asker) -> None:
    first = await summary(asker, "LIVE", first=20)
    rest = await summary(asker, "LIVE", first=20, after=first["pageInfo"]["endCursor"])
    assert (first["pageInfo"]["hasNextPage"], len(rest["edges"])) == (True, 4)
    assert rest["pageInfo"]["hasNextPage"] is False


async def test_the_account_sums_its_customers_and_lists_money_by_currency(asker: Asker) -> None:
    async with db.connection() as conn:
        await conn.execute("UPDATE customers SET currency = 'USD' WHERE id = 2")
    await store([Leg("a", charge=Decimal(1)), Leg("b", customer=2, charge=Decimal(2))])
    data = await asker.ask(ACCOUNT_SUMMARY, granularity="DAILY")
    found = data["viewer"]["account"]["summary"]
    (row,) = nodes(found)
    assert (row["version"], row["attempts"], found["billable"]) == (2, 2, False)
    assert row["charges"] == [
        {"amount": "1", "currency": "EUR"},
        {"amount": "2", "currency": "USD"},
    ]
    assert await asker.refused(CELLS, rows=[row["id"]], column="CHARGE") == "MIXED_ROWS"
    got = await asker.ask(CELLS, rows=[row["id"]], column="ATTEMPTS")
    assert got["summaryCells"]["sum"] == "2"


async def test_cells_are_averaged_both_ways(asker: Asker) -> None:
    await store(
        [Leg("a", setup=ago(1), talk_us=1), Leg("b", setup=ago(2)), Leg("c", setup=ago(2)),
         Leg("d", setup=ago(2), talk_us=3)]
    )  # fmt: skip
    rows = [node["id"] for node in nodes(await summary(asker, "LIVE"))]
    got = await asker.ask(CELLS, rows=rows, column="ASR")
    assert got["summaryCells"] == {
        "count": 24,
        "sum": None,
        "cellAverage": "66.66666666666666666667",
        "weightedAverage": "50",
    }
    got = await asker.ask(CELLS, rows=rows + rows, column="ATTEMPTS")
    assert got["summaryCells"] == {
        "count": 24,
        "sum": "4",
        "cellAverage": "0.16666666666666666667",
        "weightedAverage": None,
    }


async def test_rows_of_different_tables_are_refused(asker: Asker) -> None:
    await store([Leg("a"), Leg("b", customer=2)])
    (day,) = nodes(await summary(asker, "DAILY"))
    (week,) = nodes(await summary(asker, "WEEKLY"))
    (other,) = nodes(await summary(asker, "DAILY", customer=2))
    for second in (week, other):
        rows = [day["id"], second["id"]]
        assert await asker.refused(CELLS, rows=rows, column="CHARGE") == "MIXED_ROWS"
    assert await asker.refused(CELLS, rows=[], column="CHARGE") == "EMPTY_SELECTION"


async def test_a_missing_row_and_a_row_of_another_customer_are_not_found(asker: Asker) -> None:
    await store([Leg("a"), Leg("b", customer=2)])
    empty = base.encode_id("SummaryRow", ACCOUNT, 1, "DAILY", "2020010100")
    foreign = base.encode_id("SummaryRow", 99, 1, "DAILY", f"{HOUR:%Y%m%d}00")
    for row in (empty, foreign, "nonsense", base.encode_id("SummaryRow", ACCOUNT, 1)):
        assert await asker.refused(CELLS, rows=[row], column="CHARGE") == "NOT_FOUND"
    (other,) = nodes(await summary(asker, "DAILY", customer=2))
    asker.caller = await reader.contact(ACCOUNT, 1, "UTC", NOW)
    assert await asker.refused(CELLS, rows=[other["id"]], column="CHARGE") == "NOT_FOUND"


async def test_a_row_is_found_by_its_id(asker: Asker) -> None:
    await store([Leg("a")])
    (day,) = nodes(await summary(asker, "DAILY"))
    ask = "query ($id: ID!) { node(id: $id) { id ... on SummaryRow { attempts } } }"
    assert (await asker.ask(ask, id=day["id"]))["node"] == {"id": day["id"], "attempts": 1}


async def test_a_cursor_of_another_list_is_refused(asker: Asker) -> None:
    for cursor in ("x", base.encode_cursor(1, 2), base.encode_cursor(2**62)):
        values = {"customer": base.encode_id("Customer", ACCOUNT, 1), "granularity": "DAILY"}
        assert await asker.refused(SUMMARY, first=1, after=cursor, **values) == "BAD_CURSOR"


async def test_a_row_names_the_invoice_that_bills_it(asker: Asker) -> None:
    yesterday = HOUR - timedelta(days=1)
    await store([Leg("a", setup=yesterday, charge=Decimal("2.50")), Leg("b")])
    day = periods.period_containing(Granularity.DAILY, yesterday)
    selection = invoicing.Selection(1, Granularity.DAILY, [day])
    invoice = await invoicing.generate(ACCOUNT, selection, key="once", issue=True, now=NOW)
    today, invoiced = nodes(await summary(asker, "DAILY"))
    assert today["invoice"] is None
    assert invoiced["invoice"] == {
        "id": base.encode_id("Invoice", ACCOUNT, invoice.id),
        "number": invoice.number,
    }


async def test_each_change_of_a_row_is_published_once(asker: Asker) -> None:
    await store([Leg("before")])
    follower = Changes(ACCOUNT, 1, Granularity.DAILY)
    assert await follower.since_last(NOW) == []
    assert await follower.since_last(NOW) == []
    await store([Leg("a"), Leg("b", setup=ago(30)), Leg("c", customer=2)])
    changed = await follower.since_last(NOW + timedelta(seconds=1))
    assert [(row.key.start.day, row.attempts) for row in changed] == [(19, 1), (20, 2)]
    assert await follower.since_last(NOW + timedelta(minutes=1)) == []
    await store([Leg("d", setup=ago(3))])
    (row,) = await follower.since_last(NOW + timedelta(minutes=1))
    assert (row.attempts, row.version) == (3, 3)


async def test_live_publishes_only_hours_that_it_shows(asker: Asker) -> None:
    follower = Changes(ACCOUNT, 1, Granularity.LIVE)
    await follower.since_last(NOW)
    await store([Leg("a", setup=ago(24)), Leg("b", setup=ago(23))])
    assert [row.key.start for row in await follower.since_last(NOW)] == [HOUR - timedelta(hours=23)]


UPDATES = """
subscription ($customer: ID!, $granularity: Granularity!) {
  summaryUpdated(customerId: $customer, granularity: $granularity) {
    id periodStart version attempts answered charge { amount currency }
  }
}
"""


async def listened_to(redis: Redis, topic: str) -> None:
    while True:
        if (await redis.pubsub_numsub(topic))[0][1]:
            return
        await asyncio.sleep(0.01)


async def test_a_rebuilt_hour_pushes_the_row_that_contains_it(asker: Asker) -> None:
    await asker.bus.start()
    pushes = asker.subscribe(
        UPDATES, customer=base.encode_id("Customer", ACCOUNT, 1), granularity="MONTHLY"
    )
    first: asyncio.Task[Any] = asyncio.ensure_future(anext(pushes))
    await listened_to(asker.redis, topics.rows(ACCOUNT, 1))
    tools = jobs.Tools(asker.redis, lambda: NOW, records_days=2, partitions_ahead_days=2)
    await days.put([Leg("a", customer=2), Leg("b", charge=Decimal("0.5")), Leg("c", talk_us=1)])
    await jobs.rebuild_marked({"tools": tools})
    async with asyncio.timeout(5):
        row = (await first)["summaryUpdated"]
    assert row.pop("id")
    assert row == {
        "periodStart": "2026-11-01T00:00:00.000000Z",
        "version": 1,
        "attempts": 2,
        "answered": 1,
        "charge": {"amount": "0.5", "currency": "EUR"},
    }
    await pushes.aclose()
    await asker.bus.close()


def test_every_column_can_be_queried() -> None:
    assert [c.value for c in SummaryColumn] == [c.name for c in cells.COLUMNS]


def test_the_day_of_these_tests_is_a_friday() -> None:
    assert NOW.astimezone(UTC).isoweekday() == 5
