"""Live channels: applies the events of switches, and reads the active calls.

Events may arrive in any order and more than once. Each change of a scope (a customer, or the whole
account) increases its sequence and is published in the same step. All functions are idempotent and
raise `redis.exceptions.RedisError` if Redis is unavailable.
"""

import asyncio
import enum
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import msgspec
from redis.asyncio import Redis

from domain import epoch
from domain.directory import switch_activity
from domain.records import calls
from live import event_rows, keys, scripts

_MAX_EVENTS = 1_000  # per call, because a script blocks Redis
CPS_SECONDS = 10

_Lost = tuple[str, str, int, int]
_encode = msgspec.msgpack.Encoder().encode
# Sequence, time, attempts, calls by carrier, number of the database, completeness: the answer of
# read.lua, and what common.lua publishes.
_state = msgspec.msgpack.Decoder(tuple[int, int, int, list[tuple[int, int]], int, int]).decode


class Completeness(enum.IntEnum):
    """INCOMPLETE: a switch has yet to report after a loss, or a switch with calls is silent. LOST:
    Redis was emptied or restarted with an old state, and has not been seeded since (`recovery`)."""

    COMPLETE = 0
    INCOMPLETE = 1
    LOST = 2


@dataclass(frozen=True, slots=True)
class Channels:
    """Active calls of a scope; `by_carrier` always adds up to `in_use`.

    A call counts for the carrier of its highest active leg, or for None between carriers. `cps`:
    attempts per second over the last 10 full seconds. `sequence` increases with every change.
    Unless the state is complete, none of its numbers may be shown.
    """

    sequence: int
    as_of: datetime
    in_use: int
    cps: float
    by_carrier: tuple[tuple[int | None, int], ...]
    completeness: Completeness = Completeness.COMPLETE

    @property
    def complete(self) -> bool:
        return self.completeness is Completeness.COMPLETE

    def as_incomplete(self, sequence: int) -> "Channels":
        """The same figures, which may be outdated."""
        return replace(self, sequence=sequence, completeness=Completeness.INCOMPLETE)

    @property
    def carriers(self) -> list[int | None]:
        return [carrier for carrier, _ in self.by_carrier]


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The effect of events or of a snapshot on the live state.

    `snapshot_wanted`: for each switch that reported and has to send a snapshot, the reason:

    - UNKNOWN: Redis has no state of the switch
    - RESTARTED: the switch has begun new numbers
    - HOLE: numbers have been missing for 5 s, or more than 1,000 of them
    - DIFFERS: the switch counts another number of calls
    - REDIS_LOST or REDIS_AWAY: Redis has lost or missed events

    A reason remains until a snapshot is applied; `settled_switches` is the switch of that snapshot.
    `is_lost`: Redis has lost the live state and has not been seeded since.
    """

    snapshot_wanted: dict[str, str]
    settled_switches: frozenset[str] = frozenset()
    lost_calls: tuple[calls.LostCall, ...] = ()
    is_lost: bool = False


async def apply(
    redis: Redis,
    account_id: int,
    events: Sequence[calls.LiveEvent | calls.Beat],
    now: datetime,
    missed: Sequence[switch_activity.MissedEvents] = (),
) -> ApplyResult:
    """Applies events in steps of 1,000; the numbers add up after each step.

    `missed`: switches with events that have not reached Redis. The state is incomplete until a
    snapshot of each awaited switch is applied, and the sliding window has to be filled again.
    """
    now_us, requested_snapshots, is_lost = epoch.to_microseconds(now), dict[str, str](), False
    missed_rows = [event_rows.missed_row(switch) for switch in missed]
    for first in range(0, max(len(events), 1 if missed else 0), _MAX_EVENTS):
        groups = event_rows.group_by_switch(events[first : first + _MAX_EVENTS])
        answer = await scripts.APPLY.run(redis, account_id, _encode((now_us, groups, missed_rows)))
        reasons, is_lost = msgspec.msgpack.decode(answer, type=tuple[list[tuple[str, str]], bool])
        requested_snapshots.update(reasons)
    return ApplyResult(requested_snapshots, is_lost=is_lost)


async def is_lost(redis: Redis, account_id: int) -> bool:
    """Whether Redis has lost the live state and has not been seeded since."""
    answer = await scripts.IS_LOST.run(redis, account_id)
    return msgspec.msgpack.decode(answer, type=bool)


async def seed(
    redis: Redis, account_id: int, awaited: Collection[switch_activity.AwaitedSwitch]
) -> list[str]:
    """Stores, after a loss, which switches were active before it. Does nothing without a loss.

    The state is complete as soon as each of them has sent a snapshot or is no longer awaited.
    Returns the names of the switches that have yet to report.
    """
    expected = [event_rows.awaited_row(switch) for switch in awaited]
    answer = await scripts.SEED.run(redis, account_id, _encode(expected))
    return msgspec.msgpack.decode(answer, type=list[str])


async def apply_snapshot(
    redis: Redis, account_id: int, snapshot: calls.Snapshot, now: datetime
) -> ApplyResult:
    """Replaces the calls of the switch by the listed ones, except calls with later events.

    An old snapshot of an earlier start of the switch is ignored and settles nothing.
    """
    number = snapshot.event_number
    parts: list[bytes] = []  # so that no step of the event loop encodes all calls
    for first in range(0, len(snapshot.calls), _MAX_EVENTS):
        parts.append(_encode_legs(snapshot.calls[first : first + _MAX_EVENTS]))
        await asyncio.sleep(0)
    numbers = (False, False) if number is None else (number.boot, number.seq)
    header = (
        epoch.to_microseconds(now),
        snapshot.switch,
        snapshot.lease_seconds * 1_000_000,
        epoch.to_microseconds(snapshot.at),
    )
    refused_calls = (list(snapshot.refused_call_ids), snapshot.calls_without_id)
    arguments = _encode((*header, *numbers, *refused_calls))
    answer = await scripts.SNAPSHOT.run(redis, account_id, arguments, *parts)
    applied, requested_snapshots, lost_calls, is_lost = msgspec.msgpack.decode(
        answer, type=tuple[bool, str | Literal[False], list[_Lost], bool]
    )
    return ApplyResult(
        {snapshot.switch: requested_snapshots} if requested_snapshots else {},
        frozenset({snapshot.switch}) if applied else frozenset(),
        tuple(_lost_calls(lost_calls, "SNAPSHOT")),
        is_lost,
    )


def _encode_legs(legs: Sequence[calls.SnapshotCall]) -> bytes:
    return _encode(
        [
            (
                leg.call_id,
                leg.leg,
                leg.customer_id,
                leg.carrier_id,
                epoch.to_microseconds(leg.setup_at),
            )
            for leg in legs
        ]
    )


async def sweep(redis: Redis, account_id: int, now: datetime) -> tuple[calls.LostCall, ...]:
    """Removes calls whose lease has expired, and old tombstones. Returns the removed calls."""
    removed: list[calls.LostCall] = []
    more = True
    while more:
        answer = await scripts.SWEEP.run(redis, account_id, epoch.to_microseconds(now))
        more, lost_calls = msgspec.msgpack.decode(answer, type=tuple[bool, list[_Lost]])
        removed.extend(_lost_calls(lost_calls, "LEASE"))
    return tuple(removed)


async def read(
    redis: Redis,
    account_id: int,
    customer_id: int | None,
    now: datetime | None = None,
    floor: int = 0,
) -> Channels:
    """The state of a customer, or (None) of the account, as of `now` (default: Redis's time).

    `floor`: the last sequence that the reader has shown. The new sequence is not lower, even if
    Redis restarted with an old state or on a host whose clock is behind.
    """
    at = "" if now is None else epoch.to_microseconds(now)
    answer = await scripts.READ.run(redis, account_id, keys.scope(customer_id), at, floor)
    return decode_state(answer)


def decode_published(redis: Redis, payload: bytes) -> Channels | None:
    """Decodes the state in a published message.

    Returns None if a process of an older version published it without a state, or if it is from
    another database of the Redis server, because all databases share their topics.
    """
    try:
        state, database = _decode(payload)
    except msgspec.DecodeError:
        return None
    return state if database == scripts.database(redis) else None


def decode_state(answer: bytes) -> Channels:
    """Decodes the state in an answer of read.lua."""
    state, _ = _decode(answer)
    return state


def _decode(answer: bytes) -> tuple[Channels, int]:
    """Decodes a state and the number of its database."""
    sequence, as_of, attempts, counts, database, completeness = _state(answer)
    by_carrier = [(carrier or None, count) for carrier, count in sorted(counts)]
    state = Channels(
        sequence=sequence,
        as_of=epoch.from_microseconds(as_of),
        in_use=sum([count for _, count in counts]),
        cps=attempts / CPS_SECONDS,
        by_carrier=tuple(by_carrier),
        completeness=Completeness(completeness),
    )
    return state, database


def _lost_calls(
    lost_calls: Iterable[_Lost], reason: Literal["SNAPSHOT", "LEASE"]
) -> Iterable[calls.LostCall]:
    for switch, call_id, customer_id, setup in lost_calls:
        yield calls.LostCall(
            switch, call_id, customer_id, epoch.from_microseconds(setup) if setup else None, reason
        )
