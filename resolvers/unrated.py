"""Calls without a rate: listed, rated by the card in force at their setup, waived, or unwaived."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from redis.asyncio import Redis

from domain import callers, calls, money, rating, references, refusals
from domain.texts import marked
from live import wake
from models import db, rate_look_up, rate_versions, records
from models import unrated as stored
from models.unrated import Filter
from resolvers import access, audit, customers
from resolvers.access import Capability

MOST = 10_000  # calls looked at in one mutation
_DIGITS = re.compile(r"\+?([0-9]{1,20})", re.ASCII)
_LONGEST_PERIOD = timedelta(days=31)  # of waived calls that are looked for


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

    async def store() -> Rated:
        async with db.transaction():
            return await _rate(caller, customer, wanted, now)

    rated = await records.retried(store)
    await wake.hint(redis, wake.For.MARKS)
    return rated


async def _rate(
    caller: callers.Caller,
    customer: references.Customer,
    wanted: Filter,
    now: datetime,
) -> Rated:
    found = await stored.first(caller.account_id, wanted, MOST + 1)
    numbers = {record.destination for record in found}
    since = found[0].setup_at if found else now
    await rate_versions.share(caller.account_id)
    cards = await rate_look_up.in_force(caller.account_id, customer.id, numbers, since)
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
        raise _too_many(marked("Waive 1 to {most:,} calls at a time."))

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
        raise _other_number(_OTHER_UNRATED, expected)
    await stored.rate(caller.account_id, customer.id, [(one, rating.WAIVED) for one in found], now)
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


def _by_card(record: calls.Record, cards: rate_look_up.InForce) -> rating.Rated:
    card = cards.at(record.customer_id, record.setup_at)
    return rating.by_card(record.talk_us, record.destination, record.setup_at, card)


async def unwaive(
    caller: callers.Caller, redis: Redis, wanted: Filter, expected: int, now: datetime
) -> int:
    """How many waived calls have no charge again: all that match, which are as many as expected.

    FORBIDDEN, NOT_FOUND; INVALID for more than `MOST` or a period of more than 31 days;
    CHANGED_MEANWHILE for another number.
    """
    customer = await _customer(caller, wanted)
    if not 1 <= expected <= MOST:
        raise _too_many(marked("Unwaive 1 to {most:,} calls at a time."))
    assert wanted.start is not None
    assert wanted.end is not None
    if wanted.end - wanted.start > _LONGEST_PERIOD:
        raise refusals.Refusal(
            "INVALID", "The period is longer than 31 days. Set a later `from`.", "from"
        )

    async def store() -> None:
        async with db.transaction():
            found = await stored.waived(caller.account_id, wanted, expected + 1)
            if len(found) != expected:
                raise _other_number(_OTHER_WAIVED, expected)
            await stored.unwaive(caller.account_id, customer.id, found, now)
            await _note(caller, "calls.unwaive", customer.id, wanted, found, None, now)

    await records.retried(store)
    await wake.hint(redis, wake.For.MARKS)
    return expected


_OTHER_UNRATED = marked(
    "There are not {expected:,} such calls without a rate; look again, then waive."
)
_OTHER_WAIVED = marked(
    "The number of such waived calls is not {expected:,}. Check the selection, then try again."
)


def _too_many(message: str) -> refusals.Refusal:
    return refusals.Refusal("INVALID", message, "expectedCalls", most=MOST)


def _other_number(message: str, expected: int) -> refusals.Refusal:
    return refusals.Refusal("CHANGED_MEANWHILE", message, "expectedCalls", expected=expected)


async def _note(
    caller: callers.Caller,
    action: str,
    customer_id: int,
    wanted: Filter,
    of: Sequence[calls.Record],
    charge: Decimal | None,
    now: datetime,
) -> None:
    """`charge`: what they cost now; None: they are without a rate again."""
    if not of:
        return
    calls_before, calls_after = (len(of), 0) if charge is not None else (0, len(of))
    span = {"first_setup_at": of[0].setup_at, "last_setup_at": of[-1].setup_at}
    after = {"unrated_calls": calls_after, "digits": wanted.digits or ""}
    if charge is not None:
        after["charge"] = money.plain(charge)
    await audit.write(
        caller,
        action,
        f"customer:{customer_id}",
        now,
        customer_id=customer_id,
        before={"unrated_calls": calls_before},
        after=after | {name: at.isoformat() for name, at in span.items()},
    )
