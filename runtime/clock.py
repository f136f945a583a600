"""The one place that reads the clock."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - everything else takes the time as an argument
