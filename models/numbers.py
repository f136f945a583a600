"""The account's range of numbers and the blocks of it that customers have.

All that changes blocks or SIP users holds the row of the account's range until it commits, so that
what it has looked at stays true. The exclusion constraint of `number_blocks` holds whatever comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import numbers
from domain.refusals import Refusal
from models import db, number_gaps
from models.number_gaps import Kind


@dataclass(frozen=True, slots=True)
class Block:
    account_id: int
    id: int
    customer_id: int
    span: numbers.Span
    assigned_at: datetime


_RANGE = "SELECT range_first, range_last, block_size FROM number_ranges WHERE account_id = $1"
_INSERT_RANGE = """
INSERT INTO number_ranges (account_id, range_first, range_last, block_size) VALUES ($1, $2, $3, $4)
ON CONFLICT (account_id) DO NOTHING
RETURNING account_id
"""
_UPDATE_RANGE = """
UPDATE number_ranges SET range_first = $2, range_last = $3, block_size = $4 WHERE account_id = $1
"""
# The lowest and the highest number that is in a block or has a SIP user.
_TAKEN = """
SELECT least(
    (SELECT min(first_number) FROM number_blocks WHERE account_id = $1),
    (SELECT min(number) FROM sip_users WHERE account_id = $1)
), greatest(
    (SELECT max(last_number) FROM number_blocks WHERE account_id = $1 AND first_number = (
        SELECT max(first_number) FROM number_blocks WHERE account_id = $1
    )),
    (SELECT max(number) FROM sip_users WHERE account_id = $1)
)
"""
# Whether another customer than $2 has SIP users in the span.
_OTHERS = """
EXISTS (
    SELECT FROM sip_users u
    WHERE u.account_id = $1 AND u.customer_id <> $2 AND u.number BETWEEN {first} AND {last}
)
"""
# From gap to gap within the range $3 to $4, in each in steps of the block's size $5, to the first
# block without a SIP user of another customer.
_ROOM = """
SELECT greatest(first_number, $3) AS first, least(last_number, $4) AS last
FROM number_gaps
WHERE account_id = $1 AND kind = 'BLOCK' AND first_number > {after} AND first_number <= $4
    AND least(last_number, $4) - greatest(first_number, $3) + 1 >= $5::bigint
