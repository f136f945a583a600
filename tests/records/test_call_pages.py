"""Pages of calls contain what a loop over all records selects, each call once."""

import random
from datetime import timedelta

import pytest

from domain.records.call_filters import Filter
from models import db
from models.records import call_list, call_lookup, call_records, partitions
from models.records.call_list import MAX_COMPARED, MAX_SKIPPED, MAX_SPANS, Scope
from tests.support.records import random_calls, sample_records
from tests.support.records.random_calls import CARRIERS, CUSTOMERS, listed, pages, selected
from tests.support.records.sample_records import NOW, record

pytestmark = pytest.mark.usefixtures("database")
_DAY = timedelta(days=1)
_MANY = """
INSERT INTO call_records
    (account_id, customer_id, setup_at, switch, call_id, leg, revision, carrier_id, final, source,
     destination, offered_at, end_at, talk_us, released_by)
SELECT $1, 1, $2::timestamptz - n * interval '1 s', 'edge-1', 'many-' || n, 0, 0, 7, true,
       '+441632960000', '+15550100', $2, $2, 0, CASE WHEN n = $3 THEN 'caller' END
FROM generate_series(1, $3) n
"""
_SUMMED = """
INSERT INTO hours (account_id, customer_id, hour, version, attempts, answered, talk_us,
                   billed_seconds, charge, unrated, rebuilt_at)
VALUES ($1, 1, $2, 1, $3, 0, 0, 0, 0, 0, $2)
"""


async def switch(account: int) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO switches (account_id, reference, first_seen_at) VALUES ($1, 'edge-1', $2)",
            *(account, NOW),
        )


@pytest.mark.parametrize("seed", range(6))
async def test_pages_contain_the_calls_that_match_in_order_and_each_once(seed: int) -> None:
    chance, account = random.Random(seed), await sample_records.account()
    await switch(account)
    stored = random_calls.records(chance, chance.choice((3, 60, 200)))
    await call_records.insert(account, stored, NOW)
    for _ in range(60):
        filter = random_calls.filter_of(chance)
        scope = chance.choice(
            [
                Scope(account),
                Scope(account, customer_id=chance.choice(CUSTOMERS)),
                Scope(account, carrier_id=chance.choice(CARRIERS[1:])),
            ]
        )
        read = await pages(scope, filter, chance.choice((1, 7, 100)))
        keys = listed(read)
        assert len(keys) == len(set(keys)), filter
        assert set(keys) == selected(stored, scope, filter), (scope, filter)
        positions = [position for page in read for _, position in page.calls]
        assert positions == sorted(positions, reverse=True)
        assert all(record.setup_at == at for page in read for record, (at, _) in page.calls)


async def test_a_page_is_full_if_the_list_continues_and_no_limit_was_reached() -> None:
    account = await sample_records.account()
    setups = [NOW - timedelta(hours=number) for number in range(60)]
    batch = [record(f"c{n}", setup_at=setup) for n, setup in enumerate(setups)]
    await call_records.insert(account, batch, NOW)
    sizes = [len(page.calls) for page in await pages(Scope(account), Filter(), 20)]
    assert sizes == [20, 20, 20]


@pytest.mark.parametrize("customer_id", [None, 1])
async def test_no_call_is_skipped_or_repeated_while_records_arrive(
    customer_id: int | None,
) -> None:
    chance, account = random.Random(7), await sample_records.account()
    scope = Scope(account, customer_id=customer_id)
    first = random_calls.records(chance, 150)
    await call_records.insert(account, first, NOW)
    keys, before, number = [], None, 0
    while True:
        page = await call_list.page(scope, Filter(), before, 9, NOW)
        keys += listed([page])
        if page.rest is None:
            break
        before, number = page.rest, number + 1
        late = [
            record(f"late-{number}-{n}", setup_at=NOW - _DAY * chance.random() * 12)
            for n in range(5)
        ]
        await call_records.insert(account, late, NOW)
    assert len(keys) == len(set(keys))
    assert selected(first, scope, Filter()) <= set(keys)


async def test_calls_with_the_same_setup_are_divided_over_pages() -> None:
    account = await sample_records.account()
    batch = [record(f"c{number}") for number in range(50)]
    await call_records.insert(account, batch, NOW)
    read = await pages(Scope(account, customer_id=1), Filter(), 7)
    assert sorted(listed(read)) == sorted((one.call_id, 0) for one in batch)
    assert [len(page.calls) for page in read] == [7] * 7 + [1]


async def test_years_without_calls_are_passed_in_one_page() -> None:
    account = await sample_records.account()
    setups = [NOW - _DAY * days for days in (0, 200, 201, 900)]
    await call_records.insert(
        account, [record(f"c{n}", setup_at=setup) for n, setup in enumerate(setups)], NOW
    )
    page = await call_list.page(Scope(account, customer_id=1), Filter(), None, 50, NOW)
    assert listed([page]) == [(f"c{number}", 0) for number in range(4)]
    assert page.rest is None


