"""Reads the header of a refused event, even if the rest of it is invalid."""

import json
import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from domain import instants, refusals
from domain.records import references
from models.records import quarantine_store

# Events that report the current state and cannot be replayed later.
_LIVE_TYPES = ("start", "ringing", "answer", "beat")
_MAX_SWITCH_CHARACTERS = 100  # as for `events.Reference`
_FIELD = re.compile(
    r'"(switch|type|setup_at|call_id)"\s*+:\s*+("(?:[^"\\]++|\\.)*+"|[0-9]{1,18}+)', re.DOTALL
)


class Header(msgspec.Struct):
    """The header of an event. None: the field is missing or invalid.

    `switch` and `call_id` are storable text.
    """

    switch: str | None = None
    type: str | None = None
    setup_at: str | int | None = None
    call_id: str | None = None


class _AnyHeader(msgspec.Struct):
    switch: object = None
    type: object = None
    setup_at: object = None
    call_id: object = None


_headers = msgspec.json.Decoder(_AnyHeader)


def read_header(raw: bytes) -> Header:
    """Decodes the event as JSON. If that fails, searches for the fields by their names."""
    try:
        values = msgspec.structs.asdict(_headers.decode(raw))
    except (ValueError, RecursionError):
        text = raw.decode("utf-8", "replace")
        values = {name: _value(token) for name, token in _FIELD.findall(text)}
    setup_at = values.get("setup_at")
    if isinstance(setup_at, bool) or not isinstance(setup_at, str | int):
        setup_at = None
    type_, switch = values.get("type"), (_text(values.get("switch")) or "")[:_MAX_SWITCH_CHARACTERS]
    return Header(
        switch or None,
        type_ if isinstance(type_, str) else None,
        setup_at,
        _text(values.get("call_id")) or None,
    )


def _value(token: str) -> object:
    try:
        return json.loads(token, strict=False)
    except ValueError:
        return None


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return value.replace("\0", "").encode("utf-8", "ignore").decode()


def quarantine_item(
    raw: bytes, refusal: refusals.Refusal, switches: Mapping[str, references.Switch]
) -> tuple[quarantine_store.RefusedRecord, bool]:
    """The item for the quarantine, and whether the event may be a record."""
    header = read_header(raw)
    item = quarantine_store.RefusedRecord(raw, refusal, header.switch, _setup(header, switches))
    return item, bool(raw) and header.type not in _LIVE_TYPES


def _setup(header: Header, switches: Mapping[str, references.Switch]) -> datetime | None:
    """The setup time of the call; None if it is missing or invalid."""
    switch = switches.get(header.switch or "")
    zone = None if switch is None else switch.zone
    if header.setup_at is None:
        return None
    try:
        return instants.parse_candidates(header.setup_at, zone, "setup_at")[0]
    except refusals.Refusal:
        return None
