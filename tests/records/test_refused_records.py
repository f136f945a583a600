"""Refused events: records wait in quarantine, other events are only counted."""

import json
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain import refusals
from domain.records import review
from domain.records.review import State
from ingest import refusal_log
from models.records import quarantine_store
from tests.support.records import sample_records
from tests.support.records.posting import Switch

NOW = sample_records.NOW
SECOND = timedelta(seconds=1)
REFUSAL = refusals.Refusal("UNKNOWN_CUSTOMER", "No such customer.")


def lines(logs: list[Any]) -> list[tuple[str | None, str, int]]:
    return [
        (line["switch"], line["code"], line["events"])
        for line in logs
        if line["event"] == "events refused and not stored"
    ]


def refused_record(payload: bytes = b"{}", setup_at: Any = None) -> quarantine_store.RefusedRecord:
    return quarantine_store.RefusedRecord(payload, REFUSAL, "edge-1", setup_at)


async def items(
    account_id: int, state: State = State.OPEN
) -> list[quarantine_store.QuarantinedRecord]:
    return await quarantine_store.page(account_id, quarantine_store.Filter(state), None, 100)


async def test_events_that_cannot_be_records_are_answered_and_counted_but_not_stored(
    switch: Switch,
) -> None:
    events = [switch.start(f"call-{n}", customer="nobody") for n in range(3)]
    events += [switch.start() | {"type": type, "at": "never"} for type in ("ringing", "answer")]
    with capture_logs() as logs:
        answer = await switch.send(*events, switch.beat(-1))
        await switch.send(*events)
    codes = [error["code"] for error in answer["refused"]]
    assert codes == ["UNKNOWN_CUSTOMER"] * 3 + ["BAD_TIME"] * 2 + ["OUT_OF_RANGE"]
    assert await switch.quarantined() == []
    assert sorted(lines(logs)) == [
        ("edge-1", "BAD_TIME", 2),
        ("edge-1", "OUT_OF_RANGE", 1),
        ("edge-1", "UNKNOWN_CUSTOMER", 3),
    ]


async def test_refused_calls_of_a_snapshot_are_not_stored(switch: Switch) -> None:
    with capture_logs() as logs:
        answer = await switch.snapshot(calls=[{"call_id": "a", "customer": "nobody"}, {}])
    assert [error["code"] for error in answer["refused"]] == ["UNKNOWN_CUSTOMER", "MISSING_FIELD"]
    assert await switch.quarantined() == []
    assert sorted(lines(logs)) == [
        ("edge-1", "MISSING_FIELD", 1),
        ("edge-1", "UNKNOWN_CUSTOMER", 1),
    ]


async def test_a_refused_event_that_may_be_a_record_is_stored_with_its_setup_time(
    switch: Switch,
) -> None:
    batches = [
        b'[1, {"type": "hello"}, "x"]',
        b'{"setup_at": "2026-11-22T02:10:00.1234567Z"}',
        b'{broken\n{"type": 5}',
        json.dumps([switch.end(customer="nobody"), switch.end(setup_at=[1])]).encode(),
    ]
    for batch in batches:
        assert (await switch.post(batch)).status_code == 200
    rows = await sample_records.rows("SELECT code, setup_at FROM quarantine")
    assert sorted(rows, key=str) == [
        ("BAD_JSON", None),
        ("MISSING_FIELD", sample_records.SETUP + timedelta(microseconds=123_456)),
        ("UNKNOWN_CUSTOMER", switch.now - timedelta(seconds=60)),
        ("UNKNOWN_TYPE", None),
        ("UNKNOWN_TYPE", None),
        ("WRONG_TYPE", None),
        ("WRONG_TYPE", None),
        ("WRONG_TYPE", None),
    ]


async def test_ten_thousand_refused_records_are_all_stored(switch: Switch) -> None:
    answer = await switch.send(*(switch.end(f"{n}", customer="nobody") for n in range(10_000)))
    assert len(answer["refused"]) == 10_000
    assert await sample_records.rows("SELECT count(*) FROM quarantine") == [(10_000,)]


def test_each_switch_and_code_is_logged_at_most_once_a_minute_with_a_count() -> None:
    log, kind = refusal_log.RefusalLog(), (1, "edge-1", "TIME_AHEAD")
    with capture_logs() as logs:
        for second in range(150):
            log.add([kind] * 10, NOW + second * SECOND)
        log.add([(1, "edge-2", "TIME_AHEAD")], NOW)
    assert lines(logs) == [
        ("edge-1", "TIME_AHEAD", 10),
        ("edge-1", "TIME_AHEAD", 600),
        ("edge-1", "TIME_AHEAD", 600),
        ("edge-2", "TIME_AHEAD", 1),
    ]


