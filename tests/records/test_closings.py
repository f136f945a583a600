"""A refused end closes its live entry: the count is correct, and staff can review the record."""

import json
from typing import Any

import pytest
from redis.asyncio import Redis

from live import channels
from tests.support.records import frozen, sample_records
from tests.support.records.posting import Switch

REFUSED: dict[str, dict[str, Any]] = {
    "an unknown customer": {"customer": "nobody"},
    "an odd customer": {"customer": None},
    "an unknown carrier": {"carrier": "nobody"},
    "an odd amount": {"charge": "one"},
    "another currency": {"currency": "USD"},
    "no time": {"end_at": "now"},
    "a time of another type": {"end_at": None},
    "times backwards": {"answer_at": "2026-11-22T03:00:00Z"},
    "a time ahead": {"end_at": "9999-12-31T23:59:59Z"},
    "too old": {"setup_at": "2001-01-01T00:00:00Z"},
    "a number of another type": {"destination": 15550100},
    "odd numbers of its events": {"boot": "7", "seq": [1]},
}


async def read(redis: Redis, switch: Switch, customer: bool = True) -> channels.Channels:
    return await channels.read(redis, switch.account_id, switch.customer_id if customer else None)


@pytest.mark.parametrize("is_array", [True, False], ids=["array", "NDJSON"])
@pytest.mark.parametrize("wrong", REFUSED.values(), ids=REFUSED)
async def test_a_refused_end_closes_its_call(
    switch: Switch, redis: Redis, wrong: dict[str, Any], is_array: bool
) -> None:
    await switch.send(switch.start("a"), switch.start("b"))
    line = json.dumps(switch.end("a") | wrong)
    for _ in range(2):
        answer = (await switch.post((f"[{line}]" if is_array else line).encode())).json()
        assert len(answer["refused"]) == 1
        for scope in (True, False):
            state = await read(redis, switch, scope)
            assert (state.in_use, len(state.by_carrier)) == (1, 1)
    assert await sample_records.rows("SELECT 1 FROM call_records") == []
    assert len(await switch.quarantined()) == 1


async def test_a_refused_end_of_a_leg_closes_that_leg(switch: Switch, redis: Redis) -> None:
    await sample_records.carrier(switch.account_id, "carrier-b")
    await switch.send(switch.start("a"), switch.start("a", leg=1, carrier="carrier-b"))
    before = await read(redis, switch)
    await switch.send(switch.end("a", leg=1, final=False, charge="one"))
    after = await read(redis, switch)
    assert (before.in_use, after.in_use) == (1, 1)
    assert before.carriers != after.carriers


@pytest.mark.parametrize(
    "wrong",
    [{"type": "hello"}, {"call_id": 7}, {"leg": "0"}, {"final": "no"}, {"switch": 1}],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_a_refused_event_that_names_no_call_closes_nothing(
    switch: Switch, redis: Redis, wrong: dict[str, Any]
) -> None:
    await switch.send(switch.start("a"))
    await switch.send(switch.end("a", charge="one") | wrong)
    untyped = switch.end("a", charge="one")
    del untyped["type"]
    await switch.send(untyped, switch.end("other", charge="one"))
    assert (await read(redis, switch)).in_use == 1


async def test_an_end_refused_before_its_start_arrives_keeps_the_call_closed(
    switch: Switch, redis: Redis
) -> None:
    await switch.send(switch.end("a", customer="nobody"), switch.end("b", charge="one"))
    await switch.send(switch.start("a"), switch.start("b"))
    assert (await read(redis, switch)).in_use == 0


async def test_a_refused_end_leaves_no_gap_in_the_numbers(switch: Switch, redis: Redis) -> None:
    await switch.snapshot(boot=7, seq=0)
    await switch.send(switch.start("a", boot=7, seq=1))
    await switch.send(switch.end("a", charge="one", boot=7, seq=2))
    answer = await switch.send(switch.beat(0, boot=7, seq=3))
    assert answer["snapshotWanted"] == []
    assert (await read(redis, switch)).in_use == 0


async def test_an_end_in_a_frozen_hour_closes_its_call(switch: Switch, redis: Redis) -> None:
    await switch.send(switch.end("first"))
    await frozen.rebuild()
    await sample_records.rows("UPDATE hours SET frozen = true")
    await switch.send(switch.start("a"))
    answer = await switch.send(switch.end("a"))
    assert [item["code"] for item in answer["refused"]] == ["HOUR_FROZEN"]
    assert (await read(redis, switch)).in_use == 0


async def test_a_held_record_closes_its_call(switch: Switch, redis: Redis) -> None:
    await switch.send(switch.end("a", final=False))
    await switch.send(switch.start("a"))
    answer = await switch.send(switch.end("a"))
    assert len(answer["held"]) == 1
    assert (await read(redis, switch)).in_use == 0


async def test_a_corrected_record_after_a_refused_end_is_stored(
    switch: Switch, redis: Redis
) -> None:
    await switch.send(switch.start("a"))
    await switch.send(switch.end("a", charge="one"))
    answer = await switch.send(switch.end("a"))
    assert (answer["accepted"], (await read(redis, switch)).in_use) == (1, 0)
