"""Events and switches as rows: the arguments of apply.lua and seed.lua. Times are in µs."""

from collections.abc import Sequence

from domain import epoch
from domain.directory import switch_activity
from domain.records import calls

_ACTIVE, _END, _BEAT = 1, 2, 3  # the kinds of events in apply.lua
NO_PDD = -1  # as in window.lua

_Outcome = tuple[int | None, int, int, bool]
Row = tuple[int, str, int, int, int, int, int, bool, int | None, int | None, *_Outcome, bool]
_NO_OUTCOME: _Outcome = (None, 0, 0, False)


def group_by_switch(
    events: Sequence[calls.LiveEvent | calls.Beat],
) -> list[tuple[str, int, list[Row]]]:
    """Groups events as (switch, lease, rows), sorted by number, so that only gaps form holes."""
    groups: dict[str, tuple[str, int, list[Row]]] = {}
    for event in events:
        group = groups.get(event.switch)
        if group is None:
            group = (event.switch, event.lease_seconds * 1_000_000, [])
            groups[event.switch] = group
        group[2].append(_row(event))
    for _, _, rows in groups.values():
        boot = rows[0][8]
        if boot is not None and all(row[8] == boot for row in rows):
            rows.sort(key=_sequence_number)
    return list(groups.values())


def _sequence_number(row: Row) -> int:
    return row[9] or 0


def _row(event: calls.LiveEvent | calls.Beat) -> Row:
    number = event.event_number
    boot, seq = (None, None) if number is None else (number.boot, number.seq)
    if isinstance(event, calls.Beat):
        return (
            _BEAT,
            "",
            event.active,
            0,
            0,
            epoch.to_microseconds(event.at),
            0,
            True,
            boot,
            seq,
            *_NO_OUTCOME,
            False,
        )
    return (
        _END if event.type is calls.EventType.END else _ACTIVE,
        event.call_id,
        event.leg,
        event.customer_id,
        event.carrier_id,
        epoch.to_microseconds(event.at),
        0 if event.setup_at is None else epoch.to_microseconds(event.setup_at),
        event.final,
        boot,
        seq,
        *_outcome_fields(event.outcome),
        event.is_record_only,
    )


def _outcome_fields(outcome: calls.Outcome | None) -> _Outcome:
    if outcome is None:
        return _NO_OUTCOME
    pdd_us = NO_PDD if outcome.pdd_us is None else outcome.pdd_us
    return int(outcome.answered), outcome.talk_us, pdd_us, outcome.corrects


def missed_row(missed: switch_activity.MissedEvents) -> tuple[str, int, int, int]:
    """A switch with missed events: name, time of the last one, time to wait for it, lease."""
    switch = missed.switch
    return switch.name, epoch.to_microseconds(missed.last_at), *_wait_and_lease(switch)


def awaited_row(switch: switch_activity.AwaitedSwitch) -> tuple[str, int, int]:
    """A switch that has to report: name, time to wait for it, lease."""
    return switch.name, *_wait_and_lease(switch)


def _wait_and_lease(switch: switch_activity.AwaitedSwitch) -> tuple[int, int]:
    return switch.seconds * 1_000_000, switch.lease_seconds * 1_000_000
