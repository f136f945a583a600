"""Packed rates match like a plain list, after any merges."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.billing import packed_rates, rating

HOUR = timedelta(hours=1)
START = rating.FIRST_EFFECTIVE_FROM + timedelta(days=20_000)
Change = tuple[str, int, Decimal | None]  # prefix, hours after START, price (None: it ends)

PREFIXES = ("", "0", "1", "14", "15", "149", "9", "1" * 17, "1" * 18, "1" * 19, "9" * 19)
prefixes = st.sampled_from(PREFIXES)
prices = st.sampled_from((None, Decimal("0.001"), Decimal("0.25"), Decimal(1)))
changes = st.lists(
    st.tuples(prefixes, st.integers(0, 3), prices), max_size=6, unique_by=lambda change: change[0]
)


def row(revision: int, change: Change) -> packed_rates.Row:
    prefix, hours, price = change
    start = (START + hours * HOUR - rating.FIRST_EFFECTIVE_FROM) // timedelta(microseconds=1)
    text = None if price is None else str(price)
    return len(prefix), prefix, start, revision, (text, "0", 30, 6, True)


def in_order(rows: Iterable[packed_rates.Row]) -> list[packed_rates.Row]:
    return sorted(rows, key=lambda row: row[:4])


def merge_rates(revisions: Sequence[Sequence[Change]], at_once: int) -> packed_rates.PackedRates:
    """Packs the first `at_once` revisions together, then merges each of the others."""
    rows = [[row(number, change) for change in of] for number, of in enumerate(revisions)]
    packed = packed_rates.pack(in_order(change for of in rows[:at_once] for change in of))
    for of in rows[at_once:]:
        packer = packed_rates.Packer(packed)
        for steps in (packer.add(in_order(of)), packer.finish()):
            assert list(steps) == []
        packed = packer.rates
    return packed


def list_rates(revisions: Sequence[Sequence[Change]]) -> rating.ListedRates:
    rows: dict[str, list[rating.RateRevision]] = {}
    for number, of in enumerate(revisions):
        for prefix, hours, price in of:
            rate = None if price is None else rating.Rate("", price, Decimal(0), 30, 6)
            revised = rating.RateRevision(START + hours * HOUR, number, rate)
            rows.setdefault(prefix, []).append(revised)
    for of_prefix in rows.values():
        of_prefix.sort(key=lambda one: (one.effective_from, one.revision))
    return rating.ListedRates(rows)


@given(
    st.lists(changes, max_size=4),
    st.integers(0, 4),
    st.lists(
        st.tuples(st.sampled_from((*PREFIXES, "1495", "1x4", "٣1")), st.integers(-1, 4)), max_size=9
    ),
)
def test_every_number_matches_as_in_a_plain_list_at_every_instant(
    revisions: list[list[Change]], at_once: int, calls: list[tuple[str, int]]
) -> None:
    packed, rates = merge_rates(revisions, at_once), list_rates(revisions)
    for number, hours in calls:
        at = START + hours * HOUR
        assert packed.match(number, at) == rates.match(number, at)


def rows_of(count: int, prices: int) -> Iterable[packed_rates.Row]:
    for n in range(count):
        yield 10, f"{n:010}", 0, 1, (str(n % prices), "0", 1, 1, True)


def test_a_million_prefixes_need_less_than_40_mb() -> None:
    packed = packed_rates.pack(rows_of(1_000_000, 5_000))
    assert (len(packed), packed.size < 40_000_000) == (1_000_000, True)
    match = packed.match("00009999991234", START)
    assert match is not None
    assert (match.prefix, match.rate.per_minute) == ("0000999999", Decimal(4_999))


def test_a_merge_copies_in_steps_and_leaves_the_old_rates_unchanged() -> None:
    old = packed_rates.pack(rows_of(120_000, 10))
    packer = packed_rates.Packer(old)
    new = (10, "0000000005", 7, 2, ("99", "0", 1, 1, True))
    pauses = list(packer.add([new])) + list(packer.finish())
    assert (len(pauses), len(old), len(packer.rates)) == (2, 120_000, 120_001)
    for rates, price in ((old, 5), (packer.rates, 99)):
        match = rates.match("00000000051", START)
        assert match is not None
        assert match.rate.per_minute == price


@pytest.mark.parametrize(
    "rows",
    [
        [(20, "1" * 20, 0, 1, ("1", "0", 1, 1, True))],
        list(rows_of(packed_rates.MAX_PRICES + 1, packed_rates.MAX_PRICES + 1)),
    ],
    ids=["a prefix of 20 digits", "too many prices"],
)
def test_rates_that_do_not_fit_are_not_packed(rows: list[packed_rates.Row]) -> None:
    with pytest.raises(packed_rates.UnpackableError):
        packed_rates.pack(rows)
