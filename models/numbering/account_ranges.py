"""The number range of an account.

A transaction that changes blocks or SIP users locks the row of the account's range until it
commits, so that no other transaction changes them.
"""

from typing import Any

from domain.numbering import number_ranges
from domain.refusals import Refusal
from models import db
from models.numbering import number_gaps

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
_EXTENT = """
SELECT least(
    (SELECT min(first_number) FROM number_blocks WHERE account_id = $1),
    (SELECT min(number) FROM sip_users WHERE account_id = $1)
) AS first, greatest(
    (SELECT max(last_number) FROM number_blocks WHERE account_id = $1 AND first_number = (
        SELECT max(first_number) FROM number_blocks WHERE account_id = $1
    )),
    (SELECT max(number) FROM sip_users WHERE account_id = $1)
) AS last
"""


async def read(account_id: int) -> number_ranges.Range | None:
    async with db.connection() as conn:
        row = await conn.fetchrow(_RANGE, account_id)
    return None if row is None else _range(row)


async def lock(conn: db.Connection, account_id: int) -> number_ranges.Range:
    """Locks the account's range, blocks and SIP users until the transaction ends.

    Refuses NO_NUMBER_RANGE if no range is set.
    """
    row = await conn.fetchrow(f"{_RANGE} FOR UPDATE", account_id)
    if row is None:
        raise Refusal(
            "NO_NUMBER_RANGE", "The account has no number range. Set one with setNumberRange."
        )
    return _range(row)


async def set_range(
    conn: db.Connection, account_id: int, range: number_ranges.Range
) -> number_ranges.Range | None:
    """Sets the range. Returns the previous range, or None. Assigned blocks keep their size.

    Refuses RANGE_IN_USE if a block or SIP user would be outside.
    """
    values = (account_id, range.span.first, range.span.last, range.block_size)
    if await conn.fetchval(_INSERT_RANGE, *values) is not None:
        await number_gaps.create(conn, account_id)
        return None
    previous = await lock(conn, account_id)
    extent = await conn.fetchrow(_EXTENT, account_id)
    first, last = extent["first"], extent["last"]
    if first is not None and number_ranges.Span(first, last) not in range.span:
        raise Refusal(
            "RANGE_IN_USE",
            "Blocks and SIP users use numbers from {first} to {last}. Set a range that contains"
            " them, or first remove those outside the new range.",
            "start" if first < range.span.first else "end",
            first=first,
            last=last,
        )
    await conn.execute(_UPDATE_RANGE, *values)
    return previous


def _range(row: Any) -> number_ranges.Range:
    return number_ranges.Range(
        number_ranges.Span(row["range_first"], row["range_last"]), row["block_size"]
    )
