"""The numbers of an account that are in no block, and those without a SIP user, as intervals.

The gaps of a kind and the used numbers are together all numbers (`number_ranges.ALL_NUMBERS`). No
two gaps touch. A transaction that changes them holds the lock of the account's range
(`account_ranges.lock`).
"""

from collections.abc import Sequence
from enum import StrEnum

from domain.numbering import number_ranges
from models import db


class Kind(StrEnum):
    BLOCK = "BLOCK"
    USER = "USER"


_CREATE = """
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


async def create(conn: db.Connection, account_id: int) -> None:
    """Creates gaps with every number free, unless the account already has gaps."""
    await conn.execute(
        _CREATE,
        account_id,
        list(Kind),
        number_ranges.ALL_NUMBERS.first,
        number_ranges.ALL_NUMBERS.last,
    )


async def take(conn: db.Connection, account_id: int, kind: Kind, span: number_ranges.Span) -> None:
    row = await conn.fetchrow(_TAKE, account_id, kind, span.first, span.last)
    if row is None:
        raise RuntimeError(f"{span} is not free of every {kind} in account {account_id}")
    gap = number_ranges.Span(row["first_number"], row["last_number"])
    if gap.first < span.first:
        await conn.execute(_INSERT, account_id, kind, gap.first, span.first - 1)
    if span.last < gap.last:
        await conn.execute(_INSERT, account_id, kind, span.last + 1, gap.last)


async def release(
    conn: db.Connection, account_id: int, kind: Kind, span: number_ranges.Span
) -> None:
    rows = await conn.fetch(_TOUCHING, account_id, kind, span.first, span.last)
    first = min([span.first, *(row["first_number"] for row in rows)])
    last = max([span.last, *(row["last_number"] for row in rows)])
    await conn.execute(_INSERT, account_id, kind, first, last)


async def count_free(account_id: int, kind: Kind, spans: Sequence[number_ranges.Span]) -> list[int]:
    """For each span, the count of numbers in gaps of the kind."""
    firsts, lasts = [span.first for span in spans], [span.last for span in spans]
    async with db.connection() as conn:
        rows = await conn.fetch(_FREE, account_id, kind, firsts, lasts)
    return [row["free"] for row in rows]
