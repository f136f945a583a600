"""The native format: the events of docs/ingest.md."""

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from domain import money, refusals, storable_text
from domain.records import events
from ingest import body, snapshot_body, splitting

CALLS_PATH = "/ingest/calls"
MAX_CALLS = 100_000  # in a snapshot

_find_nul = re.compile(rb"\\u0000").search  # on the buffer of a msgspec.Raw, without a copy

_events = msgspec.json.Decoder(events.Event)
_calls = msgspec.json.Decoder(events.ListedCall)


class _Amounts(msgspec.Struct):
    charge: msgspec.Raw = msgspec.Raw()
    cost: msgspec.Raw = msgspec.Raw()


_amounts = msgspec.json.Decoder(_Amounts)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_refused_ends = msgspec.json.Decoder(events.RefusedEnd)


def _decoders(
    struct: type[msgspec.Struct], names: Collection[str]
) -> dict[str, msgspec.json.Decoder[Any]]:
    types = {field.name: field.type for field in msgspec.structs.fields(struct)}
    return {name: msgspec.json.Decoder(types[name]) for name in names}


_optional_of_ends = _decoders(events.End, events.OPTIONAL_FIELDS)
_optional_of_refused_ends = _decoders(events.RefusedEnd, ("boot", "seq", "end_at"))


_snapshots = msgspec.json.Decoder(snapshot_body.Snapshot)


def parse_event(raw: body.Raw) -> events.Event:
    """Parses an event. Raises Refusal if it is invalid."""
    _require_short(raw)
    try:
        event: events.Event = _events.decode(raw)
    except (ValueError, RecursionError) as error:
        raise _refusal(error) from None
    require_storable(event, raw)
    if isinstance(event, events.End) and (event.charge is not None or event.cost is not None):
        return _with_amounts(event, raw)
    return event


def parse_end_leniently(
    raw: body.Raw, refusal: refusals.Refusal
) -> tuple[events.End, list[refusals.Refusal]]:
    """Parses a refused end without its invalid optional fields. Returns a refusal for each of them.

    Raises Refusal if another part of the event is invalid.
    """
    if refusal.field not in events.OPTIONAL_FIELDS:
        raise refusal
    content, ignored = _without_invalid(raw, _optional_of_ends)
    event = parse_event(content)
    if not isinstance(event, events.End):  # its type occurs twice
        raise refusal
    return event, ignored


def parse_refused_end(raw: body.Raw) -> events.RefusedEnd | None:
    """Parses the header of a refused end.

    None if the event is not an end, or if its switch, call id or leg is invalid.
    """
    try:
        _require_short(raw)
        content, _ = _without_invalid(raw, _optional_of_refused_ends)
        end = _refused_ends.decode(content)
        require_storable(end, content)
    except (refusals.Refusal, ValueError, RecursionError):
        return None
    return end


def _without_invalid(
    raw: body.Raw, fields: Mapping[str, msgspec.json.Decoder[Any]]
) -> tuple[bytes, list[refusals.Refusal]]:
    """Removes those of the `fields` that are invalid. Refuses BAD_JSON."""
    try:
        members = _members.decode(raw)
    except (ValueError, RecursionError) as error:
        raise _refusal(error) from None
    members.setdefault("type", msgspec.Raw(b"null"))  # msgspec does not require it of a single type
    ignored: list[refusals.Refusal] = []
    for name, decoder in fields.items():
        refusal = _fault(name, members[name], decoder) if name in members else None
        if refusal is not None:
            ignored.append(refusals.without_traceback(refusal))
            del members[name]
    return msgspec.json.encode(members), ignored


def _fault(
    name: str, value: msgspec.Raw, decoder: msgspec.json.Decoder[Any]
) -> refusals.Refusal | None:
    try:
        text = decoder.decode(value)
        if isinstance(text, str):
            storable_text.require(text, name)
    except refusals.Refusal as refusal:
        return refusal
    except (ValueError, RecursionError) as error:
        return _refusal(error, name)
    return None


def _with_amounts(end: events.End, raw: body.Raw) -> events.End:
    """Parses the amounts strictly, because msgspec also accepts "1_000" and exponents."""
    amounts = _amounts.decode(raw)
    return msgspec.structs.replace(
        end, charge=_amount(amounts.charge, "charge"), cost=_amount(amounts.cost, "cost")
    )


