"""What becomes of refused events: records wait in quarantine, the others are only counted."""

import json
from datetime import timedelta
from typing import Any

import made
import pytest
from posting import Switch
from structlog.testing import capture_logs

from domain import refusals, review
from domain.review import State
from ingest import refusal_log
from models import quarantine

NOW = made.NOW
SECOND = timedelta(seconds=1)
REFUSAL = refusals.Refusal("UNKNOWN_CUSTOMER", "No such customer.")


def lines(logs: list[Any]) -> list[tuple[str | None, str, int]]:
    return [
        (line["switch"], line["code"], line["events"])
        for line in logs
        if line["event"] == "events refused and not stored"
    ]


def refused(payload: bytes = b"{}", setup_at: Any = None) -> quarantine.Refused:
    return quarantine.Refused(payload, REFUSAL, "edge-1", setup_at)


async def items(account_id: int, state: State = State.OPEN) -> list[quarantine.Row]:
    return await quarantine.page(account_id, quarantine.Filter(state), None, 100)


async def test_events_that_are_no_records_are_answered_and_counted_but_not_stored(
    switch: Switch,
) -> None:
    events = [switch.start(f"call-{n}", customer="nobody") for n in range(3)]
    events += [switch.start() | {"type": type, "at": "never"} for type in ("ringing", "answer")]
    with capture_logs() as logs:
        answer = await switch.send(*events, switch.beat(-1))
        await switch.send(*events)
    codes = [one["code"] for one in answer["refused"]]
    assert codes == ["UNKNOWN_CUSTOMER"] * 3 + ["BAD_TIME"] * 2 + ["OUT_OF_RANGE"]
    assert await switch.quarantined() == []
    assert sorted(lines(logs)) == [
        ("edge-1", "BAD_TIME", 2),
        ("edge-1", "OUT_OF_RANGE", 1),
        ("edge-1", "UNKNOWN_CUSTOMER", 3),
    ]


async def test_calls_of_a_snapshot_that_are_refused_are_not_stored(switch: Switch) -> None:
    with capture_logs() as logs:
        answer = await switch.snapshot(calls=[{"call_id": "a", "customer": "nobody"}, {}])
    assert [one["code"] for one in answer["refused"]] == ["UNKNOWN_CUSTOMER", "MISSING_FIELD"]
    assert await switch.quarantined() == []
    assert sorted(lines(logs)) == [
        ("edge-1", "MISSING_FIELD", 1),
        ("edge-1", "UNKNOWN_CUSTOMER", 1),
    ]


async def test_whatever_may_be_a_record_is_stored_with_the_setup_it_says(switch: Switch) -> None:
    batches = [
        b'[1, {"type": "hello"}, "x"]',
        b'{"setup_at": "2026-11-22T02:10:00.1234567Z"}',
        b'{broken\n{"type": 5}',
        json.dumps([switch.end(customer="nobody"), switch.end(setup_at=[1])]).encode(),
    ]
    for batch in batches:
        assert (await switch.post(batch)).status_code == 200
    stored = await made.rows("SELECT code, setup_at FROM quarantine")
    assert sorted(stored, key=str) == [
        ("BAD_JSON", None),
        ("MISSING_FIELD", made.SETUP + timedelta(microseconds=123_456)),
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
    assert await made.rows("SELECT count(*) FROM quarantine") == [(10_000,)]


def test_a_switch_and_code_are_logged_at_most_once_a_minute_with_their_number() -> None:
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


def test_names_of_switches_without_end_do_not_fill_the_memory() -> None:
    log = refusal_log.RefusalLog()
    with capture_logs() as logs:
        for n in range(3_000):
            log.add([(1, f"edge-{n}", "TIME_AHEAD")] * 2, NOW)
            log.add([(1, f"edge-{n}", "TIME_AHEAD")], NOW)
    assert len(log._counts) == 1_000
    assert sum(events for _, _, events in lines(logs)) == 3 * 3_000 - 1_000


@pytest.mark.usefixtures("database")
async def test_a_discarded_record_that_is_refused_again_is_open_again_with_both_dates() -> None:
    mine = await made.account()
    await quarantine.add(mine, [refused()], NOW)
    [item] = await items(mine)
    assert (item.received_at, item.last_received_at, item.times_received) == (NOW, NOW, 1)
    await quarantine.settle(mine, [item.id], State.DISCARDED)
    later = quarantine.Refused(b"{}", refusals.Refusal("BAD_TIME", "No time."), "edge-1")
    await quarantine.add(mine, [later, later], NOW + SECOND)
    [again] = await items(mine)
    assert (again.id, again.code) == (item.id, "BAD_TIME")
    assert (again.received_at, again.last_received_at) == (NOW, NOW + SECOND)
    assert again.times_received == 3


@pytest.mark.usefixtures("database")
async def test_a_replayed_record_stays_replayed_however_often_its_first_content_comes() -> None:
    mine = await made.account()
    await quarantine.add(mine, [refused()], NOW)
    [item] = await items(mine)
    await quarantine.settle(mine, [item.id], State.REPLAYED)
    await quarantine.add(mine, [refused()], NOW + SECOND)
    assert await items(mine) == []
    [again] = await items(mine, State.REPLAYED)
    assert (again.times_received, again.last_received_at) == (2, NOW + SECOND)


@pytest.mark.usefixtures("database")
async def test_a_full_quarantine_stores_nothing_new_for_its_account_until_there_is_space() -> None:
    mine, theirs = await made.account(), await made.account()
    payload = b"x" * 1_500  # 2,000 bytes with its index entries
    await made.rows(
        "INSERT INTO quarantine_sizes VALUES ($1, $2)", mine, review.QUARANTINE_BYTES - 4_000
    )
    batch = [refused(payload[:-1] + bytes([n])) for n in range(65, 68)]
    assert await quarantine.add(mine, batch, NOW) == batch[2:]
    assert await quarantine.add(mine, batch, NOW + SECOND) == batch[2:]
    assert await quarantine.add(theirs, batch, NOW) == []
    assert [item.times_received for item in await items(mine)] == [2, 2]
    assert await quarantine.remove_open(mine, NOW + 2 * SECOND, 1) == 1
    assert await quarantine.add(mine, batch[2:], NOW) == []


async def test_a_full_quarantine_still_answers_and_the_log_counts_what_is_not_stored(
    switch: Switch,
) -> None:
    await made.rows(
        "INSERT INTO quarantine_sizes VALUES ($1, $2)", switch.account_id, review.QUARANTINE_BYTES
    )
    with capture_logs() as logs:
        answer = await switch.send(switch.end(), switch.end("b", customer="nobody"))
    assert (answer["accepted"], answer["refused"][0]["code"]) == (1, "UNKNOWN_CUSTOMER")
    assert lines(logs) == [("edge-1", "QUARANTINE_FULL", 1)]
    assert await switch.quarantined() == []


@pytest.mark.usefixtures("database")
async def test_the_size_of_a_quarantine_is_what_it_holds() -> None:
    mine = await made.account()
    for second in range(5):
        batch = [refused(f"é{n}".encode()) for n in range(second, second + 4)]
        await quarantine.add(mine, batch, NOW + second * SECOND)
    await quarantine.settle(mine, [(await items(mine))[0].id], State.DISCARDED)
    assert await quarantine.remove_settled(mine, NOW + 9 * SECOND, 100) == 1
    assert await quarantine.remove_open(mine, NOW + 2 * SECOND, 100) == 2
    assert await made.rows("SELECT bytes FROM quarantine_sizes") == await made.rows(
        "SELECT sum(octet_length(payload) + 500)::bigint FROM quarantine"
    )
