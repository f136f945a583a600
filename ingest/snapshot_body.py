"""Splits the body of a snapshot into its members and the JSON of each of its calls."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from domain.records import events
from ingest import body, splitting

_CALLS = re.compile(rb'[ \t\r\n]*+"calls"[ \t\r\n]*+:[ \t\r\n]*+\[')
_STEP = 5_000  # calls between two yields
_MEMBER = re.compile(rb'"(?:switch|boot|seq|at)"')  # others are ignored, even if invalid


class Snapshot(events.SwitchEvent, frozen=True, kw_only=True, tag=False):
    """A snapshot whose calls are not decoded yet."""

    at: events.Instant
    calls: list[msgspec.Raw]


class Parts(NamedTuple):
    """`members`: the object with an empty list of calls. `calls`: the JSON of each call."""

    members: bytes
    calls: Sequence[bytes]


def split(content: bytes, max_calls: int) -> splitting.Work[Parts]:
    """Splits a snapshot, even if some of its calls are invalid.

    Raises TooManyError for more than `max_calls` calls. Refuses NOT_JSON if the body is not an
    object.
    """
    scanner = splitting.Scanner(content, 0, max_calls)
    yield from scanner.skip_white()
    if not content.startswith(b"{", scanner.at):
        raise body.not_json("a snapshot is an object")
    scanner.at += 1
    members, calls, closed = list[bytes](), list[splitting.Span](), False
    try:
        while not closed:
            match = _CALLS.match(content, scanner.at)
            if match is not None:
                scanner.at = match.end()
                calls = yield from _calls(scanner)
                members.append(b'"calls": []')
            span, closed = yield from scanner.element(b"}")
            if match is None and _MEMBER.match(content, span[0]):
                members.append(body.slice_element(content, span))
        yield from scanner.skip_white()
    except splitting.UnframedError:
        raise body.not_json("the brackets and quotes do not match") from None
    if scanner.at < len(content):
        raise body.not_json("something follows the object")
    elements: list[bytes] = []
    for first in range(0, len(calls), _STEP):
        spans = calls[first : first + _STEP]
        elements += [body.slice_element(content, span) for span in spans]
        yield first
    return Parts(b"{" + b",".join(members) + b"}", elements)


def _calls(scanner: splitting.Scanner) -> splitting.Work[list[splitting.Span]]:
    """Reads the elements of the array at the scanner, which ends after the array."""
    start, content = scanner.at, scanner.content
    try:
        spans = yield from scanner.elements()
        yield from scanner.skip_white()
        if content.startswith((b",", b"}"), scanner.at):
            return spans
    except splitting.UnframedError:
        pass
    end = content.rfind(b"]", start)
    if end < 0:
        raise splitting.UnframedError
    scanner.at = start
    spans = yield from scanner.objects(end)
    scanner.at = end + 1
    return spans
