"""Times counted from the epoch, 1970-01-01T00:00:00Z."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(at: datetime) -> int:
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_microseconds(us: int) -> datetime:
    """Raises OverflowError beyond the year 9999."""
    return EPOCH + timedelta(microseconds=us)


def floor(instant: datetime, length: timedelta) -> datetime:
    """The start of the period that contains the instant. Periods of a length follow each other from
    the epoch."""
    return EPOCH + (instant - EPOCH) // length * length


def ceil(instant: datetime, length: timedelta) -> datetime:
    """The instant if a period begins with it, or else the start of the next one."""
    return EPOCH - (EPOCH - instant) // length * length
