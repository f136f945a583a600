"""Switches: known from their first contact, their settings, and whether a snapshot is wanted."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain import calls, references, refusals
from models import call_keys, db


@dataclass(frozen=True, slots=True)
class Known:
    """`wanted`: the account's switches of which a snapshot is wanted."""

    switches: Mapping[str, references.Switch]
    wanted: frozenset[str]


async def known(account_id: int, names: Collection[str], now: datetime) -> Known:
    """The named switches, those never heard of before registered with the usual settings."""
    found = await _read(account_id, names)
    new = sorted(set(names) - found.switches.keys())
    if not new:
        return found
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO switches (account_id, reference, first_seen_at)"
            " SELECT $1, unnest($2::text[]), $3 ON CONFLICT DO NOTHING",
            account_id,
            new,
            now,
        )
    return await _read(account_id, names)


async def _read(account_id: int, names: Collection[str]) -> Known:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT reference, time_zone, lease_seconds, snapshot_wanted_since FROM switches"
            " WHERE account_id = $1"
            " AND (reference = ANY($2::text[]) OR snapshot_wanted_since IS NOT NULL)",
            account_id,
            list(names),
        )
    zones = {row["reference"]: row["time_zone"] for row in rows}
    return Known(
        {
            row["reference"]: references.Switch(
                ZoneInfo(zones[row["reference"]]) if zones[row["reference"]] else None,
                row["lease_seconds"],
            )
            for row in rows
        },
        frozenset(row["reference"] for row in rows if row["snapshot_wanted_since"] is not None),
    )


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch as staff see it. `snapshot_wanted_since` None: none is wanted."""

    reference: str
    time_zone: str | None
    lease_seconds: int
    first_seen_at: datetime
    snapshot_wanted_since: datetime | None
    snapshot_reason: str | None


async def listed(account_id: int) -> list[Switch]:
    """The account's switches by name."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT reference, time_zone, lease_seconds, first_seen_at, snapshot_wanted_since,"
            " snapshot_reason FROM switches WHERE account_id = $1 ORDER BY reference",
            account_id,
        )
    return [Switch(*row) for row in rows]


async def configure(
    account_id: int, name: str, *, time_zone: str | None, lease_seconds: int, now: datetime
) -> None:
    """Sets the zone of stamps that name none, and how long a call is believed without news.

    Raises Refusal BAD_TIME_ZONE, BAD_LEASE.
    """
    if time_zone is not None:
        try:
            ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise refusals.Refusal(
                "BAD_TIME_ZONE", "Give an IANA zone, such as Europe/Berlin.", "timeZone"
            ) from None
    if not 60 <= lease_seconds <= 604_800:
        raise refusals.Refusal("BAD_LEASE", "A lease is 60 s to 7 days.", "leaseSeconds")
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO switches (account_id, reference, time_zone, lease_seconds, first_seen_at)"
            " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account_id, reference)"
            " DO UPDATE SET time_zone = $3, lease_seconds = $4",
            account_id,
            name,
            time_zone,
            lease_seconds,
            now,
        )


async def want_snapshots(account_id: int, reasons: Mapping[str, str], now: datetime) -> None:
    """Flags switches, each with a reason; one that is flagged keeps its first reason."""
    if not reasons:
        return
    names = sorted(reasons)
    async with db.connection() as conn:
        await conn.execute(
            """
            WITH wanted AS (
                SELECT s.reference, w.reason FROM switches s
                JOIN unnest($2::text[], $3::text[]) AS w (reference, reason) USING (reference)
                WHERE s.account_id = $1 AND s.snapshot_wanted_since IS NULL
                ORDER BY s.reference FOR UPDATE OF s
            )
            UPDATE switches s SET snapshot_wanted_since = $4, snapshot_reason = wanted.reason
            FROM wanted WHERE s.account_id = $1 AND s.reference = wanted.reference
            """,
            account_id,
            names,
            [reasons[name] for name in names],
            now,
        )


async def snapshots_settled(account_id: int, names: Collection[str]) -> None:
    """A snapshot of each was applied to the live picture, or is no longer needed."""
    if not names:
        return
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE switches SET snapshot_wanted_since = NULL, snapshot_reason = NULL"
            " WHERE account_id = $1 AND reference = ANY($2::text[])"
            " AND snapshot_wanted_since IS NOT NULL",
            account_id,
            sorted(names),
        )


async def repairing(account_id: int, since: datetime) -> bool:
    """Whether a snapshot has been wanted of a switch since then or later: until it comes, the live
    picture may be wrong."""
    async with db.connection() as conn:
        found: bool = await conn.fetchval(
            "SELECT EXISTS (SELECT FROM switches"
            " WHERE account_id = $1 AND snapshot_wanted_since >= $2)",
            account_id,
            since,
        )
    return found


async def note_lost(account_id: int, lost: Collection[calls.LostCall], now: datetime) -> None:
    """Keeps, for staff, the calls that were closed in the count without an end record."""
    if not lost:
        return
    rows = sorted({(one.switch, one.call_id): one for one in lost}.items())
    async with db.connection() as conn:
        await conn.executemany(
            """
            INSERT INTO unknown_ends
                (account_id, switch, call_id, customer_id, setup_at, reason, noticed_at)
            SELECT $1, $2, $3, $4, $5, $6, $7
            WHERE NOT EXISTS (SELECT FROM record_keys WHERE account_id = $1 AND call_key = $8
                              AND final)
            ON CONFLICT DO NOTHING
            """,
            [
                (
                    *(account_id, *key, one.customer_id, one.setup_at, one.reason, now),
                    call_keys.compute(*key),
                )
                for key, one in rows
            ],
        )
