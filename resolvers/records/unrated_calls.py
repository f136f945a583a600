"""Calls without a rate: listed, rated by the card that applied at their setup, waived or
unwaived."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from domain import money, refusals
from domain.billing import rating
from domain.identity import callers
from domain.messaging.texts import mark_text
from domain.records import calls, destinations, references
from models import db
from models.billing import rate_lookup, rate_versions
from models.directory import switches
from models.records import call_records, stored_records, unrated_calls
from models.records.unrated_calls import Filter as Filter
from resolvers import access, audit_entries
from resolvers.access import Capability
from resolvers.directory import customers

MAX_CALLS = 10_000  # processed by one mutation
_MAX_UNWAIVE_PERIOD = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Rated:
    """How many calls now have a rate, their total charge in the customer's currency, how many
    of the processed calls still have none, and the setup to continue from (None if all were
    processed)."""

    calls: int
    charge: Decimal
    currency: str
    left: int
    go_on_from: datetime | None


async def page(
    caller: callers.Caller, filter: Filter, before: stored_records.Position | None, limit: int
) -> list[tuple[calls.Record, stored_records.Position]]:
    """Calls without a rate, newest first. Refuses FORBIDDEN, NOT_FOUND."""
    access.require_account(caller, Capability.RATE_CALLS)
    if filter.customer_id is not None:
        await customers.existing(caller.account_id, filter.customer_id)
    return await unrated_calls.page(caller.account_id, filter, before, limit)


async def rate(caller: callers.Caller, filter: Filter, now: datetime) -> Rated:
    """Rates the earliest `MAX_CALLS` of a customer. Refuses FORBIDDEN, NOT_FOUND."""
    customer = await _customer(caller, filter)

    async def store() -> Rated:
        async with db.transaction():
            return await _rate(caller, customer, filter, now)

    return await call_records.retry(store)


async def _rate(
    caller: callers.Caller,
    customer: references.Customer,
    filter: Filter,
    now: datetime,
) -> Rated:
    locked = await unrated_calls.lock_earliest(caller.account_id, filter, MAX_CALLS + 1)
    numbering = await switches.numbering(caller.account_id, {record.switch for record in locked})
    digits = [
        destinations.digits(record.destination, numbering[record.switch]) for record in locked
    ]
    numbers = {number for number in digits if number is not None}
    since = locked[0].setup_at if locked else now
    await rate_versions.lock_shared(caller.account_id)
    cards = await rate_lookup.in_force(caller.account_id, customer.id, numbers, since)
    rated = [
        (record, by)
        for record, number in zip(locked[:MAX_CALLS], digits, strict=False)
        if (by := _by_card(record, number, cards)).charge is not None
    ]
    charge = money.add(by.charge for _, by in rated if by.charge is not None)
    await unrated_calls.store_rates(caller.account_id, customer.id, rated, now)
    changed = [record for record, _ in rated]
    await _note(caller, "calls.rate", customer.id, filter, changed, charge, now)
    left = len(locked[:MAX_CALLS]) - len(rated)
    go_on = locked[MAX_CALLS].setup_at if len(locked) > MAX_CALLS else None
    return Rated(len(rated), charge, customer.currency, left, go_on)


async def waive(caller: callers.Caller, filter: Filter, expected: int, now: datetime) -> int:
    """Waives all matching calls and returns their number, which has to be the expected one.

    Refuses FORBIDDEN, NOT_FOUND; INVALID for more than `MAX_CALLS`; CHANGED_MEANWHILE for
    another number.
    """
    customer = await _customer(caller, filter)
    if not 1 <= expected <= MAX_CALLS:
        raise _too_many(mark_text("Waive 1 to {most:,} calls at a time."))

    async def store() -> None:
        async with db.transaction():
            await _waive(caller, customer, filter, expected, now)

    await call_records.retry(store)
    return expected


async def _waive(
    caller: callers.Caller,
    customer: references.Customer,
    filter: Filter,
    expected: int,
    now: datetime,
) -> None:
    locked = await unrated_calls.lock_earliest(caller.account_id, filter, expected + 1)
    if len(locked) != expected:
        raise _other_number(_OTHER_UNRATED, expected)
    await unrated_calls.store_rates(
        caller.account_id, customer.id, [(call, rating.WAIVED) for call in locked], now
    )
    await _note(caller, "calls.waive", customer.id, filter, locked, Decimal(0), now)


async def _customer(caller: callers.Caller, filter: Filter) -> references.Customer:
    access.require_account(caller, Capability.RATE_CALLS)
    assert filter.customer_id is not None
    row = await customers.existing(caller.account_id, filter.customer_id)
    return references.Customer(row.id, row.currency)


def _by_card(
    record: calls.Record, digits: str | None, cards: rate_lookup.InForce
) -> rating.LegCharge:
    card = cards.at(record.customer_id, record.setup_at)
    return rating.charge_by_card(record.talk_us, digits, record.setup_at, card)


async def unwaive(caller: callers.Caller, filter: Filter, expected: int, now: datetime) -> int:
    """Undoes the waiver of all matching calls and returns their number, which has to be the
    expected one.

    Refuses FORBIDDEN, NOT_FOUND; INVALID for more than `MAX_CALLS` or a period of more than 31
    days; CHANGED_MEANWHILE for another number.
    """
    customer = await _customer(caller, filter)
    if not 1 <= expected <= MAX_CALLS:
        raise _too_many(mark_text("Unwaive 1 to {most:,} calls at a time."))
    assert filter.start is not None
    assert filter.end is not None
    if filter.end - filter.start > _MAX_UNWAIVE_PERIOD:
        raise refusals.Refusal(
            "INVALID", "The period is longer than 31 days. Set a later `from`.", "from"
        )

    async def store() -> None:
        async with db.transaction():
            locked = await unrated_calls.lock_waived(caller.account_id, filter, expected + 1)
            if len(locked) != expected:
                raise _other_number(_OTHER_WAIVED, expected)
            await unrated_calls.unwaive(caller.account_id, customer.id, locked, now)
            await _note(caller, "calls.unwaive", customer.id, filter, locked, None, now)

    await call_records.retry(store)
    return expected


_OTHER_UNRATED = mark_text(
    "The number of such calls without a rate is not {expected:,}. Check the selection, then try"
    " again."
)
_OTHER_WAIVED = mark_text(
    "The number of such waived calls is not {expected:,}. Check the selection, then try again."
)


def _too_many(message: str) -> refusals.Refusal:
    return refusals.Refusal("INVALID", message, "expectedCalls", most=MAX_CALLS)


def _other_number(message: str, expected: int) -> refusals.Refusal:
    return refusals.Refusal("CHANGED_MEANWHILE", message, "expectedCalls", expected=expected)


async def _note(
    caller: callers.Caller,
    action: str,
    customer_id: int,
    filter: Filter,
    of: Sequence[calls.Record],
    charge: Decimal | None,
    now: datetime,
) -> None:
    """Writes the audit log. `charge`: the new charge of the calls; None: they have no rate
    again."""
    if not of:
        return
    calls_before, calls_after = (len(of), 0) if charge is not None else (0, len(of))
    span = {"first_setup_at": of[0].setup_at, "last_setup_at": of[-1].setup_at}
    after = {"unrated_calls": calls_after, "digits": filter.digits or ""}
    if charge is not None:
        after["charge"] = money.plain(charge)
    await audit_entries.write(
        caller,
        action,
        f"customer:{customer_id}",
        now,
        customer_id=customer_id,
        before={"unrated_calls": calls_before},
        after=after | {name: at.isoformat() for name, at in span.items()},
    )
