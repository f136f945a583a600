"""Summary periods: UTC, half-open, and the ids of the rows that show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from domain import refusals

HOUR = timedelta(hours=1)
LIVE_HOURS = 24
_LARGEST_ID = 2**63 - 1


class Granularity(StrEnum):
    LIVE = "LIVE"  # an hour a row
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
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def closed(hour: datetime, now: datetime) -> bool:
    return now >= hour + HOUR


def containing(granularity: Granularity, instant: datetime) -> Period:
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


def live(now: datetime) -> list[Period]:
    """The current, still open UTC hour and the 23 before it, newest first."""
    current = hour_of(now)
    return [containing(Granularity.LIVE, current - HOUR * n) for n in range(LIVE_HOURS)]


@dataclass(frozen=True, slots=True)
class RowKey:
    """What a summary row's id names. `customer_id` is None for the whole account's row."""

    account_id: int
    customer_id: int | None
    granularity: Granularity
    start: datetime

    @property
    def period(self) -> Period:
        return containing(self.granularity, self.start)

    def parts(self) -> tuple[int | str, ...]:
        """What, after the account, an id of the row is made of."""
        return (self.customer_id or 0, self.granularity, f"{self.start.astimezone(UTC):%Y%m%d%H}")

    @classmethod
    def of(cls, account_id: int, parts: Sequence[str]) -> "RowKey":
        """Refuses (NOT_FOUND) what `parts` cannot have given."""
        try:
            customer, granularity, start = parts
            hour = datetime.strptime(start, "%Y%m%d%H").replace(tzinfo=UTC)
            key = cls(account_id, int(customer) or None, Granularity(granularity), hour)
            known = int(customer) <= _LARGEST_ID and key.period.start == hour
            if known and tuple(map(str, key.parts())) == tuple(parts):
                return key
        except (ValueError, OverflowError):
            pass
        raise refusals.no_such("SummaryRow", "rowIds")
