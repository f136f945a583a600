"""From a request's body to the JSON of its events, each still by itself."""

import json
import zlib
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from domain import refusals

EVENTS_MAX = 10_000
BYTES_MAX = 16_000_000

Raw: TypeAlias = bytes | msgspec.Raw

_array = msgspec.json.Decoder(list[msgspec.Raw])
_WHITE = b" \t\r\n"
# More separators than any batch within the limits has: refused before each is made an object.
_SEPARATORS_MAX = 100 * EVENTS_MAX
_GZIP_MEMBERS_MAX = 100  # each costs a copy of all that follows it
# Numbers stay texts: only where an element ends is wanted, and a long one is slow to convert.
_scanner = json.JSONDecoder(parse_int=str, parse_float=str)


def unzip(body: bytes) -> bytes:
    """Raises Refusal BAD_GZIP, TOO_LARGE (beyond 16 MB decompressed)."""
    parts: list[bytes] = []
    size = 0
    while body:
        if len(parts) == _GZIP_MEMBERS_MAX:
            raise refusals.Refusal(
                "BAD_GZIP",
                "A gzip body may have {most} members; compress it whole.",
                most=_GZIP_MEMBERS_MAX,
            )
        inflater = zlib.decompressobj(wbits=31)
        try:
            part = inflater.decompress(body, BYTES_MAX + 1 - size)
        except zlib.error:
            raise refusals.Refusal("BAD_GZIP", "The body is not valid gzip.") from None
        size += len(part)
        if size > BYTES_MAX:
            raise too_large()
        if not inflater.eof:
            raise refusals.Refusal("BAD_GZIP", "The gzip body ends too early.")
        parts.append(part)
        body = inflater.unused_data
    return b"".join(parts)


def too_large() -> refusals.Refusal:
    return refusals.Refusal(
        "TOO_LARGE",
        "A body may have {most:,} bytes decompressed; send smaller batches.",
        most=BYTES_MAX,
    )


def too_many() -> refusals.Refusal:
    return refusals.Refusal(
        "TOO_MANY_EVENTS",
        "A batch may have {most:,} events; send smaller batches.",
        most=EVENTS_MAX,
    )


def split(body: bytes) -> Sequence[Raw]:
    """The events of a JSON array or of NDJSON.

    A line that is no JSON is an event that its adapter refuses. Raises Refusal NOT_JSON where the
    body as a whole is neither, TOO_MANY_EVENTS beyond 10,000.
    """
    if body.count(b",") + body.count(b"\n") > _SEPARATORS_MAX:
        raise too_many()
    body = body.strip(_WHITE)
    events = _elements(body) if body.startswith(b"[") else _lines(body)
    if len(events) > EVENTS_MAX:
        raise too_many()
    return events


def _elements(body: bytes) -> Sequence[Raw]:
    try:
        return _array.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _lenient_elements(body)
    except RecursionError:
        raise not_json("it is nested too deeply") from None


def _lenient_elements(body: bytes) -> Sequence[Raw]:
    """Of an array in which one element holds a lone surrogate or a NaN: refused, the others not."""
    text = body.decode("utf-8", "surrogateescape")
    elements: list[Raw] = []
    at = _after_white(text, 1)
    try:
        while not text.startswith("]", at):
            if elements:
                if not text.startswith(",", at):
                    raise not_json(f"a comma or ] is missing at character {at}")
                at = _after_white(text, at + 1)
            _, end = _scanner.raw_decode(text, at)
            elements.append(text[at:end].encode("utf-8", "surrogateescape"))
            at = _after_white(text, end)
    except json.JSONDecodeError as error:
        raise not_json(f"{error.msg.lower()} at character {error.pos}") from None
    except RecursionError:
        raise not_json("it is nested too deeply") from None
    if at != len(text) - 1:
        raise not_json(f"something follows the array at character {at + 1}")
    return elements


def _after_white(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _lines(body: bytes) -> Sequence[Raw]:
    lines = [line for line in body.split(b"\n") if line.strip(_WHITE)]
    if lines and not _is_json(lines[0]) and _is_json(body):
        return [body]  # one event, printed over several lines
    if any(_is_json(line) for line in lines):
        return lines
    raise not_json("neither a JSON array nor a JSON object a line")


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def not_json(why: str) -> refusals.Refusal:
    return refusals.Refusal("NOT_JSON", "The body is not JSON: {why}.", why=why)
