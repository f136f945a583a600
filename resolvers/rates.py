"""Rate cards: made, filled and put in force by staff."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from domain import callers, money, people, rating, refusals
from models import db, rate_lists, rates, records
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
    caller: callers.Caller,
    card_id: int,
    added: Sequence[rating.Rate],
    ended: Sequence[str],
    effective_from: datetime | None,
    now: datetime,
) -> rates.Added:
    """A new revision of the card; EFFECTIVE_IN_PAST, NOT_FOUND, INVALID and those of a rate."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    prefixes = [rate.prefix for rate in added] + list(ended)
    if not 1 <= len(prefixes) <= MAX_RATES:
        raise refusals.Refusal(
            "INVALID", "Give 1 to {most} rates at a time.", "rates", most=MAX_RATES
        )
    if len(set(prefixes)) != len(prefixes):
        raise refusals.Refusal("INVALID", "Give each prefix once.", "rates")

    async def store() -> rates.Added:
        async with db.transaction():
            return await _add(caller, card_id, added, ended, effective_from, now)

    return await records.retried(store)


async def _add(
    caller: callers.Caller,
    card_id: int,
    added: Sequence[rating.Rate],
    ended: Sequence[str],
    effective_from: datetime | None,
    now: datetime,
) -> rates.Added:
    revision = await rates.add_rates(
        caller.account_id, card_id, added, ended=ended, effective_from=effective_from, now=now
    )
    earlier = revision.earlier
    changed = [rate for rate in added if earlier.get(rate.prefix) != rate]
    before = [earlier[p] for p in (*(rate.prefix for rate in changed), *ended) if p in earlier]
    at = {"effective_from": revision.effective_from.isoformat()}
    after = _prices(changed) | {f"+{prefix}": "no rate" for prefix in ended} | at
    await audit.write(
        caller, "card.rates", f"card:{card_id}", now, before=_prices(before), after=after
    )
    return revision


async def assign(
    caller: callers.Caller,
    customer_id: int,
    card_id: int,
    valid_from: datetime | None,
    now: datetime,
) -> datetime:
    """From when the card is in force; NOT_FOUND, OTHER_CURRENCY, EFFECTIVE_IN_PAST."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)

    async def store() -> datetime:
        async with db.transaction():
            at = await rates.assign(caller.account_id, customer_id, card_id, valid_from, now)
            await audit.write(
                caller,
                "card.assign",
                f"card:{card_id}",
                now,
                customer_id=customer_id,
                after={"valid_from": at.isoformat()},
            )
            return at

    return await records.retried(store)


async def get(caller: callers.Caller, card_id: int) -> rate_lists.Card | None:
    """None if the account has no such card; FORBIDDEN."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    return await rate_lists.card(caller.account_id, card_id)


async def existing(caller: callers.Caller, card_id: int) -> rate_lists.Card:
    """FORBIDDEN, NOT_FOUND."""
    card = await get(caller, card_id)
    if card is None:
        raise refusals.no_such("RateCard", "rateCardId")
    return card


async def revisions(
    caller: callers.Caller, card_id: int, before: int | None, limit: int
) -> list[rate_lists.Revision]:
    """The newest first; FORBIDDEN."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    return await rate_lists.revisions(caller.account_id, card_id, before, limit)


async def rates_at(
    caller: callers.Caller, card_id: int, at: datetime, after: str | None, limit: int
) -> list[rate_lists.Rate]:
    """Those in force at the instant, by prefix; FORBIDDEN."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    return await rate_lists.rates(caller.account_id, card_id, at, after, limit)


def _prices(of: Iterable[rating.Rate]) -> dict[str, str]:
    """Of rates by prefix, such as `+44: 0.0089/min, 0 to connect, 1/1 s`."""
    return {
        f"+{rate.prefix}": f"{money.plain(rate.per_minute)}/min,"
        f" {money.plain(rate.connect_fee)} to connect, {rate.minimum}/{rate.increment} s"
        for rate in of
    }
