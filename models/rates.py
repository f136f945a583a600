"""Rate cards, their revisions, and which customer is rated by which card from when.

Nothing here is ever overwritten: a change is a new row with the instant from which it is in force.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from domain import calls, money, rating, refusals
from models import customers, db, rate_look_up, rate_versions, rated_calls

_RATE_COLUMNS = (
    *("account_id", "rate_card_id", "revision", "effective_from", "prefix", "description"),
    *("per_minute", "connect_fee", "minimum", "increment", "round_up_seconds"),
)
_ENDED = ("", None, 0, 1, 1, True)  # in the columns after the prefix
_SLICE = 500  # rates worked on before others get a turn
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
    """The new card's id; its revision 1 has no rates. Raises Refusal NAME_TAKEN, BAD_PLACES."""
    if not 0 <= places <= money.FRACTION_DIGITS:
        raise refusals.Refusal("BAD_PLACES", "Charges round to 0 to 12 places.", "places")
    try:
        async with db.transaction() as conn:
            card = (account_id, name, currency, rounding, places, now)
            card_id: int = await conn.fetchval(_INSERT_CARD, *card)
            first = (account_id, card_id, 1, rating.ALWAYS, 0, now)
            await conn.execute(_INSERT_REVISION, *first)
    except asyncpg.UniqueViolationError:
        raise refusals.Refusal(
            "NAME_TAKEN", "The account has a rate card of that name; use another.", "name"
        ) from None
    return card_id


@dataclass(frozen=True, slots=True)
class Added:
    """A card's new revision; `earlier` are the rates it replaces, by prefix."""

    revision: int
    effective_from: datetime
    earlier: dict[str, rating.Rate]


async def add_rates(
    account_id: int,
    card_id: int,
    rates: Sequence[rating.Rate],
    *,
    ended: Collection[str] = (),
    effective_from: datetime | None = None,
    now: datetime,
) -> Added:
    """A new revision: these rates, and the end of those of the prefixes `ended`, from an instant.

    Without `effective_from` it is now, or just after the last call that has been rated by a rate
    which it replaces. Raises Refusal NOT_FOUND, BAD_PREFIX, BAD_AMOUNT, BAD_INCREMENT,
    EFFECTIVE_IN_PAST.
    """
    prefixes = [rate.prefix for rate in rates] + list(ended)
    beginnings = await _checked(rates, prefixes)
    async with db.transaction() as conn:
        await rate_versions.take(conn, account_id)
        card = (account_id, card_id)
        revision: int | None = await conn.fetchval(_RAISE_VERSION, *card, len(prefixes))
        if revision is None:
            raise refusals.no_such("RateCard", "rateCardId")
        last = await rated_calls.last_by_card(conn, *card, beginnings, effective_from or now)
        at = _in_force_from(effective_from, now, last, "effectiveFrom")
        await conn.execute(_INSERT_REVISION, *card, revision, at, len(prefixes), now)
        key, earlier = (*card, revision, at), dict[str, rating.Rate]()
        for n in range(0, len(prefixes), _SLICE):
            part = prefixes[n : n + _SLICE]
            earlier |= await rate_look_up.of_prefixes(conn, *card, part, at)
            rows = [(*key, *_values(rate)) for rate in rates[n : n + _SLICE]]
            rows += [(*key, prefix, *_ENDED) for prefix in part[len(rows) :]]
            await db.copy(conn, "rates", _RATE_COLUMNS, rows)
    return Added(revision, at, earlier)


async def _checked(rates: Sequence[rating.Rate], prefixes: Sequence[str]) -> set[str]:
    """The beginnings of the prefixes. Raises Refusal BAD_PREFIX, BAD_AMOUNT, BAD_INCREMENT."""
    beginnings: set[str] = set()
    for n in range(0, len(prefixes), _SLICE):
        for rate in rates[n : n + _SLICE]:
            _check(rate)
        for prefix in prefixes[n : n + _SLICE]:
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
    wanted: datetime | None, now: datetime, last_rated: datetime | None, field: str
) -> datetime:
    """Later than every call that has been rated by what it replaces."""
    if last_rated is None:
        return wanted or now
    if wanted is None:
        return last_rated + calls.MICROSECOND
    raise refusals.Refusal(
        "EFFECTIVE_IN_PAST",
        "Calls set up at or after {at:utc} have already been rated, and the change would need them"
        " to be rated again. Set an instant after the last of them, or null for now.",
        field,
        at=wanted,
    )


def _check(rate: rating.Rate) -> None:
    money.checked(rate.per_minute, "perMinute")
    money.checked(rate.connect_fee, "connectFee")
    if rate.minimum < 0 or not 1 <= rate.increment <= 86_400 or rate.minimum > 86_400:
        raise refusals.Refusal(
            "BAD_INCREMENT", "The minimum is 0 to 86400 s, the increment 1 to 86400 s.", "increment"
        )


def _check_prefix(prefix: str) -> None:
    digits = prefix.isascii() and prefix.isdigit()
    if prefix and not (digits and len(prefix) <= rating.PREFIX_DIGITS):
        raise refusals.Refusal(
            "BAD_PREFIX", "A prefix is up to 20 digits, without a plus sign.", "prefix"
        )


async def assign(
    account_id: int, customer_id: int, card_id: int, valid_from: datetime | None, now: datetime
) -> datetime:
    """Rates the customer's calls set up at or after `valid_from` by the card, until another's.

    None: from now, or from just after the last call that has been rated by a card. Returns the
    instant. Raises Refusal NOT_FOUND, OTHER_CURRENCY, EFFECTIVE_IN_PAST.
    """
    async with db.transaction() as conn:
        await rate_versions.take(conn, account_id)
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
        last = await rated_calls.last_of_customer(conn, account_id, customer_id, valid_from or now)
        at = _in_force_from(valid_from, now, last, "validFrom")
        await conn.execute(_INSERT_ASSIGNMENT, account_id, customer_id, at, card_id)
    return at
