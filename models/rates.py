"""Rate cards, their rates, and which customer is rated by which from when."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from domain import money, rating, references, refusals
from models import customers, db

_CARDS_KEPT = 1_000


async def create(
    account_id: int,
    *,
    name: str,
    currency: str,
    rounding: money.Rounding = money.Rounding.HALF_UP,
    places: int = 6,
    now: datetime,
) -> int:
    """The new card's id. Raises Refusal NAME_TAKEN, BAD_PLACES."""
    if not 0 <= places <= money.FRACTION_DIGITS:
        raise refusals.Refusal("BAD_PLACES", "Charges round to 0 to 12 places.", "places")
    try:
        async with db.transaction() as conn:
            card_id: int = await conn.fetchval(
                "INSERT INTO rate_cards (account_id, name, currency, rounding, places, created_at)"
                " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
                account_id,
                name,
                currency,
                rounding,
                places,
                now,
            )
    except asyncpg.UniqueViolationError:
        raise refusals.Refusal(
            "NAME_TAKEN", "The account has a rate card of that name; use another.", "name"
        ) from None
    return card_id


async def add_rates(account_id: int, card_id: int, rates: Sequence[rating.Rate]) -> int:
    """Adds rates, replacing those of the same prefixes; the card's new version.

    Raises Refusal NOT_FOUND, BAD_PREFIX, BAD_AMOUNT, BAD_INCREMENT.
    """
    for rate in rates:
        _check(rate)
    async with db.transaction() as conn:
        version: int | None = await conn.fetchval(
            "UPDATE rate_cards SET version = version + 1 WHERE account_id = $1 AND id = $2"
            " RETURNING version",
            account_id,
            card_id,
        )
        if version is None:
            raise refusals.no_such("RateCard", "rateCardId")
        await conn.executemany(
            """
            INSERT INTO rates (account_id, rate_card_id, prefix, description, per_minute,
                               connect_fee, minimum, increment, round_up_seconds)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (account_id, rate_card_id, prefix) DO UPDATE SET description = $4,
                per_minute = $5, connect_fee = $6, minimum = $7, increment = $8,
                round_up_seconds = $9
            """,
            [
                (
                    account_id,
                    card_id,
                    rate.prefix,
                    rate.description,
                    rate.per_minute,
                    rate.connect_fee,
                    rate.minimum,
                    rate.increment,
                    rate.round_up_seconds,
                )
                for rate in rates
            ],
        )
    return version


async def of_prefixes(
    account_id: int, card_id: int, prefixes: Collection[str]
) -> dict[str, rating.Rate]:
    """What these prefixes cost now; until the open transaction ends nobody else changes it."""
    async with db.connection() as conn:
        await conn.execute(
            "SELECT FROM rate_cards WHERE account_id = $1 AND id = $2 FOR UPDATE",
            account_id,
            card_id,
        )
        rows = await conn.fetch(
            f"SELECT {', '.join(_RATE_FIELDS)} FROM rates"
            " WHERE account_id = $1 AND rate_card_id = $2 AND prefix = ANY($3::text[])",
            account_id,
            card_id,
            list(prefixes),
        )
    return {row["prefix"]: _rate(row) for row in rows}


def _check(rate: rating.Rate) -> None:
    digits = rate.prefix.isascii() and rate.prefix.isdigit()
    if rate.prefix and not (digits and len(rate.prefix) <= rating.PREFIX_DIGITS):
        raise refusals.Refusal(
            "BAD_PREFIX", "A prefix is up to 20 digits, without a plus sign.", "prefix"
        )
    money.checked(rate.per_minute, "perMinute")
    money.checked(rate.connect_fee, "connectFee")
    if rate.minimum < 0 or not 1 <= rate.increment <= 86_400 or rate.minimum > 86_400:
        raise refusals.Refusal(
            "BAD_INCREMENT", "The minimum is 0 to 86400 s, the increment 1 to 86400 s.", "increment"
        )


