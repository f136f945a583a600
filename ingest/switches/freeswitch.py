"""FreeSWITCH: the call detail records that mod_json_cdr posts, one for each leg.

A body is recognized by its content, because mod_json_cdr labels some bodies wrongly. It is JSON, a
form with the URL-encoded or base64 JSON as `cdr`, or such a text alone, as mod_json_cdr writes it
to a file. By default the values of the variables are URL-encoded too.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import msgspec

from domain import refusals
from domain.directory import channel_variables
from domain.records import call_channels
from ingest import body

CALLS_PATH = "/ingest/freeswitch"
MAX_POST_BYTES = 512_000  # mod_json_cdr sends 5,000 to 30,000

_MAX_EXCERPT_BYTES = 4 * body.MAX_EVENT_BYTES  # read of a post that is not valid
_ENCODED = (b"%7b", b"{")
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]*+")
_SURROGATES = re.compile("[\udc80-\udcff]")
_DIGITS = re.compile(r"[0-9A-D*#]", re.ASCII)
_DIALED = re.compile(
    rb'((?:digits_dialed)(?:"|%22)\s*+(?::|%3A)\s*+(?:"|%22))(?:(?!"|%22).)*+', re.I | re.S
)
_UNENCODED = re.compile(r"[ :<>@;=?]")  # URL encoding leaves none of these
_ARRAY = "ARRAY::"
_LIST_OF_CARRIERS = re.compile(r"[|,]|:_:")
_RECEIVED = ("recv_bye", "recv_cancel", "recv_refuse")
_TIMES = re.compile(r"[0-9]{1,18}", re.ASCII)


class _Profile(msgspec.Struct, frozen=True, gc=False):
    destination_number: str = ""
    caller_id_number: str = ""
    network_addr: str = ""


class _Flow(msgspec.Struct, frozen=True, gc=False):
    caller_profile: _Profile = _Profile()


class _Document(msgspec.Struct, frozen=True):
    variables: dict[str, object]
    switchname: str = ""
    callflow: tuple[_Flow, ...] = ()  # the part after the last transfer comes first


_documents = msgspec.json.Decoder(_Document)


@dataclass(frozen=True, slots=True)
class Post:
    """A decoded post. `switch` is the name of the switch, None if it is missing."""

    switch: str | None
    variables: Mapping[str, str]
    profile: _Profile

    def channel(self, names: channel_variables.ChannelVariables) -> call_channels.Channel:
        """The leg that the post reports. Raises Refusal if a required variable is missing."""
        values = self.variables
        progress = [at for name in ("progress", "progress_media") if (at := self._time(name))]
        start_at, end_at = self._time("start"), self._time("end")
        if start_at is None or end_at is None:
            raise _missing("end_uepoch" if start_at else "start_uepoch")
        return call_channels.Channel(
            id=self._channel_id("uuid") or _require("uuid"),
            originator_id=self._channel_id("originating_leg_uuid"),
            is_outbound=values.get("direction") == "outbound",
            is_internal=values.get("loopback_leg") == "B",
            customer=values.get(names.customer) or None,
            carriers=_carriers(values.get(names.carrier, "")),
            gateway=values.get("sip_gateway_name") or None,
            source=self.profile.caller_id_number or values.get("sip_from_user", ""),
            destination=self.profile.destination_number or values.get("sip_req_user", ""),
            source_ip=values.get("sip_network_ip") or self.profile.network_addr or None,
            start_at=start_at,
            profile_at=self._time("profile_start"),
            progress_at=min(progress, default=None),
            answer_at=self._time("answer"),
            bridge_at=self._time("bridge"),
            end_at=end_at,
            bridge_id=self._channel_id("bridge_uuid"),
            cause=values.get("hangup_cause", "")[:100],
            q850_cause=_number(values.get("hangup_cause_q850"), 0, 127),
            failure=values.get("originate_failed_cause")
            or values.get("last_bridge_hangup_cause")
            or None,
            sip_code=_number(values.get("sip_term_status"), 300, 699)
            or (_offer_code(values) if self._channel_id("originating_leg_uuid") else None),
            offer_sip_code=_failure_code(
                values.get("last_bridge_proto_specific_hangup_cause", "").removeprefix("sip:")
            ),
            is_ended_remotely=_is_ended_remotely(values.get("sip_hangup_disposition")),
            digits=_count_digits(values.get("digits_dialed", "none")),
            offers=self._offers(names),
        )

    def _time(self, name: str) -> int | None:
        """Microseconds since the epoch; None if it is missing or 0. Refuses BAD_TIME."""
        text = self.variables.get(f"{name}_uepoch", "0")
        if not _TIMES.fullmatch(text):
            raise refusals.Refusal(
                "BAD_TIME",
                "The variable {name} is not a number of microseconds since the epoch.",
                f"{name}_uepoch",
                name=f"{name}_uepoch",
            )
        return int(text) or None

    def _channel_id(self, name: str) -> str | None:
        channel_id = self.variables.get(name) or None
        if channel_id is not None and (len(channel_id) > 255 or "\0" in channel_id):
            raise refusals.Refusal(
                "BAD_VALUE", "The variable {name} is not the id of a channel.", name, name=name
            )
        return channel_id

    def _offers(self, names: channel_variables.ChannelVariables) -> tuple[call_channels.Offer, ...]:
        listed = _array(self.variables.get(names.offers, ""))
        if len(listed) > call_channels.MAX_OFFERS:
            raise refusals.Refusal(
                "TOO_MANY_OFFERS",
                "A call can have up to {limit} offers.",
                names.offers,
                limit=call_channels.MAX_OFFERS,
            )
        causes: dict[str, str] = {}
        for item in _array(self.variables.get("originate_causes", "")):
            channel_id, _, cause = item.partition(";")
            causes[channel_id] = cause[:100]
        # `bridge user/…` lists an offer twice.
        ids = dict.fromkeys(item.partition(";")[0] for item in listed)
        return tuple(call_channels.Offer(id, causes.get(id)) for id in ids if id)


def decode(content: bytes) -> Post:
    """Decodes a post in any encoding of mod_json_cdr. Raises Refusal if it is invalid."""
    if len(content) > MAX_POST_BYTES:
        raise refusals.Refusal(
            "TOO_LONG",
            "A call detail record can have up to {limit:,} bytes.",
            limit=MAX_POST_BYTES,
        )
    try:
        document = _documents.decode(_text(_json(content)))
    except (ValueError, RecursionError):
        raise refusals.Refusal(
            "BAD_JSON",
            "This is not a call detail record of mod_json_cdr. Send its JSON plain, as a form with"
            " `cdr`, or as base64.",
        ) from None
    variables = _decode_values(
        {name: value for name, value in document.variables.items() if isinstance(value, str)}
    )
    profile = document.callflow[0].caller_profile if document.callflow else _Profile()
    return Post(document.switchname or None, variables, profile)


def excerpt(content: bytes) -> bytes:
    """The beginning of an invalid post, decoded as far as possible, without dialed digits."""
    part = content[:_MAX_EXCERPT_BYTES]
    try:
        decoded = _json(part)
    except ValueError:
        value = b"".join(part.removeprefix(b"cdr=").split())
        end = _BASE64.match(value)
        characters = b"" if end is None else end[0].rstrip(b"=")
        try:
            decoded = base64.b64decode(characters[: len(characters) // 4 * 4]) or part
        except ValueError:
            decoded = part
    return _DIALED.sub(rb"\1", decoded)[: body.MAX_EVENT_BYTES]


def _json(content: bytes) -> bytes:
    """The JSON of a post. Raises ValueError if it is not valid base64."""
    content = content.removeprefix(body.BYTE_ORDER_MARK).strip()
    if content.startswith(b"{"):
        return content
    value = content.removeprefix(b"cdr=")
    if value[:3].lower().startswith(_ENCODED):
        return unquote_to_bytes(value)
    if b"%" in value:
        value = unquote_to_bytes(value)
    try:
        return base64.b64decode(b"".join(value.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _text(content: bytes) -> str:
    """Decodes UTF-8. Bytes that are not UTF-8 are Latin-1, as callers' names may be."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        text = content.decode("utf-8", "surrogateescape")
        return _SURROGATES.sub(lambda byte: chr(ord(byte[0]) - 0xDC00), text)


