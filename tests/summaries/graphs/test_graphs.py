from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from domain.identity import callers
from domain.summaries import intervals
from models import db
from models.directory import carriers
from models.identity import accounts
from models.summaries import graph_queries, hours
from schema.engine import base
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT, HOUR, Leg
from tests.support.summaries.reader import Asker

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


CODES_AND_LEGS = """
query ($customer: ID!, $from: DateTime!, $to: DateTime!, $interval: StatsInterval!,
       $carriers: [ID!]) {
  customer(id: $customer) {
    stats(from: $from, to: $to, interval: $interval, carrierIds: $carriers) {
      ner codes { code attempts }
      total { attempts legs { offered answered pddMs } }
      byCarrier { carrier { reference } points { attempts legs { offered answered pddMs } } }
    }
  }
}
"""


async def _insert_carrier(name: str, id: int) -> None:
    carrier = await carriers.insert(
        ACCOUNT, reference=name, name=name, currency="EUR", sip_uri=None, now=NOW
    )
    await days.set_id("carriers", carrier.id, id)


@pytest.fixture
async def asker(database: str, redis: Redis) -> Asker:
    await accounts.insert("A carrier", NOW)
    await days.prepare()
    for number, name in enumerate(("carrier-a", "carrier-b"), 1):
        await _insert_carrier(name, number)
    return Asker(reader.staff(ACCOUNT), NOW, redis)


async def questions(asker: Asker, query: str, **variables: Any) -> int:
    """How many queries the database is asked to answer this one."""
    asked: list[str] = []
    async with db.transaction() as conn:
        conn.add_query_logger(lambda record: asked.append(record.query))
        await asker.ask(query, **variables)
    return len(asked)


async def store(legs: Sequence[Leg], now: datetime = NOW) -> None:
    await days.put(legs)
    for which in await hours.marked_hours(1_000):
        await hours.rebuild(*which, now)


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


async def test_every_hour_has_a_point_even_without_calls(asker: Asker) -> None:
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
        "acdSeconds": 7.5, "dtmfPercent": 50, "pddMs": 1750, "channelsMax": None,
        "cps": 3 / 1800,  # half an hour has passed
    }  # fmt: skip
    first, none = got["byCarrier"]
    assert (first["carrier"]["name"], none["carrier"]) == ("carrier-a", None)
    assert [point["attempts"] for point in first["points"]] == [0, 2]
    assert [point["attempts"] for point in none["points"]] == [0, 1]


async def test_the_total_covers_the_selected_carriers(asker: Asker) -> None:
    await store([Leg("a"), Leg("b", carrier=2), Leg("c", carrier=0)])
    chosen = [base.encode_id("Carrier", ACCOUNT, 2), base.encode_id("Carrier", ACCOUNT, 1)]
    end = HOUR + timedelta(hours=1)
    got = await graph(asker, HOUR, end, carriers=chosen)
    assert got["total"][0]["attempts"] == 2
    assert [line["carrier"]["name"] for line in got["byCarrier"]] == ["carrier-b", "carrier-a"]
    unknown = base.encode_id("Carrier", ACCOUNT, 77)
    assert await asker.refused(STATS, **values(HOUR, end, carriers=[unknown])) == "NOT_FOUND"


FAILED_OVER = [
    Leg("a", 0, final=False, code=503, ringing_after_us=900_000),
    Leg("a", 1, carrier=2, offered_after_us=1_000_000, ringing_after_us=1_300_000, talk_us=1),
    Leg("b", carrier=2, code=486),
    Leg("c", carrier=0, code=None),
    Leg("d", setup=HOUR + timedelta(hours=1), code=302),
]


async def test_attempts_are_counted_by_the_code_of_their_final_leg(asker: Asker) -> None:
    await store(FAILED_OVER)
    both = values(HOUR, HOUR + timedelta(hours=2))
    got = (await asker.ask(CODES_AND_LEGS, **both))["customer"]["stats"]
    assert [(each["code"], each["attempts"]) for each in got["codes"]] == [
        (None, 1), (200, 1), (302, 1), (486, 1),
    ]  # fmt: skip
    assert got["ner"] == 200 / 3
    chosen = both | {"carriers": [base.encode_id("Carrier", ACCOUNT, 1)]}
    got = (await asker.ask(CODES_AND_LEGS, **chosen))["customer"]["stats"]
    assert (got["codes"], got["ner"]) == ([{"code": 302, "attempts": 1}], None)
    before = values(HOUR - timedelta(hours=2), HOUR)
    got = (await asker.ask(CODES_AND_LEGS, **before))["customer"]["stats"]
    assert (got["codes"], got["ner"]) == ([], None)


