"""The clock. Only this module reads it."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - other modules take the time as an argument
