"""Encodes values as JSON: long lists in slices, so that other tasks get the event loop."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec

from schema.engine import slices

Encode: TypeAlias = Callable[[Any], bytes]

# The hook is called for subclasses of float.
encode_at_once: Encode = msgspec.json.Encoder(enc_hook=float).encode


async def encode(value: Any, encode: Encode = encode_at_once) -> bytes:
    """The JSON in UTF-8. Raises UnicodeEncodeError if a text contains a lone surrogate."""
    pieces = []
    for piece in _pieces(value, encode):
        pieces.append(piece)
        await slices.pause()
    return b"".join(pieces)


def to_plain(value: Any) -> Any:
    """The value of a part that is already encoded, for other encoders."""
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    raise TypeError(f"{type(value)} cannot be encoded")


def _pieces(value: Any, encode: Encode) -> Iterator[bytes]:
    """One piece for a value without long lists, and one for each batch of items of a long list."""
    if not _is_long(value):
        yield encode(value)
    elif isinstance(value, dict):
        start = b"{"
        for name, below in value.items():
            yield start + encode(name) + b":"
            yield from _pieces(below, encode)
            start = b","
        yield b"}"
    else:
        yield from _pieces_of_list(value, encode)


def _pieces_of_list(items: list[Any], encode: Encode) -> Iterator[bytes]:
    start = b"["
    for first in range(0, len(items), slices.BATCH_SIZE):
        some = items[first : first + slices.BATCH_SIZE]
        if not any(map(_is_long, some)):
            yield start + encode(some)[1:-1]
        else:
            for item in some:
                yield start
                yield from _pieces(item, encode)
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
