"""Rate cards: made, filled and put in force by staff."""

from collections.abc import Iterable, Sequence
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
        after = {"name": name, "currency": currency, "rounding": rounding, "places": places}
        await audit.write(caller, "card.create", f"card:{card_id}", now, after=after)
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
        prefixes = [rate.prefix for rate in added]
        earlier = await rates.of_prefixes(caller.account_id, card_id, prefixes)
        version = await rates.add_rates(caller.account_id, card_id, added)
        changed = [rate for rate in added if earlier.get(rate.prefix) != rate]
        await audit.write(
            caller,
            "card.rates",
            f"card:{card_id}",
            now,
            before=_prices(earlier[rate.prefix] for rate in changed if rate.prefix in earlier),
            after=_prices(changed),
        )
    return version


async def assign(
    caller: callers.Caller, customer_id: int, card_id: int, valid_from: datetime, now: datetime
) -> None:
    """NOT_FOUND, OTHER_CURRENCY."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    async with db.transaction():
        await rates.assign(caller.account_id, customer_id, card_id, valid_from)
        await audit.write(
            caller,
            "card.assign",
            f"card:{card_id}",
            now,
            customer_id=customer_id,
            after={"valid_from": valid_from.isoformat()},
        )


def _prices(of: Iterable[rating.Rate]) -> dict[str, str]:
    """Of rates by prefix, such as `+44: 0.0089/min, 0 to connect, 1/1 s`."""
    return {
        f"+{rate.prefix}": f"{money.plain(rate.per_minute)}/min,"
        f" {money.plain(rate.connect_fee)} to connect, {rate.minimum}/{rate.increment} s"
        for rate in of
    }
