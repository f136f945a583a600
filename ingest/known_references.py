"""Reads the customers, carriers, switches and rates that the events of a batch refer to."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TypeAlias

from domain import instants
from domain.records import destinations, events, intake, references
from ingest import batches
from models.billing import rate_cache
from models.records import reference_lookup

ReferencingEvent: TypeAlias = events.Progress | events.End | events.ListedCall


async def read(
    account_id: int,
    with_references: Collection[ReferencingEvent],
    switches: Mapping[str, references.Switch],
    rates: rate_cache.RateCache,
    times: tuple[datetime, datetime | None],
) -> references.Lookup:
    """Resolves the references. `times`: now, and the oldest accepted setup (None: any age)."""
    now, oldest = times
    customers = await reference_lookup.customers(
        account_id, {event.customer for event in with_references}
    )
    carriers = await reference_lookup.carriers(
        account_id, {event.carrier for event in with_references if event.carrier}
    )
    ends = [
        event
        for event in with_references
        if isinstance(event, events.End) and intake.uses_customer_rates(event)
    ]
    dates = {instants.date_of(end.setup_at) for end in ends}
    starts: list[datetime] = []
    await batches.run_in_slices(dates, lambda date: _add_start(date, starts))

    async def collect_numbers() -> set[str]:
        numbers: set[str] = set()
        await batches.run_in_slices(ends, lambda end: _add_number(end, switches, numbers))
        return numbers

    to_rate = customers.values() if ends else ()
    in_force = await rates.in_force(account_id, to_rate, collect_numbers, min(starts, default=now))
    return references.Lookup(
        customers=customers,
        carriers=carriers,
        switches=switches,
        rates_versions=in_force.assignments.versions,
        card_in_force=in_force.at,
        latest=now + references.MAX_CLOCK_LEAD,
        oldest=oldest,
    )


def _add_number(
    end: events.End, switches: Mapping[str, references.Switch], numbers: set[str]
) -> None:
    digits = destinations.digits(end.destination, switches[end.switch].numbering)
    if digits is not None:
        numbers.add(digits)


def _add_start(date: str | int, starts: list[datetime]) -> None:
    start = instants.earliest_on(date)
    if start is not None:  # else the call is refused when it is checked
        starts.append(start)
