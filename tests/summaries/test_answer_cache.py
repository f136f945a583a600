"""A cached answer shows every change as soon as it is committed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import pytest
from redis.asyncio import Redis

from domain import periods
from domain.identity import callers
from domain.periods import Granularity
from domain.summaries.channel_history import Scope
from models.directory import carriers
from models.identity import accounts
from models.summaries import channel_samples, hours
from schema.engine import base
from schema.engine.fragments import cache
from schema.summaries import summaries
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT, HOUR, Leg
from tests.support.summaries.reader import Asker

NOW = HOUR + timedelta(minutes=30)
YESTERDAY = HOUR - timedelta(days=1)
ROW = """id open version attempts answered asr talkTime billedSeconds charge { amount currency }
  invoice { id number status total { amount } } invoicing { state invoicedHours invoices { id } }"""
POINT = "at attempts answered asr acdSeconds channelsMax channelsSamples cps legs { offered }"
PARTS = f"""
  stats(from: $from, to: $to, interval: HOUR) {{
    timeZone total {{ {POINT} }} codes {{ code attempts }}
    byCarrier {{ carrier {{ id name }} points {{ {POINT} }} }}
  }}
  live: summary(granularity: LIVE) {{ asOf stale billable edges {{ cursor node {{ {ROW} }} }} }}
  daily: summary(granularity: DAILY) {{ stale edges {{ node {{ {ROW} }} }} pageInfo {{ endCursor }} }}
