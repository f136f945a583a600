"""The native format: the events of docs/ingest.md."""

from typing import Any

import msgspec

from domain import events, refusals
from ingest import body

CALLS_MAX = 100_000  # in a snapshot
_SWITCH_CHARACTERS = 100  # of a name, as `events.Reference` has it
_COMMAS_MAX = 16 * CALLS_MAX  # more than any snapshot has: refused before each is made an object


class Header(msgspec.Struct):
    """What can be read of an event that is refused; the switch's name is as it may be stored."""

    switch: Any = None
    type: Any = None
    setup_at: Any = None


_headers = msgspec.json.Decoder(Header)
_events = msgspec.json.Decoder(events.Event)
_calls = msgspec.json.Decoder(events.Listed)


class Snapshot(events.Said, frozen=True, kw_only=True, tag=False):
    """All that a switch has up; each call is decoded by itself."""

    at: events.Instant
    calls: list[msgspec.Raw]


_snapshots = msgspec.json.Decoder(Snapshot)


def event(raw: body.Raw) -> events.Event:
    """Raises Refusal for whatever is wrong with this event alone."""
    try:
        said: events.Event = _events.decode(raw)
    except (ValueError, RecursionError) as error:
        raise _refusal(error) from None
    check_text(said, raw)
    return said


def header(raw: bytes) -> Header:
    """Of an event, however wrong the rest of it is; all None if it cannot be read."""
    try:
        found = _headers.decode(raw)
    except (ValueError, RecursionError):
        return Header()
    name = found.switch if isinstance(found.switch, str) else ""
    found.switch = name[:_SWITCH_CHARACTERS].replace("\0", "") or None
    return found


def listed(raw: body.Raw) -> events.Listed:
    """Raises Refusal for whatever is wrong with this call alone."""
    try:
        said = _calls.decode(raw)
    except (ValueError, RecursionError) as error:
        raise _refusal(error) from None
    check_text(said, raw)
    return said


def snapshot(raw: bytes) -> Snapshot:
    """Raises Refusal, also for more than 100,000 calls (TOO_MANY_CALLS)."""
    too_many = refusals.Refusal(
        "TOO_MANY_CALLS", "A snapshot may list {most:,} calls.", most=CALLS_MAX
    )
    if raw.count(b",") > _COMMAS_MAX:
        raise too_many
    try:
        said = _snapshots.decode(raw)
    except (ValueError, RecursionError) as error:
        raise _refusal(error) from None
    if len(said.calls) > CALLS_MAX:
        raise too_many
    check_text(said, raw)
    return said


def check_text(said: msgspec.Struct, raw: body.Raw) -> None:
    """Refuses NUL characters, which no text in the database can hold."""
    if b"\\u0000" not in memoryview(raw).tobytes():
        return
    for name in said.__struct_fields__:
        value = getattr(said, name)
        if isinstance(value, str) and "\0" in value:
            raise refusals.Refusal("BAD_TEXT", "{name} holds a NUL character.", name, name=name)


def _refusal(error: Exception) -> refusals.Refusal:
    """From msgspec's words ("Expected `int`, got `str` - at `$.leg`") to a code and the field."""
    if not isinstance(error, msgspec.ValidationError):
        return refusals.Refusal(
            "BAD_JSON",
            "This is not valid JSON: texts are UTF-8 without lone surrogates, numbers are finite.",
        )
    words, _, path = str(error).partition(" - at `$.")
    field = path.rstrip("`") or None
    if "missing required field" in words:
        field = words.rsplit("`", 2)[1]
        return refusals.Refusal("MISSING_FIELD", "The field {name} is missing.", field, name=field)
    if field == "type":
        return refusals.Refusal(
            "UNKNOWN_TYPE", "The type has to be start, ringing, answer, end or beat.", field
        )
    if field is None:
        return refusals.Refusal(_code(words), "{words}.", words=words)
    lower = words[:1].lower() + words[1:]
    return refusals.Refusal(_code(words), "{name}: {words}.", field, name=field, words=lower)


def _code(words: str) -> str:
    if "RFC3339" in words:
        return "BAD_TIME"
    if "of length <=" in words:
        return "TOO_LONG"
    if words.startswith("Expected") and ("<=" in words or ">=" in words):
        return "OUT_OF_RANGE"
    if words.startswith("Expected"):
        return "WRONG_TYPE"
    return "BAD_VALUE"
