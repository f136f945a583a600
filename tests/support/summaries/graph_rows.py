"""The rows of the tables behind graphs, stored and calculated from records in Python."""

import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import astuple
from datetime import datetime, timedelta
from typing import Any

from domain import epoch
from domain.summaries import delays
from tests.support.summaries import days
from tests.support.summaries.days import Leg, Rows, Slot

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
_LENGTHS = {"slot": days.SLOT, "minute": MINUTE, "day": DAY}
# By table: the column of the time, and whether the country is in the key.
_SUMS = {
    "carrier_days": ("day", False),
    "country_slots": ("slot", True),
    "country_days": ("day", True),
    "minute_sums": ("minute", True),
}
_DELAYS = {"pdd_minutes": "minute", "pdd_slots": "slot", "pdd_days": "day"}


async def stored() -> Rows:
    """By table and its key, without rows of zeros."""
    rows: Rows = {}
    for table, (time, by_country) in _SUMS.items():
        keys = f"customer_id, {time}, carrier_id" + (", country" if by_country else "")
        for key, sums in (await days.stored(table, keys, days.SLOT_SUMS)).items():
            rows[table, *key] = sums
    for table, time in _DELAYS.items():
        keys = f"customer_id, {time}, carrier_id"
        for key, (attempts, legs) in (await days.stored(table, keys, "attempts, legs")).items():
            rows[table, *key] = (delays.unpack(attempts), delays.unpack(legs))
    return rows


def computed(legs: Iterable[Leg]) -> Rows:
    """What `stored` returns after a rebuild of all hours."""
    legs = list(legs)
    rows: Rows = {}
    for table, (time, by_country) in _SUMS.items():
        sums: dict[tuple[Any, ...], Slot] = defaultdict(Slot)
        for leg in legs:
            country = (leg.country or "",) if by_country else ()
            sums[leg.customer, _start(leg, time), leg.carrier, *country].add(leg)
        rows |= {(table, *key): astuple(row) for key, row in sums.items()}
    for table, time in _DELAYS.items():
        attempts = _histograms(
            (leg for leg in legs if leg.final), time, lambda leg: leg.ringing_after_us or 0
        )
        offers = _histograms(
            legs, time, lambda leg: (leg.ringing_after_us or 0) - leg.offered_after_us
        )
        rows |= {(table, *key): (attempts.get(key, {}), offers[key]) for key in offers}
    return rows


def _start(leg: Leg, time: str) -> datetime:
    return epoch.floor(leg.setup, _LENGTHS[time])


def _histograms(
    legs: Iterable[Leg], time: str, delay_us: Callable[[Leg], int]
) -> dict[tuple[Any, ...], Counter[int]]:
    counts: dict[tuple[Any, ...], Counter[int]] = defaultdict(Counter)
    for leg in legs:
        if leg.ringing_after_us is not None:
            bucket = bisect.bisect_right(delays.BOUNDS_US, delay_us(leg))
            counts[leg.customer, _start(leg, time), leg.carrier][bucket] += 1
    return counts
