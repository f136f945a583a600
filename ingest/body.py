"""Splits the body of a request into the JSON of its events."""

import asyncio
import zlib
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from domain import refusals
from ingest import splitting

MAX_EVENTS = 10_000
MAX_BYTES = 16_000_000
MAX_EVENT_BYTES = 64_000

Raw: TypeAlias = bytes | msgspec.Raw

_array = msgspec.json.Decoder(list[msgspec.Raw])
_WHITE_SPACE = b" \t\r\n"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# msgspec decodes a body within these limits in less than 15 ms. Others are split in steps.
MAX_BYTES_AT_ONCE = 8_000_000
_MAX_COMMAS_AT_ONCE = 300_000
_MAX_GZIP_MEMBERS = 100  # for each, the rest of the body is copied


def unzip(body: bytes) -> bytes:
    """Decompresses gzip. Refuses BAD_GZIP, and TOO_LARGE for more than 16 MB decompressed."""
    parts: list[bytes] = []
    size = 0
    while body:
        if len(parts) == _MAX_GZIP_MEMBERS:
            raise refusals.Refusal(
                "BAD_GZIP",
                "A gzip body can have up to {limit} members. Compress it as one.",
                limit=_MAX_GZIP_MEMBERS,
            )
        inflater = zlib.decompressobj(wbits=31)
        try:
            part = inflater.decompress(body, MAX_BYTES + 1 - size)
        except zlib.error:
            raise refusals.Refusal("BAD_GZIP", "The body is not valid gzip.") from None
        size += len(part)
        if size > MAX_BYTES:
            raise too_large()
        if not inflater.eof:
            raise refusals.Refusal("BAD_GZIP", "The gzip body ends too early.")
        parts.append(part)
        body = inflater.unused_data
    return b"".join(parts)


def too_large() -> refusals.Refusal:
    return refusals.Refusal(
        "TOO_LARGE",
        "A decompressed body can have up to {limit:,} bytes. Send smaller batches.",
        limit=MAX_BYTES,
    )


def too_many() -> refusals.Refusal:
    return refusals.Refusal(
        "TOO_MANY_EVENTS",
        "A batch can have up to {limit:,} events. Send smaller batches.",
        limit=MAX_EVENTS,
    )


async def run_in_steps(work: splitting.Work[splitting.T]) -> splitting.T:
    """Returns the result of the work. Other tasks run between its steps."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: splitting.T = end.value
            return result
        await asyncio.sleep(0)


def split(content: bytes) -> splitting.Work[Sequence[Raw]]:
    """Splits a JSON array or NDJSON into events, even if some of them are invalid.

    The adapter refuses an element or a line that is not JSON. Refuses NOT_JSON if the body is
    neither an array nor NDJSON, and TOO_MANY_EVENTS for more than 10,000.
    """
    content = content.removeprefix(BYTE_ORDER_MARK)
    scanner = splitting.Scanner(content, 0, MAX_EVENTS)
    try:
        yield from scanner.skip_white()
        if not content.startswith(b"[", scanner.at):
            return (yield from _lines(scanner))
        if decodes_at_once(content):
            try:
                events = _array.decode(content)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
            else:
                if len(events) > MAX_EVENTS:
                    raise too_many()
                return events
        return (yield from _elements(scanner))
    except splitting.TooManyError:
        raise too_many() from None


def decodes_at_once(content: bytes) -> bool:
    """Whether the content is small enough to be decoded in a single step."""
    return len(content) <= MAX_BYTES_AT_ONCE and content.count(b",") <= _MAX_COMMAS_AT_ONCE


def _elements(scanner: splitting.Scanner) -> splitting.Work[Sequence[Raw]]:
    """Splits an array that contains invalid JSON or is very large."""
    scanner.at += 1
    start, content = scanner.at, scanner.content
    end = yield from _closing_bracket(scanner)
    try:
        spans = yield from scanner.elements()
        if scanner.at <= end:
            raise splitting.UnframedError
    except splitting.UnframedError:
        scanner.at = start
        spans = yield from scanner.objects(end)
    events = [slice_element(content, span) for span in spans]
    if events:
        yield from _require_events(scanner, events, "the array holds no object")
    return events


def _closing_bracket(scanner: splitting.Scanner) -> splitting.Work[int]:
    """Returns the index of the ] that ends the body. Refuses NOT_JSON."""
    at, content = scanner.at, scanner.content
    end = content.rfind(b"]", at)
    scanner.at = end + 1
    yield from scanner.skip_white()
    if end < 0 or scanner.at < len(content):
        raise not_json("the array has no end")
    scanner.at = at
    return end


def _lines(scanner: splitting.Scanner) -> splitting.Work[Sequence[Raw]]:
    content, lines = scanner.content, list[splitting.Span]()
    start = scanner.at
    while scanner.at < len(content):
        end = content.find(b"\n", scanner.at)
        end = len(content) if end < 0 else end
        scanner.add(lines, (scanner.at, end))
        scanner.at = end
        yield from scanner.skip_white()
        if scanner.is_due():
            yield scanner.at
    events = [slice_element(content, span).rstrip(_WHITE_SPACE) for span in lines]
    if events and not _is_json(events[0]):
        whole = slice_element(content, (start, len(content))).rstrip(_WHITE_SPACE)
        if len(whole) <= MAX_EVENT_BYTES and _is_json(whole):
            return [whole]  # one event, formatted over several lines
    yield from _require_events(scanner, events, "neither a JSON array nor a JSON object a line")
    return events


def slice_element(content: bytes, span: splitting.Span) -> bytes:
    """The element, truncated to one byte more than the maximum, so that the adapter refuses it."""
    return content[span[0] : min(span[1], span[0] + MAX_EVENT_BYTES + 1)]


def _require_events(
    scanner: splitting.Scanner, elements: Sequence[bytes], reason: str
) -> splitting.Work[None]:
    """Refuses NOT_JSON if no element is JSON or at least enclosed in braces."""
    for element in elements:
        if (element.startswith(b"{") and element.endswith(b"}")) or _is_json(element):
            return
        scanner.at += len(element)
        if scanner.is_due():
            yield scanner.at
    raise not_json(reason)


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def not_json(reason: str) -> refusals.Refusal:
    return refusals.Refusal("NOT_JSON", "The body is not JSON: {why}.", why=reason)