async def assign(account_id: int, customer_id: int, card_id: int, valid_from: datetime) -> None:
    """Rates the customer's calls set up at or after `valid_from` by the card, until another's.

    Raises Refusal NOT_FOUND, OTHER_CURRENCY.
    """
    async with db.transaction() as conn:
        held = await customers.hold_currencies(conn, account_id, [customer_id])
        customer = held.get(customer_id)
        card = await conn.fetchval(
            "SELECT currency FROM rate_cards WHERE account_id = $1 AND id = $2",
            account_id,
            card_id,
        )
        if customer is None:
            raise refusals.no_such("Customer", "customerId")
        if card is None:
            raise refusals.no_such("RateCard", "rateCardId")
        if customer != card:
            raise refusals.Refusal(
                "OTHER_CURRENCY",
                "The customer is billed in {customer}, the card is in {card}.",
                "rateCardId",
                customer=customer,
                card=card,
            )
        await conn.execute(
            "INSERT INTO rate_card_assignments (account_id, customer_id, valid_from, rate_card_id)"
            " VALUES ($1, $2, $3, $4) ON CONFLICT (account_id, customer_id, valid_from)"
            " DO UPDATE SET rate_card_id = $4",
            account_id,
            customer_id,
            valid_from,
            card_id,
        )


@dataclass(frozen=True, slots=True)
class InForce:
    """The cards of some customers, each from an instant on, in order."""

    starts: Mapping[int, Sequence[datetime]] = field(default_factory=dict)
    cards: Mapping[int, Sequence[rating.Card]] = field(default_factory=dict)

    def at(self, customer_id: int, setup_at: datetime) -> rating.Card | None:
        starts = self.starts.get(customer_id)
        if starts is None:
            return None
        place = bisect_right(starts, setup_at)
        return self.cards[customer_id][place - 1] if place else None


class Cards:
    """Reads the cards in force, keeping what it has read: a card's version rises with its rates."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int, int], rating.Card] = {}

    async def in_force(
        self, account_id: int, customers: Collection[references.Customer]
    ) -> InForce:
        if not customers:
            return InForce()
        async with db.connection() as conn:
            rows = await conn.fetch(
                """
                SELECT a.customer_id, a.valid_from, a.rate_card_id, c.version
                FROM rate_card_assignments a
                JOIN rate_cards c ON c.account_id = a.account_id AND c.id = a.rate_card_id
                WHERE a.account_id = $1 AND a.customer_id = ANY($2::bigint[])
                ORDER BY a.customer_id, a.valid_from
                """,
                account_id,
                [customer.id for customer in customers],
            )
        starts: dict[int, list[datetime]] = {}
        cards: dict[int, list[rating.Card]] = {}
        for row in rows:
            found = await self._card(account_id, row["rate_card_id"], row["version"])
            starts.setdefault(row["customer_id"], []).append(row["valid_from"])
            cards.setdefault(row["customer_id"], []).append(found)
        return InForce(starts, cards)

    async def _card(self, account_id: int, card_id: int, version: int) -> rating.Card:
        kept = self._kept.get((account_id, card_id, version))
        if kept is not None:
            return kept
        found, read_version = await _read(account_id, card_id)
        if len(self._kept) >= _CARDS_KEPT:
            self._kept.clear()
        self._kept[account_id, card_id, read_version] = found
        return found


async def card(account_id: int, card_id: int) -> rating.Card:
    """The card with all its rates as they are now. Raises Refusal NOT_FOUND."""
    found, _ = await _read(account_id, card_id)
    return found


async def _read(account_id: int, card_id: int) -> tuple[rating.Card, int]:
    async with db.connection() as conn:
        rows = await conn.fetch(
            """
            SELECT c.currency, c.rounding, c.places, c.version, r.prefix, r.description,
                   r.per_minute, r.connect_fee, r.minimum, r.increment, r.round_up_seconds
            FROM rate_cards c
            LEFT JOIN rates r ON r.account_id = c.account_id AND r.rate_card_id = c.id
            WHERE c.account_id = $1 AND c.id = $2
            """,
            account_id,
            card_id,
        )
    if not rows:
        raise refusals.no_such("RateCard", "rateCardId")
    found = rating.Card.of(
        card_id,
        rows[0]["currency"],
        money.Rounding(rows[0]["rounding"]),
        rows[0]["places"],
        [_rate(row) for row in rows if row["prefix"] is not None],
    )
    return found, rows[0]["version"]


def _rate(row: Mapping[str, object]) -> rating.Rate:
    values = {name: row[name] for name in _RATE_FIELDS}
    return rating.Rate(**values)  # type: ignore[arg-type]  # a row has no types


_RATE_FIELDS = (
    *("prefix", "description", "per_minute", "connect_fee"),
    *("minimum", "increment", "round_up_seconds"),
)
