"""Updates the live state. Stores which switches are active, and which must send a snapshot."""

from collections.abc import Sequence
from datetime import datetime

from redis.asyncio import Redis

from domain.directory import switch_activity
from domain.records import calls
from ingest import live_state, missed_events
from live import channels
from models.directory import switch_reports, switches


class LiveUpdates:
    """One per process. Redis may be unavailable: then the switches have to send a snapshot."""

    def __init__(self, redis: Redis) -> None:
        self._state = live_state.LiveState(redis)
        self._missed = missed_events.MissedEvents(redis)

    async def close(self) -> None:
        """Ends the background task."""
        await self._missed.close()

    async def apply(
        self,
        account_id: int,
        events: Sequence[calls.LiveEvent | calls.Beat],
        switch_states: switches.SwitchStates,
        now: datetime,
    ) -> frozenset[str]:
        """Applies events. Returns the account's switches that have to send a snapshot."""
        if not events:
            return switch_states.snapshot_wanted
        reporting = {event.switch for event in events if not _is_record_only(event)}
        beating = {event.switch for event in events if isinstance(event, calls.Beat)}
        active = beating | {event.switch for event in events if _is_current(event)}
        await self._record_activity(account_id, active, beating, switch_states, now)
        result = await self._state.apply(account_id, events, now, switch_states.missed_events)
        return await self._record_requests(account_id, reporting, switch_states, result, now)

    async def apply_snapshot(
        self,
        account_id: int,
        snapshot: calls.Snapshot,
        switch_states: switches.SwitchStates,
        now: datetime,
    ) -> frozenset[str]:
        """Applies a snapshot. Returns the account's switches that have to send a snapshot."""
        await self._record_activity(account_id, {snapshot.switch}, set(), switch_states, now)
        result = await self._state.apply_snapshot(account_id, snapshot, now)
        return await self._record_requests(
            account_id, {snapshot.switch}, switch_states, result, now
        )

    async def wake_worker(self, now: datetime) -> None:
        await self._state.wake_worker(now)

    async def _record_activity(
        self,
        account_id: int,
        active: set[str],
        beating: set[str],
        switch_states: switches.SwitchStates,
        now: datetime,
    ) -> None:
        """Stores which switches are active before Redis is updated, because Redis may lose data.

        A loss before the first event of a switch does not concern it, so that is recovered first.
        """
        due = {
            name
            for name in active
            if switch_activity.is_update_due(switch_states.activity[name], name in beating, now)
        }
        if any(
            switch_activity.awaited_switch(name, switch_states.activity[name], now) is None
            for name in due
        ):
            await self._state.recover(account_id, now)
        await switch_reports.record_activity(account_id, due, beating, now)

    async def _record_requests(
        self,
        account_id: int,
        reporting: set[str],
        switch_states: switches.SwitchStates,
        result: channels.ApplyResult | None,
        now: datetime,
    ) -> frozenset[str]:
        """Stores which switches have to send a snapshot. Returns their names."""
        if result is None:
            await switch_reports.request_snapshots(
                account_id, dict.fromkeys(reporting, switch_reports.REDIS_AWAY), now
            )
            self._missed.add(account_id)
            return switch_states.snapshot_wanted | reporting
        reasons = result.snapshot_wanted
        settled_switches = (
            result.settled_switches & switch_states.snapshot_wanted
        ) - reasons.keys()
        await switch_reports.record_lost_calls(account_id, result.lost_calls, now)
        await switch_reports.clear_snapshot_requests(account_id, settled_switches, now)
        new = {name: reasons[name] for name in reasons.keys() - switch_states.snapshot_wanted}
        await switch_reports.request_snapshots(account_id, new, now)
        return (switch_states.snapshot_wanted | reasons.keys()) - settled_switches


def _is_record_only(event: calls.LiveEvent | calls.Beat) -> bool:
    return isinstance(event, calls.LiveEvent) and event.is_record_only


def _is_current(event: calls.LiveEvent | calls.Beat) -> bool:
    """Whether the event shows that the switch is active now; an end may be old."""
    return isinstance(event, calls.Beat) or event.type is not calls.EventType.END
