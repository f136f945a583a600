"""The numbers that a customer may still select for SIP users.

A customer with blocks selects numbers from them. A customer without blocks selects numbers of the
account's range that are in no block.
"""

from collections.abc import Sequence

from domain.numbering import number_ranges
from models import db
from models.numbering.number_gaps import Kind

# By its lowest one, which the index finds; EXISTS may read the whole table for who has none.
HAS_BLOCKS = """
(SELECT min(first_number) FROM number_blocks WHERE account_id = $1 AND customer_id = $2) IS NOT NULL
"""
# Where the customer may pick, from $3 to $4, and of that what has no SIP user: pieces in ascending
# order, each of one number at least. Read from the last interval that begins at or before $3 on.
_FREE = """
SELECT greatest(g.first_number, a.first) AS first, least(g.last_number, a.last) AS last
FROM (
    SELECT first_number, greatest(first_number, $3) AS first, least(last_number, $4) AS last
    FROM {area}
    WHERE account_id = $1 AND {which} AND last_number >= $3 AND first_number <= $4
        AND first_number >= coalesce((
            SELECT max(first_number) FROM {area}
            WHERE account_id = $1 AND {which} AND first_number <= $3
        ), 0)
    ORDER BY first_number
) a CROSS JOIN LATERAL (
    SELECT first_number, last_number FROM number_gaps
    WHERE account_id = $1 AND kind = 'USER' AND last_number >= a.first AND first_number <= a.last
        AND first_number >= coalesce((
            SELECT max(first_number) FROM number_gaps
            WHERE account_id = $1 AND kind = 'USER' AND first_number <= a.first
        ), 0)
    ORDER BY first_number LIMIT $5
) g
ORDER BY a.first_number, g.first_number LIMIT $5
"""
_FREE_IN_BLOCKS = _FREE.format(area="number_blocks", which="customer_id = $2")
_FREE_BETWEEN_BLOCKS = _FREE.format(area="number_gaps", which="kind = $2")


async def available(
    account_id: int,
    customer_id: int,
    within: number_ranges.Span,
    spans: Sequence[number_ranges.Span],
    limit: int,
) -> list[int]:
    """The lowest `limit` numbers of the spans that the customer may use, in order.

    `within` is the account's range. The cost does not depend on the number of SIP users.
    """
    numbers: list[int] = []
    async with db.connection() as conn:
        has_blocks = await conn.fetchval(f"SELECT {HAS_BLOCKS}", account_id, customer_id)
        query = _FREE_IN_BLOCKS if has_blocks else _FREE_BETWEEN_BLOCKS
        which = customer_id if has_blocks else Kind.BLOCK
        for span in spans:
            part = span.intersect(within)
            if part is None or len(numbers) == limit:
                continue
            missing = limit - len(numbers)
            rows = await conn.fetch(query, account_id, which, part.first, part.last, missing)
            gaps = (number_ranges.Span(row["first"], row["last"]) for row in rows)
            numbers += number_ranges.first_numbers(gaps, missing)
    return numbers
