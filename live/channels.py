"""Live channels: what switches say goes in, how many calls are up comes out.

Events may come in any order and more than once. Every change of a scope (a customer, or the whole
account) raises its sequence and is published in the same step. All functions raise
`redis.exceptions.RedisError` where Redis is away; repeating them is harmless.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec
from redis.asyncio import Redis

from domain import calls
from live import keys, micros, scripts

_CHUNK = 1_000  # events a script may take; Redis does nothing else meanwhile
_IS_UP, _END, _BEAT = 1, 2, 3  # as apply.lua knows them
CPS_SECONDS = 10
NO_PDD = -1  # as window.lua knows it

_Outcome = tuple[int | None, int, int, bool]
_Row = tuple[int, str, int, int, int, int, int, bool, int | None, int | None, *_Outcome]
_NO_OUTCOME: _Outcome = (None, 0, 0, False)
_Lost = tuple[str, str, int, int]
_encode = msgspec.msgpack.Encoder().encode
# Sequence, instant, attempts, calls by carrier, and the database's number, as `told` of common.lua.
_state = msgspec.msgpack.Decoder(tuple[int, int, int, list[tuple[int, int]], int]).decode


@dataclass(frozen=True, slots=True)
class Channels:
    """Calls up in a scope; `by_carrier` always adds up to `in_use`.

    A call stands under the carrier of its highest leg that is up, under None between carriers.
    `cps` is attempts per second over the last 10 full seconds. `sequence` rises with every change.
    """

    sequence: int
    as_of: datetime
    in_use: int
    cps: float
    by_carrier: tuple[tuple[int | None, int], ...]

    @property
    def carriers(self) -> list[int | None]:
        return [carrier for carrier, _ in self.by_carrier]


LostCall: TypeAlias = calls.LostCall


@dataclass(frozen=True, slots=True)
class Applied:
    """`snapshot_wanted` gives, for each switch that spoke and owes a snapshot, the reason:

    UNKNOWN (nothing, or no longer anything, is known of it), RESTARTED, HOLE (numbers missing for
    5 s or by more than 1,000) or DIFFERS (its number of calls). It stays until a snapshot is
    applied; `settled` names the switch whose snapshot was.
    """

    snapshot_wanted: dict[str, str]
    settled: frozenset[str] = frozenset()
    lost: tuple[LostCall, ...] = ()


async def apply(
    redis: Redis, account_id: int, events: Sequence[calls.LiveEvent | calls.Beat], now: datetime
) -> Applied:
    """Applies events in steps of 1,000; each step leaves a state that adds up."""
    now_us, wanted = micros.of(now), dict[str, str]()
    for first in range(0, len(events), _CHUNK):
        groups = _grouped(events[first : first + _CHUNK])
        answer = await scripts.APPLY.run(redis, account_id, _encode((now_us, groups)))
        wanted.update(msgspec.msgpack.decode(answer, type=list[tuple[str, str]]))
    return Applied(wanted)


async def apply_snapshot(
    redis: Redis, account_id: int, snapshot: calls.Snapshot, now: datetime
) -> Applied:
    """Makes the count what the switch lists, but for calls with news since the list was taken.

    One of an earlier start of the switch is left aside, and not `settled`.
    """
    number = snapshot.numbered
    listed = [
        (call.call_id, call.leg, call.customer_id, call.carrier_id, micros.of(call.setup_at))
        for call in snapshot.calls
    ]
    numbers = (False, False) if number is None else (number.boot, number.seq)
    said = (
        micros.of(now),
        snapshot.switch,
        snapshot.lease_seconds * 1_000_000,
        micros.of(snapshot.at),
    )
    answer = await scripts.SNAPSHOT.run(redis, account_id, _encode((*said, *numbers, listed)))
    applied, wanted, lost = msgspec.msgpack.decode(
        answer, type=tuple[bool, str | Literal[False], list[_Lost]]
    )
    return Applied(
        {snapshot.switch: wanted} if wanted else {},
        frozenset({snapshot.switch}) if applied else frozenset(),
        tuple(_lost(lost, "SNAPSHOT")),
    )


async def sweep(redis: Redis, account_id: int, now: datetime) -> tuple[LostCall, ...]:
    """Takes out the calls whose lease nobody renewed, and forgets old tombstones."""
    swept: list[LostCall] = []
    more = True
    while more:
        answer = await scripts.SWEEP.run(redis, account_id, micros.of(now))
        more, lost = msgspec.msgpack.decode(answer, type=tuple[bool, list[_Lost]])
        swept.extend(_lost(lost, "LEASE"))
    return tuple(swept)


async def read(
    redis: Redis,
    account_id: int,
    customer_id: int | None,
    now: datetime | None = None,
    floor: int = 0,
) -> Channels:
    """The state of a customer, or (None) of the account, as of `now` (default: Redis's time).

    Its sequence is no lower than `floor`: what the reader has shown before Redis came back with an
    old state, or on a host whose clock is behind.
    """
    at = "" if now is None else micros.of(now)
    answer = await scripts.READ.run(redis, account_id, keys.scope(customer_id), at, floor)
    return said(answer)


def told(redis: Redis, news: bytes) -> Channels | None:
    """The state that came with a change; None: a process of an older version told it, without, or
    it is of another database of the Redis server: what is published is heard in all of them."""
    try:
        state, database = _decoded(news)
    except msgspec.DecodeError:
        return None
    return state if database == scripts.database(redis) else None


def said(answer: bytes) -> Channels:
    """The state that `read` is answered with, or that was told with a change of it."""
    state, _ = _decoded(answer)
    return state


def _decoded(answer: bytes) -> tuple[Channels, int]:
    """A state, and the number of the database that it is of."""
    sequence, as_of, attempts, counts, database = _state(answer)
    by_carrier = [(carrier or None, count) for carrier, count in sorted(counts)]
    state = Channels(
        sequence=sequence,
        as_of=micros.instant(as_of),
        in_use=sum([count for _, count in counts]),
        cps=attempts / CPS_SECONDS,
        by_carrier=tuple(by_carrier),
    )
    return state, database


async def kept_since(redis: Redis, account_id: int, now: datetime) -> datetime:
    """Since when Redis has kept the picture: `now` where this is asked first after it was emptied
    or started. What was up before is known again when each switch has sent a snapshot."""
    answer = await scripts.KEPT.run(redis, account_id, micros.of(now))
    return micros.instant(msgspec.msgpack.decode(answer, type=int))


def _grouped(
    events: Sequence[calls.LiveEvent | calls.Beat],
) -> list[tuple[str, int, list[_Row]]]:
    """By switch, each in the order of its numbers: then only what is missing is a hole."""
    groups: dict[str, tuple[str, int, list[_Row]]] = {}
    for event in events:
        group = groups.get(event.switch)
        if group is None:
            group = (event.switch, event.lease_seconds * 1_000_000, [])
            groups[event.switch] = group
        group[2].append(_row(event))
    for _, _, rows in groups.values():
        boot = rows[0][8]
        if boot is not None and all(row[8] == boot for row in rows):
            rows.sort(key=_seq)
    return list(groups.values())


def _seq(row: _Row) -> int:
    return row[9] or 0


def _row(event: calls.LiveEvent | calls.Beat) -> _Row:
    number = event.numbered
    boot, seq = (None, None) if number is None else (number.boot, number.seq)
    if isinstance(event, calls.Beat):
        return _BEAT, "", event.active, 0, 0, micros.of(event.at), 0, True, boot, seq, *_NO_OUTCOME
    return (
        _END if event.type is calls.EventType.END else _IS_UP,
        event.call_id,
        event.leg,
        event.customer_id,
        event.carrier_id,
        micros.of(event.at),
        0 if event.setup_at is None else micros.of(event.setup_at),
        event.final,
        boot,
        seq,
        *_outcome(event.outcome),
    )


def _outcome(outcome: calls.Outcome | None) -> _Outcome:
    if outcome is None:
        return _NO_OUTCOME
    pdd_us = NO_PDD if outcome.pdd_us is None else outcome.pdd_us
    return int(outcome.answered), outcome.talk_us, pdd_us, outcome.corrects


def _lost(lost: Iterable[_Lost], reason: Literal["SNAPSHOT", "LEASE"]) -> Iterable[LostCall]:
    for switch, call_id, customer_id, setup in lost:
        yield LostCall(
            switch, call_id, customer_id, micros.instant(setup) if setup else None, reason
        )
