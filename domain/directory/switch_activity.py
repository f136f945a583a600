"""The switches that have to report before live state is complete again after a loss."""

from datetime import datetime, timedelta

import msgspec

MAX_SILENCE = timedelta(minutes=10)  # the silence of a switch that sends beats, as in common.lua
ACTIVITY_PRECISION = timedelta(seconds=30)  # activity is stored to within this


class Activity(msgspec.Struct, frozen=True, gc=False):
    """The stored activity of a switch.

    `last_active_at` is its last live report, to within `ACTIVITY_PRECISION`; None if there is none.
    `lease_seconds` is how long its calls count without an event.
    """

    last_active_at: datetime | None
    sends_beats: bool
    lease_seconds: int


class AwaitedSwitch(msgspec.Struct, frozen=True, gc=False):
    """A switch that was active before a loss: for how many more seconds its report is awaited (0:
    it is not)."""

    name: str
    seconds: int
    lease_seconds: int


class MissedEvents(msgspec.Struct, frozen=True, gc=False):
    """A switch with events that have not reached Redis, the last of them at `last_at`."""

    switch: AwaitedSwitch
    last_at: datetime


def awaited_switch(name: str, activity: Activity, now: datetime) -> AwaitedSwitch | None:
    """None: it never reported live, or has been silent for so long that it is gone.

    A switch that sends beats is gone after 10 minutes, another after its lease: by then each of its
    calls would have expired.
    """
    if activity.last_active_at is None:
        return None
    lease = timedelta(seconds=activity.lease_seconds)
    patience = min(lease, MAX_SILENCE) if activity.sends_beats else lease
    left = activity.last_active_at + ACTIVITY_PRECISION + patience - now
    if left <= timedelta(0):
        return None
    return AwaitedSwitch(name, -(-left // timedelta(seconds=1)), activity.lease_seconds)


def is_update_due(activity: Activity, sends_beats: bool, now: datetime) -> bool:
    """Whether it has to be stored that the switch is active now."""
    last = activity.last_active_at
    return (
        last is None
        or last < now - ACTIVITY_PRECISION
        or (sends_beats and not activity.sends_beats)
    )
