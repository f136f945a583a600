"""A price change affects only calls set up after it takes effect."""

from collections.abc import AsyncIterator, Awaitable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from domain import periods, refusals
from domain.billing import invoices, rating
from models import db
from models.billing import invoicing
from models.records import unrated_calls
from models.summaries import hours
from tests.support import outside_connection
from tests.support.billing.price_changes import DAY, a_card, a_minute, price
from tests.support.records import sample_records
from tests.support.records.posting import Switch


@pytest.fixture
async def outside(database: str) -> AsyncIterator[Any]:
    async with outside_connection.connection(database) as connection:
        yield connection


async def charges() -> dict[str, Any]:
    rows = await sample_records.rows("SELECT call_id, charge FROM call_records ORDER BY call_id")
    return {call_id: charge and charge.normalize() for call_id, charge in rows}


async def invoice(switch: Switch, day: datetime, key: str) -> invoices.Invoice:
    for hour in await hours.marked_hours(1_000):
        await hours.rebuild(*hour, switch.now)
    row = periods.period_containing(periods.Granularity.DAILY, day)
    selection = invoicing.Selection(switch.customer_id, periods.Granularity.DAILY, [row])
    return await invoicing.generate(
        switch.account_id, selection, key=key, issue=True, now=switch.now
    )


async def refusal(work: Awaitable[Any]) -> str:
    with pytest.raises(refusals.Refusal) as error:
        await work
    return error.value.code


async def test_a_price_change_affects_neither_billed_calls_nor_late_ones_of_that_time(
    switch: Switch,
) -> None:
    first, second = (switch.now.replace(hour=9, minute=0) - DAY * n for n in (4, 3))
    card = await a_card(switch, first - DAY)
    await price(switch, card, "0.01", first - DAY)
    await switch.send(a_minute(switch, "billed", first))
    assert (await invoice(switch, first, "a")).subtotal == Decimal("0.01")
    await price(switch, card, "0.05", second - timedelta(hours=1))
    corrected = a_minute(switch, "billed", first, sip_reason="Fine", correction=True)
    assert (await switch.send(corrected))["corrected"] == 1
    await switch.send(a_minute(switch, "late", first), a_minute(switch, "next", second))
    assert await charges() == {
        "billed": Decimal("0.01"),
        "late": Decimal("0.01"),
        "next": Decimal("0.05"),
    }
    lines = (await invoice(switch, second, "b")).lines
    assert [(line.kind.value, line.amount) for line in lines] == [
        ("USAGE", Decimal("0.05")),
        ("ADJUSTMENT", Decimal("0.01")),
    ]


async def test_a_correction_that_affects_rating_is_rated_at_the_price_at_its_setup(
    switch: Switch,
) -> None:
    before, after = switch.now - 2 * DAY, switch.now - DAY
    card = await a_card(switch, before - DAY)
    await price(switch, card, "0.01", before - DAY)
    await switch.send(a_minute(switch, "longer", before), a_minute(switch, "moved", before))
    await price(switch, card, "0.05", after)
    longer = {"end_at": (before + timedelta(minutes=2)).isoformat()}
    await switch.send(
        a_minute(switch, "longer", before, correction=True) | longer,
        a_minute(switch, "moved", after, correction=True),
    )
    assert await charges() == {"longer": Decimal("0.02"), "moved": Decimal("0.05")}


async def test_a_record_keeps_the_rate_that_charged_it(switch: Switch) -> None:
    since = switch.now - DAY
    card = await a_card(switch, since)
    await price(switch, card, "0.01", since)
    later = await price(switch, card, "0.05", switch.now - timedelta(hours=2))
    hour = timedelta(hours=1)
    await switch.send(
        *(a_minute(switch, f"call-{n}", switch.now - n * hour) for n in (1, 3)),
        a_minute(switch, "switch", switch.now - hour, charge="0.5"),
    )
    rows = await sample_records.rows(
        "SELECT rate_card_id, rate_revision, prefix, rate_per_minute, currency FROM call_records"
        " ORDER BY call_id"
    )
    assert rows == [
        (card, later.revision, "1", Decimal("0.05"), "EUR"),
        (card, later.revision - 1, "1", Decimal("0.01"), "EUR"),
        (None, None, None, None, "EUR"),
    ]


async def test_after_a_rate_ends_a_shorter_prefix_rates_its_numbers(switch: Switch) -> None:
    since = switch.now - DAY
    card = await a_card(switch, since)
    await price(switch, card, "0.10", since, "15")
    await price(switch, card, None, switch.now - timedelta(hours=2), "15")
    call = a_minute(switch, "a", switch.now - timedelta(hours=1))
    await switch.send(call, a_minute(switch, "earlier", switch.now - timedelta(hours=3)))
    assert await charges() == {"a": None, "earlier": Decimal("0.1")}
    await price(switch, card, "0.01", since, "1")
    await switch.send(call | {"call_id": "b"})
    assert (await charges())["b"] == Decimal("0.01")


