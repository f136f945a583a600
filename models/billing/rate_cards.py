"""Rate cards, their revisions, and their assignments to customers.

Nothing is overwritten: a change is a new row with the instant from which it is in force.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from domain import money, refusals
from domain.billing import rating
from domain.records import calls
from models import db
from models.billing import rate_lookup, rate_versions, rated_calls
from models.directory import customers

_RATE_COLUMNS = (
    *("account_id", "rate_card_id", "revision", "effective_from", "prefix", "description"),
    *("per_minute", "connect_fee", "minimum", "increment", "round_up_seconds"),
)
_END_VALUES = ("", None, 0, 1, 1, True)  # in the columns after the prefix
_RATES_PER_TURN = 250  # processed before other tasks get a turn
_INSERT_CARD = """
INSERT INTO rate_cards (account_id, name, currency, rounding, places, created_at)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
"""
_INSERT_REVISION = """
INSERT INTO rate_card_revisions
    (account_id, rate_card_id, revision, effective_from, rates, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_RAISE_VERSION = """
UPDATE rate_cards SET version = version + 1, rate_rows = rate_rows + $3
WHERE account_id = $1 AND id = $2 RETURNING version
"""
_INSERT_ASSIGNMENT = """
INSERT INTO rate_card_assignments (account_id, customer_id, valid_from, rate_card_id, sequence)
VALUES ($1, $2, $3, $4, 1 + (
    SELECT coalesce(max(sequence), 0) FROM rate_card_assignments
    WHERE account_id = $1 AND customer_id = $2 AND valid_from = $3
))
"""


async def create(
    account_id: int,
    *,
    name: str,
    currency: str,
    rounding: money.Rounding = money.Rounding.HALF_UP,
    places: int = 6,
    now: datetime,
) -> int:
    """Creates a card without rates; returns its id. Refuses NAME_TAKEN, BAD_PLACES."""
    if not 0 <= places <= money.FRACTION_DIGITS:
        raise refusals.Refusal("BAD_PLACES", "Set 0 to 12 decimal places.", "places")
    try:
        async with db.transaction() as conn:
            card = (account_id, name, currency, rounding, places, now)
            card_id: int = await conn.fetchval(_INSERT_CARD, *card)
            first = (account_id, card_id, 1, rating.FIRST_EFFECTIVE_FROM, 0, now)
            await conn.execute(_INSERT_REVISION, *first)
    except asyncpg.UniqueViolationError:
        raise refusals.Refusal(
            "NAME_TAKEN", "A rate card already has this name. Set another name.", "name"
        ) from None
    return card_id


@dataclass(frozen=True, slots=True)
class NewRevision:
    """A new revision of a card; `replaced` are the rates that it replaces, by prefix."""

    revision: int
    effective_from: datetime
    replaced: dict[str, rating.Rate]


async def add_rates(
    account_id: int,
    card_id: int,
    rates: Sequence[rating.Rate],
    *,
    ended: Collection[str] = (),
    effective_from: datetime | None = None,
    now: datetime,
) -> NewRevision:
    """Adds a revision that sets these rates and ends the rates of the prefixes `ended`.

    `effective_from` None: now, or just after the last call that was rated by a replaced rate.
    Refuses NOT_FOUND, BAD_PREFIX, BAD_AMOUNT, BAD_INCREMENT, EFFECTIVE_IN_PAST.
    """
    prefixes = [rate.prefix for rate in rates] + list(ended)
    beginnings = await _check_rates(rates, prefixes)
    async with db.transaction() as conn:
        await rate_versions.lock_exclusively(conn, account_id)
        card = (account_id, card_id)
        revision: int | None = await conn.fetchval(_RAISE_VERSION, *card, len(prefixes))
        if revision is None:
            raise refusals.not_found("RateCard", "id")
        last = await rated_calls.last_by_card(conn, *card, beginnings, effective_from or now)
        at = _in_force_from(effective_from, now, last, "effectiveFrom")
        await conn.execute(_INSERT_REVISION, *card, revision, at, len(prefixes), now)
        key, replaced = (*card, revision, at), dict[str, rating.Rate]()
        for n in range(0, len(prefixes), _RATES_PER_TURN):
            part = prefixes[n : n + _RATES_PER_TURN]
            replaced |= await rate_lookup.of_prefixes(conn, *card, part, at)
            rows = [(*key, *_values(rate)) for rate in rates[n : n + _RATES_PER_TURN]]
            rows += [(*key, prefix, *_END_VALUES) for prefix in part[len(rows) :]]
            await db.copy(conn, "rates", _RATE_COLUMNS, rows)
    return NewRevision(revision, at, replaced)


async def _check_rates(rates: Sequence[rating.Rate], prefixes: Sequence[str]) -> set[str]:
    """All beginnings of the prefixes. Refuses BAD_PREFIX, BAD_AMOUNT, BAD_INCREMENT."""
    beginnings: set[str] = set()
    for n in range(0, len(prefixes), _RATES_PER_TURN):
        for rate in rates[n : n + _RATES_PER_TURN]:
            _check(rate)
        for prefix in prefixes[n : n + _RATES_PER_TURN]:
            _check_prefix(prefix)
            beginnings.update(prefix[:length] for length in range(len(prefix) + 1))
        await asyncio.sleep(0)
    return beginnings


def _values(rate: rating.Rate) -> tuple[object, ...]:
    return (
        *(rate.prefix, rate.description, rate.per_minute, rate.connect_fee),
        *(rate.minimum, rate.increment, rate.round_up_seconds),
    )


def _in_force_from(
    requested: datetime | None, now: datetime, last_rated: datetime | None, field: str
) -> datetime:
    """The start of a change, after every call rated by what it replaces. Refuses
    EFFECTIVE_IN_PAST."""
    if last_rated is None:
        return requested or now
    if requested is None:
        return last_rated + calls.MICROSECOND
    raise refusals.Refusal(
        "EFFECTIVE_IN_PAST",
        "Calls set up at or after {at:utc} are already rated, and the change would affect them. Set"
        " a time after the last of these calls, or null for now.",
        field,
        at=requested,
    )


def _check(rate: rating.Rate) -> None:
    money.validate(rate.per_minute, "perMinute")
    money.validate(rate.connect_fee, "connectFee")
    if rate.minimum < 0 or not 1 <= rate.increment <= 86_400 or rate.minimum > 86_400:
        raise refusals.Refusal(
            "BAD_INCREMENT",
            "Set a minimum of 0 to 86400 s and an increment of 1 to 86400 s.",
            "increment",
        )


def _check_prefix(prefix: str) -> None:
    digits = prefix.isascii() and prefix.isdigit()
    if prefix and not (digits and len(prefix) <= rating.MAX_PREFIX_DIGITS):
        raise refusals.Refusal(
            "BAD_PREFIX", "Set a prefix of up to 20 digits, without a plus sign.", "prefix"
        )


async def assign(
    account_id: int, customer_id: int, card_id: int, valid_from: datetime | None, now: datetime
) -> datetime:
    """Assigns the card to the customer for calls set up at or after `valid_from`, until the next
    assignment. Returns the start.

    `valid_from` None: now, or just after the last call that was rated by a card. Refuses NOT_FOUND,
    OTHER_CURRENCY, EFFECTIVE_IN_PAST.
    """
    async with db.transaction() as conn:
        await rate_versions.lock_exclusively(conn, account_id)
        currencies = await customers.lock_currencies(conn, account_id, [customer_id])
        customer_currency = currencies.get(customer_id)
        card_currency = await conn.fetchval(
            "SELECT currency FROM rate_cards WHERE account_id = $1 AND id = $2",
            account_id,
            card_id,
        )
        if customer_currency is None:
            raise refusals.not_found("Customer", "customerId")
        if card_currency is None:
            raise refusals.not_found("RateCard", "id")
        if customer_currency != card_currency:
            raise refusals.Refusal(
                "OTHER_CURRENCY",
                "The customer is billed in {customer}, and the rate card is in {card}. Select a"
                " card in the customer's currency.",
                "id",
                customer=customer_currency,
                card=card_currency,
            )
        last = await rated_calls.last_of_customer(conn, account_id, customer_id, valid_from or now)
        at = _in_force_from(valid_from, now, last, "validFrom")
        await conn.execute(_INSERT_ASSIGNMENT, account_id, customer_id, at, card_id)
    return at
