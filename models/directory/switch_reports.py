"""What switches report: their activity, requested snapshots, and calls without an end."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from domain.directory import switch_activity
from domain.directory.switch_activity import Activity, AwaitedSwitch, MissedEvents
from domain.records import calls
from models import db
from models.records import call_keys

REDIS_AWAY = "REDIS_AWAY"  # a reason to request a snapshot: events have not reached Redis


def activity_of(row: Mapping[str, Any]) -> Activity:
    return Activity(row["last_active_at"], row["sends_beats"], row["lease_seconds"])


def missed_events(rows: Iterable[Mapping[str, Any]], now: datetime) -> Iterator[MissedEvents]:
    """Yields the switches with events that have not reached Redis.

    A switch that never reported live is not awaited, because only its ended calls can be missing.
    """
    for row in rows:
        if row["snapshot_reason"] == REDIS_AWAY:
            name, lease_seconds = row["reference"], row["lease_seconds"]
            switch = switch_activity.awaited_switch(name, activity_of(row), now)
            yield MissedEvents(
                switch or AwaitedSwitch(name, 0, lease_seconds), row["snapshot_wanted_since"]
            )


async def record_activity(
    account_id: int, names: Collection[str], beating: Collection[str], now: datetime
) -> None:
    """Stores that the switches are active, and that those in `beating` send beats."""
    if not names:
        return
    async with db.connection() as conn:
        await conn.execute(
            """
            WITH locked AS (
                SELECT reference FROM switches
                WHERE account_id = $1 AND reference = ANY($2::text[])
                ORDER BY reference FOR UPDATE
            )
            UPDATE switches s SET last_active_at = greatest(s.last_active_at, $4),
                sends_beats = s.sends_beats OR s.reference = ANY($3::text[])
            FROM locked WHERE s.account_id = $1 AND s.reference = locked.reference
            """,
            account_id,
            sorted(names),
            sorted(beating),
            now,
        )


async def awaited_switches(account_id: int, now: datetime) -> list[AwaitedSwitch]:
    """The switches that would have to report if the live state was lost now."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT reference, last_active_at, sends_beats, lease_seconds FROM switches"
            " WHERE account_id = $1 AND last_active_at IS NOT NULL ORDER BY reference",
            account_id,
        )
    awaited = (
        switch_activity.awaited_switch(row["reference"], activity_of(row), now) for row in rows
    )
    return [switch for switch in awaited if switch is not None]


async def request_snapshots(account_id: int, reasons: Mapping[str, str], now: datetime) -> None:
    """Requests a snapshot from each switch. `reasons` are by the name of the switch.

    A pending request keeps its reason and time, except that REDIS_AWAY replaces them, because an
    earlier snapshot lacks the missed events.
    """
    if not reasons:
        return
    names = sorted(reasons)
    async with db.connection() as conn:
        await conn.execute(
            """
            WITH due AS (
                SELECT s.reference, r.reason FROM switches s
                JOIN unnest($2::text[], $3::text[]) AS r (reference, reason) USING (reference)
                WHERE s.account_id = $1 AND (s.snapshot_wanted_since IS NULL
                    OR r.reason = 'REDIS_AWAY' AND (s.snapshot_reason <> 'REDIS_AWAY'
                        OR s.snapshot_wanted_since < $4))
                ORDER BY s.reference FOR UPDATE OF s
            )
            UPDATE switches s SET snapshot_wanted_since = $4, snapshot_reason = due.reason
            FROM due WHERE s.account_id = $1 AND s.reference = due.reference
            """,
            account_id,
            names,
            [reasons[name] for name in names],
            now,
        )


async def clear_snapshot_requests(account_id: int, names: Collection[str], at: datetime) -> None:
    """Removes the requests of switches whose snapshots, received at `at`, were applied.

    A request stays if events after `at` have not reached Redis.
    """
    if not names:
        return
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE switches SET snapshot_wanted_since = NULL, snapshot_reason = NULL"
            " WHERE account_id = $1 AND reference = ANY($2::text[])"
            " AND snapshot_wanted_since IS NOT NULL"
            " AND (snapshot_reason <> 'REDIS_AWAY' OR snapshot_wanted_since <= $3)",
            account_id,
            sorted(names),
            at,
        )


async def is_snapshot_wanted(account_id: int, since: datetime) -> bool:
    """Whether a snapshot requested at or after `since` has not arrived.

    Then the live state may be wrong.
    """
    async with db.connection() as conn:
        is_wanted: bool = await conn.fetchval(
            "SELECT EXISTS (SELECT 1 FROM switches"
            " WHERE account_id = $1 AND snapshot_wanted_since >= $2)",
            account_id,
            since,
        )
    return is_wanted


async def record_lost_calls(
    account_id: int, lost_calls: Collection[calls.LostCall], now: datetime
) -> None:
    """Stores the calls that were removed from the live count without an end, for staff.

    Omits calls whose record has arrived.
    """
    if not lost_calls:
        return
    by_key = sorted({(call.switch, call.call_id): call for call in lost_calls}.items())
    async with db.connection() as conn:
        await conn.executemany(
            """
            INSERT INTO unknown_ends
                (account_id, switch, call_id, customer_id, setup_at, reason, noticed_at)
            SELECT $1, $2, $3, $4, $5, $6, $7
            WHERE NOT EXISTS (SELECT 1 FROM record_keys WHERE account_id = $1 AND call_key = $8
                              AND final)
            ON CONFLICT DO NOTHING
            """,
            [
                (
                    *(account_id, *key, call.customer_id, call.setup_at, call.reason, now),
                    call_keys.compute(*key),
                )
                for key, call in by_key
            ],
        )
