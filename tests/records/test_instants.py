"""Instants finer than a microsecond are truncated at every entrance, so that a call never belongs
to a later hour than its switch reported.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain import instants, refusals
from domain.records import calls, events, intake, live_events, references
from ingest import body
from ingest.switches import callboard
from tests.support.records import sample_records
from tests.support.records.posting import Switch

SECOND = datetime(2026, 11, 22, 9, 59, 59, tzinfo=UTC)
KNOWN = references.Lookup(
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


def message_of(type: str, **instants: str) -> bytes:
    event = {"type": type, "switch": "edge-1", "call_id": "a", "customer": "acme"}
    return json.dumps(event | {"source": "1", "destination": "2"} | instants).encode()


@given(FRACTIONS)
@example("9999999")
@example("999999999999")
def test_every_instant_of_a_record_is_truncated(fraction: str) -> None:
    at = f"2026-11-22T09:59:59.{fraction}Z"
    names = ("setup_at", "offered_at", "ringing_at", "answer_at", "end_at")
    event = callboard.parse_event(message_of("end", **dict.fromkeys(names, at)))
    assert isinstance(event, events.End)
    record = intake.build_record(event, KNOWN)
    assert {getattr(record, name) for name in names} == {truncated(fraction)}


@given(FRACTIONS, st.sampled_from(["start", "ringing", "answer"]))
@example("9999999", "start")
def test_every_instant_of_a_live_event_is_truncated(fraction: str, type: str) -> None:
    at = f"2026-11-22T10:59:59.{fraction}+01:00"
    event = callboard.parse_event(message_of(type, at=at, setup_at=at))
    assert isinstance(event, events.Start | events.Ringing | events.Answer)
    live = live_events.build_progress(event, KNOWN)
    assert (live.at, live.setup_at) == (truncated(fraction), truncated(fraction))


@given(FRACTIONS)
@example("9999999")
def test_the_instant_of_a_beat_is_truncated(fraction: str) -> None:
    beat = {"type": "beat", "switch": "edge-1", "active": 0}
    at = f"2026-11-22t09:59:59.{fraction}z"
    event = callboard.parse_event(json.dumps(beat | {"at": at}).encode())
    assert isinstance(event, events.Beat)
    assert live_events.build_beat(event, KNOWN).at == truncated(fraction)


@given(FRACTIONS)
@example("9999999")
def test_the_instants_of_a_snapshot_and_of_its_calls_are_truncated(fraction: str) -> None:
    at = f"2026-11-22T09:59:59.{fraction}Z"
    call = {"call_id": "a", "customer": "acme", "setup_at": at}
    content = json.dumps({"switch": "edge-1", "at": at, "calls": [call]}).encode()
    snapshot = asyncio.run(body.run_in_steps(callboard.parse_snapshot(content)))
    assert instants.parse(snapshot.at, None, "at") == truncated(fraction)
    listed_call = callboard.parse_listed_call(snapshot.calls[0])
    assert live_events.build_snapshot_call(listed_call, SECOND, None, KNOWN).setup_at == truncated(
        fraction
    )


@given(st.datetimes(LOCAL.replace(year=1), LOCAL.replace(year=9999)), st.integers(-1439, 1439))
def test_an_instant_is_the_same_with_every_offset(local: datetime, minutes: int) -> None:
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
def test_an_invalid_instant_is_refused(text: str) -> None:
    with pytest.raises(refusals.Refusal) as error:
        instants.parse(text, None, "at")
    assert (error.value.code, error.value.field) in {("BAD_TIME", "at"), ("NAIVE_TIME", "at")}


async def test_a_call_in_the_last_nanosecond_of_an_hour_belongs_to_that_hour(
    switch: Switch,
) -> None:
    hour = switch.now.replace(minute=0, second=0, microsecond=0)
    last = f"{(hour - timedelta(seconds=1)).isoformat()[:19]}.9999999Z"
    answer = await switch.send(switch.end(setup_at=last, ringing_at=None, answer_at=None))
    assert answer["accepted"] == 1
    assert await sample_records.rows("SELECT hour, setup_at FROM hour_marks, call_records") == [
        (hour - timedelta(hours=1), hour - calls.MICROSECOND)
    ]


async def test_a_repeat_with_more_digits_is_a_duplicate(switch: Switch) -> None:
    whole: dict[str, Any] = switch.end(end_at=f"{switch.at(0)[:19]}.123456Z")
    await switch.send(whole)
    assert (await switch.send(whole | {"end_at": f"{switch.at(0)[:19]}.1234567Z"}))[
        "duplicates"
    ] == 1


@given(
    st.datetimes(timezones=st.integers(-1_439, 1_439).map(lambda m: timezone(timedelta(minutes=m))))
)
@example(datetime(1, 1, 1, 9, tzinfo=UTC))
@example(datetime(2026, 11, 22, 23, 59, 59, tzinfo=timezone(timedelta(minutes=1_439))))
def test_the_time_before_a_date_is_before_every_instant_of_it(at: datetime) -> None:
    text = at.isoformat()
    before = instants.earliest_on(instants.date_of(text))
    assert before is not None
    try:
        setup = instants.parse(text, None, "setup_at")
    except refusals.Refusal:  # beyond what UTC can express
        return
    assert before <= setup
    microseconds = (setup - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    before = instants.earliest_on(instants.date_of(microseconds))
    assert before is not None
    assert timedelta(0) <= setup - before < timedelta(days=1)


@given(st.text(max_size=12))
def test_an_invalid_date_has_no_time_before_it(text: str) -> None:
    try:
        datetime.fromisoformat(instants.date_of(text))
    except ValueError:
        assert instants.earliest_on(instants.date_of(text)) is None
