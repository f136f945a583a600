"""Instants finer than a microsecond are truncated at every entrance: a call is never of a later
hour than its switch says."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import made
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from posting import Switch

from domain import calls, events, instants, intake, references, refusals
from ingest.switches import callboard

SECOND = datetime(2026, 11, 22, 9, 59, 59, tzinfo=UTC)
KNOWN = references.Known(
    customers={"acme": references.Customer(1, "EUR")},
    carriers={},
    switches={"edge-1": references.Switch(None, 60)},
    rates_versions={},
    card_in_force=lambda customer_id, at: None,
    latest=SECOND + timedelta(days=1),
    oldest=None,
)
LOCAL = SECOND.replace(tzinfo=None)
FRACTIONS = st.text("0123456789", min_size=1, max_size=12)


def truncated(fraction: str) -> datetime:
    return SECOND + timedelta(microseconds=int(fraction[:6].ljust(6, "0")))


def said(type: str, **instants: str) -> bytes:
    event = {"type": type, "switch": "edge-1", "call_id": "a", "customer": "acme"}
    return json.dumps(event | {"source": "1", "destination": "2"} | instants).encode()


@given(FRACTIONS)
@example("9999999")
@example("999999999999")
def test_every_instant_of_a_record_is_truncated(fraction: str) -> None:
    at = f"2026-11-22T09:59:59.{fraction}Z"
    names = ("setup_at", "offered_at", "ringing_at", "answer_at", "end_at")
    event = callboard.event(said("end", **dict.fromkeys(names, at)))
    assert isinstance(event, events.End)
    record = intake.record(event, KNOWN)
    assert {getattr(record, name) for name in names} == {truncated(fraction)}


@given(FRACTIONS, st.sampled_from(["start", "ringing", "answer"]))
@example("9999999", "start")
def test_every_instant_of_a_live_event_is_truncated(fraction: str, type: str) -> None:
    at = f"2026-11-22T10:59:59.{fraction}+01:00"
    event = callboard.event(said(type, at=at, setup_at=at))
    assert isinstance(event, events.Start | events.Ringing | events.Answer)
    live = intake.live_event(event, KNOWN)
    assert (live.at, live.setup_at) == (truncated(fraction), truncated(fraction))


@given(FRACTIONS)
@example("9999999")
def test_the_instant_of_a_beat_is_truncated(fraction: str) -> None:
    beat = {"type": "beat", "switch": "edge-1", "active": 0}
    at = f"2026-11-22t09:59:59.{fraction}z"
    event = callboard.event(json.dumps(beat | {"at": at}).encode())
    assert isinstance(event, events.Beat)
    assert intake.beat(event, KNOWN).at == truncated(fraction)


@given(FRACTIONS)
@example("9999999")
def test_the_instants_of_a_snapshot_and_of_its_calls_are_truncated(fraction: str) -> None:
    at = f"2026-11-22T09:59:59.{fraction}Z"
    call = {"call_id": "a", "customer": "acme", "setup_at": at}
    snapshot = callboard.snapshot(
        json.dumps({"switch": "edge-1", "at": at, "calls": [call]}).encode()
    )
    assert instants.parse(snapshot.at, None, "at") == truncated(fraction)
    listed = callboard.listed(snapshot.calls[0])
    assert intake.listed(listed, SECOND, None, KNOWN).setup_at == truncated(fraction)


@given(st.datetimes(LOCAL.replace(year=1), LOCAL.replace(year=9999)), st.integers(-1439, 1439))
def test_an_instant_means_the_same_in_every_zone(local: datetime, minutes: int) -> None:
    sign, offset = "-" if minutes < 0 else "+", abs(minutes)
    text = f"{local.isoformat()}{sign}{offset // 60:02d}:{offset % 60:02d}"
    utc = local.replace(tzinfo=UTC) - timedelta(minutes=minutes)
    assert instants.parse(text, None, "at") == utc


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2026-11-22", "20261122T095959Z", "2026-11-22T09:59Z"),
        *("2026-11-22T09:59:60Z", "2026-11-22T24:00:00Z", "2026-02-30T00:00:00Z"),
        *("2026-11-22T09:59:59+24:00", "2026-11-22X09:59:59Z", "2026-11-22T09:59:59."),
    ],
)
def test_a_text_that_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(refusals.Refusal) as caught:
        instants.parse(text, None, "at")
    assert (caught.value.code, caught.value.field) in {("BAD_TIME", "at"), ("NAIVE_TIME", "at")}


async def test_a_call_of_the_last_nanosecond_of_an_hour_is_of_that_hour(switch: Switch) -> None:
    hour = switch.now.replace(minute=0, second=0, microsecond=0)
    last = f"{(hour - timedelta(seconds=1)).isoformat()[:19]}.9999999Z"
    answer = await switch.send(switch.end(setup_at=last, ringing_at=None))
    assert answer["accepted"] == 1
    assert await made.rows("SELECT hour, setup_at FROM hour_marks, call_records") == [
        (hour - timedelta(hours=1), hour - calls.MICROSECOND)
    ]


async def test_a_repeat_with_more_digits_is_a_duplicate(switch: Switch) -> None:
    whole: dict[str, Any] = switch.end(end_at=f"{switch.at(0)[:19]}.123456Z")
    await switch.send(whole)
    assert (await switch.send(whole | {"end_at": f"{switch.at(0)[:19]}.1234567Z"}))[
        "duplicates"
    ] == 1
