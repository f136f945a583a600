"""Calls without a rate: listed, rated by what the cards in force then say now, or waived."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from redis.asyncio import Redis

from domain import callers, calls, money, rating, references, refusals
from live import wake
from models import db, rates, records
from models import unrated as stored
from models.unrated import Filter
from resolvers import access, audit, customers
from resolvers.access import Capability

MOST = 10_000  # calls looked at in one mutation
_DIGITS = re.compile(r"\+?([0-9]{1,20})", re.ASCII)
# As a call that nobody answered and no rate matches: it costs 0, by no card's prefix.
_WAIVED = rating.Rated("CARD", 0, Decimal(0), "")

_cards = rates.Cards()


@dataclass(frozen=True, slots=True)
class Rated:
    """How many calls have a rate now and what they cost together, in the customer's currency; how
    many of those looked at have none still; and the setup to go on from, None where it was all."""

    calls: int
    charge: Decimal
    currency: str
    left: int
    go_on_from: datetime | None


async def page(
    caller: callers.Caller, wanted: Filter, before: stored.Place | None, limit: int
) -> list[tuple[calls.Record, stored.Place]]:
    """Newest first. FORBIDDEN, NOT_FOUND."""
    access.require_account(caller, Capability.RATE_CALLS)
    if wanted.customer_id is not None:
        await customers.existing(caller.account_id, wanted.customer_id)
    return await stored.page(caller.account_id, wanted, before, limit)


async def rate(caller: callers.Caller, redis: Redis, wanted: Filter, now: datetime) -> Rated:
    """The earliest `MOST` of a customer's. FORBIDDEN, NOT_FOUND."""
    customer = await _customer(caller, wanted)
    cards = await _cards.in_force(caller.account_id, [customer])

    async def store() -> Rated:
        async with db.transaction():
            return await _rate(caller, customer, cards, wanted, now)

    rated = await records.retried(store)
    await wake.hint(redis, wake.For.MARKS)
    return rated


async def _rate(
    caller: callers.Caller,
    customer: references.Customer,
    cards: rates.InForce,
    wanted: Filter,
    now: datetime,
) -> Rated:
    found = await stored.first(caller.account_id, wanted, MOST + 1)
    rated = [
        (record, by)
        for record in found[:MOST]
        if (by := _by_card(record, cards)).charge is not None
    ]
    charge = money.add(by.charge for _, by in rated if by.charge is not None)
    await stored.rate(caller.account_id, customer.id, rated, now)
    changed = [record for record, _ in rated]
    await _note(caller, "calls.rate", customer.id, wanted, changed, charge, now)
    left = len(found[:MOST]) - len(rated)
    go_on = found[MOST].setup_at if len(found) > MOST else None
    return Rated(len(rated), charge, customer.currency, left, go_on)


async def waive(
    caller: callers.Caller, redis: Redis, wanted: Filter, expected: int, now: datetime
) -> int:
    """How many calls cost nothing from now on: all that match, which are as many as expected.

    FORBIDDEN, NOT_FOUND; INVALID for more than `MOST`; CHANGED_MEANWHILE for another number.
    """
    customer = await _customer(caller, wanted)
    if not 1 <= expected <= MOST:
        raise refusals.Refusal(
            "INVALID", "Waive 1 to {most:,} calls at a time.", "expectedCalls", most=MOST
        )

    async def store() -> None:
        async with db.transaction():
            await _waive(caller, customer, wanted, expected, now)

    await records.retried(store)
    await wake.hint(redis, wake.For.MARKS)
    return expected


async def _waive(
    caller: callers.Caller,
    customer: references.Customer,
    wanted: Filter,
    expected: int,
    now: datetime,
) -> None:
    found = await stored.first(caller.account_id, wanted, expected + 1)
    if len(found) != expected:
        raise refusals.Refusal(
            "CHANGED_MEANWHILE",
            "There are not {expected:,} such calls without a rate; look again, then waive.",
            "expectedCalls",
            expected=expected,
        )
    await stored.rate(caller.account_id, customer.id, [(one, _WAIVED) for one in found], now)
    await _note(caller, "calls.waive", customer.id, wanted, found, Decimal(0), now)


def digits(prefix: str | None) -> str | None:
    """Of a number's beginning, with or without its plus sign. Refuses INVALID."""
    if prefix is None:
        return None
    match = _DIGITS.fullmatch(prefix)
    if match is None:
        raise refusals.Refusal(
            "BAD_PREFIX", "A prefix is up to 20 digits, without a plus sign.", "destination"
        )
    return match[1]


async def _customer(caller: callers.Caller, wanted: Filter) -> references.Customer:
    access.require_account(caller, Capability.RATE_CALLS)
    assert wanted.customer_id is not None
    row = await customers.existing(caller.account_id, wanted.customer_id)
    return references.Customer(row.id, row.currency)


def _by_card(record: calls.Record, cards: rates.InForce) -> rating.Rated:
    card = cards.at(record.customer_id, record.setup_at)
    return rating.by_card(record.talk_us, record.destination, card)


async def _note(
    caller: callers.Caller,
    action: str,
    customer_id: int,
    wanted: Filter,
    of: Sequence[calls.Record],
    charge: Decimal,
    now: datetime,
) -> None:
    if not of:
        return
    span = {"first_setup_at": of[0].setup_at, "last_setup_at": of[-1].setup_at}
    await audit.write(
        caller,
        action,
        f"customer:{customer_id}",
        now,
        customer_id=customer_id,
        before={"unrated_calls": len(of)},
        after={"unrated_calls": 0, "charge": money.plain(charge), "digits": wanted.digits or ""}
        | {name: at.isoformat() for name, at in span.items()},
    )
