"""Reads the card in force for a customer, and the rates of some numbers, from the tables."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from domain import money
from domain.billing import rating
from domain.records import calls
from models import db

_NUMBERS_PER_QUERY = 1_000
_ASSIGNMENTS = """
SELECT a.customer_id, a.valid_from, c.id, c.version, c.rate_rows AS rows, c.currency, c.rounding,
       c.places
FROM rate_card_assignments a JOIN rate_cards c ON c.id = a.rate_card_id
WHERE a.account_id = $1 AND c.account_id = $1 AND a.customer_id = ANY($2::bigint[])
ORDER BY a.customer_id, a.valid_from, a.sequence
"""
_RATE = "per_minute, connect_fee, minimum, increment, round_up_seconds, description"
# LIMIT and OFFSET make it a look-up by key for each prefix, regardless of the planner's estimates.
# First the row in force at $2, then all later rows.
_OF_PREFIX = f"""
CROSS JOIN LATERAL (
    (SELECT effective_from, revision, {_RATE} FROM rates
     WHERE account_id = $1 AND rate_card_id = k.card AND prefix = k.prefix AND effective_from <= $2
     ORDER BY effective_from DESC, revision DESC LIMIT 1)
    UNION ALL
    (SELECT effective_from, revision, {_RATE} FROM rates
     WHERE account_id = $1 AND rate_card_id = k.card AND prefix = k.prefix AND effective_from > $2
     OFFSET 0)
) AS r
"""
_OF_NUMBERS = f"""
SELECT k.card, k.prefix, r.* FROM (
    SELECT DISTINCT card, left(number, length) AS prefix
    FROM unnest($3::bigint[]) AS card, unnest($4::text[]) AS number,
         generate_series(0, {rating.MAX_PREFIX_DIGITS}) AS length
) AS k {_OF_PREFIX}
ORDER BY r.effective_from, r.revision
"""
_OF_PREFIXES = f"""
SELECT k.prefix, r.* FROM (
    SELECT $3::bigint AS card, unnest($4::text[]) AS prefix
) AS k {_OF_PREFIX}
WHERE r.effective_from <= $2
"""
_OF_REVISION = f"""
SELECT prefix, {_RATE}, rounding, places FROM rates r, rate_cards c
WHERE r.account_id = $1 AND r.rate_card_id = $2 AND r.prefix = $3 AND r.revision = $4
  AND c.account_id = $1 AND c.id = $2
