"""Times without an offset around clock changes: some do not exist, some are ambiguous."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import instants, refusals
from domain.records import calls, events, intake, live_events, references
from ingest.switches import callboard
from models.directory import switches
from tests.support.records import sample_records
from tests.support.records.posting import Switch

BERLIN = ZoneInfo(
    "Europe/Berlin"
)  # 2026: skips 02:00 to 03:00 on 29 March, repeats it on 25 October
FIELDS = ("setup_at", "offered_at", "ringing_at", "answer_at", "end_at")


def lookup_of(zone: ZoneInfo | None = BERLIN, now: datetime | None = None) -> references.Lookup:
    return references.Lookup(
        customers={"acme": references.Customer(1, "EUR")},
        carriers={},
        switches={"edge-1": references.Switch(zone, 60)},
        rates_versions={},
        card_in_force=lambda customer_id, at: None,
        latest=(now or datetime(2027, 1, 1, tzinfo=UTC)) + references.MAX_CLOCK_LEAD,
        oldest=None,
    )


def message_of(type: str, **times: str) -> Any:
    event = {"type": type, "switch": "edge-1", "call_id": "a", "customer": "acme"}
    return callboard.parse_event(
        json.dumps(event | {"source": "1", "destination": "2"} | times).encode()
    )


def record(setup: str, end: str, **times: str) -> calls.Record:
    day = "2026-10-25T"
    event = message_of("end", setup_at=day + setup, end_at=day + end, **times)
    assert isinstance(event, events.End)
    return intake.build_record(event, lookup_of())


def code(setup: str, end: str, **times: str) -> tuple[str, str | None]:
    with pytest.raises(refusals.Refusal) as error:
        record(setup, end, **times)
    return error.value.code, error.value.field


@pytest.mark.parametrize("time", ["02:00:00", "02:30:00", "02:59:59.999999"])
def test_a_time_in_the_gap_of_a_clock_change_is_refused(time: str) -> None:
    with pytest.raises(refusals.Refusal) as error:
        instants.parse(f"2026-03-29T{time}", BERLIN, "setup_at")
    assert (error.value.code, error.value.field) == ("NO_SUCH_TIME", "setup_at")
    assert "Europe/Berlin" in error.value.message


@pytest.mark.parametrize(("time", "hour"), [("01:59:59", 0), ("03:00:00", 1)])
def test_a_time_next_to_the_gap_is_accepted(time: str, hour: int) -> None:
    assert instants.parse(f"2026-03-29T{time}", BERLIN, "at").hour == hour


def test_a_call_across_a_clock_change_has_its_true_length() -> None:
    """From 01:50, through the hour that is repeated, to 03:10: 2 hours and 20 minutes."""
    call = record("01:50:00", "03:10:00", answer_at="2026-10-25T01:50:00")
    assert call.talk_us == timedelta(hours=2, minutes=20) // calls.MICROSECOND


def test_an_ambiguous_time_is_refused_if_no_other_time_resolves_it() -> None:
    assert code("02:10:00", "02:20:00") == ("AMBIGUOUS_TIME", "setup_at")
    assert code("01:50:00", "02:20:00") == ("AMBIGUOUS_TIME", "end_at")
    assert code("02:10:00", "03:20:00") == ("AMBIGUOUS_TIME", "setup_at")


def test_an_ambiguous_time_is_resolved_by_the_other_times() -> None:
    call = record("02:50:00", "02:10:00")  # it ends in the second of both hours
    assert call.end_at - call.setup_at == timedelta(minutes=20)
    call = record("02:50:00", "02:55:00", answer_at="2026-10-25T02:10:00")
    assert call.talk_us == timedelta(minutes=45) // calls.MICROSECOND
    offered = "2026-10-25T02:40:00+01:00"  # in the second hour
    assert code("02:10:00", "02:50:00", offered_at=offered) == ("AMBIGUOUS_TIME", "setup_at")
    call = record("01:10:00", "02:50:00", offered_at=offered)
    assert call.end_at - call.offered_at == timedelta(minutes=10)


def test_times_that_run_backwards_in_every_interpretation_are_refused() -> None:
    assert code("03:00:00", "02:10:00") == ("TIMES_BACKWARDS", "end_at")


@given(st.lists(st.integers(-7200, 14_400), min_size=5, max_size=5))
def test_the_resolution_of_an_ambiguous_time_is_always_correct(seconds: list[int]) -> None:
    """For any times of a call: written without a zone, they are unchanged, or refused."""
    change = datetime(2026, 10, 25, 1, tzinfo=UTC)
    truth = [change + timedelta(seconds=offset) for offset in sorted(seconds)]
    local = [at.astimezone(BERLIN).replace(tzinfo=None).isoformat() for at in truth]
    event = message_of("end", **dict(zip(FIELDS, local, strict=True)))
    with contextlib.suppress(refusals.Refusal):
        call = intake.build_record(event, lookup_of())
        assert [getattr(call, field) for field in FIELDS] == truth
        return
    assert code_of(event) == "AMBIGUOUS_TIME"
    assert any(at.startswith("2026-10-25T02:") for at in local)


def code_of(event: events.End) -> str:
    with pytest.raises(refusals.Refusal) as error:
        intake.build_record(event, lookup_of())
    return error.value.code


@pytest.mark.parametrize("hour", [0, 1])
def test_an_ambiguous_time_of_a_live_event_is_resolved_by_its_arrival(hour: int) -> None:
    now = datetime(2026, 10, 25, hour, 30, 5, tzinfo=UTC)  # both times 02:30:05 in Berlin
    local = "2026-10-25T02:30:00"
    live = live_events.build_progress(message_of("start", at=local), lookup_of(now=now))
    assert live.at == live.setup_at == now - timedelta(seconds=5)
    beat = callboard.parse_event(
        b'{"type": "beat", "switch": "edge-1", "active": 0, "at": "%s"}' % local.encode()
    )
    assert isinstance(beat, events.Beat)
    assert live_events.build_beat(beat, lookup_of(now=now)).at == now - timedelta(seconds=5)


async def test_an_ambiguous_record_is_refused_separately_and_stored_with_its_day(
    switch: Switch,
) -> None:
    """In a zone whose clocks were set back within the days that are accepted."""
    zone, day = _last_repeat(switch.now)
    await switches.configure(
        switch.account_id,
        "edge-1",
        switches.SwitchSettings(time_zone=zone.key, lease_seconds=60),
        switch.now,
    )
    times = {
        "setup_at": f"{day:%Y-%m-%d}T{day:%H}:10:00",
        "end_at": f"{day:%Y-%m-%d}T{day:%H}:20:00",
    }
    answer = await switch.send(
        switch.end("a"), switch.end("b", ringing_at=None, answer_at=None, **times)
    )
    assert answer["accepted"] == 1
    assert [(error["index"], error["code"]) for error in answer["refused"]] == [
        (1, "AMBIGUOUS_TIME")
    ]
    [(setup_at,)] = await sample_records.rows("SELECT setup_at FROM quarantine")
    assert setup_at.astimezone(zone).replace(tzinfo=None) == day.replace(minute=10)


def _last_repeat(now: datetime) -> tuple[ZoneInfo, datetime]:
    """A zone and the last local hour in it that was twice, within the last 13 months."""
    for hours in range(24 * 395):
        hour = (now - timedelta(hours=hours)).replace(minute=0, second=0, microsecond=0)
        local = hour.astimezone(BERLIN)
        if local.fold:
            return BERLIN, local.replace(tzinfo=None, fold=0)
    raise AssertionError("Berlin no longer changes its clocks: test another zone")