"""  # noqa: E501
QUERY = f"""
query ($customer: ID!, $from: DateTime!, $to: DateTime!, $rows: [ID!]!) {{
  customer(id: $customer) {{ name {PARTS} }}
  summaryCells(rowIds: $rows, column: CHARGE) {{ count sum weightedAverage }}
}}
"""
ACCOUNT_QUERY = f"""
query ($account: ID!, $from: DateTime!, $to: DateTime!) {{ node(id: $account) {{ ... on Account {{
  stats(from: $from, to: $to, interval: HOUR) {{ total {{ {POINT} }} }}
  summary(granularity: DAILY) {{ asOf stale edges {{ node {{ id version attempts
    charges {{ amount currency }} }} }} }}
}} }} }}
"""
DAY = periods.period_containing(Granularity.DAILY, YESTERDAY).start
YESTERDAYS_ROW = summaries.row_id(periods.RowKey(ACCOUNT, 1, Granularity.DAILY, DAY))
TIMES = {"from": (HOUR - timedelta(hours=30)).isoformat(), "to": NOW.isoformat()}
CUSTOMER = {"customer": base.encode_id("Customer", ACCOUNT, 1), "rows": [YESTERDAYS_ROW], **TIMES}
WHOLE = {"account": base.encode_id("Account", ACCOUNT, ACCOUNT), **TIMES}


class Readers:
    """The same caller with and without a cache."""

    def __init__(self, caller: callers.Caller, redis: Redis) -> None:
        self.cached = Asker(caller, NOW, redis, cache.Cache(10_000_000))
        self.plain = Asker(caller, NOW, redis)

    async def read(self, query: str, **values: Any) -> Any:
        """What both read; it is in the cache afterwards."""
        expected = await self.plain.read(query, **values)
        for _ in range(2):  # the second one from the cache
            assert await self.cached.read(query, **values) == expected
        return expected

    def wait(self, span: timedelta) -> None:
        for asker in (self.cached, self.plain):
            asker.now += span


@pytest.fixture
async def readers(database: str, redis: Redis) -> Readers:
    await accounts.insert("A carrier", NOW)
    await days.prepare()
    carrier = await carriers.insert(
        ACCOUNT, reference="a", name="Carrier A", currency="EUR", sip_uri=None, now=NOW
    )
    await days.set_id("carriers", carrier.id, 1)
    await store(
        Leg("a", talk_us=60_000_000, charge=Decimal("1.5")),
        Leg("b", setup=YESTERDAY, talk_us=1_000_000, charge=Decimal("0.25")),
    )
    return Readers(reader.staff(ACCOUNT), redis)


async def store(*legs: Leg) -> None:
    await days.put(legs)
    for which in await hours.marked_hours(10):
        await hours.rebuild(*which, NOW)


async def mutate(readers: Readers, name: str, /, **input: Any) -> Any:
    type = name[0].upper() + name[1:]
    result = await readers.plain.ask(
        f"mutation($i: {type}Input!) {{ {name}(input: $i) {{ __typename ... on Node {{ id }}"
        " ... on Refusal { code message } } }",
        i=input,
    )
    assert "code" not in result[name], result
    return result[name]


# Changes -------------------------------------------------------------------------------------


async def a_call_ends(_: Readers) -> None:
    await store(Leg("c", talk_us=5_000_000, charge=Decimal(2)))


async def a_call_of_yesterday_arrives_late(_: Readers) -> None:
    await store(Leg("d", setup=YESTERDAY, talk_us=5_000_000))


async def a_call_is_corrected(_: Readers) -> None:
    await days.put([Leg("a", code=486)], [Leg("a")])
    await store()


async def a_call_waits_for_its_rebuild(_: Readers) -> None:
    await days.put([Leg("e")])


async def a_sample_of_active_calls_is_taken(_: Readers) -> None:
    await channel_samples.store(ACCOUNT, NOW, {Scope(): 3, Scope(1): 3, Scope(1, 1): 3})


async def a_draft_is_created(readers: Readers) -> None:
    await draft(readers)


async def an_invoice_is_issued(readers: Readers) -> None:
    await mutate(readers, "issueInvoice", id=(await draft(readers))["id"], idempotencyKey="issue")


async def a_carrier_is_renamed(readers: Readers) -> None:
    id = base.encode_id("Carrier", ACCOUNT, 1)
    await mutate(readers, "updateCarrier", id=id, name="Another name")


async def a_minute_passes(readers: Readers) -> None:
    readers.wait(timedelta(minutes=1))


async def the_hour_ends(readers: Readers) -> None:
    readers.wait(timedelta(minutes=30))


async def draft(readers: Readers) -> Any:
    return await mutate(
        readers, "generateInvoice", customerId=CUSTOMER["customer"], rowIds=[YESTERDAYS_ROW],
        idempotencyKey="draft", issue=False,
    )  # fmt: skip


Change: TypeAlias = Callable[[Readers], Awaitable[None]]
OF_BOTH: list[Change] = [
    a_call_ends,
    a_call_of_yesterday_arrives_late,
    a_call_is_corrected,
    a_call_waits_for_its_rebuild,
    a_sample_of_active_calls_is_taken,
    a_minute_passes,
    the_hour_ends,
]
OF_CUSTOMER: list[Change] = [
    *OF_BOTH,
    a_draft_is_created,
    an_invoice_is_issued,
    a_carrier_is_renamed,
]


@pytest.mark.parametrize("change", OF_CUSTOMER)
async def test_a_change_is_shown_by_the_next_answer(readers: Readers, change: Change) -> None:
    before = await readers.read(QUERY, **CUSTOMER)
    await change(readers)
    assert await readers.read(QUERY, **CUSTOMER) != before


@pytest.mark.parametrize("change", OF_BOTH)
async def test_a_change_is_shown_by_the_next_answer_of_the_account(
    readers: Readers, change: Change
) -> None:
    before = await readers.read(ACCOUNT_QUERY, **WHOLE)
    await change(readers)
    assert await readers.read(ACCOUNT_QUERY, **WHOLE) != before


async def test_a_discarded_draft_is_no_longer_shown(readers: Readers) -> None:
    before = await readers.read(QUERY, **CUSTOMER)
    id = (await draft(readers))["id"]
    assert await readers.read(QUERY, **CUSTOMER) != before
    await mutate(readers, "discardDraft", id=id)
    assert await readers.read(QUERY, **CUSTOMER) == before


async def test_folded_and_removed_samples_are_shown_as_stored(readers: Readers) -> None:
    await a_sample_of_active_calls_is_taken(readers)
    before = await readers.read(QUERY, **CUSTOMER)
    later = NOW + timedelta(days=60)
    await channel_samples.fold(ACCOUNT, later)
    assert await channel_samples.remove_minutes(ACCOUNT, later, 100) == 0
    assert await readers.read(QUERY, **CUSTOMER) == before


async def test_an_unchanged_part_is_answered_without_its_statements(readers: Readers) -> None:
    await readers.read(QUERY, **CUSTOMER)
    count, bytes_ = len(readers.cached.fragments or ()), readers.cached.fragments
    await readers.read(QUERY, **CUSTOMER)
    assert bytes_ is not None
    assert len(bytes_) == count == 4


async def test_a_change_of_another_customer_leaves_the_part_in_the_cache(
    readers: Readers,
) -> None:
    before = await readers.read(QUERY, **CUSTOMER)
    await store(Leg("x", customer=2))
    assert await readers.read(QUERY, **CUSTOMER) == before


async def test_a_contact_never_receives_a_part_that_was_made_for_staff(
    readers: Readers, redis: Redis
) -> None:
    of_staff = await readers.read(QUERY, **CUSTOMER)
    contact = await reader.contact(ACCOUNT, 1, "Europe/Berlin", NOW)
    asker = Asker(contact, NOW, redis, readers.cached.fragments)
    of_contact = await asker.read(QUERY, **CUSTOMER)
    assert of_staff["customer"]["stats"]["total"][-1]["legs"] == {"offered": 1}
    assert of_contact["customer"]["stats"]["total"][-1]["legs"] is None
    assert of_contact["customer"]["stats"]["timeZone"] == "Europe/Berlin"


async def test_contacts_in_two_zones_have_the_days_of_their_own_zone(
    readers: Readers, redis: Redis
) -> None:
    query = """query ($customer: ID!, $from: DateTime!, $to: DateTime!) { customer(id: $customer) {
      stats(from: $from, to: $to, interval: DAY) { timeZone total { at attempts } } } }"""
    values = {name: CUSTOMER[name] for name in ("customer", "from", "to")}
    shown = {}
    for zone in ("Asia/Kathmandu", "America/New_York", "Asia/Kathmandu"):
        login = f"{zone}-{len(shown)}"
        contact = callers.Caller(
            ACCOUNT, callers.Kind.CONTACT, len(login), customer_id=1, zone=zone
        )
        asker = Asker(contact, NOW, redis, readers.cached.fragments)
        answer = (await asker.read(query, **values))["customer"]["stats"]
        assert answer["timeZone"] == zone
        assert shown.setdefault(zone, answer) == answer
    first, second = shown.values()
    assert first["total"] != second["total"]


async def test_a_left_out_live_field_is_not_in_the_answer(readers: Readers) -> None:
    query = """query ($customer: ID!, $with: Boolean!) { customer(id: $customer) {
      summary(granularity: DAILY) { asOf @include(if: $with) stale @skip(if: $with)
        edges { node { attempts } } } } }"""
    for with_time, name in ((True, "asOf"), (False, "stale")):
        answer = await readers.read(query, customer=CUSTOMER["customer"], **{"with": with_time})
        assert set(answer["customer"]["summary"]) == {name, "edges"}


async def test_a_refused_part_is_refused_again(readers: Readers) -> None:
    query = """query ($customer: ID!, $t: DateTime!) { customer(id: $customer) {
      stats(from: $t, to: $t, interval: DAY) { timeZone } } }"""
    values = {"customer": CUSTOMER["customer"], "t": NOW.isoformat()}
    for _ in range(2):
        assert await readers.cached.refused(query, **values) == "BAD_RANGE"
    assert not readers.cached.fragments


async def test_answers_equal_those_without_a_cache_while_hours_are_rebuilt(
    readers: Readers,
) -> None:
    """Each answer includes every rebuild that was committed before it was requested."""

    async def rebuild() -> int:
        for number in range(8):
            await store(Leg(f"n{number}"))
        return 8

    async def read() -> list[tuple[int, int]]:
        seen = []
        while not rebuilding.done():
            floor = (await readers.plain.read(QUERY, **CUSTOMER))["customer"]["live"]
            answer = (await readers.cached.read(QUERY, **CUSTOMER))["customer"]["live"]
            counts = [part["edges"][0]["node"]["attempts"] for part in (floor, answer)]
            seen.append((counts[0], counts[1]))
        return seen

    rebuilding = asyncio.create_task(rebuild())
    readings = [pair for each in await asyncio.gather(read(), read()) for pair in each]
    assert all(answer >= floor for floor, answer in readings)
    assert await rebuilding == 8
    answer = await readers.read(QUERY, **CUSTOMER)
    assert answer["customer"]["live"]["edges"][0]["node"]["attempts"] == 9