async def test_codes_belong_to_the_utc_hours_that_begin_on_the_days_of_a_zone(asker: Asker) -> None:
    asker.caller = await reader.contact(ACCOUNT, 1, "Asia/Kathmandu", NOW)
    midnight = datetime(2026, 11, 19, 18, 15, tzinfo=UTC)
    await store([Leg("a", setup=midnight), Leg("b", setup=midnight + timedelta(hours=1))])
    day = values(midnight, midnight + timedelta(hours=1), "DAY")
    got = (await asker.ask(CODES_AND_LEGS, **day))["customer"]["stats"]
    assert (got["total"][0]["attempts"], got["codes"]) == (2, [{"code": 200, "attempts": 1}])


async def test_a_call_that_failed_over_has_a_leg_for_each_carrier(asker: Asker) -> None:
    await store(FAILED_OVER)
    hour = values(HOUR, HOUR + timedelta(hours=1))
    got = (await asker.ask(CODES_AND_LEGS, **hour))["customer"]["stats"]
    found = {
        line["carrier"] and line["carrier"]["reference"]: line["points"]
        for line in got["byCarrier"]
    }
    assert found == {
        "carrier-a": [
            {"attempts": 0, "legs": {"offered": 1, "answered": 0, "pddMs": 900}},
        ],
        "carrier-b": [
            {"attempts": 2, "legs": {"offered": 2, "answered": 1, "pddMs": 300}},
        ],
        None: [{"attempts": 1, "legs": {"offered": 1, "answered": 0, "pddMs": None}}],
    }
    assert got["total"] == [
        {"attempts": 3, "legs": {"offered": 4, "answered": 1, "pddMs": 600}},
    ]


async def test_customers_do_not_see_routing(asker: Asker) -> None:
    await store(FAILED_OVER)
    scopes = frozenset({callers.Scope.LIVE_READ})
    of_account = callers.Caller(ACCOUNT, callers.Kind.KEY, 1, scopes=scopes)
    of_customer = callers.Caller(ACCOUNT, callers.Kind.KEY, 2, scopes=scopes, customer_id=1)
    contact = await reader.contact(ACCOUNT, 1, "UTC", NOW)
    hour = values(HOUR, HOUR + timedelta(hours=1))
    for caller, shown in [(of_account, True), (of_customer, False), (contact, False)]:
        asker.caller = caller
        got = (await asker.ask(CODES_AND_LEGS, **hour))["customer"]["stats"]
        points = [*got["total"], *(point for line in got["byCarrier"] for point in line["points"])]
        assert {point["legs"] is not None for point in points} == {shown}
        assert sum(each["attempts"] for each in got["codes"]) == 3


async def test_a_contact_sees_days_in_its_own_zone(asker: Asker) -> None:
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
async def test_points_contain_the_calls_of_their_time(
    zone: str, offsets: list[int], talk: int
) -> None:
    await days.empty()
    setups = [CHANGE + timedelta(microseconds=offset) for offset in offsets]
    await store(
        [Leg(f"{n}", setup=at, talk_us=talk, charge=Decimal(0)) for n, at in enumerate(setups)],
        CHANGE + timedelta(days=2),  # so that minutes are stored
    )
    end = CHANGE + timedelta(hours=49)
    for interval in intervals.Interval:
        shown_until = min(end, CHANGE + interval.typical_length * (intervals.MAX_POINTS - 1))
        buckets = intervals.buckets(CHANGE, shown_until, interval, ZoneInfo(zone))
        edges = [b.start for b in buckets] + [buckets[-1].end]
        for customer in (1, None):
            request = graph_queries.Request(ACCOUNT, customer, edges, interval, None)
            sums = await graph_queries.sums(request)
            expected = {
                (n, 1): (count, count * talk)
                for n, b in enumerate(buckets)
                if (count := sum(b.start <= at < b.end for at in setups))
            }
            assert {k: (s.attempts, s.talk_us) for k, s in sums.items()} == expected


async def test_a_graph_of_twenty_carriers_needs_as_many_queries_as_one_of_two(
    asker: Asker,
) -> None:
    contact = Asker(await reader.contact(ACCOUNT, 1, "UTC", NOW), NOW, asker.redis)
    await store([Leg("a", carrier=1), Leg("b", carrier=2)])
    few = await questions(contact, STATS, **values(HOUR, NOW))
    for number in range(3, 21):
        await _insert_carrier(f"carrier-{number}", number)
    await store([Leg(f"c{number}", carrier=number) for number in range(3, 21)])
    assert 0 < await questions(contact, STATS, **values(HOUR, NOW)) <= few
