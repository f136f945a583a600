"""The first record of a customer fixes its currency, also during a concurrent change."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from domain import refusals
from domain.identity import callers
from models.billing import rate_cards
from resolvers.billing import rates
from resolvers.directory import customers
from runtime import clock
from tests.support import outside_connection
from tests.support.records import sample_records
from tests.support.records.posting import Switch

# SHARE lets the change read the table, and blocks inserts.
MARKS = "LOCK TABLE hour_marks IN SHARE MODE"
ASSIGNMENTS = "LOCK TABLE rate_card_assignments IN SHARE MODE"
LEDGER = "LOCK TABLE ledger_entries IN ACCESS EXCLUSIVE MODE"  # only the change reads it


@pytest.fixture
async def outside(database: str) -> AsyncIterator[Any]:
    async with outside_connection.connection(database) as connection:
        yield connection


def _owner(switch: Switch) -> callers.Caller:
    return callers.Caller(switch.account_id, callers.Kind.STAFF, 1, role=callers.Role.OWNER)


async def _to_dollars(switch: Switch, redis: Redis) -> str:
    """The code that it is refused with; "" where it is done."""
    try:
        settings = {"currency": "USD"}
        await customers.update(
            _owner(switch), switch.customer_id, settings, None, clock.now(), redis
        )
    except refusals.Refusal as refusal:
        return refusal.code
    return ""


async def _now_in(switch: Switch) -> str:
    [(currency,)] = await sample_records.rows(
        "SELECT currency FROM customers WHERE id = $1", switch.customer_id
    )
    return str(currency)


async def test_a_currency_change_is_refused_while_a_first_record_is_being_stored(
    switch: Switch, outside: Any, redis: Redis
) -> None:
    ending = switch.send(switch.end(charge="0.10", currency="EUR"))
    answer, code = await outside_connection.held_up(
        outside, MARKS, ending, _to_dollars(switch, redis)
    )
    assert (answer["accepted"], code) == (1, "CURRENCY_FIXED")
    assert await _now_in(switch) == "EUR"


async def test_a_correction_that_moves_a_call_to_a_customer_counts_as_its_first_record(
    switch: Switch, outside: Any, redis: Redis
) -> None:
    await switch.send(switch.end(customer="other"))
    moving = switch.send(switch.end(customer="acme", correction=True))
    answer, code = await outside_connection.held_up(
        outside, MARKS, moving, _to_dollars(switch, redis)
    )
    assert (answer["corrected"], code) == (1, "CURRENCY_FIXED")


@pytest.mark.parametrize("currency", ["EUR", None])
async def test_a_first_record_stored_during_a_currency_change_uses_the_new_currency(
    switch: Switch, outside: Any, redis: Redis, currency: str | None
) -> None:
    changes = {"charge": "0.10", "currency": currency} if currency else {}
    ending = switch.send(switch.end(**changes))
    code, answer = await outside_connection.held_up(
        outside, LEDGER, _to_dollars(switch, redis), ending
    )
    assert (code, await _now_in(switch)) == ("", "USD")
    assert [error["code"] for error in answer["refused"]] == (
        ["OTHER_CURRENCY"] if currency else []
    )
    assert answer["accepted"] == (0 if currency else 1)
    assert len(await sample_records.stored_records(switch.account_id)) == answer["accepted"]


async def test_a_customer_can_be_renamed_while_its_records_are_being_stored(
    switch: Switch, outside: Any, redis: Redis
) -> None:
    """Of a busy customer some always are: neither waits for the other."""
    results = []

    async def end() -> None:
        await switch.send(switch.end())
        results.append("end")

    async def rename() -> None:
        settings = {"name": "Acme Ltd"}
        await customers.update(
            _owner(switch), switch.customer_id, settings, None, clock.now(), redis
        )
        results.append("rename")

    await outside_connection.held_up(outside, MARKS, end(), rename())
    assert results == ["rename", "end"]


async def test_assigning_a_rate_card_and_changing_the_currency_wait_for_each_other(
    switch: Switch, outside: Any, redis: Redis
) -> None:
    """In either order, no customer is rated by a card in another currency."""
    owner, now = _owner(switch), clock.now()
    card = await rate_cards.create(switch.account_id, name="Euros", currency="EUR", now=now)

    async def assign() -> str:
        try:
            await rates.assign(owner, switch.customer_id, card, now, now)
        except refusals.Refusal as refusal:
            return refusal.code
        return ""

    results = await outside_connection.held_up(
        outside, LEDGER, _to_dollars(switch, redis), assign()
    )
    assert results == ["", "OTHER_CURRENCY"]
    await customers.update(owner, switch.customer_id, {"currency": "EUR"}, None, now, redis)
    results = await outside_connection.held_up(
        outside, ASSIGNMENTS, assign(), _to_dollars(switch, redis)
    )
    assert results == ["", "CURRENCY_FIXED"]
