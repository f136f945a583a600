"""Processes a batch of events: stores its records, updates the live state, returns the answer.

Records and refused events are stored before the live state changes and before the answer. Redis may
be unavailable throughout.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis

from domain import instants, refusals
from domain.records import calls, events, live_events, references, review
from ingest import adapters, batches, body, known_references, live_updates, refusal_log
from live import throttle
from models import db, faults
from models.billing import rate_cache, rate_versions
from models.directory import switches
from models.records import call_records, quarantine_store


class Pipeline:
    """One per process. `records_days`: the days for which call records are stored; None: any age is
    accepted. `tries` counts wrong secrets of SIP users."""

    def __init__(
        self,
        redis: Redis,
        records_days: int | None,
        rates: rate_cache.RateCache | None = None,
    ) -> None:
        self.tries = throttle.Throttle(redis)
        self._live = live_updates.LiveUpdates(redis)
        self._refusals = refusal_log.RefusalLog()
        self._rates = rates or rate_cache.RateCache()
        self._rates_lock = asyncio.Lock()
        self._retention = None if records_days is None else timedelta(days=records_days)

    async def close(self) -> None:
        """Ends the background tasks."""
        await self._live.close()
        await self._rates.close()

    async def ingest_calls(
        self,
        account_id: int,
        raws: Sequence[body.Raw],
        now: datetime,
        *,
        is_record_only: bool = False,
    ) -> dict[str, Any]:
        """Stores the events of a request. Returns the answer once they are durable.

        `is_record_only`: their source reports no active calls, so it is not asked for a snapshot.
        It sends again what is not acknowledged: raises Refusal QUARANTINE_FULL if a refused record
        cannot be stored.
        """
        batch = batches.Batch(raws, is_record_only=is_record_only)
        switch_states = await self._check(account_id, batch, now)
        await batches.run_in_slices(batch.records, batch.assign_part)
        for part in batch.parts:
            await self._store(account_id, batch, part, switch_states, now)
        are_stored = await self._store_refused(account_id, batch, switch_states, now)
        if is_record_only and not are_stored:
            raise quarantine_full()
        events_in_order = batch.live_events_in_order()
        snapshot_wanted = await self._live.apply(account_id, events_in_order, switch_states, now)
        if batch.parts:
            await self._live.wake_worker(now)
        return await _answer(batch, snapshot_wanted)

    async def check(
        self, account_id: int, payloads: Sequence[bytes], received_at: datetime, now: datetime
    ) -> list[review.ValidRecord | refusals.Refusal]:
        """The record that `ingest_calls` would store for each payload, or its refusal. Stores
        nothing. The age of a record is calculated at `received_at`."""
        batch = batches.Batch(payloads)
        await self._check(account_id, batch, now, received_at)
        return [batch.replay_result(index) for index in range(len(payloads))]

    async def update_live(
        self, account_id: int, ends: Sequence[calls.LiveEvent], now: datetime
    ) -> None:
        """Updates the live state and wakes the worker after records were stored elsewhere."""
        switch_states = await switches.find_or_register(
            account_id, {event.switch for event in ends}, now
        )
        await self._live.apply(account_id, ends, switch_states, now)
        await self._live.wake_worker(now)

    async def ingest_snapshot(self, account_id: int, raw: bytes, now: datetime) -> dict[str, Any]:
        """Applies a snapshot. Returns the answer to `/ingest/snapshot`, which counts calls as that
        of `/ingest/calls` counts events. Raises Refusal if it is not a snapshot.
        """
        message = await body.run_in_steps(adapters.NATIVE.parse_snapshot(raw))
        name = message.switch
        switch_states = await switches.find_or_register(account_id, {name}, now)
        switch = switch_states.switches[name]
        at = instants.parse(message.at, switch.zone, "at", now)
        batch = batches.Batch(message.calls)
        await _parse_in_slices(batch, batch.parse_listed_call)
        lookup = await self._look_up(
            account_id, list(batch.listed_calls.values()), switch_states, now
        )
        lookup.require_timely(at, "at")
        await batches.run_in_slices(
            batch.listed_calls,
            lambda index: batch.check_listed_call(index, at, switch.zone, lookup),
        )
        await batches.run_in_slices(
            batch.event_refusals.values(),
            lambda refusal: self._refusals.add([(account_id, name, refusal.code)], now),
        )
        await batches.run_in_slices(batch.event_refusals, batch.keep_refused_call)
        snapshot = calls.Snapshot(
            switch=name,
            at=at,
            event_number=live_events.event_number(message),
            calls=list(batch.snapshot_calls.values()),
            lease_seconds=switch.lease_seconds,
            refused_call_ids=frozenset(batch.refused_call_ids),
            calls_without_id=batch.calls_without_id,
        )
        snapshot_wanted = await self._live.apply_snapshot(account_id, snapshot, switch_states, now)
        return await _answer(batch, snapshot_wanted)

    async def _store(
        self,
        account_id: int,
        batch: batches.Batch,
        part: Sequence[int],
        switch_states: switches.SwitchStates,
        now: datetime,
    ) -> None:
        """Stores the records of a part. Checks them again if a customer's currency or rates have
        changed since they were read."""
        try:
            result = await _insert(account_id, batch, part, now)
        except faults.REFERENCES_CHANGED_ERRORS:
            part, result = await self._recheck_and_store(
                account_id, batch, part, switch_states, now
            )
        batch.add_result(part, result)

    async def _recheck_and_store(
        self,
        account_id: int,
        batch: batches.Batch,
        part: Sequence[int],
        switch_states: switches.SwitchStates,
        now: datetime,
    ) -> tuple[Sequence[int], call_records.InsertResult]:
        """Locks out changes of rates, because repeated changes would prevent the storing. One part
        at a time, because each holds a connection while it may need a second one.

        Returns the indexes of the stored events; the others of the part are now refused.
        """

        async def store() -> tuple[Sequence[int], call_records.InsertResult]:
            async with db.transaction():
                await rate_versions.lock_shared(account_id)
                indexes = [index for index in part if index in batch.records]
                ends = [
                    end for i in indexes if isinstance(end := batch.parsed_events[i], events.End)
                ]
                lookup = await self._look_up(account_id, ends, switch_states, now)
                indexes = batch.recheck(indexes, lookup)
                return indexes, await _insert(account_id, batch, indexes, now)

        async with self._rates_lock:
            while True:
                with contextlib.suppress(*faults.REFERENCES_CHANGED_ERRORS):  # a currency again
                    return await call_records.retry(store)

    async def _store_refused(
        self,
        account_id: int,
        batch: batches.Batch,
        switch_states: switches.SwitchStates,
        now: datetime,
    ) -> bool:
        """Quarantines events that may be records. Counts the others in the log.

        Returns False if the quarantine was full.
        """
        are_stored = True
        for indexes in batch.slices(list(batch.event_refusals)):
            records, others = batch.quarantine_items(indexes, switch_states.switches)
            not_stored = await quarantine_store.add(account_id, records, now)
            kinds = [(account_id, item.switch, item.refusal.code) for item in others]
            kinds += [(account_id, item.switch, "QUARANTINE_FULL") for item in not_stored]
            self._refusals.add(kinds, now)
            are_stored &= not not_stored
            await asyncio.sleep(0)
        return are_stored

    async def _check(
        self,
        account_id: int,
        batch: batches.Batch,
        now: datetime,
        received_at: datetime | None = None,
    ) -> switches.SwitchStates:
        """Parses and checks the events. `received_at`: when they were first received (default:
        now)."""
        await _parse_in_slices(batch, batch.parse)
        switch_states = await switches.find_or_register(account_id, batch.switch_names(), now)
        with_references = [
            event for event in batch.parsed_events.values() if not isinstance(event, events.Beat)
        ]
        lookup = await self._look_up(account_id, with_references, switch_states, now, received_at)
        await batches.run_in_slices(batch.parsed_events, lambda index: batch.check(index, lookup))
        await batches.run_in_slices(
            batch.refused_ends, lambda index: batch.close_refused_end(index, lookup)
        )
        return switch_states

    async def _look_up(
        self,
        account_id: int,
        with_references: Collection[known_references.ReferencingEvent],
        switch_states: switches.SwitchStates,
        now: datetime,
        received_at: datetime | None = None,
    ) -> references.Lookup:
        oldest = None if self._retention is None else (received_at or now) - self._retention
        return await known_references.read(
            account_id, with_references, switch_states.switches, self._rates, (now, oldest)
        )


async def _insert(
    account_id: int, batch: batches.Batch, part: Sequence[int], now: datetime
) -> call_records.InsertResult:
    return await call_records.insert(account_id, [batch.records[index] for index in part], now)


async def _parse_in_slices(batch: batches.Batch, parse: Callable[[int], None]) -> None:
    for indexes in batch.slices(range(len(batch.raws)), batches.PARSE_SLICE_EVENTS):
        for index in indexes:
            parse(index)
        await asyncio.sleep(0)


async def _answer(batch: batches.Batch, snapshot_wanted: frozenset[str]) -> dict[str, Any]:
    await batches.run_in_slices(sorted(batch.event_refusals), batch.add_refused_item)
    await batches.run_in_slices(
        sorted(batch.ignored_fields), batch.add_ignored_items, batches.PARSE_SLICE_EVENTS // 2
    )
    return batch.build_answer(sorted(snapshot_wanted))


def quarantine_full() -> refusals.Refusal:
    return refusals.Refusal(
        "QUARANTINE_FULL", "The quarantine is full. Discard records, then send this again."
    )
