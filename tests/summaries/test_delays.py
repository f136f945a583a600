import bisect
from collections import Counter
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from domain.summaries import delays

_US = st.integers(0, delays.BOUNDS_US[-1])
_DELAYS = st.lists(_US | st.integers(0, 20_000_000), min_size=1, max_size=60)
_PERCENTS = st.integers(0, 100)


def _histogram(values: list[int]) -> Counter[int]:
    return Counter(bisect.bisect_right(delays.BOUNDS_US, value) for value in values)


def test_bounds_grow_by_at_most_a_tenth() -> None:
    ratios = [
        Fraction(high, low)
        for low, high in zip(delays.BOUNDS_US, delays.BOUNDS_US[1:], strict=False)
    ]
    assert all(1 < ratio <= Fraction(11, 10) for ratio in ratios)


@given(st.lists(_DELAYS, min_size=1, max_size=5), _PERCENTS)
def test_a_percentile_of_merged_histograms_is_within_5_percent(
    parts: list[list[int]], percent: int
) -> None:
    merged = delays.merge(map(_histogram, parts))
    values = sorted(value for part in parts for value in part)
    rank = max(1, -(-percent * len(values) // 100))
    exact = values[rank - 1]
    percentile = delays.percentile_us(merged, percent)
    assert percentile is not None
    assert abs(percentile - exact) <= max(Fraction(exact, 20), 1_000)


@given(_DELAYS, _DELAYS)
def test_merging_adds_the_counts(first: list[int], second: list[int]) -> None:
    merged = delays.merge([_histogram(first), _histogram(second)])
    assert merged == _histogram(first + second)


def test_no_delay_has_no_percentile() -> None:
    assert delays.percentile_us({}, 50) is None


@given(st.dictionaries(st.integers(0, 255), st.integers(1, 2**32 - 1)))
def test_a_packed_histogram_is_unpacked(histogram: dict[int, int]) -> None:
    packed = [bucket << 32 | count for bucket, count in histogram.items()]
    assert delays.unpack(packed) == histogram
