"""The responses to everything that a switch can post to /ingest/calls."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain import money
from domain.billing import rating
from models.billing import rate_cards
from models.directory import switches
from tests.support.records import sample_records
from tests.support.records.posting import Switch, compress


async def test_an_end_is_acknowledged_once_it_is_stored_with_its_times(switch: Switch) -> None:
    answer = await switch.send(switch.end())
    assert (answer["accepted"], answer["refused"]) == (1, [])
    ((talk_us, customer_id, answer_at),) = await sample_records.rows(
        "SELECT talk_us, customer_id, answer_at IS NOT NULL FROM call_records"
    )
    assert (talk_us, customer_id, answer_at) == (50_000_000, switch.customer_id, True)


async def test_a_repeated_batch_contains_only_duplicates(switch: Switch) -> None:
    batch = [switch.end(name) for name in "abc"]
    await switch.send(*batch)
    assert (await switch.send(*batch))["duplicates"] == 3


async def test_the_order_of_fields_and_the_notation_of_instants_do_not_change_a_record(
    switch: Switch,
) -> None:
    await switch.send(switch.end(charge="0.10", currency="EUR"))
    micros = int(switch.now.timestamp()) * 1_000_000 + switch.now.microsecond
    same = switch.end(charge=0.1, currency="EUR", end_at=micros, boot=1, seq=9)
    assert (await switch.send(dict(reversed(same.items()))))["duplicates"] == 1


async def test_ndjson_and_gzip_are_accepted_and_only_an_invalid_line_is_refused(
    switch: Switch,
) -> None:
    lines = [json.dumps(switch.end("a")), "{broken", "", json.dumps(switch.end("b"))]
    content = compress("\n".join(lines).encode())
    answer = (await switch.post(content, **{"Content-Encoding": "gzip"})).json()
    assert answer["accepted"] == 2
    assert [(error["index"], error["code"]) for error in answer["refused"]] == [(1, "BAD_JSON")]
    assert await switch.quarantined() == [("BAD_JSON", "{broken")]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"type": "hello"}, "UNKNOWN_TYPE"),
    ({"type": None}, "UNKNOWN_TYPE"),
    ({"type": "start\0"}, "UNKNOWN_TYPE"),
    ({"type": "x" * 1_000_000}, "TOO_LONG"),
    ({"call_id": "x" * 256}, "TOO_LONG"),
    ({"call_id": ""}, "OUT_OF_RANGE"),
    ({"call_id": 7}, "WRONG_TYPE"),
    ({"call_id": "a\0b"}, "BAD_TEXT"),
    ({"call_id": "\ud800"}, "BAD_JSON"),
    ({"source": "9" * 129}, "TOO_LONG"),
    ({"leg": True}, "WRONG_TYPE"),
    ({"leg": -1}, "OUT_OF_RANGE"),
    ({"leg": 10**30}, "OUT_OF_RANGE"),
    ({"leg": 1.5}, "WRONG_TYPE"),
    ({"final": 1}, "WRONG_TYPE"),
    ({"billed_seconds": -1}, "OUT_OF_RANGE"),
    ({"charge": "NaN"}, "BAD_AMOUNT"),
    ({"charge": "Infinity"}, "BAD_AMOUNT"),
    ({"charge": float("nan")}, "BAD_JSON"),
    ({"charge": -1}, "BAD_AMOUNT"),
    ({"charge": 10**18}, "BAD_AMOUNT"),
    ({"charge": "one"}, "BAD_AMOUNT"),
    ({"charge": "1_000"}, "BAD_AMOUNT"),
    ({"charge": "0e-20000"}, "BAD_AMOUNT"),
    ({"cost": "0.0000000000001"}, "BAD_AMOUNT"),
    ({"currency": "USD"}, "OTHER_CURRENCY"),
    ({"customer": "nobody"}, "UNKNOWN_CUSTOMER"),
    ({"carrier": "nobody"}, "UNKNOWN_CARRIER"),
    ({"setup_at": "2026-11-22T03:00:00"}, "NAIVE_TIME"),
    ({"setup_at": "yesterday"}, "BAD_TIME"),
    ({"setup_at": "2026-02-30T00:00:00Z"}, "BAD_TIME"),
    ({"setup_at": True}, "WRONG_TYPE"),
    ({"setup_at": None}, "WRONG_TYPE"),
    ({"setup_at": 10**30}, "BAD_TIME"),
    ({"setup_at": -(10**30)}, "BAD_TIME"),
    ({"setup_at": "0001-01-01T00:00:00+14:00"}, "BAD_TIME"),
    ({"setup_at": "0001-01-01T00:00:00Z"}, "TOO_OLD"),
    ({"end_at": "9999-12-31T23:59:59.999999Z"}, "TIME_AHEAD"),
    ({"end_at": "9999-12-31T23:59:59-14:00"}, "BAD_TIME"),
    ({"correction": 0}, "OUT_OF_RANGE"),
    ({"correction": "yes"}, "WRONG_TYPE"),
]


async def test_each_invalid_event_is_refused_separately_and_stored_once(switch: Switch) -> None:
    bad = [switch.end() | wrong for wrong, _ in WRONG]
    batch = [switch.end("before"), *bad, switch.end("after")]
    answer = await switch.send(*batch)
    assert answer["accepted"] == 2
    codes = [code for _, code in WRONG]
    assert [(error["index"], error["code"]) for error in answer["refused"]] == list(
        enumerate(codes, 1)
    )
    assert all(0 < len(error["message"]) < 300 for error in answer["refused"])
    await switch.send(*batch)
    assert sorted(row[0] for row in await switch.quarantined()) == sorted(codes)


@pytest.mark.parametrize("zero", ["0." + "0" * 900, "-0"])
async def test_an_amount_is_stored_without_trailing_zeros(switch: Switch, zero: str) -> None:
    answer = await switch.send(switch.end(charge=zero, cost=zero))
    assert answer["accepted"] == 1
    assert await sample_records.rows("SELECT charge, cost FROM call_records") == [
        (Decimal(0), Decimal(0))
    ]


async def test_a_missing_field_is_named(switch: Switch) -> None:
    needed = ["type", "call_id", "switch", "customer", "setup_at", "end_at"]
    whole = switch.end()
    answer = await switch.send(*({k: v for k, v in whole.items() if k != name} for name in needed))
    assert {error["code"] for error in answer["refused"]} == {"MISSING_FIELD"}
    assert all(
        name in error["message"] for name, error in zip(needed, answer["refused"], strict=True)
    )


async def test_times_that_run_backwards_are_refused(switch: Switch) -> None:
    whole = switch.end(offered_at=switch.at(-59))
    later = ["offered_at", "ringing_at", "answer_at", "end_at"]
    answer = await switch.send(*(whole | {name: switch.at(-61)} for name in later))
    assert [error["code"] for error in answer["refused"]] == ["TIMES_BACKWARDS"] * 4


async def test_a_setup_more_than_five_minutes_ahead_or_too_old_is_quarantined(
    switch: Switch,
) -> None:
    ahead = switch.end("ahead", setup_at=switch.at(400), end_at=switch.at(400))
    old = switch.end("old", setup_at=switch.at(-401 * 86_400))
    answer = await switch.send(ahead, old, switch.start("early", at=switch.at(400)))
    assert [error["code"] for error in answer["refused"]] == ["TIME_AHEAD", "TOO_OLD", "TIME_AHEAD"]
    assert [row[0] for row in await switch.quarantined()] == ["TIME_AHEAD", "TOO_OLD"]


async def test_a_time_without_an_offset_is_read_in_the_zone_of_its_switch(switch: Switch) -> None:
    await switches.configure(
        switch.account_id,
        "edge-1",
        switches.SwitchSettings(time_zone="Asia/Kathmandu", lease_seconds=3_600),
        switch.now,
    )
    naive = switch.now - timedelta(seconds=60) + timedelta(hours=5, minutes=45)
    event = switch.end(setup_at=naive.replace(tzinfo=None).isoformat())
    assert (await switch.send(event))["accepted"] == 1
    assert await sample_records.rows("SELECT setup_at FROM call_records") == [
        (switch.now - timedelta(seconds=60),)
    ]


async def test_an_unanswered_leg_without_a_carrier_is_stored(switch: Switch) -> None:
    event = switch.end(carrier=None, answer_at=None, ringing_at=None, sip_code=404)
    assert (await switch.send(event))["accepted"] == 1
    assert await sample_records.rows("SELECT carrier_id, talk_us, charge FROM call_records") == [
        (0, 0, Decimal(0))
    ]


async def test_a_second_final_leg_is_refused_and_stored_in_quarantine(switch: Switch) -> None:
    answer = await switch.send(switch.end(), switch.end(leg=1))
    assert [(error["index"], error["code"]) for error in answer["refused"]] == [
        (1, "SECOND_FINAL_LEG")
    ]
    assert [row[0] for row in await switch.quarantined()] == ["SECOND_FINAL_LEG"]


async def test_different_content_of_a_record_is_held_until_a_correction_replaces_it(
    switch: Switch,
) -> None:
    await switch.send(switch.end())
    answer = await switch.send(switch.end(end_at=switch.at(-1)))
    assert [item["index"] for item in answer["held"]] == [0]
    corrected = switch.end(end_at=switch.at(-2), correction=True)
    assert (await switch.send(corrected))["corrected"] == 1
    assert (await switch.send(corrected))["duplicates"] == 1


async def test_the_rate_card_at_setup_rates_a_final_leg_unless_the_switch_sets_a_charge(
    switch: Switch,
) -> None:
    card = await rate_cards.create(switch.account_id, name="A", currency="EUR", now=switch.now)
    await rate_cards.add_rates(
        switch.account_id,
        card,
        [rating.Rate("1", Decimal("0.10"), Decimal("0.01"), 30, 6), rating.Rate("15", Decimal(1))],
        effective_from=switch.now - timedelta(days=1),
        now=switch.now,
    )
    since = switch.now - timedelta(hours=1)
    await rate_cards.assign(switch.account_id, switch.customer_id, card, since, switch.now)
    await switch.send(
        switch.end("card", destination="+1600"),
        switch.end("longer"),
        switch.end("switch", charge="0.5", billed_seconds=60, currency="EUR"),
        switch.end("unmatched", destination="+99"),
        switch.end("offer", final=False),
        switch.end("before", setup_at=switch.at(-3_601)),
    )
    rows = await sample_records.rows(
        "SELECT call_id, rated_by, prefix, billed_seconds, charge FROM call_records"
    )
    assert {row[0]: row[1:] for row in rows} == {
        "card": ("CARD", "1", 54, Decimal("0.100000")),
        "longer": ("CARD", "15", 50, Decimal("0.833333")),
        "switch": ("SWITCH", None, 60, Decimal("0.5")),
        "unmatched": (None, None, 0, None),
        "offer": (None, None, 0, None),
        "before": (None, None, 0, None),
    }


async def test_rates_added_later_apply_to_the_next_batch(switch: Switch) -> None:
    card = await rate_cards.create(
        switch.account_id, name="A", currency="EUR", rounding=money.Rounding.UP, now=switch.now
    )
    since = sample_records.SETUP.replace(year=2020)
    await rate_cards.assign(switch.account_id, switch.customer_id, card, since, switch.now)
    await switch.send(switch.end("first"))
    await rate_cards.add_rates(
        switch.account_id,
        card,
        [rating.Rate("", Decimal("0.6"))],
        effective_from=since,
        now=switch.now,
    )
    await switch.send(switch.end("second"))
    charges = await sample_records.rows("SELECT charge FROM call_records ORDER BY call_id")
    assert charges == [(None,), (Decimal("0.5"),)]