def _decode_values(variables: dict[str, str]) -> dict[str, str]:
    """Decodes URL-encoded values. They are encoded if no value has a character that would be."""
    if any(_UNENCODED.search(value) for value in variables.values()):
        return variables
    return {
        name: _text(unquote_to_bytes(value)) if "%" in value else value
        for name, value in variables.items()
    }


def _array(text: str) -> list[str]:
    """The items of a variable with several values."""
    if text.startswith(_ARRAY):
        return text.removeprefix(_ARRAY).split("|:")
    return [text] if text else []


def _carriers(text: str) -> tuple[str, ...]:
    """The carriers of a variable such as `alpha|beta`, in the syntax of a dial string."""
    return tuple(name.strip() for name in _LIST_OF_CARRIERS.split(text) if name.strip())


def _number(text: str | None, least: int, greatest: int) -> int | None:
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 3):
        return None
    return int(text) if least <= int(text) <= greatest else None


def _failure_code(text: str | None) -> int | None:
    return _number(text, 300, 699)


def _offer_code(values: Mapping[str, str]) -> int | None:
    return _failure_code(values.get("sip_invite_failure_status"))


def _is_ended_remotely(disposition: str | None) -> bool | None:
    return None if not disposition else disposition in _RECEIVED


def _count_digits(text: str) -> int:
    return 0 if text == "none" else len(_DIGITS.findall(text))


def _require(name: str) -> str:
    raise _missing(name)


def _missing(name: str) -> refusals.Refusal:
    return refusals.Refusal("MISSING_FIELD", "The field {name} is missing.", name, name=name)
