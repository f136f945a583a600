"""Instants as switches write them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from domain import events, refusals

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse(said: events.Instant, zone: ZoneInfo | None, field: str) -> datetime:
    """In UTC, truncated to the microsecond. Raises Refusal NAIVE_TIME, BAD_TIME."""
    try:
        if isinstance(said, int):
            return _EPOCH + timedelta(microseconds=said)
        value = _from_text(said)
        if value.tzinfo is UTC:
            return value
        if value.tzinfo is None:
            if zone is None:
                raise refusals.Refusal(
                    "NAIVE_TIME",
                    "{name} names no time zone and none is configured for this switch.",
                    field,
                    name=field,
                )
            value = value.replace(tzinfo=zone)
        return value.astimezone(UTC)
    except OverflowError:
        raise refusals.Refusal(
            "BAD_TIME", "{name} is no possible time.", field, name=field
        ) from None
    except ValueError:
        raise refusals.Refusal(
            "BAD_TIME",
            "{name} is not an RFC 3339 time. Send a time such as {example}.",
            field,
            name=field,
            example="2026-11-22T09:59:59.5Z",
        ) from None


def _from_text(text: str) -> datetime:
    """An RFC 3339 time. Digits after the sixth of a fraction are cut off: rounded, as msgspec does
    it, the last microsecond of an hour would belong to the next one."""
    if text[16:17] != ":" or text[10:11] not in "Tt ":
        raise ValueError("a date alone, or without seconds")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text.upper())  # it takes no "z"