def _amount(raw: msgspec.Raw, field: str) -> Decimal | None:
    text = bytes(raw).decode()
    if text in ("", "null"):
        return None
    return money.parse(msgspec.json.decode(text) if text.startswith('"') else text, field)


def parse_listed_call(raw: body.Raw) -> events.ListedCall:
    """Parses a call of a snapshot. Raises Refusal if it is invalid."""
    _require_short(raw)
    try:
        call = _calls.decode(raw)
    except (ValueError, RecursionError) as error:
        raise _refusal(error) from None
    require_storable(call, raw)
    return call


def parse_snapshot(content: bytes) -> splitting.Work[snapshot_body.Snapshot]:
    """Parses a snapshot, but not its calls. Raises Refusal, also for more than 100,000 calls."""
    content = content.removeprefix(body.BYTE_ORDER_MARK)
    snapshot = _decode_at_once(content) if body.decodes_at_once(content) else None
    if snapshot is None:
        try:
            members, calls = yield from snapshot_body.split(content, MAX_CALLS)
        except splitting.TooManyError:
            raise _too_many_calls() from None
        snapshot = msgspec.structs.replace(_decode_members(members), calls=calls)
    elif len(snapshot.calls) > MAX_CALLS:
        raise _too_many_calls()
    require_storable(snapshot, b"\\u0000")
    return snapshot


def _decode_at_once(content: bytes) -> snapshot_body.Snapshot | None:
    """Decodes a snapshot. Returns None if the content is not valid JSON."""
    try:
        return _snapshots.decode(content)
    except msgspec.ValidationError as error:
        raise _refusal(error) from None
    except (ValueError, RecursionError):
        return None


def _decode_members(members: bytes) -> snapshot_body.Snapshot:
    try:
        return _snapshots.decode(members)
    except (ValueError, RecursionError) as error:
        raise _refusal(error) from None


def _too_many_calls() -> refusals.Refusal:
    return refusals.Refusal(
        "TOO_MANY_CALLS", "A snapshot can list up to {limit:,} calls.", limit=MAX_CALLS
    )


def _require_short(raw: body.Raw) -> None:
    if len(raw) > body.MAX_EVENT_BYTES:
        raise refusals.Refusal(
            "TOO_LONG", "An event can have up to {limit:,} bytes.", limit=body.MAX_EVENT_BYTES
        )


def require_storable(message: msgspec.Struct, raw: body.Raw) -> None:
    """Refuses BAD_TEXT. In valid UTF-8, only NUL characters cannot be stored."""
    if not _find_nul(raw):
        return
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if isinstance(value, str):
            storable_text.require(value, name)


def _refusal(error: Exception, field: str | None = None) -> refusals.Refusal:
    """The refusal for an error of msgspec, such as "Expected `int`, got `str` - at `$.leg`".

    `field`: the field that was decoded, if it was decoded separately.
    """
    if not isinstance(error, msgspec.ValidationError):
        return refusals.Refusal(
            "BAD_JSON",
            "This is not valid JSON. Escape control characters in strings, send UTF-8 without lone"
            " surrogates, and finite numbers without leading zeros.",
        )
    words, _, path = str(error).partition(" - at `$.")
    field = field or path.rstrip("`") or None
    if "missing required field" in words:
        field = words.rsplit("`", 2)[1]
        return refusals.Refusal("MISSING_FIELD", "The field {name} is missing.", field, name=field)
    if field == "type":
        return refusals.Refusal(
            "UNKNOWN_TYPE", "Set the type to start, ringing, answer, end or beat.", field
        )
    if field is None:
        return refusals.Refusal(_code(words), "{words}.", words=words)
    lower = words[:1].lower() + words[1:]
    return refusals.Refusal(_code(words), "{name}: {words}.", field, name=field, words=lower)


def _code(words: str) -> str:
    if "decimal" in words:
        return "BAD_AMOUNT"
    if "of length <=" in words:
        return "TOO_LONG"
    if words.startswith("Expected") and ("<=" in words or ">=" in words):
        return "OUT_OF_RANGE"
    if words.startswith("Expected"):
        return "WRONG_TYPE"
    return "BAD_VALUE"
