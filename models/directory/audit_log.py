"""The audit log: actor, action, time, address, and the values before and after. Append-only."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from models import changes, db, listing

State: TypeAlias = Mapping[str, Any]

_INSERT = """
INSERT INTO audit_log (account_id, at, actor, action, subject, customer_id, staff_id, address,
                       before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: such as `staff:3`. `staff_id` is who acted as that contact."""

    name: str = "system"
    staff_id: int | None = None
    address: str | None = None


SYSTEM = Actor()
COMMAND = Actor("command")  # a user of the command line on the server


@dataclass(frozen=True, slots=True)
class NewEntry:
    """`subject` is such as `customer:3`; `customer_id` is the customer it concerns. `before` and
    `after` hold only what changed, and nothing secret."""

    action: str
    subject: str
    customer_id: int | None = None
    before: State | None = None
    after: State | None = None


async def insert(account_id: int, actor: Actor, entry: NewEntry, at: datetime) -> None:
    async with db.connection() as conn:
        await conn.execute(
            _INSERT,
            account_id,
            at,
            actor.name,
            entry.action,
            entry.subject,
            entry.customer_id,
            actor.staff_id,
            actor.address,
            _json(entry.before),
            _json(entry.after),
        )
    changes.record(changes.AuditedChange(account_id, entry.customer_id, at))


_REFUSAL_PERIOD = timedelta(hours=1)
_MAX_REFUSALS = 20  # entries of a person in that time
_INSERT_REFUSED = """
WITH lately AS (
    SELECT address, after FROM audit_log
    WHERE account_id = $1 AND subject = $2 AND action = 'session.refuse'
        AND at > $3::timestamptz - $4::interval
)
INSERT INTO audit_log (account_id, subject, at, actor, action, customer_id, address, after)
SELECT $1, $2, $3, $5, 'session.refuse', $6, $7, jsonb_build_object('reason', $8::text)
WHERE (SELECT count(*) FROM lately) < $9 AND NOT EXISTS (
    SELECT 1 FROM lately WHERE after->>'reason' = $8
        AND coalesce(address <<= $10::inet, address IS NULL AND $10::inet IS NULL)
)
"""


@dataclass(frozen=True, slots=True)
class RefusedSignIn:
    """`reason` is the code of the refusal; `site` is the network of `address`."""

    subject: str
    reason: str
    customer_id: int | None
    address: str | None
    site: str | None


async def insert_refused(account_id: int, sign_in: RefusedSignIn, at: datetime) -> None:
    """Logs a refused sign-in once an hour for each reason and site, and at most `_MAX_REFUSALS`
    times an hour for the person."""
    async with db.connection() as conn:
        await conn.execute(
            _INSERT_REFUSED,
            account_id,
            sign_in.subject,
            at,
            _REFUSAL_PERIOD,
            SYSTEM.name,
            sign_in.customer_id,
            sign_in.address,
            sign_in.reason,
            _MAX_REFUSALS,
            sign_in.site,
        )


def _json(state: State | None) -> str | None:
    return json.dumps(dict(state), default=str) if state else None


# Reading -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """`before` and `after` hold values by name; empty if there were none."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    customer_id: int | None
    staff_id: int | None
    address: str | None
    before: State
    after: State


@dataclass(frozen=True, slots=True)
class Filter:
    """None matches everything; `start` is inclusive, `end` exclusive."""

    customer_id: int | None = None
    actor: str | None = None
    action: str | None = None
    start: datetime | None = None
    end: datetime | None = None


# By the field of `Filter`.
_CONDITIONS = {
    "customer_id": "customer_id = {}",
    "actor": "actor = {}",
    "action": "action = {}",
    "start": "at >= {}",
    "end": "at < {}",
}


Place: TypeAlias = tuple[datetime, int]  # an entry's instant and id


async def page(account_id: int, filter: Filter, before: Place | None, limit: int) -> list[Entry]:
    """Newest first, those before that place."""
    conditions, values = listing.filter_conditions(account_id, filter, _CONDITIONS)
    if before is not None:
        values += before
        conditions.append(f"(at, id) < (${len(values) - 1}, ${len(values)})")
    where = " AND ".join(conditions)
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT id, at, actor, action, subject, customer_id, staff_id,"
            f" host(address) AS address, before, after FROM audit_log WHERE {where}"
            f" ORDER BY at DESC, id DESC LIMIT {limit}",
            *values,
        )
    return [_entry(row) for row in rows]


def _entry(row: Mapping[str, Any]) -> Entry:
    states = {name: json.loads(row[name] or "{}") for name in ("before", "after")}
    return Entry(**dict(row) | states)


_NAMES = {
    "staff": "SELECT id, name FROM staff WHERE account_id = $1 AND id = ANY($2)",
    "contact": "SELECT id, name FROM contacts WHERE account_id = $1 AND id = ANY($2)",
    "key": "SELECT id, name FROM api_keys WHERE account_id = $1 AND id = ANY($2)",
}


async def names(account_id: int, actors: Collection[str]) -> dict[str, str]:
    """Names of people and API keys by actor, such as `staff:3`, if they have one."""
    names_by_actor: dict[str, str] = {}
    async with db.connection() as conn:
        for kind, query in _NAMES.items():
            ids = _ids(kind, actors)
            for row in await conn.fetch(query, account_id, ids) if ids else ():
                names_by_actor[f"{kind}:{row['id']}"] = row["name"]
    return names_by_actor


def _ids(kind: str, actors: Collection[str]) -> Sequence[int]:
    split = (actor.partition(":") for actor in actors)
    return sorted({int(id) for of, _, id in split if of == kind and id.isdigit()})
