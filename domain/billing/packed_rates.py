"""The rates of a large card with all their revisions, in 24 bytes per row.

Parallel arrays, sorted by (length of the prefix, prefix, effective_from, revision). A look-up
searches the prefixes of each length, the longest first, then the rows of the prefix by time.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from domain.billing import rating
from domain.records import calls

MAX_PRICES = 200_000  # distinct prices of a card
_PRICE_BYTES = 600
_MAX_DIGITS = 19  # fits in 64 bits
_STEP_ROWS = 50_000  # rows copied between two pauses
_NO_RATE = -1
_leading_digits = re.compile(r"[0-9]*", re.ASCII).match

# per minute (None: the rate ends), connect fee, minimum, increment, whether seconds are rounded up
Price: TypeAlias = tuple[str | None, str, int, int, bool]
# length of the prefix, prefix, effective_from in µs since the epoch, revision, price
Row: TypeAlias = tuple[int, str, int, int, Price]


class UnpackableError(Exception):
    """A card with a prefix of 20 digits or too many distinct prices."""


class PackedRates:
    """The packed rates of a card. They are complete after `Packer.finish`."""

    __slots__ = (
        *("ends", "keys", "numbers", "price_numbers", "prices", "revisions", "spans", "starts"),
    )

    def __init__(self) -> None:
        self.keys = array("Q")
        self.starts = array("q")
        self.revisions = array("I")
        self.price_numbers = array("i")
        # Distinct prices, without prefixes. The rates of later revisions append to the same list.
        self.prices: list[rating.Rate] = []
        self.numbers: dict[Price, int] = {}  # the indexes in `prices`
        self.ends = [0] * (_MAX_DIGITS + 1)  # by length of the prefix: the index after its last row
        self.spans: tuple[tuple[int, int, int], ...] = ()  # length, first row, end; longest first

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def size(self) -> int:
        """The approximate size in bytes."""
        arrays = (self.keys, self.starts, self.revisions, self.price_numbers)
        return sum(len(a) * a.itemsize for a in arrays) + len(self.prices) * _PRICE_BYTES

    def match(self, digits: str, at: datetime) -> rating.Match | None:
        if digits.isascii() and digits.isdigit():
            number = digits
        else:
            leading = _leading_digits(digits)
            number = leading[0] if leading else ""
        keys = self.keys
        for length, first, end in self.spans:
            if length > len(number):
                continue
            key = int(number[:length] or 0)
            after = bisect_right(keys, key, first, end)
            if after == first or keys[after - 1] != key:
                continue
            place = self._place(
                key, first, after, (at - rating.FIRST_EFFECTIVE_FROM) // calls.MICROSECOND
            )
            if place is not None and self.price_numbers[place] != _NO_RATE:
                rate = self.prices[self.price_numbers[place]]
                return rating.Match(number[:length], rate, self.revisions[place])
        return None

    def _place(self, key: int, first: int, after: int, at_us: int) -> int | None:
        """The index of the row that is in force, of the prefix whose last row precedes `after`."""
        if self.starts[after - 1] <= at_us:  # the usual case
            return after - 1
        begin = bisect_left(self.keys, key, first, after)
        place = bisect_right(self.starts, at_us, begin, after) - 1
        return place if place >= begin else None


class Packer:
    """Adds rows, sorted as the arrays, to those of `old`, in steps of a few milliseconds.

    The revisions of new rows are higher than those of all old rows.
    """

    def __init__(self, old: PackedRates | None = None) -> None:
        self._old = old or PackedRates()
        self._new = PackedRates()
        self._new.prices, self._new.numbers = self._old.prices, self._old.numbers
        self._length = 0
        self._place = 0  # the index of the first old row that is not copied yet

    def add(self, rows: Iterable[Row]) -> Iterator[None]:
        """Adds rows. Yields after each step, so that the caller can let other tasks run.

        Raises UnpackableError.
        """
        new = self._new
        for length, prefix, start, revision, price in rows:
            if length > _MAX_DIGITS:
                raise UnpackableError
            yield from self._copy_lengths(length)
            key = int(prefix or 0)
            yield from self._copy(self._insertion(key, start))
            new.keys.append(key)
            new.starts.append(start)
            new.revisions.append(revision)
            new.price_numbers.append(self._number(price))

    def finish(self) -> Iterator[None]:
        """Completes `rates`. Yields as `add` does."""
        yield from self._copy_lengths(_MAX_DIGITS)
        yield from self._copy(len(self._old))
        self._new.ends[_MAX_DIGITS] = len(self._new)
        starts = [0, *self._new.ends[:-1]]
        spans = [
            (length, first, end)
            for length, (first, end) in enumerate(zip(starts, self._new.ends, strict=True))
            if first < end
        ]
        self._new.spans = tuple(reversed(spans))

    @property
    def rates(self) -> PackedRates:
        return self._new

    def _copy_lengths(self, length: int) -> Iterator[None]:
        """Copies the remaining old rows with shorter prefixes."""
        while self._length < length:
            yield from self._copy(self._old.ends[self._length])
            self._new.ends[self._length] = len(self._new)
            self._length += 1

    def _insertion(self, key: int, start: int) -> int:
        """The index among the old rows for a new one: after those of the same instant."""
        keys, end = self._old.keys, self._old.ends[self._length]
        after = bisect_right(keys, key, self._place, end)
        begin = bisect_left(keys, key, self._place, after)
        return bisect_right(self._old.starts, start, begin, after)

    def _copy(self, end: int) -> Iterator[None]:
        old, new = self._old, self._new
        while self._place < end:
            part = slice(self._place, min(end, self._place + _STEP_ROWS))
            new.keys.extend(old.keys[part])
            new.starts.extend(old.starts[part])
            new.revisions.extend(old.revisions[part])
            new.price_numbers.extend(old.price_numbers[part])
            if part.stop - part.start == _STEP_ROWS:
                yield
            self._place = part.stop

    def _number(self, price: Price) -> int:
        per_minute, connect_fee, minimum, increment, round_up = price
        if per_minute is None:
            return _NO_RATE
        numbers, prices = self._new.numbers, self._new.prices
        number = numbers.get(price)
        if number is None:
            if len(prices) >= MAX_PRICES:
                raise UnpackableError
            fees = (Decimal(per_minute), Decimal(connect_fee))
            prices.append(rating.Rate("", *fees, minimum, increment, round_up))
            number = numbers[price] = len(prices) - 1
        return number


def pack(rows: Iterable[Row]) -> PackedRates:
    """Packs all rows in one step. Raises UnpackableError."""
    packer = Packer()
    for steps in (packer.add(rows), packer.finish()):
        for _ in steps:
            pass
    return packer.rates
