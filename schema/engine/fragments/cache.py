"""Cached parts of answers: JSON with gaps, within a limit of memory."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from schema.engine import encoding

_OVERHEAD_BYTES = 2_000  # of an entry: its key, its objects, its place
_MAX_SHARE = 8  # an entry takes at most this part of the memory
# Control characters are escaped in JSON, so no text contains it.
_MARK = b'"\x00"'

Revision: TypeAlias = tuple[int, ...]
Compute: TypeAlias = Callable[[datetime], float]


@dataclass(frozen=True, slots=True)
class Fragment:
    """JSON around gaps: `gaps[n]` is between `texts[n]` and `texts[n + 1]`. A gap is a float that
    depends on the time, or the name of a live field."""

    texts: tuple[bytes, ...]
    gaps: tuple[Compute | str, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.texts)) + 200 * len(self.gaps) + _OVERHEAD_BYTES

    def fill(self, live: Mapping[str, Any], now: datetime) -> msgspec.Raw:
        """The JSON of the part with the values of the live fields, at a time."""
        if not self.gaps:
            return msgspec.Raw(self.texts[0])
        pieces = [self.texts[0]]
        for gap, text in zip(self.gaps, self.texts[1:], strict=True):
            value = live[gap] if isinstance(gap, str) else gap(now)
            pieces += (encoding.encode_at_once(value), text)
        return msgspec.Raw(b"".join(pieces))


async def make(value: Any, live: Mapping[str, Any]) -> Fragment:
    """The fragment of a part. `live` has the names of the live fields directly below it."""
    gaps: list[Compute | str] = []

    def mark(gap: Any) -> msgspec.Raw:
        gaps.append(gap.name if isinstance(gap, _LiveField) else gap.at)
        return msgspec.Raw(_MARK)

    if live:
        value = {name: _LiveField(name) if name in live else v for name, v in value.items()}
    text = await encoding.encode(value, msgspec.json.Encoder(enc_hook=mark).encode)
    return Fragment(tuple(text.split(_MARK)), tuple(gaps))


class _LiveField:
    """Not a dataclass, which msgspec would encode."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Cache:
    """The most recently used fragments, each of the newest revision that was read."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._entries: OrderedDict[Hashable, tuple[Revision, Fragment]] = OrderedDict()
        self._pending: dict[tuple[Hashable, Revision], asyncio.Future[None]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable, revision: Revision) -> Fragment | None:
        entry = self._entries.get(key)
        if entry is None or entry[0] != revision:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: Hashable, revision: Revision, fragment: Fragment) -> None:
        """Replaces another revision, unless that is newer."""
        if fragment.size > self.max_bytes // _MAX_SHARE:
            return
        previous = self._entries.get(key)
        if previous is not None:
            if previous[0] > revision:
                return
            self.bytes -= previous[1].size
        self._entries[key] = revision, fragment
        self._entries.move_to_end(key)
        self.bytes += fragment.size
        while self.bytes > self.max_bytes:
            _, (_, dropped) = self._entries.popitem(last=False)
            self.bytes -= dropped.size

    async def wait(self, key: Hashable, revision: Revision) -> None:
        """Waits while another request computes the fragment, whether it succeeds or not."""
        pending = self._pending.get((key, revision))
        if pending is not None:
            await asyncio.shield(pending)

    def begin(self, key: Hashable, revision: Revision) -> Callable[[], None]:
        """Lets other requests wait until the returned function is called."""
        place = key, revision
        if place in self._pending:
            return lambda: None
        future = self._pending[place] = asyncio.get_running_loop().create_future()

        def end() -> None:
            del self._pending[place]
            future.set_result(None)

        return end
