"""Instants as text: exactly RFC 3339, in the API and in events.

`parse_rfc3339` is the only parser. Its grammar is that of RFC 3339, section 5.6, without leap
seconds, which PostgreSQL and Python do not count. A time without a zone is accepted only from a
switch with a configured zone.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from domain import refusals
from domain.records import events

EXAMPLE = "2026-11-22T09:59:59.5Z"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000
_MAX_LENGTH = 64  # characters
# All forms of a time, with each digit as 0: 'T', seconds, an optional fraction and zone.
_SHAPES = frozenset(
    shape.encode()
    for t in "Tt"
    for fraction in ("", *("." + "0" * digits for digits in range(1, _MAX_LENGTH)))
    for zone in ("", "Z", "z", "+00:00", "-00:00")
    if len(shape := f"0000-00-00{t}00:00:00{fraction}{zone}") <= _MAX_LENGTH
)
_TO_SHAPE = bytes.maketrans(b"123456789", b"000000000")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_rfc3339(text: str) -> datetime:
    """The time in UTC, or naive if it has no zone. Raises ValueError, OverflowError.

    Fractions are truncated to six digits: if rounded, the last microsecond of an hour would belong
    to the next hour.
    """
    if text.encode().translate(_TO_SHAPE) not in _SHAPES:
        raise ValueError("not an RFC 3339 time")
    if text[11] == "2" and text[12] == "4":
        raise ValueError("no such time of day")
    value = datetime.fromisoformat(text.upper() if text[-1] == "z" else text)
    zone = value.tzinfo
    if zone is UTC or zone is None:
        return value
    if text[-2] > "5":
        raise ValueError("no such offset")
    return value.astimezone(UTC)


def parse_zoned(text: str, field: str) -> datetime:
    """The time in UTC, of a text with a zone. Refuses BAD_TIME, NAIVE_TIME."""
    value = _parse_instant(text, field)
    if value.tzinfo is None:
        raise refusals.Refusal(
            "NAIVE_TIME",
            "{name} needs a time zone, such as the Z of {example}.",
            field,
            name=field,
            example=EXAMPLE,
        )
    return value


def parse_zoned_or_date(text: str, field: str) -> datetime:
    """As `parse_zoned`; a date without a time is the start of its UTC day."""
    return parse_zoned(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text, field)


def parse(
    instant: events.Instant, zone: ZoneInfo | None, field: str, present: datetime | None = None
) -> datetime:
    """The time in UTC. Refuses NAIVE_TIME, BAD_TIME, NO_SUCH_TIME, AMBIGUOUS_TIME.

    If a local time existed twice, it is the one nearer to `present`; without `present` it is
    refused.
    """
    times = parse_candidates(instant, zone, field)
    if len(times) == 1:
        return times[0]
    if present is None:
        raise ambiguous_time(field)
    return min(times, key=lambda at: abs(at - present))


def parse_candidates(
    instant: events.Instant, zone: ZoneInfo | None, field: str
) -> tuple[datetime, ...]:
    """The times in UTC, in order: two if a local time existed twice. Refuses as `parse`."""
    value = _parse_instant(instant, field)
    if value.tzinfo is not None:
        return (value,)
    if zone is None:
        raise refusals.Refusal(
            "NAIVE_TIME",
            "{name} has no time zone and none is configured for this switch. Configure one.",
            field,
            name=field,
        )
    first, second = value.replace(tzinfo=zone), value.replace(tzinfo=zone, fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    assert before is not None
    assert after is not None
    if before < after:
        raise refusals.Refusal(
            "NO_SUCH_TIME",
            "{name} does not exist: clocks in {zone} skipped {time}. Send the time with its zone.",
            field,
            name=field,
            zone=zone.key,
            time=str(instant),
        )
    try:
        times = (first.astimezone(UTC), second.astimezone(UTC))
    except OverflowError:
        raise _impossible_time(field) from None
    return times if before > after else times[:1]


def ambiguous_time(field: str) -> refusals.Refusal:
    return refusals.Refusal(
        "AMBIGUOUS_TIME",
        "{name} exists twice, because clocks were set back. Send the time with its zone.",
        field,
        name=field,
    )


def _parse_instant(instant: events.Instant, field: str) -> datetime:
    try:
        return (
            _EPOCH + timedelta(microseconds=instant)
            if isinstance(instant, int)
            else parse_rfc3339(instant)
        )
    except OverflowError:
        raise _impossible_time(field) from None
    except ValueError:
        raise refusals.Refusal(
            "BAD_TIME",
            "{name} is not an RFC 3339 time. Send a time such as {example}.",
            field,
            name=field,
            example=EXAMPLE,
        ) from None


def _try_parse_utc(instant: events.Instant) -> datetime | None:
    """None if it has no zone or is not a time."""
    try:
        value = (
            _EPOCH + timedelta(microseconds=instant)
            if isinstance(instant, int)
            else parse_rfc3339(instant)
        )
    except (ValueError, OverflowError):
        return None
    return None if value.tzinfo is None else value


def _impossible_time(field: str) -> refusals.Refusal:
    return refusals.Refusal(
        "BAD_TIME",
        "{name} is out of range. Send a time from the year 1 to 9999.",
        field,
        name=field,
    )


def parse_in_order(
    fields: Sequence[str], instants: Sequence[events.Instant | None], zone: ZoneInfo | None
) -> list[datetime | None]:
    """The times in UTC. A local time that existed twice is the one not before the previous time.

    Refuses as `parse`. Times may run backwards.
    """
    times = [at if at is None else _try_parse_utc(at) for at in instants]
    if times.count(None) == instants.count(None):
        return times
    pairs = [(field, at) for field, at in zip(fields, instants, strict=True) if at is not None]
    names = [field for field, _ in pairs]
    chosen = _choose(names, [parse_candidates(at, zone, field) for field, at in pairs])
    by_field = dict(zip(names, chosen, strict=True))
    return [by_field.get(field) for field in fields]


def _choose(fields: Sequence[str], times: Sequence[tuple[datetime, ...]]) -> list[datetime]:
    """For each field, in order, the candidate that is not before the previous time.

    Refuses AMBIGUOUS_TIME if more than one choice remains. If none remains, the times run backwards
    with every choice.
    """
    choices: list[list[datetime]] = [[]]
    for at_most_two in times:
        choices = [
            [*choice, at]
            for choice in choices
            for at in at_most_two
            if not choice or choice[-1] <= at
        ]
    if len(choices) > 1:
        by_field = zip(fields, zip(*choices, strict=True), strict=True)
        raise ambiguous_time(next(field for field, ats in by_field if len(set(ats)) > 1))
    return choices[0] if choices else [candidates[0] for candidates in times]


def date_of(instant: events.Instant) -> str | int:
    """The date as written, or the number of the day. Cheap, for many events."""
    return instant[:10] if isinstance(instant, str) else instant // _DAY_US


def earliest_on(date: str | int) -> datetime | None:
    """An instant before all instants of this date in any zone; None if the date is invalid."""
    try:
        if isinstance(date, int):
            return _EPOCH + timedelta(days=date)
        return datetime.fromisoformat(date).replace(tzinfo=UTC) - timedelta(days=1)
    except OverflowError:
        return _EARLIEST
    except ValueError:
        return None
