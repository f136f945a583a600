"""Marked hours, read by index in small parts: an account may have a year of them.

An hour has a mark for each batch that changed it. A walk finds the next marked hour by one descent
of the index (account, hour, customer), however many marks the hours have.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.summaries import rebuild_order
from domain.summaries.rebuild_order import Place, Step
from models import db
from models.records import day_bounds

_MAX_STEPS = 500  # of a walk, including hours that wait
_MAX_MARKS = 40  # read by `newest`
BEFORE_ALL = Place(datetime(9999, 1, 1, tzinfo=UTC), 0)
AFTER_ALL = datetime(1, 1, 1, tzinfo=UTC)

# Across accounts, since a statement for each of thousands of idle accounts would cost more than
# the rebuilds: this reads one index entry for each account that has marks, and none of the others.
_ACCOUNTS = """
WITH RECURSIVE marked (account_id) AS (
    (SELECT account_id FROM hour_marks ORDER BY account_id LIMIT 1)
    UNION ALL
    SELECT (SELECT m.account_id FROM hour_marks m WHERE m.account_id > marked.account_id
            ORDER BY m.account_id LIMIT 1)
    FROM marked WHERE marked.account_id IS NOT NULL
)
SELECT account_id FROM marked WHERE account_id IS NOT NULL
"""
_WALK = """
WITH RECURSIVE walk (hour, customer_id, waits, steps, due) AS (
    SELECT $2::timestamptz, $3::bigint, true, 0, 0
    UNION ALL
    SELECT next.hour, next.customer_id, f.hour IS NOT NULL, walk.steps + 1,
           walk.due + CASE WHEN f.hour IS NULL THEN 1 ELSE 0 END
    FROM walk
    CROSS JOIN LATERAL (
        SELECT m.hour, m.customer_id FROM hour_marks m
        WHERE m.account_id = $1 AND m.hour >= $4
        AND (m.hour, m.customer_id) < (walk.hour, walk.customer_id)
        ORDER BY m.hour DESC, m.customer_id DESC LIMIT 1
    ) next
    LEFT JOIN LATERAL (
        SELECT hour FROM hour_failures
        WHERE account_id = $1 AND customer_id = next.customer_id AND hour = next.hour
        AND retry_at > $5
    ) f ON true
    WHERE walk.steps < $6 AND walk.due < $7
)
SELECT hour, customer_id, waits FROM walk WHERE steps > 0 ORDER BY steps
"""
_NEWEST = """
SELECT m.hour, m.customer_id FROM (
    SELECT hour, customer_id, id FROM hour_marks WHERE account_id = $1 ORDER BY id DESC LIMIT $2
) m
WHERE m.hour < $3 AND NOT EXISTS (
    SELECT 1 FROM hour_failures f
    WHERE f.account_id = $1 AND f.customer_id = m.customer_id AND f.hour = m.hour
    AND f.retry_at > $4
)
GROUP BY 1, 2 ORDER BY max(m.id) DESC LIMIT $5
"""
# By the index (account, customer, hour).
_OF_DAY = """
SELECT DISTINCT m.hour FROM hour_marks m
WHERE m.account_id = $1 AND m.customer_id = $2 AND m.hour >= $3 AND m.hour < $4 AND m.hour <> $5
AND NOT EXISTS (
    SELECT 1 FROM hour_failures f
    WHERE f.account_id = $1 AND f.customer_id = $2 AND f.hour = m.hour AND f.retry_at > $6
)
ORDER BY m.hour DESC
"""

_OLDEST = """
SELECT marked_at FROM hour_marks WHERE account_id = $1 ORDER BY marked_at LIMIT 1
"""
# By the index (account, customer, time).
_OLDEST_OF = """
SELECT c.id, (
    SELECT m.marked_at FROM hour_marks m
    WHERE m.account_id = $1 AND m.customer_id = c.id ORDER BY m.marked_at LIMIT 1
) AS marked_at
FROM unnest($2::bigint[]) AS c (id)
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a walk; `ends` is true if no marked hour follows."""

    steps: Sequence[Step]
    ends: bool

    @property
    def due(self) -> list[Place]:
        return [step.place for step in self.steps if not step.waits]


async def accounts_with_marks() -> list[int]:
    """The accounts that have marks, in order of id."""
    async with db.connection() as conn:
        return [row["account_id"] for row in await conn.fetch(_ACCOUNTS)]


async def walk(account_id: int, after: Place, until: datetime, now: datetime, limit: int) -> Part:
    """The marked hours after `after`, newest first, down to `until`: up to `limit` due hours, and
    the waiting hours between them."""
    async with db.connection() as conn:
        rows = await conn.fetch(_WALK, account_id, *after, until, now, _MAX_STEPS, limit)
    steps = [Step(Place(row["hour"], row["customer_id"]), row["waits"]) for row in rows]
    due = sum(not step.waits for step in steps)
    return Part(steps, ends=len(steps) < _MAX_STEPS and due < limit)


async def newest(account_id: int, before: datetime, now: datetime, limit: int) -> list[Place]:
    """Due hours before `before` that were marked last, latest first: late records of an account
    whose import still waits."""
    async with db.connection() as conn:
        rows = await conn.fetch(_NEWEST, account_id, _MAX_MARKS, before, now, limit)
    return [Place(**row) for row in rows]


async def oldest(account_id: int) -> datetime | None:
    """When the oldest mark of the account was set; None if it has none."""
    async with db.connection() as conn:
        at: datetime | None = await conn.fetchval(_OLDEST, account_id)
    return at


async def oldest_of(account_id: int, customer_ids: Collection[int]) -> dict[int, datetime | None]:
    """`oldest` of each of these customers."""
    async with db.connection() as conn:
        rows = await conn.fetch(_OLDEST_OF, account_id, sorted(set(customer_ids)))
    return {row["id"]: row["marked_at"] for row in rows}


async def others_of_day(account_id: int, place: Place, now: datetime) -> list[datetime]:
    """The other hours of the customer and UTC day that are due and not recent, newest first."""
    start = day_bounds.midnight(place.hour)
    end = min(start + timedelta(days=1), rebuild_order.recent_from(now))
    async with db.connection() as conn:
        rows = await conn.fetch(_OF_DAY, account_id, place.customer_id, start, end, place.hour, now)
    return [row["hour"] for row in rows]