async def test_a_change_that_would_rate_calls_again_is_refused(switch: Switch) -> None:
    since, setup = switch.now - 2 * DAY, switch.now - DAY
    card = await a_card(switch, since)
    await price(switch, card, "0.01", since)
    await switch.send(a_minute(switch, "a", setup))
    for rebuilt in (False, True):
        if rebuilt:
            for hour in await hours.marked_hours(1_000):
                await hours.rebuild(*hour, switch.now)
        for prefix in ("1", "15", "155501"):
            past = price(switch, card, "1", setup, prefix)
            assert await refusal(past) == "EFFECTIVE_IN_PAST"
        assert await refusal(a_card(switch, setup, name=f"B {rebuilt}")) == "EFFECTIVE_IN_PAST"
    just_after = setup + timedelta(microseconds=1)
    assert (await price(switch, card, "0.05", just_after)).effective_from == just_after
    assert (await price(switch, card, "0.02", since, "44")).effective_from == since
    await a_card(switch, just_after, name="C")
    assert await charges() == {"a": Decimal("0.01")}


async def test_an_immediate_change_takes_effect_after_the_last_rated_call(switch: Switch) -> None:
    """A switch's clock may be ahead."""
    card = await a_card(switch, switch.now - DAY)
    await price(switch, card, "0.01", switch.now - DAY)
    setup = switch.now + timedelta(minutes=1)
    await switch.send(a_minute(switch, "ahead", setup))
    added = await price(switch, card, "0.05")
    assert added.effective_from == setup + timedelta(microseconds=1)
    assert (await price(switch, card, "0.07", prefix="44")).effective_from == switch.now


async def test_of_changes_at_the_same_instant_the_last_wins(switch: Switch) -> None:
    since = switch.now - DAY
    card = await a_card(switch, since)
    for per_minute in ("0.01", "0.02"):
        await price(switch, card, per_minute, since)
    await switch.send(a_minute(switch, "a", since))
    assert await charges() == {"a": Decimal("0.02")}


async def test_an_assignment_at_the_same_instant_replaces_the_previous_one(
    switch: Switch,
) -> None:
    since = switch.now - DAY
    for name, per_minute in (("A", "0.01"), ("B", "0.02")):
        card = await a_card(switch, since, name)
        await price(switch, card, per_minute, since)
    await switch.send(a_minute(switch, "a", since))
    assert await charges() == {"a": Decimal("0.02")}
    assert await sample_records.rows("SELECT sequence FROM rate_card_assignments ORDER BY 1") == [
        (1,),
        (2,),
    ]


async def test_calls_being_stored_are_rated_at_a_price_that_was_stored_before_them(
    switch: Switch, outside: Any
) -> None:
    since = switch.now - timedelta(hours=1)
    card = await a_card(switch, since)
    await price(switch, card, "0.01", since)
    sending = switch.send(a_minute(switch, "a", switch.now))
    pricing = price(switch, card, "0.05", since)
    await outside_connection.held_up(
        outside, "LOCK TABLE record_keys IN EXCLUSIVE MODE", sending, pricing
    )
    assert await charges() == {"a": Decimal("0.05")}


async def test_storing_a_price_waits_for_calls_that_are_being_stored(
    switch: Switch, outside: Any
) -> None:
    since = switch.now - timedelta(hours=1)
    card = await a_card(switch, since)
    await price(switch, card, "0.01", since)
    sending = switch.send(a_minute(switch, "a", switch.now))
    pricing = price(switch, card, "0.05")
    _, added = await outside_connection.held_up(
        outside, "LOCK TABLE hour_marks IN SHARE MODE", sending, pricing
    )
    assert await charges() == {"a": Decimal("0.01")}
    assert added.effective_from == switch.now + timedelta(microseconds=1)


async def test_unrated_calls_are_rated_at_the_prices_at_their_setup(
    switch: Switch,
) -> None:
    since, later = switch.now - 2 * DAY, switch.now - DAY
    card = await a_card(switch, since)
    await switch.send(a_minute(switch, "a", since), a_minute(switch, "b", later))
    await price(switch, card, "0.01", since)
    await price(switch, card, "0.05", later)
    await switch.send(
        *(
            a_minute(switch, name, at, sip_reason="x", correction=True)
            for name, at in (("a", since), ("b", later))
        )
    )
    assert await charges() == {"a": Decimal("0.01"), "b": Decimal("0.05")}


@pytest.mark.parametrize("table", ["rates", "rate_card_revisions", "rate_card_assignments"])
async def test_rates_are_never_overwritten_or_removed(switch: Switch, table: str) -> None:
    await price(switch, await a_card(switch, switch.now), "0.01")
    for statement in (f"UPDATE {table} SET account_id = account_id", f"DELETE FROM {table}"):
        with pytest.raises(asyncpg.RaiseError, match="never changed"):
            async with db.connection() as conn:
                await conn.execute(statement)


async def test_a_waived_call_stays_waived_until_an_input_of_its_rating_changes(
    switch: Switch,
) -> None:
    call = a_minute(switch, "a", switch.now - DAY)
    await switch.send(call)
    async with db.transaction():
        calls = await unrated_calls.lock_earliest(
            switch.account_id, unrated_calls.Filter(switch.customer_id), 2
        )
        waived = [(unrated, rating.WAIVED) for unrated in calls]
        await unrated_calls.store_rates(switch.account_id, switch.customer_id, waived, switch.now)
    await switch.send(call | {"correction": True, "sip_code": 486})
    query = "SELECT rated_by, charge FROM call_records"
    assert await sample_records.rows(query) == [("WAIVED", 0)]
    await switch.send(call | {"correction": True, "destination": "+15550199"})
    assert await sample_records.rows(query) == [(None, None)]
