"""The captions of live states: names of carriers and the customer's channel limit.

They rarely change. All subscribers of an account share one read: after
`live.caption_signals.publish`, and every MAX_AGE_SECONDS.
"""

import asyncio
from collections.abc import Collection

from models import faults
from models.directory import carriers, customers
from models.tables import Carrier

MAX_AGE_SECONDS = 15.0
READ_TIMEOUT_SECONDS = 1.0  # then cached captions are used for MAX_AGE_SECONDS more


class OfAccount:
    """The captions of an account, as last read."""

    def __init__(
        self,
        account_id: int,
        max_age: float = MAX_AGE_SECONDS,
        read_timeout: float = READ_TIMEOUT_SECONDS,
    ) -> None:
        self._account_id = account_id
        self._max_age, self._read_timeout = max_age, read_timeout
        self._limits: dict[int | None, int | None] = {None: None}
        self._carriers: dict[int | None, Carrier | None] = {None: None}
        # The keys that were used since the last read; only these are read again.
        self._customers_seen: set[int | None] = set()
        self._carriers_seen: set[int | None] = set()
        self._until = float("-inf")
        self._expiries = 0
        self._reading = asyncio.Lock()

    def carrier(self, carrier_id: int | None) -> Carrier | None:
        """The carrier; None for calls between carriers."""
        return self._carriers.get(carrier_id)

    def limit(self, customer_id: int | None) -> int | None:
        """Maximum number of active calls. None: no limit, or the account."""
        return self._limits.get(customer_id)

    def expire(self) -> None:
        """Marks the captions as outdated, even while they are being read."""
        self._until = float("-inf")
        self._expiries += 1

    def is_fresh(self, customer_id: int | None, carrier_ids: Collection[int | None]) -> bool:
        """Whether these captions are cached and not outdated."""
        return self._has(customer_id, carrier_ids) and _now() < self._until

    def _has(self, customer_id: int | None, carrier_ids: Collection[int | None]) -> bool:
        self._customers_seen.add(customer_id)
        self._carriers_seen.update(carrier_ids)
        return customer_id in self._limits and self._carriers.keys() >= set(carrier_ids)

    async def ask(self, customer_id: int | None, carrier_ids: Collection[int | None]) -> None:
        """Reads missing and outdated captions. If the database is unavailable, cached ones stay.

        Raises `faults.UNAVAILABLE_ERRORS` if a caption is missing: a carrier without its name would
        be shown as no carrier.
        """
        has_all = self._has(customer_id, carrier_ids)
        try:
            async with asyncio.timeout(self._read_timeout if has_all else None), self._reading:
                if not self.is_fresh(
                    customer_id, carrier_ids
                ):  # not read by another task meanwhile
                    await self._renew()
        except faults.UNAVAILABLE_ERRORS:
            if not self._has(
                customer_id, carrier_ids
            ):  # another task may have dropped some meanwhile
                raise
            self._until = _now() + self._max_age

    async def _renew(self) -> None:
        """Reads all captions in use if they are outdated, otherwise only missing ones."""
        if _now() >= self._until:
            of, by, expiries = set(self._customers_seen), set(self._carriers_seen), self._expiries
            limits, carriers_by_id = await self._read(of, by)
            self._limits, self._carriers = limits, carriers_by_id
            if expiries == self._expiries:
                self._until = _now() + self._max_age
            self._customers_seen -= of
            self._carriers_seen -= by
        else:
            limits, carriers_by_id = await self._read(
                self._customers_seen - self._limits.keys(),
                self._carriers_seen - self._carriers.keys(),
            )
            self._limits |= limits
            self._carriers |= carriers_by_id

    async def _read(
        self, customer_ids: set[int | None], carrier_ids: set[int | None]
    ) -> tuple[dict[int | None, int | None], dict[int | None, Carrier | None]]:
        limits: dict[int | None, int | None] = dict.fromkeys(customer_ids | {None})
        carriers_by_id: dict[int | None, Carrier | None] = dict.fromkeys(carrier_ids | {None})
        of, by = [id for id in customer_ids if id], [id for id in carrier_ids if id]
        if of:
            limits.update((await customers.channel_limits(self._account_id, of)).items())
        if by:
            carriers_by_id.update((await carriers.by_ids(self._account_id, by)).items())
        return limits, carriers_by_id


class CaptionCache:
    """The captions of all accounts with subscribers in this process."""

    def __init__(self) -> None:
        self._of: dict[int, OfAccount] = {}

    def of(self, account_id: int) -> OfAccount:
        if account_id not in self._of:
            self._of[account_id] = OfAccount(account_id)
        return self._of[account_id]


def _now() -> float:
    return asyncio.get_running_loop().time()
