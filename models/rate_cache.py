"""The rates of cards in memory, for a process that rates many calls.

If a card is not in memory with all its revisions, the rates of the calls at hand are looked up in
the tables, so that no call waits while a large card is read.
"""

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import structlog

from domain import packed_rates, references
from models import db, rate_look_up
from models.rate_look_up import Head

SMALL_CARD_ROWS = 2_000  # a card of so many is read before the calls are rated
MAX_BYTES = 256_000_000
_ROWS_AT_A_TIME = 500
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
class _Kept:
    """All revisions up to `version`. `rates` None: they cannot be kept, only looked up."""

    version: int
    rates: packed_rates.PackedRates | None

    @property
    def size(self) -> int:
        return 0 if self.rates is None else self.rates.size


class RateCache:
    """One a process. Keeps the cards used last, up to `max_bytes`; reads large ones in turn."""

    def __init__(
        self, *, small_card_rows: int = SMALL_CARD_ROWS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._small, self._max_bytes = small_card_rows, max_bytes
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._reading: dict[_Key, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(1)
        self.rows_read = 0  # into memory, since the process began

    @property
    def is_reading(self) -> bool:
        return bool(self._reading)

    @property
    def size(self) -> int:
        """Bytes kept, about."""
        return sum(kept.size for kept in self._kept.values())

    async def in_force(
        self,
        account_id: int,
        customers: Collection[references.Customer],
        numbers: Collection[str],
        since: datetime,
    ) -> rate_look_up.InForce:
        """For calls of these customers to these numbers, set up at `since` or later."""
        ids = {customer.id for customer in customers}
        if not ids or not numbers:
            return rate_look_up.InForce()
        known = await rate_look_up.assignments(account_id, ids)
        heads = known.cards(since)
        cards = {}
        for head in heads.values():
            rates = await self._rates(account_id, head)
            if rates is not None:
                cards[head.id] = head.card(rates)
        missing = heads.keys() - cards.keys()
        looked_up = await rate_look_up.look_up(account_id, missing, numbers, since)
        cards |= {id: heads[id].card(rates) for id, rates in looked_up.items()}
        return rate_look_up.InForce(known, cards)

    async def _rates(self, account_id: int, head: Head) -> packed_rates.PackedRates | None:
        """None: not in memory yet, or never."""
        key = (account_id, head.id)
        kept = self._kept.get(key)
        if kept is None or kept.version < head.version:
            reading = self._start_reading(key, head)
            if head.rows > self._small:
                return None
            await asyncio.wait([reading])
            kept = self._kept.get(key)
        if kept is None or kept.version != head.version:
            return None
        self._kept.move_to_end(key)
        return kept.rates

    def _start_reading(self, key: _Key, head: Head) -> "asyncio.Task[None]":
        reading = self._reading.get(key)
        if reading is None:
            # In a context of its own: whoever starts it may be inside a transaction.
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
        kept = self._kept.get(key)
        old = None if kept is None else kept.rates
        after = 0 if kept is None or old is None else kept.version
        try:
            rates = await self._merged(old, key, after, head.version)
        except packed_rates.UnpackableError:
            rates = None
            _log.warning("rate card is not kept in memory", account=key[0], card=key[1])
        self._kept[key] = _Kept(head.version, rates)
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and self.size > self._max_bytes:
            self._kept.popitem(last=False)

    async def _merged(
        self, old: packed_rates.PackedRates | None, key: _Key, after: int, version: int
    ) -> packed_rates.PackedRates:
        """The old rates and those of the revisions since, read and packed in small steps."""
        packer = packed_rates.Packer(old)
        async with db.connection() as conn, conn.transaction():
            cursor = await conn.cursor(_READ, *key, after, version)
            while rows := await cursor.fetch(_ROWS_AT_A_TIME):
                self.rows_read += len(rows)
                for _ in packer.add(map(_row, rows)):
                    await asyncio.sleep(0)
        for _ in packer.finish():
            await asyncio.sleep(0)
        return packer.rates

    async def settled(self) -> None:
        """Once nothing is being read."""
        while self._reading:
            await asyncio.wait(list(self._reading.values()))

    async def close(self) -> None:
        for reading in list(self._reading.values()):
            reading.cancel()
            await asyncio.wait([reading])


def _row(row: Any) -> packed_rates.Row:
    length, prefix, start, revision, *price = row
    return length, prefix, start, revision, tuple(price)