"""


@dataclass(frozen=True, slots=True)
class Head:
    """A card without its rates; `rows` counts the rates of all its revisions."""

    id: int
    version: int
    rows: int
    currency: str
    rounding: money.Rounding
    places: int

    def card(self, rates: rating.Rates) -> rating.Card:
        return rating.Card(self.id, self.currency, self.rounding, self.places, rates)


@dataclass(frozen=True, slots=True)
class Assignments:
    """By customer: the cards with the instants from which they are in force, and the version of
    the rates, as `rate_versions.lock_versions` returns it."""

    starts: Mapping[int, Sequence[datetime]]
    heads: Mapping[int, Sequence[Head]]
    versions: Mapping[int, int]

    def cards(self, since: datetime) -> dict[int, Head]:
        """The cards in force at any instant from `since` on, by id."""
        heads: dict[int, Head] = {}
        for customer_id, starts in self.starts.items():
            first = max(bisect_right(starts, since) - 1, 0)
            heads |= {head.id: head for head in self.heads[customer_id][first:]}
        return heads


@dataclass(frozen=True, slots=True)
class InForce:
    """The cards of some customers with the rates that some numbers need."""

    assignments: Assignments = field(default_factory=lambda: Assignments({}, {}, {}))
    cards: Mapping[int, rating.Card] = field(default_factory=dict)

    def at(self, customer_id: int, setup_at: datetime) -> rating.Card | None:
        starts = self.assignments.starts.get(customer_id)
        if starts is None:
            return None
        place = bisect_right(starts, setup_at)
        return self.cards[self.assignments.heads[customer_id][place - 1].id] if place else None


async def assignments(account_id: int, customer_ids: Collection[int]) -> Assignments:
    async with db.connection() as conn:
        rows = await conn.fetch(_ASSIGNMENTS, account_id, list(customer_ids))
    starts: dict[int, list[datetime]] = {}
    heads: dict[int, list[Head]] = {}
    versions = dict.fromkeys(customer_ids, 0)
    for row in rows:
        customer_id, head = row["customer_id"], _head(row)
        starts.setdefault(customer_id, []).append(row["valid_from"])
        heads.setdefault(customer_id, []).append(head)
        versions[customer_id] += 1 + head.version
    return Assignments(starts, heads, versions)


def _head(row: Mapping[str, Any]) -> Head:
    return Head(
        id=row["id"],
        version=row["version"],
        rows=row["rows"],
        currency=row["currency"],
        rounding=money.Rounding(row["rounding"]),
        places=row["places"],
    )


async def in_force(
    account_id: int, customer_id: int, numbers: Collection[str], since: datetime
) -> InForce:
    """Cards and rates for calls of a customer to these numbers, set up at `since` or later."""
    assigned = await assignments(account_id, [customer_id])
    heads = assigned.cards(since)
    rates = await look_up(account_id, heads, numbers, since)
    return InForce(assigned, {id: head.card(rates[id]) for id, head in heads.items()})


async def look_up(
    account_id: int, card_ids: Iterable[int], numbers: Collection[str], since: datetime
) -> dict[int, rating.ListedRates]:
    """By card, the rates in force at `since` or later of all prefixes of these numbers. A number
    may begin with a plus sign."""
    rows: dict[int, dict[str, list[rating.RateRevision]]] = {id: {} for id in card_ids}
    left = iter({number.removeprefix("+") for number in numbers})
    while rows and (batch := list(islice(left, _NUMBERS_PER_QUERY))):
        async with db.connection() as conn:
            for row in await conn.fetch(_OF_NUMBERS, account_id, since, list(rows), batch):
                of_prefix = rows[row["card"]].setdefault(row["prefix"], [])
                revised = rating.RateRevision(row["effective_from"], row["revision"], _rate(row))
                if revised not in of_prefix:  # another batch had a number of this prefix
                    of_prefix.append(revised)
    return {id: rating.ListedRates(of_card) for id, of_card in rows.items()}


async def of_prefixes(
    conn: db.Connection, account_id: int, card_id: int, prefixes: Collection[str], at: datetime
) -> dict[str, rating.Rate]:
    """The rates of exactly these prefixes at an instant."""
    rows = await conn.fetch(_OF_PREFIXES, account_id, at, card_id, list(prefixes))
    rates = {row["prefix"]: _rate(row) for row in rows}
    return {prefix: rate for prefix, rate in rates.items() if rate is not None}


async def reproduce(account_id: int, record: calls.Record) -> tuple[int, Decimal | None]:
    """The billed seconds and charge of a stored record, recalculated from its card and revision.

    A charge from the switch is returned as it is. Older records name no revision, which means 1.
    Raises LookupError if there is no such rate.
    """
    if record.rated_by != "CARD" or record.rate_card_id is None:
        return record.billed_seconds, record.charge
    names = (record.rate_card_id, record.prefix or "", record.rate_revision or 1)
    async with db.connection() as conn:
        row = await conn.fetchrow(_OF_REVISION, account_id, *names)
    rate = None if row is None else _rate(row)
    if row is None or rate is None:
        raise LookupError(f"no rate {names}")
    rounding = money.Rounding(row["rounding"])
    return rating.billed_seconds_and_charge(record.talk_us, rate, row["places"], rounding)


def _rate(row: Mapping[str, Any]) -> rating.Rate | None:
    if row["per_minute"] is None:
        return None
    return rating.Rate(
        prefix=row["prefix"],
        per_minute=row["per_minute"],
        connect_fee=row["connect_fee"],
        minimum=row["minimum"],
        increment=row["increment"],
        round_up_seconds=row["round_up_seconds"],
        description=row["description"],
    )
