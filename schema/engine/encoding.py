"""Encodes values as JSON: long lists in slices, so that other tasks get the event loop."""

from collections.abc import Iterator
from typing import Any

import msgspec

from schema.engine import slices

_encode = msgspec.json.Encoder().encode


async def encode(value: Any) -> bytes:
    """The JSON in UTF-8. Raises UnicodeEncodeError if a text contains a lone surrogate."""
    pieces = []
    for piece in _pieces(value):
        pieces.append(piece)
        await slices.pause()
    return b"".join(pieces)


def _pieces(value: Any) -> Iterator[bytes]:
    """One piece for a value without long lists, and one for each batch of items of a long list."""
    if not _is_long(value):
        yield _encode(value)
    elif isinstance(value, dict):
        start = b"{"
        for name, below in value.items():
            yield start + _encode(name) + b":"
            yield from _pieces(below)
            start = b","
        yield b"}"
    else:
        yield from _pieces_of_list(value)


def _pieces_of_list(items: list[Any]) -> Iterator[bytes]:
    start = b"["
    for first in range(0, len(items), slices.BATCH_SIZE):
        some = items[first : first + slices.BATCH_SIZE]
        if not any(map(_is_long, some)):
            yield start + _encode(some)[1:-1]
        else:
            for item in some:
                yield start
                yield from _pieces(item)
                start = b","
        start = b","
    yield b"]"


def _is_long(value: Any) -> bool:
    """Whether it is or contains a list with more items than one batch."""
    if isinstance(value, dict):
        return any(_is_long(below) for below in value.values() if isinstance(below, dict | list))
    if isinstance(value, list):
        return len(value) > slices.BATCH_SIZE or any(map(_is_long, value))
    return False
