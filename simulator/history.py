"""Past calls, distributed like real traffic: few at night and on weekends, many in the morning."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from simulator import calls

# Share of a working day's calls by UTC hour.
_DAY = (8, 6, 5, 5, 5, 6, 9, 15, 27, 38, 42, 40, 33, 36, 41, 40, 36, 28, 20, 16, 13, 12, 11, 9)
_WEEKDAY = (1.0, 1.06, 1.08, 1.04, 0.94, 0.34, 0.26)  # Monday first
_HOUR = timedelta(hours=1)


def setups(random: Random, start: datetime, end: datetime, total: int) -> Iterator[datetime]:
    """About `total` setups from `start`, a whole UTC hour, to the end of the hour of `end`."""
    hours = [start + n * _HOUR for n in range(-((start - end) // _HOUR))]
    weights = [_DAY[hour.hour] * _WEEKDAY[hour.weekday()] for hour in hours]
    each = total / sum(weights)
    for hour, weight in zip(hours, weights, strict=True):
        count = round(weight * each * random.uniform(0.8, 1.2))
        yield from sorted(hour + random.random() * _HOUR for _ in range(count))


def records(
    random: Random,
    planner: calls.Planner,
    switch: str,
    span: tuple[datetime, datetime],
    total: int,
) -> Iterator[calls.Event]:
    """The `end` events of about `total` calls set up and ended within `span`."""
    start, end = span
    for setup in setups(random, start, end, total):
        call = planner.plan(setup)
        if call.last.end_at <= end:
            yield from calls.records(call, switch)
