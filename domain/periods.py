"""Summary periods (UTC, half-open) and the keys of summary rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from domain import epoch, refusals

HOUR = timedelta(hours=1)
LIVE_HOURS = 24
_MAX_ID = 2**63 - 1


class Granularity(StrEnum):
    LIVE = "LIVE"  # one hour per row
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"  # ISO weeks: from Monday
    MONTHLY = "MONTHLY"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """From `start` (inclusive) to `end` (exclusive), both UTC."""

    start: datetime
    end: datetime

    def is_open(self, now: datetime) -> bool:
        return now < self.end

    def hours(self) -> list[datetime]:
        count = (self.end - self.start) // HOUR
        return [self.start + HOUR * n for n in range(count)]


def hour_of(instant: datetime) -> datetime:
    """The start of the UTC hour. Raises ValueError for an instant without a zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return start_of(hour_number(instant))  # a third of the time of `replace`


def hour_number(instant: datetime) -> int:
    """The number of its UTC hour since the epoch. Hashing it is faster than an instant."""
    return (instant - epoch.EPOCH) // HOUR


def start_of(hour_number: int) -> datetime:
    return epoch.EPOCH + hour_number * HOUR


def is_closed(hour: datetime, now: datetime) -> bool:
    return now >= hour + HOUR


def period_containing(granularity: Granularity, instant: datetime) -> Period:
    hour = hour_of(instant)
    day = hour.replace(hour=0)
    match granularity:
        case Granularity.LIVE:
            return Period(hour, hour + HOUR)
        case Granularity.DAILY:
            return Period(day, day + timedelta(days=1))
        case Granularity.WEEKLY:
            monday = day - timedelta(days=day.weekday())
            return Period(monday, monday + timedelta(days=7))
        case Granularity.MONTHLY:
            first = day.replace(day=1)
            return Period(first, (first + timedelta(days=31)).replace(day=1))


def live_periods(now: datetime) -> list[Period]:
    """The current, still open UTC hour and the 23 before it, newest first."""
    current = hour_of(now)
    return [period_containing(Granularity.LIVE, current - HOUR * n) for n in range(LIVE_HOURS)]


@dataclass(frozen=True, slots=True)
class RowKey:
    """The key of a summary row. `customer_id` is None for a row of the whole account."""

    account_id: int
    customer_id: int | None
    granularity: Granularity
    start: datetime

    @property
    def period(self) -> Period:
        return period_containing(self.granularity, self.start)

    def parts(self) -> tuple[int | str, ...]:
        """The parts of the row's id, after the account."""
        return (self.customer_id or 0, self.granularity, f"{self.start.astimezone(UTC):%Y%m%d%H}")

    @classmethod
    def of(cls, account_id: int, parts: Sequence[str]) -> "RowKey":
        """Refuses NOT_FOUND if `parts` of no key returns these parts."""
        try:
            customer, granularity, start = parts
            hour = datetime.strptime(start, "%Y%m%d%H").replace(tzinfo=UTC)
            key = cls(account_id, int(customer) or None, Granularity(granularity), hour)
            is_valid = int(customer) <= _MAX_ID and key.period.start == hour
            if is_valid and tuple(map(str, key.parts())) == tuple(parts):
                return key
        except (ValueError, OverflowError):
            pass
        raise refusals.not_found("SummaryRow", "rowIds")
