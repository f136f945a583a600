"""Post-dial delays as a histogram that can be summed, for its median and other percentiles.

The bounds of its buckets grow by at most a tenth, so a percentile differs from the exact one by
less than 5 %, or by less than a millisecond.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

_FIRST_BOUND_US = 1_000
_LAST_BOUND_US = 86_400_000_000
_COUNT_BITS = 32


def _bounds() -> tuple[int, ...]:
    bounds = [_FIRST_BOUND_US]
    while bounds[-1] < _LAST_BOUND_US:
        bounds.append(bounds[-1] * 11 // 10)
    return tuple(bounds)


# In microseconds. Bucket n is from bound n - 1 (0: from 0) to below bound n; the last has no end.
BOUNDS_US = _bounds()

Histogram = Mapping[int, int]  # delays by bucket


@dataclass(frozen=True, slots=True)
class Percentile:
    """`name` and `description` are those of the field of the API that shows it."""

    name: str
    description: str
    percent: int


_OF_DELAYS = (
    "of milliseconds from setup to the first 18x, within 5 % or 1 ms of the exact one. Null if no"
    " attempt had one, and in graphs by country."
)
# Each is a field of every point of a graph.
PERCENTILES = (
    Percentile("pdd_median_ms", f"Median {_OF_DELAYS}", 50),
    Percentile("pdd_p95_ms", f"95th percentile {_OF_DELAYS}", 95),
)


def unpack(packed: Iterable[int]) -> dict[int, int]:
    """The histogram of a stored array: each number has the bucket above the lower 32 bits, which
    are the count."""
    return {number >> _COUNT_BITS: number & (1 << _COUNT_BITS) - 1 for number in packed}


def merge(histograms: Iterable[Histogram]) -> dict[int, int]:
    merged: dict[int, int] = {}
    for histogram in histograms:
        for bucket, count in histogram.items():
            merged[bucket] = merged.get(bucket, 0) + count
    return merged


def percentile_us(histogram: Histogram, percent: int) -> Fraction | None:
    """The nearest-rank percentile (the smallest delay that at least `percent` of all delays do not
    exceed), in microseconds. None without a delay."""
    total = sum(histogram.values())
    if not total:
        return None
    rank = max(1, -(-percent * total // 100))
    buckets = sorted(histogram)
    for bucket, reached in zip(
        buckets, itertools.accumulate(histogram[b] for b in buckets), strict=True
    ):
        if reached >= rank:
            return _middle(bucket, BOUNDS_US)
    raise AssertionError("the last bucket reaches every rank")


def _middle(bucket: int, bounds: Sequence[int]) -> Fraction:
    """The harmonic mean of the bucket's bounds, which is equally far from both in percent."""
    if bucket == 0:
        return Fraction(bounds[0], 2)
    if bucket == len(bounds):
        return Fraction(bounds[-1])
    low, high = bounds[bucket - 1], bounds[bucket]
    return Fraction(2 * low * high, low + high)
