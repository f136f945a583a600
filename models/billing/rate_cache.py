"""Rate cards in memory, for a process that rates many calls.

If not all revisions of a card are in memory, the rates of the current calls are looked up in the
tables, so that no call waits for the reading of a large card.
"""

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import structlog

from domain.billing import packed_rates
from domain.records import references
from models import db
from models.billing import rate_lookup
from models.billing.rate_lookup import Head

MAX_SMALL_CARD_ROWS = 2_000  # such a card is read before the calls are rated
MAX_BYTES = 256_000_000
_ROWS_PER_FETCH = 250
_READ = """
SELECT length(prefix), prefix, (extract(epoch FROM effective_from) * 1000000)::bigint, revision,
       per_minute::text, connect_fee::text, minimum, increment, round_up_seconds
FROM rates
WHERE account_id = $1 AND rate_card_id = $2 AND revision > $3 AND revision <= $4
ORDER BY length(prefix), prefix COLLATE "C", effective_from, revision
"""
_log = structlog.get_logger("rates")

_Key: TypeAlias = tuple[int, int]  # account and card


@dataclass(frozen=True, slots=True)
class _CachedCard:
    """All revisions up to `version`. `rates` is None if they cannot be cached, only looked up."""

    version: int
    rates: packed_rates.PackedRates | None

    @property
    def size(self) -> int:
        return 0 if self.rates is None else self.rates.size


class RateCache:
    """One per process. Caches recently used cards, up to `max_bytes`; reads large ones in turn."""

    def __init__(
        self, *, small_card_rows: int = MAX_SMALL_CARD_ROWS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._small, self._max_bytes = small_card_rows, max_bytes
        self._kept: OrderedDict[_Key, _CachedCard] = OrderedDict()
        self._reading: dict[_Key, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(1)
        self.rows_read = 0  # into memory, since the process began

    @property
    def is_reading(self) -> bool:
        return bool(self._reading)

    @property
    def size(self) -> int:
        """Approximate bytes in the cache."""
        return sum(entry.size for entry in self._kept.values())

    async def in_force(
        self,
        account_id: int,
        customers: Collection[references.Customer],
        numbers: Callable[[], Awaitable[Collection[str]]],
        since: datetime,
    ) -> rate_lookup.InForce:
        """Cards and rates for calls of these customers to these numbers, set up since `since`.

        `numbers` is called only if a card is not in memory.
        """
        ids = {customer.id for customer in customers}
        if not ids:
            return rate_lookup.InForce()
        assignments = await rate_lookup.assignments(account_id, ids)
        heads = assignments.cards(since)
        cards = {}
        for head in heads.values():
            rates = await self._rates(account_id, head)
            if rates is not None:
                cards[head.id] = head.card(rates)
        missing = heads.keys() - cards.keys()
        if missing:
            looked_up = await rate_lookup.look_up(account_id, missing, await numbers(), since)
            cards |= {id: heads[id].card(rates) for id, rates in looked_up.items()}
        return rate_lookup.InForce(assignments, cards)

    async def _rates(self, account_id: int, head: Head) -> packed_rates.PackedRates | None:
        """The cached rates of a card; None if they are not in memory."""
        key = (account_id, head.id)
        entry = self._kept.get(key)
        if entry is None or entry.version < head.version:
            reading = self._start_reading(key, head)
            if head.rows > self._small:
                return None
            await asyncio.wait([reading])
            entry = self._kept.get(key)
        if entry is None or entry.version != head.version:
            return None
        self._kept.move_to_end(key)
        return entry.rates

    def _start_reading(self, key: _Key, head: Head) -> "asyncio.Task[None]":
        reading = self._reading.get(key)
        if reading is None:
            # In its own context, because the caller may be inside a transaction.
            reading = asyncio.create_task(self._read(key, head), context=contextvars.Context())
            self._reading[key] = reading
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return reading

    async def _read(self, key: _Key, head: Head) -> None:
        try:
            if head.rows <= self._small:
                await self._keep(key, head)
            else:
                async with self._turn:
                    await self._keep(key, head)
        except Exception:  # the rates are looked up meanwhile, and the next batch reads them again
            _log.warning("rate card not read", account=key[0], card=key[1], exc_info=True)

    async def _keep(self, key: _Key, head: Head) -> None:
        entry = self._kept.get(key)
        old = None if entry is None else entry.rates
        after = 0 if entry is None or old is None else entry.version
        try:
            rates = await self._merged(old, key, after, head.version)
        except packed_rates.UnpackableError:
            rates = None
            _log.warning("rate card is not kept in memory", account=key[0], card=key[1])
        self._kept[key] = _CachedCard(head.version, rates)
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and self.size > self._max_bytes:
            self._kept.popitem(last=False)

    async def _merged(
        self, old: packed_rates.PackedRates | None, key: _Key, after: int, version: int
    ) -> packed_rates.PackedRates:
        """The old rates merged with later revisions, read and packed in small steps."""
        packer = packed_rates.Packer(old)
        async with db.connection() as conn, conn.transaction():
            cursor = await conn.cursor(_READ, *key, after, version)
            while rows := await cursor.fetch(_ROWS_PER_FETCH):
                self.rows_read += len(rows)
                for _ in packer.add(map(_row, rows)):
                    await asyncio.sleep(0)
        for _ in packer.finish():
            await asyncio.sleep(0)
        return packer.rates

    async def wait_until_idle(self) -> None:
        """Returns when no card is being read."""
        while self._reading:
            await asyncio.wait(list(self._reading.values()))

    async def close(self) -> None:
        for reading in list(self._reading.values()):
            reading.cancel()
            await asyncio.wait([reading])


def _row(row: Any) -> packed_rates.Row:
    length, prefix, start, revision, *price = row
    return length, prefix, start, revision, tuple(price)
