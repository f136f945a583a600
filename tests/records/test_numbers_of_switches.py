"""Calls are rated by the called number in any notation of the switch."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.billing import rating
from domain.records import destinations
from models.billing import rate_cards
from models.directory import switches
from tests.support.records import sample_records
from tests.support.records.posting import Switch

DAY = timedelta(days=1)
WRITTEN = {
    "plain": "+441632960000",
    "spaces": "+44 1632 960000",
    "zeros": "0044 1632 960000",
    "sip": "sip:+441632960000@carrier-a.example;user=phone",
    "tel": "tel:+44-1632-960000",
    "invisible": "\u200e+441632960000\u200b",
}


@pytest.fixture
async def card(switch: Switch) -> int:
    """0.06 a minute for prefix 44, 0.60 for 441632."""
    since = switch.now - 2 * DAY
    card = await rate_cards.create(switch.account_id, name="A", currency="EUR", now=switch.now)
    await rate_cards.assign(switch.account_id, switch.customer_id, card, since, switch.now)
    prices = [rating.Rate("44", Decimal("0.06")), rating.Rate("441632", Decimal("0.60"))]
    await rate_cards.add_rates(
        switch.account_id, card, prices, ended=[], effective_from=since, now=switch.now
    )
    return card


def _minute(switch: Switch, call_id: str, destination: str, **changes: Any) -> dict[str, Any]:
    """A call with 60 s of talk, a day ago."""
    at = switch.now - DAY
    times = {"setup_at": at, "ringing_at": None, "answer_at": at, "end_at": at + DAY / 1440}
    stamps = {name: value and value.isoformat() for name, value in times.items()}
    return switch.end(call_id, destination=destination, **stamps) | changes


async def _rated() -> dict[str, tuple[str | None, Any]]:
    rows = await sample_records.rows("SELECT call_id, prefix, charge FROM call_records")
    return {call_id: (prefix, charge) for call_id, prefix, charge in rows}


async def test_every_notation_of_a_number_costs_the_same(switch: Switch, card: int) -> None:
    answer = await switch.send(*(_minute(switch, id, text) for id, text in WRITTEN.items()))
    assert answer["accepted"] == len(WRITTEN)
    assert await _rated() == {id: ("441632", Decimal("0.60")) for id in WRITTEN}


async def test_numbers_are_stored_as_received(switch: Switch, card: int) -> None:
    await switch.send(*(_minute(switch, id, text) for id, text in WRITTEN.items()))
    rows = await sample_records.rows("SELECT call_id, destination FROM call_records")
    assert dict(rows) == WRITTEN


@pytest.mark.parametrize("destination", ["01632 960000", "44x1632960000", "front-desk", "*44#"])
async def test_text_that_is_not_a_number_is_unrated(
    switch: Switch, card: int, destination: str
) -> None:
    assert (await switch.send(_minute(switch, "a", destination)))["accepted"] == 1
    assert await _rated() == {"a": (None, None)}


async def test_a_switch_with_a_country_can_write_national_numbers(
    switch: Switch, card: int
) -> None:
    await switches.configure(
        switch.account_id,
        "edge-1",
        switches.SwitchSettings(
            time_zone=None, lease_seconds=14_400, numbering=destinations.Numbering("44")
        ),
        switch.now,
    )
    await switch.send(_minute(switch, "a", "01632 960000"))
    assert await _rated() == {"a": ("441632", Decimal("0.60"))}


async def test_a_correction_with_another_notation_of_the_number_keeps_the_charge(
    switch: Switch, card: int
) -> None:
    await switch.send(_minute(switch, "a", WRITTEN["plain"]))
    dearer = [rating.Rate("441632", Decimal("0.90"))]
    await rate_cards.add_rates(
        switch.account_id, card, dearer, ended=[], effective_from=None, now=switch.now
    )
    corrected = _minute(switch, "a", WRITTEN["sip"], correction=True)
    assert (await switch.send(corrected))["corrected"] == 1
    assert await _rated() == {"a": ("441632", Decimal("0.60"))}


@pytest.mark.parametrize(
    ("spelling", "other"),
    [("2001:db8::1", "2001:0DB8:0:0::0001"), ("::ffff:192.0.2.1", "::FFFF:c000:201")],
)
async def test_the_spelling_of_an_address_does_not_change_a_record(
    switch: Switch, spelling: str, other: str
) -> None:
    await switch.send(_minute(switch, "a", WRITTEN["plain"], source_ip=spelling))
    answer = await switch.send(_minute(switch, "a", WRITTEN["plain"], source_ip=other))
    assert (answer["duplicates"], answer["held"]) == (1, [])
