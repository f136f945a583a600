from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import days
import pytest
import reader
from days import ACCOUNT, HOUR, Leg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reader import Asker
from redis.asyncio import Redis

from domain import stats as rules
from models import db, hours, people
from models import stats as stored
from schema import base

NOW = HOUR + timedelta(minutes=30)

STATS = """
query ($customer: ID!, $from: DateTime!, $to: DateTime!, $interval: StatsInterval!,
       $carriers: [ID!]) {
  customer(id: $customer) {
    stats(from: $from, to: $to, interval: $interval, carrierIds: $carriers) {
      timeZone
      total { at attempts answered asr acdSeconds dtmfPercent pddMs channelsMax cps }
      byCarrier { carrier { id name } points { at attempts answered asr acdSeconds dtmfPercent
                                               channelsMax } }
    }
  }
}
"""


@pytest.fixture
async def asker(database: str, redis: Redis) -> Asker:
    await people.insert_account("A carrier", NOW)
    await days.prepare()
    for name in ("carrier-a", "carrier-b"):
        await people.insert_carrier(
            ACCOUNT, reference=name, name=name, currency="EUR", sip_uri=None, now=NOW
        )
    return Asker(reader.staff(ACCOUNT), NOW, redis)


async def questions(asker: Asker, query: str, **variables: Any) -> int:
    """How many queries the database is asked to answer this one."""
    asked: list[str] = []
    async with db.transaction() as conn:
        conn.add_query_logger(lambda record: asked.append(record.query))
        await asker.ask(query, **variables)
    return len(asked)


async def store(legs: Sequence[Leg]) -> None:
    await days.put(legs)
    for which in await hours.marked(1_000):
        await hours.rebuild(*which, NOW)


def values(start: datetime, end: datetime, interval: str = "HOUR", **more: Any) -> dict[str, Any]:
    return {
        "customer": base.encode_id("Customer", ACCOUNT, 1),
        "from": start.isoformat(),
        "to": end.isoformat(),
        "interval": interval,
        **more,
    }


async def graph(asker: Asker, *args: Any, **more: Any) -> Any:
    return (await asker.ask(STATS, **values(*args, **more)))["customer"]["stats"]


async def test_every_hour_has_a_point_also_one_without_calls(asker: Asker) -> None:
    await store(
        [
            Leg("a", talk_us=10_000_000, digits=2, ringing_after_us=1_500_000),
            Leg("b", talk_us=5_000_000, ringing_after_us=2_000_000),
            Leg("c", carrier=0, code=404),
        ]
    )
    got = await graph(asker, HOUR - timedelta(hours=1), HOUR + timedelta(hours=1))
    empty, full = got["total"]
    assert (got["timeZone"], empty["attempts"], empty["asr"]) == ("UTC", 0, None)
    assert full == {
        "at": "2026-11-20T09:00:00.000000Z", "attempts": 3, "answered": 2, "asr": 200 / 3,
        "acdSeconds": 7.5, "dtmfPercent": 50, "pddMs": 1750, "channelsMax": None, "cps": 3 / 3600,
    }  # fmt: skip
    first, none = got["byCarrier"]
    assert (first["carrier"]["name"], none["carrier"]) == ("carrier-a", None)
    assert [point["attempts"] for point in first["points"]] == [0, 2]
    assert [point["attempts"] for point in none["points"]] == [0, 1]


async def test_the_total_is_of_the_carriers_asked_for(asker: Asker) -> None:
    await store([Leg("a"), Leg("b", carrier=2), Leg("c", carrier=0)])
    chosen = [base.encode_id("Carrier", ACCOUNT, 2), base.encode_id("Carrier", ACCOUNT, 1)]
    end = HOUR + timedelta(hours=1)
    got = await graph(asker, HOUR, end, carriers=chosen)
    assert got["total"][0]["attempts"] == 2
    assert [line["carrier"]["name"] for line in got["byCarrier"]] == ["carrier-b", "carrier-a"]
    unknown = base.encode_id("Carrier", ACCOUNT, 77)
    assert await asker.refused(STATS, **values(HOUR, end, carriers=[unknown])) == "NOT_FOUND"


async def test_a_contact_sees_days_of_its_own_zone(asker: Asker) -> None:
    asker.caller = await reader.contact(ACCOUNT, 1, "Asia/Kathmandu", NOW)
    midnight = datetime(2026, 11, 19, 18, 15, tzinfo=UTC)
    await store([Leg("a", setup=midnight - timedelta(microseconds=1)), Leg("b", setup=midnight)])
    start = datetime(2026, 11, 19, tzinfo=UTC)
    got = await graph(asker, start, midnight + timedelta(hours=1), "DAY")
    assert got["timeZone"] == "Asia/Kathmandu"
    assert [(p["at"][:16], p["attempts"]) for p in got["total"]] == [
        ("2026-11-18T18:15", 1),
        ("2026-11-19T18:15", 1),
    ]


async def test_too_many_points_are_refused(asker: Asker) -> None:
    far = HOUR - timedelta(days=200)
    assert await asker.refused(STATS, **values(far, HOUR)) == "TOO_MANY_POINTS"
    assert await asker.refused(STATS, **values(HOUR, HOUR)) == "BAD_RANGE"


FIXTURE = [HealthCheck.function_scoped_fixture]  # emptied for every example
ZONES = ["UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "Europe/Berlin"]
CHANGE = datetime(2026, 10, 3, 12, tzinfo=UTC)  # Lord Howe puts its clocks forward half an hour


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    zone=st.sampled_from(ZONES),
    offsets=st.lists(st.integers(0, 48 * 3600 * 10**6), min_size=1, max_size=20),
    talk=st.integers(0, 10**9),
)
@pytest.mark.usefixtures("asker")
async def test_points_hold_the_calls_of_their_time(
    zone: str, offsets: list[int], talk: int
) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "TRUNCATE call_records, hours, rollups, rollup_destinations, rollup_codes"
        )
    setups = [CHANGE + timedelta(microseconds=offset) for offset in offsets]
    await store(
        [Leg(f"{n}", setup=at, talk_us=talk, charge=Decimal(0)) for n, at in enumerate(setups)]
    )
    end = CHANGE + timedelta(hours=49)
    for interval in rules.Interval:
        buckets = rules.buckets(CHANGE, end, interval, ZoneInfo(zone))
        edges = [b.start for b in buckets] + [buckets[-1].end]
        for customer in (1, None):
            sums = await stored.sums(ACCOUNT, customer, edges, None)
            expected = {
                (n, 1): (count, count * talk)
                for n, b in enumerate(buckets)
                if (count := sum(b.start <= at < b.end for at in setups))
            }
            assert {k: (s.attempts, s.talk_us) for k, s in sums.items()} == expected


async def test_a_graph_of_twenty_carriers_asks_the_database_no_more_than_one_of_two(
    asker: Asker,
) -> None:
    contact = Asker(await reader.contact(ACCOUNT, 1, "UTC", NOW), NOW, asker.redis)
    await store([Leg("a", carrier=1), Leg("b", carrier=2)])
    few = await questions(contact, STATS, **values(HOUR, NOW))
    for number in range(3, 21):
        name = f"carrier-{number}"
        await people.insert_carrier(
            ACCOUNT, reference=name, name=name, currency="EUR", sip_uri=None, now=NOW
        )
    await store([Leg(f"c{number}", carrier=number) for number in range(3, 21)])
    assert 0 < await questions(contact, STATS, **values(HOUR, NOW)) <= few
