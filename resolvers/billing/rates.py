"""Rate cards: created, filled and assigned by staff."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from domain import money, refusals
from domain.billing import rating
from domain.identity import callers, personal_data
from models import db
from models.billing import rate_cards, rate_lists
from models.billing.rate_lists import Card as Card
from models.billing.rate_lists import Key as Key
from models.billing.rate_lists import Rate as Rate
from models.billing.rate_lists import Revision as Revision
from models.records import call_records
from resolvers import access, audit_entries
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
    """Creates a card and returns its number. Refuses NAME_TAKEN, BAD_PLACES, INVALID."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    async with db.transaction():
        card_id = await rate_cards.create(
            caller.account_id,
            name=personal_data.validate_name(name),
            currency=personal_data.validate_currency(currency),
            rounding=rounding,
            places=places,
            now=now,
        )
        after = {"name": name, "currency": currency, "rounding": rounding, "places": places}
        await audit_entries.write(caller, "card.create", f"card:{card_id}", now, after=after)
    return card_id


async def add(
    caller: callers.Caller,
    card_id: int,
    added: Sequence[rating.Rate],
    ended: Sequence[str],
    effective_from: datetime | None,
    now: datetime,
) -> rate_cards.NewRevision:
    """Adds a revision to the card. Refuses EFFECTIVE_IN_PAST, NOT_FOUND, INVALID and as a rate."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    prefixes = [rate.prefix for rate in added] + list(ended)
    if not 1 <= len(prefixes) <= MAX_RATES:
        raise refusals.Refusal(
            "INVALID", "Set 1 to {most} rates at a time.", "rates", most=MAX_RATES
        )
    if len(set(prefixes)) != len(prefixes):
        raise refusals.Refusal("INVALID", "A prefix is repeated. Set each prefix once.", "rates")

    async def store() -> rate_cards.NewRevision:
        async with db.transaction():
            return await _add(caller, card_id, added, ended, effective_from, now)

    return await call_records.retry(store)


async def _add(
    caller: callers.Caller,
    card_id: int,
    added: Sequence[rating.Rate],
    ended: Sequence[str],
    effective_from: datetime | None,
    now: datetime,
) -> rate_cards.NewRevision:
    revision = await rate_cards.add_rates(
        caller.account_id, card_id, added, ended=ended, effective_from=effective_from, now=now
    )
    earlier = revision.replaced
    changed = [rate for rate in added if earlier.get(rate.prefix) != rate]
    before = [earlier[p] for p in (*(rate.prefix for rate in changed), *ended) if p in earlier]
    at = {"effective_from": revision.effective_from.isoformat()}
    after = _prices(changed) | {f"+{prefix}": "no rate" for prefix in ended} | at
    await audit_entries.write(
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
    """Assigns the card; returns the start. Refuses NOT_FOUND, OTHER_CURRENCY, EFFECTIVE_IN_PAST."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)

    async def store() -> datetime:
        async with db.transaction():
            at = await rate_cards.assign(caller.account_id, customer_id, card_id, valid_from, now)
            await audit_entries.write(
                caller,
                "card.assign",
                f"card:{card_id}",
                now,
                customer_id=customer_id,
                after={"valid_from": at.isoformat()},
            )
            return at

    return await call_records.retry(store)


async def get(caller: callers.Caller, card_id: int) -> rate_lists.Card | None:
    """The card; None if the account has no such card. Refuses FORBIDDEN."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    return await rate_lists.card(caller.account_id, card_id)


async def existing(caller: callers.Caller, card_id: int) -> rate_lists.Card:
    """The card. Refuses FORBIDDEN, NOT_FOUND."""
    card = await get(caller, card_id)
    if card is None:
        raise refusals.not_found("RateCard", "id")
    return card


async def revisions(
    caller: callers.Caller, card_id: int, before: int | None, limit: int
) -> list[rate_lists.Revision]:
    """The revisions, newest first. Refuses FORBIDDEN."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    return await rate_lists.revisions(caller.account_id, card_id, before, limit)


async def rates_at(
    caller: callers.Caller, card_id: int, at: datetime, after: str | None, limit: int
) -> list[rate_lists.Rate]:
    """The rates that are valid at the given time, by prefix. Refuses FORBIDDEN."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    return await rate_lists.rates(caller.account_id, card_id, at, after, limit)


async def applied(keys: Sequence[tuple[int, Key]]) -> list[rate_lists.Rate | None]:
    """The rates that records (account, key) name, all of one account."""
    return await rate_lists.applied(keys[0][0], [key for _, key in keys])


async def cards(keys: Sequence[tuple[int, int]]) -> list[rate_lists.Card | None]:
    """The rate cards that records (account, card) name, all of one account."""
    cards = await rate_lists.cards(keys[0][0], [card_id for _, card_id in keys])
    return [cards.get(card_id) for _, card_id in keys]


def _prices(of: Iterable[rating.Rate]) -> dict[str, str]:
    """Rates by prefix as text, such as `+44: 0.0089/min, 0 to connect, 1/1 s`."""
    return {
        f"+{rate.prefix}": f"{money.plain(rate.per_minute)}/min,"
        f" {money.plain(rate.connect_fee)} to connect, {rate.minimum}/{rate.increment} s"
        for rate in of
    }