def test_any_number_of_switch_names_needs_limited_memory() -> None:
    log = refusal_log.RefusalLog()
    with capture_logs() as logs:
        for n in range(3_000):
            log.add([(1, f"edge-{n}", "TIME_AHEAD")] * 2, NOW)
            log.add([(1, f"edge-{n}", "TIME_AHEAD")], NOW)
    assert len(log._counts) == 1_000
    assert sum(events for _, _, events in lines(logs)) == 3 * 3_000 - 1_000


@pytest.mark.usefixtures("database")
async def test_a_discarded_record_that_is_refused_again_is_reopened_with_both_dates() -> None:
    mine = await sample_records.account()
    await quarantine_store.add(mine, [refused_record()], NOW)
    [item] = await items(mine)
    assert (item.received_at, item.last_received_at, item.times_received) == (NOW, NOW, 1)
    await quarantine_store.set_state(mine, [item.id], State.DISCARDED)
    later = quarantine_store.RefusedRecord(
        b"{}", refusals.Refusal("BAD_TIME", "No time."), "edge-1"
    )
    await quarantine_store.add(mine, [later, later], NOW + SECOND)
    [again] = await items(mine)
    assert (again.id, again.code) == (item.id, "BAD_TIME")
    assert (again.received_at, again.last_received_at) == (NOW, NOW + SECOND)
    assert again.times_received == 3


@pytest.mark.usefixtures("database")
async def test_a_replayed_record_stays_replayed_if_its_first_content_arrives_again() -> None:
    mine = await sample_records.account()
    await quarantine_store.add(mine, [refused_record()], NOW)
    [item] = await items(mine)
    await quarantine_store.set_state(mine, [item.id], State.REPLAYED)
    await quarantine_store.add(mine, [refused_record()], NOW + SECOND)
    assert await items(mine) == []
    [again] = await items(mine, State.REPLAYED)
    assert (again.times_received, again.last_received_at) == (2, NOW + SECOND)


@pytest.mark.usefixtures("database")
async def test_a_full_quarantine_stores_nothing_new_for_its_account_until_there_is_space() -> None:
    mine, theirs = await sample_records.account(), await sample_records.account()
    payload = b"x" * 1_500  # 2,000 bytes with its index entries
    await sample_records.rows(
        "INSERT INTO quarantine_sizes VALUES ($1, $2)", mine, review.QUARANTINE_BYTES - 4_000
    )
    batch = [refused_record(payload[:-1] + bytes([n])) for n in range(65, 68)]
    assert await quarantine_store.add(mine, batch, NOW) == batch[2:]
    assert await quarantine_store.add(mine, batch, NOW + SECOND) == batch[2:]
    assert await quarantine_store.add(theirs, batch, NOW) == []
    assert [item.times_received for item in await items(mine)] == [2, 2]
    assert await quarantine_store.remove_open(mine, NOW + 2 * SECOND, 1) == 1
    assert await quarantine_store.add(mine, batch[2:], NOW) == []


async def test_a_full_quarantine_still_responds_and_the_log_counts_the_dropped_records(
    switch: Switch,
) -> None:
    await sample_records.rows(
        "INSERT INTO quarantine_sizes VALUES ($1, $2)", switch.account_id, review.QUARANTINE_BYTES
    )
    with capture_logs() as logs:
        answer = await switch.send(switch.end(), switch.end("b", customer="nobody"))
    assert (answer["accepted"], answer["refused"][0]["code"]) == (1, "UNKNOWN_CUSTOMER")
    assert lines(logs) == [("edge-1", "QUARANTINE_FULL", 1)]
    assert await switch.quarantined() == []


@pytest.mark.usefixtures("database")
async def test_the_size_of_a_quarantine_equals_its_contents() -> None:
    mine = await sample_records.account()
    for second in range(5):
        batch = [refused_record(f"é{n}".encode()) for n in range(second, second + 4)]
        await quarantine_store.add(mine, batch, NOW + second * SECOND)
    await quarantine_store.set_state(mine, [(await items(mine))[0].id], State.DISCARDED)
    assert await quarantine_store.remove_decided(mine, NOW + 9 * SECOND, 100) == 1
    assert await quarantine_store.remove_open(mine, NOW + 2 * SECOND, 100) == 2
    assert await sample_records.rows(
        "SELECT bytes FROM quarantine_sizes"
    ) == await sample_records.rows(
        "SELECT sum(octet_length(payload) + 500)::bigint FROM quarantine"
    )