ORDER BY first_number LIMIT 1
"""
_LOWEST = f"""
WITH RECURSIVE candidate AS (
    SELECT room.*, {_OTHERS.format(first="room.first", last="room.first + $5 - 1")} AS taken
    FROM ({_ROOM.format(after="-1")}) AS room
UNION ALL
    SELECT next.*, {_OTHERS.format(first="next.first", last="next.first + $5 - 1")}
    FROM candidate c CROSS JOIN LATERAL (
        SELECT c.first + $5 AS first, c.last WHERE c.first + $5 + $5 - 1 <= c.last
        UNION ALL
        ({_ROOM.format(after="c.last")})
        ORDER BY 1 LIMIT 1
    ) AS next
    WHERE c.taken
)
SELECT first FROM candidate WHERE NOT taken
"""
_IS_TAKEN = f"""
SELECT NOT EXISTS (
    SELECT FROM number_gaps
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
    SELECT FROM sip_users u
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


# The range -----------------------------------------------------------------------------------


async def range_of(account_id: int) -> numbers.Range | None:
    async with db.connection() as conn:
        row = await conn.fetchrow(_RANGE, account_id)
    return None if row is None else _range(row)


async def lock_range(conn: db.Connection, account_id: int) -> numbers.Range:
    """Until the transaction ends nobody else changes the account's range, blocks or SIP users.

    NO_NUMBER_RANGE where none is set.
    """
    row = await conn.fetchrow(f"{_RANGE} FOR UPDATE", account_id)
    if row is None:
        raise Refusal(
            "NO_NUMBER_RANGE", "The account has no range of numbers; set one with setNumberRange."
        )
    return _range(row)


async def set_range(
    conn: db.Connection, account_id: int, wanted: numbers.Range
) -> numbers.Range | None:
    """The range before it, None where there was none. RANGE_IN_USE where a block or a SIP user
    would be left outside. Blocks that are assigned keep their size."""
    values = (account_id, wanted.span.first, wanted.span.last, wanted.block_size)
    if await conn.fetchval(_INSERT_RANGE, *values) is not None:
        await number_gaps.begin(conn, account_id)
        return None
    before = await lock_range(conn, account_id)
    first, last = await conn.fetchrow(_TAKEN, account_id)
    if first is not None and numbers.Span(first, last) not in wanted.span:
        raise Refusal(
            "RANGE_IN_USE",
            "Blocks and SIP users take numbers from {first} to {last}; free and remove those"
            " outside of the new range first, or choose one that has all of them.",
            "start" if first < wanted.span.first else "end",
            first=first,
            last=last,
        )
    await conn.execute(_UPDATE_RANGE, *values)
    return before


# Blocks --------------------------------------------------------------------------------------


async def assign(
    conn: db.Connection,
    account_id: int,
    customer_id: int,
    within: numbers.Range,
    first: int | None,
    now: datetime,
) -> Block:
    """The lowest free block of the locked range, or the one that begins with `first`.

    NO_FREE_BLOCK, BLOCK_TAKEN, INVALID where `first` leaves the range.
    """
    if first is None:
        first = await _lowest(conn, account_id, customer_id, within)
    span = numbers.Span(first, first + within.block_size - 1)
    if span not in within.span:
        raise Refusal(
            "INVALID",
            "Give a first number from {lowest} to {highest}: a block has {size} numbers.",
            "first",
            lowest=within.span.first,
            highest=within.span.last - within.block_size + 1,
            size=within.block_size,
        )
    if await conn.fetchval(_IS_TAKEN, account_id, customer_id, span.first, span.last):
        raise Refusal(
            "BLOCK_TAKEN",
            "{first} to {last} has numbers of another block or SIP users of another customer;"
            " choose another first number, or leave it out for the lowest free block.",
            "first",
            first=span.first,
            last=span.last,
        )
    row = await conn.fetchrow(_INSERT, account_id, customer_id, span.first, span.last, now)
    await number_gaps.take(conn, account_id, Kind.BLOCK, span)
    return _block(row)


async def _lowest(
    conn: db.Connection, account_id: int, customer_id: int, within: numbers.Range
) -> int:
    span, size = within.span, within.block_size
    first: int | None = await conn.fetchval(
        _LOWEST, account_id, customer_id, span.first, span.last, size
    )
    if first is None:
        raise Refusal(
            "NO_FREE_BLOCK",
            "No block of {size} numbers is free; extend the range, make blocks smaller with"
            " setNumberRange, or free a block.",
            size=size,
        )
    return first


async def free(conn: db.Connection, account_id: int, block_id: int) -> Block:
    """Removes the block, under the lock of the range. NOT_FOUND, BLOCK_IN_USE."""
    row = await conn.fetchrow(_DELETE, account_id, block_id)
    if row is None:
        if await get(account_id, block_id) is None:
            raise Refusal("NOT_FOUND", "There is no such NumberBlock; check its id.", "id")
        raise Refusal(
            "BLOCK_IN_USE", "The block has SIP users; remove them with removeSipUser first.", "id"
        )
    block = _block(row)
    await number_gaps.give(conn, account_id, Kind.BLOCK, block.span)
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
    """In order of their numbers: those that begin above `after`, of all customers."""
    start = -1 if after is None else after
    async with db.connection() as conn:
        rows = await conn.fetch(_PAGE, account_id, start, limit)
    return [_block(row) for row in rows]


async def pages(
    account_id: int, customer_ids: Sequence[int], after: int | None, limit: int
) -> dict[int, list[Block]]:
    """`page` of each of these customers, up to `limit` each, in one statement."""
    start = -1 if after is None else after
    async with db.connection() as conn:
        rows = await conn.fetch(_PAGES, account_id, start, limit, sorted(set(customer_ids)))
    found: dict[int, list[Block]] = {customer_id: [] for customer_id in customer_ids}
    for row in rows:
        found[row["customer_id"]].append(_block(row))
    return found


async def used(account_id: int, spans: Sequence[numbers.Span]) -> list[int]:
    """How many numbers of each span have a SIP user."""
    free = await number_gaps.free(account_id, Kind.USER, spans)
    return [span.size - one for span, one in zip(spans, free, strict=True)]


async def assigned(account_id: int, span: numbers.Span) -> int:
    """How many numbers of the span are in blocks."""
    [free] = await number_gaps.free(account_id, Kind.BLOCK, [span])
    return span.size - free


def _range(row: Any) -> numbers.Range:
    return numbers.Range(numbers.Span(row["range_first"], row["range_last"]), row["block_size"])


def _block(row: Any) -> Block:
    return Block(
        row["account_id"],
        row["id"],
        row["customer_id"],
        numbers.Span(row["first_number"], row["last_number"]),
        row["assigned_at"],
    )
