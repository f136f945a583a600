"""Graphs by customer and country, their money, percentiles and minutes, over GraphQL."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from domain import refusals
from domain.identity import callers
from domain.summaries import intervals
from models import db
from models.directory import carriers
from models.identity import accounts, logins
from models.identity import staff as stored_staff
from models.summaries import hours
from schema.engine import base
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT, HOUR, Leg
from tests.support.summaries.reader import Asker

NOW = HOUR + timedelta(minutes=30)
POINT = """
  at attempts asr ner talkSeconds billedSeconds cps cpsPeak pddMedianMs pddP95Ms
  charge { amount currency } charges { amount currency }
  cost { amount currency } costs { amount currency } profit { amount currency }
  releasedBy { caller callee other unknown }
"""
QUERY = f"""
query ($customer: ID!, $from: DateTime!, $to: DateTime!, $interval: StatsInterval!,
       $carriers: [ID!]) {{
  customer(id: $customer) {{ stats(from: $from, to: $to, interval: $interval,
                                   carrierIds: $carriers) {{
    total {{ {POINT} }}
    byCarrier {{ carrier {{ id }} points {{ {POINT} }} }}
    byCustomer {{ reference points {{ {POINT} }} }}
    byCountry {{ country points {{ {POINT} }} }}
  }} }}
}}
"""
ACCOUNT_QUERY = f"""
query ($from: DateTime!, $to: DateTime!, $interval: StatsInterval!) {{
  viewer {{ ... on Staff {{ account {{ stats(from: $from, to: $to, interval: $interval) {{
    total {{ {POINT} }} byCustomer {{ reference points {{ attempts charge {{ amount }} }} }}
  }} }} }} }}
}}
"""


@pytest.fixture
async def staff(database: str, redis: Redis) -> Asker:
    await accounts.insert("A carrier", NOW)
    await days.prepare()
    for number, currency in ((1, "EUR"), (2, "USD")):
        name = f"carrier-{number}"
        carrier = await carriers.insert(
            ACCOUNT, reference=name, name=name, currency=currency, sip_uri=None, now=NOW
        )
        await days.set_id("carriers", carrier.id, number)
    return Asker(reader.staff(ACCOUNT), NOW, redis)


async def store(legs: Sequence[Leg]) -> None:
    await days.put(legs)
    for which in await hours.marked_hours(1_000):
        await hours.rebuild(*which, NOW)


async def stats(asker: Asker, interval: str = "HOUR", **more: Any) -> Any:
    variables = {
        "customer": base.encode_id("Customer", ACCOUNT, 1),
        "from": HOUR.isoformat(),
        "to": NOW.isoformat(),
        "interval": interval,
        **more,
    }
    return (await asker.ask(QUERY, **variables))["customer"]["stats"]


def leg(call: str, carrier: int = 1, **more: Any) -> Leg:
    values = {"talk_us": 1_500_000, "billed": 2, "charge": Decimal("0.3"), "cost": Decimal("0.1")}
    return Leg(call, carrier=carrier, **{**values, **more})


async def test_a_point_has_charge_cost_and_profit(staff: Asker) -> None:
    failed = leg("b", leg=0, final=False, charge=None, talk_us=None, cost=Decimal("0.05"))
    await store([leg("a"), failed, leg("b", leg=1)])
    (point,) = (await stats(staff))["total"]
    assert point["charge"] == {"amount": "0.6", "currency": "EUR"}
    assert point["cost"] == {"amount": "0.25", "currency": "EUR"}  # every leg costs
    assert point["profit"] == {"amount": "0.35", "currency": "EUR"}
    assert (point["talkSeconds"], point["billedSeconds"]) == (3, 4)


async def test_costs_in_several_currencies_are_not_added(staff: Asker) -> None:
    await store([leg("a"), leg("b", carrier=2)])
    got = await stats(staff)
    (point,) = got["total"]
    assert (point["cost"], point["profit"]) == (None, None)
    assert [cost["currency"] for cost in point["costs"]] == ["EUR", "USD"]
    assert [each["points"][0]["cost"]["currency"] for each in got["byCarrier"]] == ["EUR", "USD"]


async def test_charges_of_the_account_are_listed_by_currency(staff: Asker) -> None:
    await store([leg("a"), leg("b", customer=2)])
    async with db.connection() as conn:
        await conn.execute("UPDATE customers SET currency = 'GBP' WHERE id = 2")
    login = await logins.insert(ACCOUNT, "owner@carrier.example", "-", NOW)
    owner = await stored_staff.insert(ACCOUNT, login, "The owner", callers.Role.OWNER, NOW)
    caller = callers.Caller(ACCOUNT, callers.Kind.STAFF, owner.id, role=callers.Role.OWNER)
    staff = Asker(caller, NOW, staff.redis)
    variables = {"from": HOUR.isoformat(), "to": NOW.isoformat(), "interval": "HOUR"}
    got = (await staff.ask(ACCOUNT_QUERY, **variables))["viewer"]["account"]["stats"]
    (point,) = got["total"]
    assert point["charge"] is None
    assert [charge["currency"] for charge in point["charges"]] == ["EUR", "GBP"]
    assert [each["reference"] for each in got["byCustomer"]] == ["customer-1", "customer-2"]


async def test_a_contact_sees_its_charge_but_no_cost_and_no_other_customer(staff: Asker) -> None:
    await store([leg("a"), leg("b", customer=2)])
    contact = Asker(await reader.contact(ACCOUNT, 1, "UTC", NOW), NOW, staff.redis)
    got = await stats(contact)
    (point,) = got["total"]
    assert point["charge"]["amount"] == "0.3"
    assert (point["cost"], point["costs"], point["profit"]) == (None, None, None)
    assert got["byCustomer"] is None


async def test_a_key_that_sees_counts_sees_no_money(staff: Asker) -> None:
    await store([leg("a")])
    scopes = frozenset({callers.Scope.LIVE_READ})
    caller = callers.Caller(ACCOUNT, callers.Kind.KEY, 1, customer_id=1, scopes=scopes)
    key = Asker(caller, NOW, staff.redis)
    (point,) = (await stats(key))["total"]
    assert point["attempts"] == 1
    names = ("charge", "charges", "cost", "costs", "profit")
    assert [point[name] for name in names] == [None] * len(names)


async def test_countries_add_up_to_the_total_of_the_selected_carriers(staff: Asker) -> None:
    countries = ("GB", "US", None, "GB")
    legs = [leg(f"{n}", carrier=1 + n % 2, country=country) for n, country in enumerate(countries)]
    await store(legs)
    chosen = [base.encode_id("Carrier", ACCOUNT, 1)]
    for interval in ("MINUTE", "FIVE_MINUTES", "QUARTER_HOUR", "HOUR", "DAY", "MONTH"):
        got = await stats(staff, interval)
        attempts = {e["country"]: e["points"][0]["attempts"] for e in got["byCountry"]}
        assert attempts == {None: 1, "GB": 2, "US": 1}
        got = await stats(staff, interval, carriers=chosen)
        attempts = {e["country"]: e["points"][0]["attempts"] for e in got["byCountry"]}
        assert attempts == {None: 1, "GB": 1}
        assert got["total"][0]["attempts"] == 2


async def test_a_gap_is_a_point_without_ratios_and_with_a_charge_of_0(staff: Asker) -> None:
    await store([leg("a", setup=HOUR + timedelta(minutes=2), ringing_after_us=1_000_000)])
    gap, _, point, *rest = (await stats(staff, "MINUTE"))["total"]
    assert len(rest) == 27
    assert (gap["attempts"], gap["asr"], gap["ner"], gap["pddMedianMs"]) == (0, None, None, None)
    assert gap["charge"] == {"amount": "0", "currency": "EUR"}
    assert (point["attempts"], point["asr"], point["ner"]) == (1, 100, 100)
    assert point["pddMedianMs"] == pytest.approx(1_000, rel=0.05)


@pytest.mark.parametrize("interval", ["FIVE_MINUTES", "QUARTER_HOUR", "HOUR", "DAY"])
async def test_percentiles_are_those_of_all_carriers(staff: Asker, interval: str) -> None:
    delays = [500_000, 700_000, 900_000, 6_000_000]
    await store([leg(f"{n}", 1 + n % 2, ringing_after_us=us) for n, us in enumerate(delays)])
    got = await stats(staff, interval)
    point = got["total"][0]
    assert point["pddMedianMs"] == pytest.approx(700, rel=0.05)
    assert point["pddP95Ms"] == pytest.approx(6_000, rel=0.05)
    of_carrier = got["byCarrier"][1]["points"][0]
    assert of_carrier["pddMedianMs"] == pytest.approx(700, rel=0.05)


async def test_the_peak_is_that_of_the_busiest_minute(staff: Asker) -> None:
    minute = HOUR + timedelta(minutes=7)
    legs = [leg(f"{n}", 1 + n % 2, setup=minute + timedelta(seconds=n)) for n in range(6)]
    await store([*legs, leg("other")])
    got = await stats(staff)
    assert got["total"][0]["cpsPeak"] == 6 / 60
    assert [each["points"][0]["cpsPeak"] for each in got["byCarrier"]] == [3 / 60, 3 / 60]


async def test_release_sides_add_up_to_the_attempts(staff: Asker) -> None:
    sides = ("caller", "caller", "callee", "system", None)
    await store([leg(f"{n}", released_by=side) for n, side in enumerate(sides)])
    (point,) = (await stats(staff))["total"]
    assert point["releasedBy"] == {"caller": 2, "callee": 1, "other": 1, "unknown": 1}


async def test_older_minutes_are_refused(staff: Asker) -> None:
    old = NOW - timedelta(days=31)
    variables = {
        "customer": base.encode_id("Customer", ACCOUNT, 1),
        "from": old.isoformat(),
        "to": (old + timedelta(hours=1)).isoformat(),
        "interval": "MINUTE",
    }
    assert await staff.refused(QUERY, **variables) == "NO_MINUTES"


@pytest.mark.parametrize(("length", "named"), [(1, "QUARTER_HOUR"), (25 * 24, "HOUR")])
def test_a_refusal_of_minutes_names_an_interval_that_fits(length: int, named: str) -> None:
    old = NOW - timedelta(days=31)
    end = old + timedelta(hours=length)
    with pytest.raises(refusals.Refusal, match=f"interval {named} or"):
        intervals.require_stored(old, end, intervals.Interval.FIVE_MINUTES, NOW)
