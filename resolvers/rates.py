"""Rate cards: made, filled and put in force by staff."""

from collections.abc import Sequence
from datetime import datetime

from domain import callers, money, people, rating, refusals
from models import db, rates
from resolvers import access, audit
from resolvers.access import Capability

MAX_RATES = 10_000  # in one mutation


async def create(
    caller: callers.Caller,
    *,
    name: str,
    currency: str,
    rounding: money.Rounding,
    places: int,
    now: datetime,
) -> int:
    """The new card's number; NAME_TAKEN, BAD_PLACES, INVALID."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    async with db.transaction():
        card_id = await rates.create(
            caller.account_id,
            name=people.name(name),
            currency=people.currency(currency),
            rounding=rounding,
            places=places,
            now=now,
        )
        await _audit(caller, "card.create", card_id, now)
    return card_id


async def add(
    caller: callers.Caller, card_id: int, added: Sequence[rating.Rate], now: datetime
) -> int:
    """Adds rates, replacing those of the same prefixes; the card's new version."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    if not 1 <= len(added) <= MAX_RATES:
        raise refusals.Refusal(
            "INVALID", "Give 1 to {most} rates at a time.", "rates", most=MAX_RATES
        )
    if len({rate.prefix for rate in added}) != len(added):
        raise refusals.Refusal("INVALID", "Give each prefix once.", "rates")
    async with db.transaction():
        version = await rates.add_rates(caller.account_id, card_id, added)
        await _audit(caller, "card.rates", card_id, now)
    return version


async def assign(
    caller: callers.Caller, customer_id: int, card_id: int, valid_from: datetime, now: datetime
) -> None:
    """NOT_FOUND, OTHER_CURRENCY."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    async with db.transaction():
        await rates.assign(caller.account_id, customer_id, card_id, valid_from)
        await _audit(caller, "card.assign", card_id, now)


async def _audit(caller: callers.Caller, action: str, card_id: int, now: datetime) -> None:
    await audit.write(caller, action, f"card:{card_id}", now)
