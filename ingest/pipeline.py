"""From a batch of events to durable records, the live picture and the answer.

Refused events are in the quarantine and records stored before anything is answered or counted
live; Redis may be away all the while.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis

from domain import calls, events, instants, intake, references, refusals, review
from ingest import batch, body, live_side, refusal_log
from ingest.switches import callboard
from live import channels, throttle
from models import db, faults, quarantine, rate_cache, rate_versions, records, switches
from models import references as stored_references

_SLICE = 250  # events worked on before other requests get a turn


class Pipeline:
    """One a process. `records_days`: how long call records are kept; None: any age is taken.
    `tries` counts wrong secrets of SIP users."""

    def __init__(
        self,
        redis: Redis,
        records_days: int | None,
        rates: rate_cache.RateCache | None = None,
    ) -> None:
        self.tries = throttle.Throttle(redis)
        self._live = live_side.LiveSide(redis)
        self._refusals = refusal_log.RefusalLog()
        self._rates = rates or rate_cache.RateCache()
        self._undisturbed = asyncio.Lock()
        self._kept = None if records_days is None else timedelta(days=records_days)

    async def close(self) -> None:
        """Ends what is under way in the background."""
        await self._rates.close()

    async def take_calls(
        self, account_id: int, raws: Sequence[body.Raw], now: datetime
    ) -> dict[str, Any]:
        """The answer to `/ingest/calls`, once all of it is durable."""
        taken = batch.Batch(raws)
        found = await self._check(account_id, taken, now)
        await _in_slices(taken.records, taken.put_in_part)
        for part in taken.parts:
            await self._store(account_id, taken, part, found, now)
        await self._store_refused(account_id, taken, found, now)
        counted = [taken.live[index] for index in sorted(taken.live)]
        wanted = await self._count_live(account_id, counted, found, now)
        if taken.parts:
            await self._live.wake_worker(now)
        return await _answer(taken, wanted)

    async def check(
        self, account_id: int, payloads: Sequence[bytes], received_at: datetime, now: datetime
    ) -> list[review.Checked | refusals.Refusal]:
        """What `take_calls` would store of each, or why it refuses it; nothing is stored. Records
        that were not too old when they were received are not too old now."""
        taken = batch.Batch(payloads)
        await self._check(account_id, taken, now, received_at)
        return [taken.checked(index) for index in range(len(payloads))]

    async def tell(
        self, account_id: int, counted: Sequence[calls.LiveEvent], now: datetime
    ) -> None:
        """After records were stored: what the live picture and the worker have to know of them."""
        found = await switches.known(account_id, {event.switch for event in counted}, now)
        await self._count_live(account_id, counted, found, now)
        await self._live.wake_worker(now)

    async def take_snapshot(self, account_id: int, raw: bytes, now: datetime) -> dict[str, Any]:
        """The answer to `/ingest/snapshot`, its calls counted as events of `/ingest/calls` are.

        Raises Refusal where it is not a snapshot.
        """
        said = callboard.snapshot(raw)
        found = await switches.known(account_id, {said.switch}, now)
        switch = found.switches[said.switch]
        at = instants.parse(said.at, switch.zone, "at")
        taken = batch.Batch(said.calls)
        await _in_slices(range(len(said.calls)), taken.parse_listed)
        known = await self._known(account_id, list(taken.listed.values()), found.switches, now)
        known.timely(at, "at")
        await _in_slices(taken.listed, lambda i: taken.check_listed(i, at, switch.zone, known))
        await _in_slices(
            taken.refused,
            lambda i: self._refusals.add([(account_id, said.switch, taken.refused[i].code)], now),
        )
        snapshot = calls.Snapshot(
            switch=said.switch,
            at=at,
            numbered=intake.numbered(said),
            calls=list(taken.up.values()),
            lease_seconds=switch.lease_seconds,
        )
        applied = await self._live.apply_snapshot(account_id, snapshot, now)
        wanted = await self._settle(account_id, {said.switch}, found, applied, now)
        return await _answer(taken, wanted)

    async def _store(
        self,
        account_id: int,
        taken: batch.Batch,
        part: Sequence[int],
        found: switches.Known,
        now: datetime,
    ) -> None:
        """Stores a part's records, checked again if a customer's currency or rates have changed
        since they were read."""
        try:
            stored = await _insert(account_id, taken, part, now)
        except faults.REFERENCES_CHANGED:
            part, stored = await self._store_undisturbed(account_id, taken, part, found, now)
        taken.stored(part, stored)

    async def _store_undisturbed(
        self,
        account_id: int,
        taken: batch.Batch,
        part: Sequence[int],
        found: switches.Known,
        now: datetime,
    ) -> tuple[Sequence[int], records.Inserted]:
        """Keeps changes of rates waiting meanwhile: one after another they would never let the
        part be stored. In turn, since each holds a connection while others may be needed.

        Returns what is left of the part: the others are refused by now.
        """

        async def store() -> tuple[Sequence[int], records.Inserted]:
            async with db.transaction():
                await rate_versions.share(account_id)
                left = [index for index in part if index in taken.records]
                said = [one for i in left if isinstance(one := taken.said[i], events.End)]
                left = taken.check_again(
                    left, await self._known(account_id, said, found.switches, now)
                )
                return left, await _insert(account_id, taken, left, now)

        async with self._undisturbed:
            while True:
                with contextlib.suppress(*faults.REFERENCES_CHANGED):  # a currency again
                    return await records.retried(store)

    async def _store_refused(
        self, account_id: int, taken: batch.Batch, found: switches.Known, now: datetime
    ) -> None:
        """Stores what may be a record in quarantine; counts in the log what is not stored."""
        indexes = list(taken.refused)
        for start in range(0, len(indexes), _SLICE):
            part = indexes[start : start + _SLICE]
            may_be_records, others = taken.refused_records(part, found.switches)
            lost = await quarantine.add(account_id, may_be_records, now)
            kinds = [(account_id, one.switch, one.refusal.code) for one in others]
            kinds += [(account_id, one.switch, "QUARANTINE_FULL") for one in lost]
            self._refusals.add(kinds, now)
            await asyncio.sleep(0)

    async def _check(
        self,
        account_id: int,
        taken: batch.Batch,
        now: datetime,
        received_at: datetime | None = None,
    ) -> switches.Known:
        """`received_at`: when the events were first received, by default now."""
        await _in_slices(range(len(taken.raws)), taken.parse)
        found = await switches.known(account_id, taken.switches(), now)
        said = [one for one in taken.said.values() if not isinstance(one, events.Beat)]
        known = await self._known(account_id, said, found.switches, now, received_at)
        await _in_slices(taken.said, lambda index: taken.check(index, known))
        return found

    async def _known(
        self,
        account_id: int,
        said: Collection[
            events.Start | events.Ringing | events.Answer | events.End | events.Listed
        ],
        found: Mapping[str, references.Switch],
        now: datetime,
        received_at: datetime | None = None,
    ) -> references.Known:
        customers = await stored_references.customers(account_id, {one.customer for one in said})
        carriers = await stored_references.carriers(
            account_id, {one.carrier for one in said if one.carrier}
        )
        ends = [one for one in said if isinstance(one, events.End) and intake.is_rated_here(one)]
        setups: list[datetime] = []
        await _in_slices(range(len(ends)), lambda i: _note_setup(ends[i], found, setups))
        rates = await self._rates.in_force(
            account_id,
            customers.values(),
            {one.destination for one in ends},
            min(setups, default=now),
        )
        return references.Known(
            customers=customers,
            carriers=carriers,
            switches=found,
            rates_versions=rates.assignments.versions,
            card_in_force=rates.at,
            latest=now + references.AHEAD,
            oldest=None if self._kept is None else (received_at or now) - self._kept,
        )

    async def _count_live(
        self,
        account_id: int,
        counted: Sequence[calls.LiveEvent | calls.Beat],
        found: switches.Known,
        now: datetime,
    ) -> frozenset[str]:
        if not counted:
            return found.wanted
        applied = await self._live.apply(account_id, counted, now)
        spoke = {event.switch for event in counted}
        return await self._settle(account_id, spoke, found, applied, now)

    async def _settle(
        self,
        account_id: int,
        spoke: set[str],
        found: switches.Known,
        applied: channels.Applied | None,
        now: datetime,
    ) -> frozenset[str]:
        """Keeps in PostgreSQL of which switches a snapshot is wanted now, and returns them."""
        if applied is None:
            reasons = dict.fromkeys(spoke, "REDIS_AWAY")
            settled: frozenset[str] = frozenset()
        else:
            reasons = dict(applied.snapshot_wanted)
            settled = (applied.settled & found.wanted) - reasons.keys()
            await switches.note_lost(account_id, applied.lost, now)
            await switches.snapshots_settled(account_id, settled)
        await switches.want_snapshots(
            account_id, {name: reasons[name] for name in reasons.keys() - found.wanted}, now
        )
        return (found.wanted | reasons.keys()) - settled


async def _insert(
    account_id: int, taken: batch.Batch, part: Sequence[int], now: datetime
) -> records.Inserted:
    return await records.insert(account_id, [taken.records[index] for index in part], now)


async def _in_slices(indexes: Iterable[int], work: Callable[[int], None]) -> None:
    for count, index in enumerate(indexes, 1):
        work(index)
        if count % _SLICE == 0:
            await asyncio.sleep(0)


async def _answer(taken: batch.Batch, wanted: frozenset[str]) -> dict[str, Any]:
    await _in_slices(sorted(taken.refused), taken.tell_refused)
    return taken.answer(sorted(wanted))


def _note_setup(
    said: events.End, found: Mapping[str, references.Switch], setups: list[datetime]
) -> None:
    with contextlib.suppress(refusals.Refusal):  # it is refused when it is checked
        setups.append(instants.parse(said.setup_at, found[said.switch].zone, "setup_at"))
