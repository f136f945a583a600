"""A rate card as staff see it: its revisions, and its rates at an instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from models import db

_REVISIONS = """
SELECT revision AS number, effective_from, rates, created_at FROM rate_card_revisions
WHERE account_id = $1 AND rate_card_id = $2 AND ($3::bigint IS NULL OR revision < $3)
ORDER BY revision DESC LIMIT $4
"""
_RATES = """
SELECT prefix, description, per_minute, connect_fee, minimum, increment, round_up_seconds, revision,
       effective_from
FROM (
    SELECT DISTINCT ON (prefix) * FROM rates
    WHERE account_id = $1 AND rate_card_id = $2 AND effective_from <= $3
      AND ($4::text IS NULL OR prefix > $4)
    ORDER BY prefix, effective_from DESC, revision DESC
) AS latest
WHERE per_minute IS NOT NULL ORDER BY prefix LIMIT $5
"""

_APPLIED = """
SELECT k.number, r.prefix, r.description, r.per_minute, r.connect_fee, r.minimum, r.increment,
       r.round_up_seconds, r.revision, r.effective_from
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[])
    AS k (number, rate_card_id, revision, prefix)
JOIN rates r ON r.account_id = $1 AND r.rate_card_id = k.rate_card_id AND r.revision = k.revision
    AND r.prefix = k.prefix
"""


@dataclass(frozen=True, slots=True)
class Card:
    name: str
    currency: str
    version: int


@dataclass(frozen=True, slots=True)
class Revision:
    """`rates` is the number of prefixes that it sets or ends."""

    number: int
    effective_from: datetime
    rates: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Rate:
    prefix: str
    description: str
    per_minute: Decimal
    connect_fee: Decimal
    minimum: int
    increment: int
    round_up_seconds: bool
    revision: int
    effective_from: datetime


@dataclass(frozen=True, slots=True)
class Key:
    """Identifies a rate, as records name it."""

    rate_card_id: int
    revision: int
    prefix: str


async def card(account_id: int, card_id: int) -> Card | None:
    async with db.connection() as conn:
        row = await conn.fetchrow(
            "SELECT name, currency, version FROM rate_cards WHERE account_id = $1 AND id = $2",
            account_id,
            card_id,
        )
    return None if row is None else Card(**row)


async def revisions(
    account_id: int, card_id: int, before: int | None, limit: int
) -> list[Revision]:
    """The newest first."""
    async with db.connection() as conn:
        rows = await conn.fetch(_REVISIONS, account_id, card_id, before, limit)
    return [Revision(**row) for row in rows]


async def rates(
    account_id: int, card_id: int, at: datetime, after: str | None, limit: int
) -> list[Rate]:
    """The rates in force at the instant, by prefix."""
    async with db.connection() as conn:
        rows = await conn.fetch(_RATES, account_id, card_id, at, after, limit)
    return [Rate(**row) for row in rows]


async def applied(account_id: int, keys: Sequence[Key]) -> list[Rate | None]:
    """The rates with these keys, in one statement."""
    columns = (
        list(range(len(keys))),
        [key.rate_card_id for key in keys],
        [key.revision for key in keys],
        [key.prefix for key in keys],
    )
    async with db.connection() as conn:
        rows = await conn.fetch(_APPLIED, account_id, *columns)
    rates: list[Rate | None] = [None] * len(keys)
    for row in rows:
        values = dict(row)
        number = values.pop("number")
        rates[number] = Rate(**values)
    return rates


async def cards(account_id: int, card_ids: Sequence[int]) -> dict[int, Card]:
    """The account's cards among these ids, by id."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT id, name, currency, version FROM rate_cards"
            " WHERE account_id = $1 AND id = ANY($2::bigint[])",
            account_id,
            list(card_ids),
        )
    return {row["id"]: Card(row["name"], row["currency"], row["version"]) for row in rows}
