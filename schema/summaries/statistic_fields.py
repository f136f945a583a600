"""Fields for statistics: one for each entry of a tuple of `domain.summaries.ratios`."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, TypeVar

import strawberry

from domain.summaries import delays, ratios

T = TypeVar("T")


def add(
    statistics: Sequence[ratios.Statistic | delays.Percentile],
) -> Callable[[type[T]], type[T]]:
    """A decorator below `strawberry.type` that adds a field for each of the statistics."""

    def add_to(type_: type[T]) -> type[T]:
        for statistic in statistics:
            type_.__annotations__[statistic.name] = float | None
            setattr(type_, statistic.name, strawberry.field(description=statistic.description))
        return type_

    return add_to


def values(statistics: Sequence[ratios.Statistic], sums: object) -> dict[str, Any]:
    """The values of the fields that `add` makes."""
    return {statistic.name: as_float(statistic.of(sums)) for statistic in statistics}


def percentiles(histogram: delays.Histogram | None) -> dict[str, float | None]:
    """The values of the fields of `delays.PERCENTILES`, in milliseconds."""
    if not histogram:
        return {percentile.name: None for percentile in delays.PERCENTILES}
    exact = {p.name: delays.percentile_us(histogram, p.percent) for p in delays.PERCENTILES}
    return {name: as_float(None if us is None else us / 1_000) for name, us in exact.items()}


def as_float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)
