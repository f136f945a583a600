"""The numbers of an account that are in no block, and those without a SIP user, as intervals.

Together with what is taken they are all of `numbers.EVERY`, and no two of them touch. Whoever
changes them holds the lock of the account's range (`models.numbers.lock_range`).
"""

from collections.abc import Sequence
from enum import StrEnum

from domain import numbers
from models import db


class Kind(StrEnum):
    BLOCK = "BLOCK"
    USER = "USER"


_OPEN = """
INSERT INTO number_gaps (account_id, kind, first_number, last_number)
SELECT $1, kind, $3, $4 FROM unnest($2::text[]) AS kind
ON CONFLICT DO NOTHING
"""
_INSERT = """
INSERT INTO number_gaps (account_id, kind, first_number, last_number) VALUES ($1, $2, $3, $4)
"""
# The gap that begins at or before $3, if it reaches $4.
_TAKE = """
DELETE FROM number_gaps
WHERE account_id = $1 AND kind = $2 AND last_number >= $4 AND first_number = (
    SELECT max(first_number) FROM number_gaps
    WHERE account_id = $1 AND kind = $2 AND first_number <= $3
)
RETURNING first_number, last_number
"""
# The gaps that end just before $3 and begin just after $4.
_TOUCHING = """
DELETE FROM number_gaps
WHERE account_id = $1 AND kind = $2 AND (
    first_number = $4 + 1
    OR last_number = $3 - 1 AND first_number = (
        SELECT max(first_number) FROM number_gaps
        WHERE account_id = $1 AND kind = $2 AND first_number < $3
    )
)
RETURNING first_number, last_number
"""
# Numbers of each span that lie in gaps of a kind.
_FREE = """
SELECT coalesce(sum(
    least(g.last_number, s.last_number) - greatest(g.first_number, s.first_number) + 1
), 0)::bigint AS free
FROM unnest($3::bigint[], $4::bigint[]) WITH ORDINALITY AS s (first_number, last_number, at)
LEFT JOIN LATERAL (
    SELECT first_number, last_number FROM number_gaps
    WHERE account_id = $1 AND kind = $2 AND last_number >= s.first_number
        AND first_number <= s.last_number AND first_number >= coalesce((
            SELECT max(first_number) FROM number_gaps
            WHERE account_id = $1 AND kind = $2 AND first_number <= s.first_number
        ), 0)
) g ON true
GROUP BY s.at ORDER BY s.at
"""


async def begin(conn: db.Connection, account_id: int) -> None:
    """With every number free; changes nothing of an account that has begun."""
    await conn.execute(_OPEN, account_id, list(Kind), numbers.EVERY.first, numbers.EVERY.last)


async def take(conn: db.Connection, account_id: int, kind: Kind, span: numbers.Span) -> None:
    row = await conn.fetchrow(_TAKE, account_id, kind, span.first, span.last)
    if row is None:
        raise RuntimeError(f"{span} is not free of every {kind} in account {account_id}")
    gap = numbers.Span(*row)
    if gap.first < span.first:
        await conn.execute(_INSERT, account_id, kind, gap.first, span.first - 1)
    if span.last < gap.last:
        await conn.execute(_INSERT, account_id, kind, span.last + 1, gap.last)


async def give(conn: db.Connection, account_id: int, kind: Kind, span: numbers.Span) -> None:
    rows = await conn.fetch(_TOUCHING, account_id, kind, span.first, span.last)
    first = min([span.first, *(row["first_number"] for row in rows)])
    last = max([span.last, *(row["last_number"] for row in rows)])
    await conn.execute(_INSERT, account_id, kind, first, last)


async def free(account_id: int, kind: Kind, spans: Sequence[numbers.Span]) -> list[int]:
    """How many numbers of each span are in gaps of the kind."""
    firsts, lasts = [span.first for span in spans], [span.last for span in spans]
    async with db.connection() as conn:
        rows = await conn.fetch(_FREE, account_id, kind, firsts, lasts)
    return [row["free"] for row in rows]