async def test_a_page_reads_a_limited_number_of_weeks_and_the_next_one_continues() -> None:
    account = await sample_records.account()
    days = MAX_SPANS * 7 + 10
    batch = [record(f"c{day}", setup_at=NOW - _DAY * day, sip_code=486) for day in range(days)]
    await call_records.insert(account, batch, NOW)
    first, second = await pages(Scope(account), Filter(sip_codes=[486]), 200)
    assert 7 * (MAX_SPANS - 1) < len(first.calls) < days
    assert listed([first, second]) == [(f"c{day}", 0) for day in range(days)]


async def test_a_page_compares_a_limited_number_of_calls_and_the_next_one_continues() -> None:
    account = await sample_records.account()
    number = 2 * MAX_COMPARED + 100
    await partitions.ensure_period(NOW.date() - _DAY, NOW.date())
    async with db.connection() as conn:
        await conn.execute(_MANY, account, NOW, number)
    await _add_sums(account, 1)
    read = await pages(Scope(account, customer_id=1), Filter(released_by="caller"), 10)
    assert [len(page.calls) for page in read] == [0, 0, 1]
    assert read[0].rest is not None
    assert read[0].rest[0] == NOW - timedelta(seconds=MAX_COMPARED)
    assert listed(read) == [(f"many-{number}", 0)]


async def test_the_rest_of_a_page_without_a_match_is_found_by_a_filter_that_matches_all() -> None:
    """The position at which one page stopped is that of the last compared call."""
    account = await sample_records.account()
    await partitions.ensure_period(NOW.date() - _DAY, NOW.date())
    async with db.connection() as conn:
        await conn.execute(_MANY, account, NOW, MAX_COMPARED + 3)
    await _add_sums(account, 1)
    scope = Scope(account)
    page = await call_list.page(scope, Filter(answered=True), None, 10, NOW)
    rest = await pages(scope, Filter(), 10, page.rest)
    assert len(listed(rest)) == 3


async def test_a_search_for_calls_of_a_carrier_stops_after_many_calls_of_others() -> None:
    account = await sample_records.account()
    days = [NOW - _DAY * number for number in range(6)]
    batch = [record(f"c{n}", setup_at=setup, carrier_id=7) for n, setup in enumerate(days)]
    oldest = record("oldest", setup_at=NOW - _DAY * 9, carrier_id=8)
    await call_records.insert(account, [*batch, oldest], NOW)
    await _add_sums(account, MAX_SKIPPED)
    read = await pages(Scope(account, carrier_id=8), Filter(), 10)
    assert [len(page.calls) for page in read] == [0, 1]
    assert read[0].rest is not None
    assert read[0].rest[0] > NOW - _DAY * 4


async def _add_sums(account: int, attempts: int) -> None:
    """An hour of each of the last three days."""
    async with db.connection() as conn:
        for days in range(3):
            await conn.execute(_SUMMED, account, NOW - _DAY * days, attempts)


async def test_a_cursor_after_the_end_of_the_range_starts_at_its_end() -> None:
    account = await sample_records.account()
    await call_records.insert(account, [record("a"), record("b", setup_at=NOW - _DAY)], NOW)
    filter = Filter(end=NOW - _DAY / 2)
    page = await call_list.page(Scope(account), filter, (NOW, 5), 10, NOW)
    assert listed([page]) == [("b", 0)]


async def test_an_account_without_calls_has_an_empty_page() -> None:
    account = await sample_records.account()
    for scope in (Scope(account), Scope(account, 1), Scope(account, carrier_id=1)):
        page = await call_list.page(scope, Filter(), None, 10, NOW)
        assert (page.calls, page.rest) == ([], None)


async def test_calls_of_another_account_are_not_listed() -> None:
    mine, theirs = await sample_records.account(), await sample_records.account()
    for account in (mine, theirs):
        await switch(account)
        await call_records.insert(account, [record(f"of-{account}"), record("same")], NOW)
    assert sorted(listed(await pages(Scope(mine), Filter(), 10))) == [
        (f"of-{mine}", 0),
        ("same", 0),
    ]
    assert listed(await pages(Scope(mine), Filter(call_id=f"of-{theirs}"), 10)) == []
    assert listed(await pages(Scope(mine), Filter(call_id="same"), 10)) == [("same", 0)]


async def test_the_legs_of_a_call_are_in_the_order_of_their_numbers() -> None:
    account, chance = await sample_records.account(), random.Random(3)
    stored = random_calls.records(chance, 100)
    await call_records.insert(account, chance.sample(stored, len(stored)), NOW)
    finals = [one for one in stored if one.final]
    for final, legs in zip(finals, await call_lookup.legs(account, finals), strict=True):
        assert [leg.leg for leg in legs] == list(range(final.leg + 1))
        assert {leg.call_id for leg in legs} == {final.call_id}
