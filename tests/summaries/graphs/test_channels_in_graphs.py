"""Active calls in graphs: the maximum and mean of samples, by customer and carrier."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.summaries import channel_history
from models import db
from models.directory import carriers
from models.identity import accounts
from models.summaries import channel_samples
from schema.engine import base
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT, HOUR
from tests.support.summaries.reader import Asker

NOW = HOUR + timedelta(hours=2)
POINTS = "at attempts channelsMax channelsMean channelsSamples"
OF_CUSTOMER = f"""
query ($customer: ID!, $from: DateTime!, $to: DateTime!, $interval: StatsInterval!,
       $carriers: [ID!]) {{
  customer(id: $customer) {{
    stats(from: $from, to: $to, interval: $interval, carrierIds: $carriers) {{
      total {{ {POINTS} }}
      byCarrier {{ carrier {{ reference }} points {{ {POINTS} }} }}
    }}
  }}
}}
"""
OF_ACCOUNT = f"""
query ($account: ID!, $from: DateTime!, $to: DateTime!, $interval: StatsInterval!) {{
  node(id: $account) {{ ... on Account {{
    stats(from: $from, to: $to, interval: $interval) {{ total {{ {POINTS} }} }}
  }} }}
}}
"""
Counts = dict[int, dict[int, int]]


@pytest.fixture
async def asker(database: str, redis: Redis) -> Asker:
    await accounts.insert("A carrier", NOW)
    await days.prepare()
    for number, name in enumerate(("carrier-a", "carrier-b"), 1):
        carrier = await carriers.insert(
            ACCOUNT, reference=name, name=name, currency="EUR", sip_uri=None, now=NOW
        )
        await days.set_id("carriers", carrier.id, number)
    return Asker(reader.staff(ACCOUNT), NOW, redis)


async def store(at: datetime, counts: Counts) -> None:
    """Calls by customer and carrier; 0 for no carrier."""
    account: dict[int, int] = {}
    for by_carrier in counts.values():
        for carrier, count in by_carrier.items():
            account[carrier] = account.get(carrier, 0) + count
    everything = {0: account} | counts
    calls = channel_history.calls_by_scope(
        [(customer, list(by_carrier.items())) for customer, by_carrier in everything.items()]
    )
    assert await channel_samples.store(ACCOUNT, at, calls)


def values(start: datetime, end: datetime, interval: str = "HOUR", **more: Any) -> dict[str, Any]:
    return {"from": start.isoformat(), "to": end.isoformat(), "interval": interval, **more}


async def graph(asker: Asker, customer: int, *args: Any, **more: Any) -> Any:
    id = base.encode_id("Customer", ACCOUNT, customer)
    answer = await asker.ask(OF_CUSTOMER, customer=id, **values(*args, **more))
    return answer["customer"]["stats"]


def channels(points: list[dict[str, Any]]) -> list[tuple[Any, Any, int]]:
    return [
        (point["channelsMax"], point["channelsMean"], point["channelsSamples"]) for point in points
    ]


END = HOUR + timedelta(hours=2)


async def two_samples() -> None:
    await store(HOUR + timedelta(minutes=5), {1: {1: 4, 2: 1}, 2: {1: 2}})
    await store(HOUR + timedelta(minutes=59), {1: {2: 3, 0: 1}})


async def test_a_point_has_the_maximum_and_mean_of_its_samples(asker: Asker) -> None:
    await two_samples()
    got = await graph(asker, 1, HOUR, END)
    assert channels(got["total"]) == [(5, 4.5, 2), (None, None, 0)]
    by_carrier = {
        line["carrier"] and line["carrier"]["reference"]: channels(line["points"])
        for line in got["byCarrier"]
    }
    assert by_carrier == {
        "carrier-a": [(4, 2, 2), (None, None, 0)],
        "carrier-b": [(3, 2, 2), (None, None, 0)],
        None: [(1, 0.5, 2), (None, None, 0)],
    }
    assert sum(points[0][1] for points in by_carrier.values()) == 4.5


async def test_the_account_has_the_calls_of_all_customers(asker: Asker) -> None:
    await two_samples()
    account = base.encode_id("Account", ACCOUNT, ACCOUNT)
    answer = await asker.ask(OF_ACCOUNT, account=account, **values(HOUR, END))
    assert channels(answer["node"]["stats"]["total"]) == [
        (7, 5.5, 2), (None, None, 0),
    ]  # fmt: skip


async def test_a_customer_without_calls_had_0_in_a_sampled_hour(asker: Asker) -> None:
    await store(HOUR, {2: {1: 2}})
    got = await graph(asker, 1, HOUR, END)
    assert channels(got["total"]) == [(0, 0, 1), (None, None, 0)]
    assert got["byCarrier"] == []


async def test_the_maximum_of_several_selected_carriers_is_null_and_their_mean_is_exact(
    asker: Asker,
) -> None:
    await two_samples()
    both = [base.encode_id("Carrier", ACCOUNT, id) for id in (1, 2)]
    one = await graph(asker, 1, HOUR, END, carriers=both[:1])
    assert channels(one["total"])[0] == (4, 2, 2)
    got = await graph(asker, 1, HOUR, END, carriers=both)
    assert channels(got["total"])[0] == (None, 4, 2)
    none = await graph(asker, 1, HOUR, END, carriers=[])
    assert channels(none["total"])[0] == (0, 0, 2)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"])
async def test_a_day_of_a_zone_has_the_samples_between_its_midnights(
    asker: Asker, zone: str
) -> None:
    asker.caller = await reader.contact(ACCOUNT, 1, zone, NOW)
    start = datetime(2026, 10, 1, tzinfo=UTC)
    end = start + timedelta(days=4)  # Lord Howe sets its clocks forward by half an hour
    calls = 0
    at = start - timedelta(hours=14)
    samples: list[tuple[datetime, int]] = []
    while at < end + timedelta(hours=14):
        calls += 1
        samples.append((at, calls))
        await store(at, {1: {1: calls}})
        at += timedelta(minutes=75)
    before = await graph(asker, 1, start, end, "DAY")
    await channel_samples.fold(ACCOUNT, at + timedelta(hours=2))
    got = await graph(asker, 1, start, end, "DAY")
    assert got == before
    edges = [datetime.fromisoformat(point["at"]) for point in got["total"]]
    for n in range(len(edges) - 1):
        within = [calls for at, calls in samples if edges[n] <= at < edges[n + 1]]
        point = got["total"][n]
        assert point["channelsMax"] == max(within)
        assert point["channelsMean"] == pytest.approx(sum(within) / len(within))
        assert point["channelsSamples"] == len(within)


async def test_the_history_remains_when_its_minutes_are_removed(asker: Asker) -> None:
    await two_samples()
    before = await graph(asker, 1, HOUR, END)
    await store(END, {})
    await channel_samples.fold(ACCOUNT, END + timedelta(hours=1, minutes=1))
    await channel_samples.remove_minutes(ACCOUNT, END, 1_000)
    async with db.connection() as conn:
        oldest = await conn.fetchval("SELECT min(start) FROM channel_minutes")
    assert oldest == END
    assert await graph(asker, 1, HOUR, END) == before
