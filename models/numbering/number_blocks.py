"""The number blocks of customers.

A transaction that changes blocks locks the account's range first (`account_ranges.lock`). The
exclusion constraint always holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import refusals
from domain.numbering import number_ranges
from domain.refusals import Refusal
from models import db
from models.numbering import number_gaps
from models.numbering.number_gaps import Kind


@dataclass(frozen=True, slots=True)
class Block:
    account_id: int
    id: int
    customer_id: int
    span: number_ranges.Span
    assigned_at: datetime


# Whether another customer than $2 has SIP users in the span.
_OTHERS = """
EXISTS (
    SELECT 1 FROM sip_users u
    WHERE u.account_id = $1 AND u.customer_id <> $2 AND u.number BETWEEN {first} AND {last}
)
"""
# Steps through the gaps of the range $3 to $4 by the block size $5 until the first block without a
# SIP user of another customer.
_NEXT_GAP = """
SELECT greatest(first_number, $3) AS first, least(last_number, $4) AS last
FROM number_gaps
WHERE account_id = $1 AND kind = 'BLOCK' AND first_number > {after} AND first_number <= $4
    AND least(last_number, $4) - greatest(first_number, $3) + 1 >= $5::bigint
ORDER BY first_number LIMIT 1
"""
_LOWEST = f"""
WITH RECURSIVE candidate AS (
    SELECT gap.*, {_OTHERS.format(first="gap.first", last="gap.first + $5 - 1")} AS taken
    FROM ({_NEXT_GAP.format(after="-1")}) AS gap
UNION ALL
    SELECT next.*, {_OTHERS.format(first="next.first", last="next.first + $5 - 1")}
    FROM candidate c CROSS JOIN LATERAL (
        SELECT c.first + $5 AS first, c.last WHERE c.first + $5 + $5 - 1 <= c.last
        UNION ALL
        ({_NEXT_GAP.format(after="c.last")})
        ORDER BY 1 LIMIT 1
    ) AS next
    WHERE c.taken
)
SELECT first FROM candidate WHERE NOT taken
"""
_IS_TAKEN = f"""
SELECT NOT EXISTS (
    SELECT 1 FROM number_gaps
    WHERE account_id = $1 AND kind = 'BLOCK' AND last_number >= $4 AND first_number = (
        SELECT max(first_number) FROM number_gaps
        WHERE account_id = $1 AND kind = 'BLOCK' AND first_number <= $3
    )
) OR {_OTHERS.format(first="$3", last="$4")}
"""
_COLUMNS = "account_id, id, customer_id, first_number, last_number, assigned_at"
_INSERT = f"""
INSERT INTO number_blocks (account_id, customer_id, first_number, last_number, assigned_at)
VALUES ($1, $2, $3, $4, $5)
RETURNING {_COLUMNS}
"""
_DELETE = f"""
DELETE FROM number_blocks b WHERE account_id = $1 AND id = $2 AND NOT EXISTS (
    SELECT 1 FROM sip_users u
    WHERE u.account_id = $1 AND u.number BETWEEN b.first_number AND b.last_number
)
RETURNING {_COLUMNS}
"""
_PAGE = f"""
SELECT {_COLUMNS} FROM number_blocks
WHERE account_id = $1 AND first_number > $2 ORDER BY first_number LIMIT $3
"""
_PAGES = f"""
SELECT page.* FROM unnest($4::bigint[]) AS c (id) CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM number_blocks
    WHERE account_id = $1 AND customer_id = c.id AND first_number > $2
    ORDER BY first_number LIMIT $3
) page
"""


async def assign(
    conn: db.Connection,
    account_id: int,
    customer_id: int,
    within: number_ranges.Range,
    first: int | None,
    now: datetime,
) -> Block:
    """Assigns the lowest free block of the locked range, or the one that begins with `first`.

    Refuses NO_FREE_BLOCK, BLOCK_TAKEN, and INVALID if the block is outside the range.
    """
    if first is None:
        first = await _lowest(conn, account_id, customer_id, within)
    span = number_ranges.Span(first, first + within.block_size - 1)
    if span not in within.span:
        raise Refusal(
            "INVALID",
            "A block has {size} numbers. Set a first number from {lowest} to {highest}.",
            "first",
            lowest=within.span.first,
            highest=within.span.last - within.block_size + 1,
            size=within.block_size,
        )
    if await conn.fetchval(_IS_TAKEN, account_id, customer_id, span.first, span.last):
        raise Refusal(
            "BLOCK_TAKEN",
            "{first} to {last} has numbers of another block or SIP users of another customer. Set"
            " another first number, or leave it out for the lowest free block.",
            "first",
            first=span.first,
            last=span.last,
        )
    row = await conn.fetchrow(_INSERT, account_id, customer_id, span.first, span.last, now)
    await number_gaps.take(conn, account_id, Kind.BLOCK, span)
    return _block(row)


async def _lowest(
    conn: db.Connection, account_id: int, customer_id: int, within: number_ranges.Range
) -> int:
    span, size = within.span, within.block_size
    first: int | None = await conn.fetchval(
        _LOWEST, account_id, customer_id, span.first, span.last, size
    )
    if first is None:
        raise Refusal(
            "NO_FREE_BLOCK",
            "No block of {size} numbers is free. Extend the range or set smaller blocks with"
            " setNumberRange, or free a block.",
            size=size,
        )
    return first


async def free(conn: db.Connection, account_id: int, block_id: int) -> Block:
    """Removes the block under the lock of the range. Refuses NOT_FOUND, BLOCK_IN_USE."""
    row = await conn.fetchrow(_DELETE, account_id, block_id)
    if row is None:
        if await get(account_id, block_id) is None:
            raise refusals.not_found("NumberBlock", "id")
        raise Refusal(
            "BLOCK_IN_USE", "The block has SIP users. First remove them with removeSipUser.", "id"
        )
    block = _block(row)
    await number_gaps.release(conn, account_id, Kind.BLOCK, block.span)
    return block


async def get(account_id: int, block_id: int) -> Block | None:
    async with db.connection() as conn:
        row = await conn.fetchrow(
            f"SELECT {_COLUMNS} FROM number_blocks WHERE account_id = $1 AND id = $2",
            account_id,
            block_id,
        )
    return None if row is None else _block(row)


async def page(account_id: int, after: int | None, limit: int) -> list[Block]:
    """Blocks of all customers that begin above `after`, in order of their numbers."""
    start = -1 if after is None else after
    async with db.connection() as conn:
        rows = await conn.fetch(_PAGE, account_id, start, limit)
    return [_block(row) for row in rows]


async def pages(
    account_id: int, customer_ids: Sequence[int], after: int | None, limit: int
) -> dict[int, list[Block]]:
    """The blocks of each customer as `page`, up to `limit` each, in one statement."""
    start = -1 if after is None else after
    async with db.connection() as conn:
        rows = await conn.fetch(_PAGES, account_id, start, limit, sorted(set(customer_ids)))
    blocks: dict[int, list[Block]] = {customer_id: [] for customer_id in customer_ids}
    for row in rows:
        blocks[row["customer_id"]].append(_block(row))
    return blocks


async def count_used(account_id: int, spans: Sequence[number_ranges.Span]) -> list[int]:
    """For each span, the count of numbers that have a SIP user."""
    counts = await number_gaps.count_free(account_id, Kind.USER, spans)
    return [span.size - count for span, count in zip(spans, counts, strict=True)]


async def count_assigned(account_id: int, span: number_ranges.Span) -> int:
    """The count of numbers of the span that are in blocks."""
    [free] = await number_gaps.count_free(account_id, Kind.BLOCK, [span])
    return span.size - free


def _block(row: Any) -> Block:
    return Block(
        account_id=row["account_id"],
        id=row["id"],
        customer_id=row["customer_id"],
        span=number_ranges.Span(row["first_number"], row["last_number"]),
        assigned_at=row["assigned_at"],
    )
