"""Revisions of what is shown of a customer: each increases in the transaction that changes it.

Every source has its own row, which only transactions write that exclude each other already:
rebuilds of a customer hold its rebuild lock, invoicing locks the customer, and a sample claims its
slot. So no transaction waits here for another one. Raise a revision after all other locks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models import db

ACCOUNT = 0  # the customer of revisions that concern the whole account


class Source(StrEnum):
    """What a revision counts changes of."""

    SUMS = "sums"
    CHANNELS = "channels"  # the history of active calls
    INVOICES = "invoices"  # which hours are on which invoice, and the invoices themselves
    NAMES = "names"  # of carriers (customer 0) and of the customer, and its currency


@dataclass(frozen=True, slots=True)
class Revision:
    """The revisions of a scope by source, and its oldest marked hour, of the same instant."""

    by_source: tuple[int, ...]  # in the order of `Source`
    oldest_mark: datetime | None

    def of(self, sources: Sequence[Source]) -> tuple[int, ...]:
        return tuple(self.by_source[_POSITIONS[source]] for source in sources)


_POSITIONS = {source: number for number, source in enumerate(Source)}
_INCREASE = """
INSERT INTO revisions AS r (account_id, customer_id, source, revision) VALUES ($1, $2, $3, 1)
ON CONFLICT (account_id, customer_id, source) DO UPDATE SET revision = r.revision + 1
"""
_SUMS = ", ".join(
    f"coalesce(sum(r.revision) FILTER (WHERE r.source = '{source}'), 0)::bigint"
    for source in Source
)
_OF_CUSTOMERS = f"""
SELECT c.id, revision.*, (
    SELECT m.marked_at FROM hour_marks m
    WHERE m.account_id = $1 AND m.customer_id = c.id ORDER BY m.marked_at LIMIT 1
)
FROM unnest($2::bigint[]) AS c (id)
CROSS JOIN LATERAL (
    SELECT {_SUMS} FROM revisions r
    WHERE r.account_id = $1 AND r.customer_id = ANY(ARRAY[{ACCOUNT}, c.id])
) AS revision
"""
# The sum over all customers: a revision of the account would let their rebuilds wait.
_OF_ACCOUNT = f"""
SELECT {_SUMS}, (
    SELECT m.marked_at FROM hour_marks m WHERE m.account_id = $1 ORDER BY m.marked_at LIMIT 1
)
FROM revisions r WHERE r.account_id = $1
"""


async def increase(conn: db.Connection, account_id: int, customer_id: int, source: Source) -> None:
    """Counts a change in the open transaction."""
    await conn.execute(_INCREASE, account_id, customer_id, source.value)


async def of_customers(account_id: int, customer_ids: Sequence[int]) -> dict[int, Revision]:
    """The revisions of customers, including those of the account, in one statement."""
    async with db.connection() as conn:
        rows = await conn.fetch(_OF_CUSTOMERS, account_id, list(customer_ids))
    return {id: Revision(tuple(numbers), oldest) for id, *numbers, oldest in rows}


async def of_account(account_id: int) -> Revision:
    """The sums of the revisions of all customers, for what is shown of the account."""
    async with db.connection() as conn:
        *numbers, oldest = await conn.fetchrow(_OF_ACCOUNT, account_id)
    return Revision(tuple(numbers), oldest)
