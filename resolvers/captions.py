"""What a live picture is captioned with: carriers' names and the customer's limit.

They change seldom. For all who watch an account they are asked for at once, however many customers
and carriers are watched.
"""

import asyncio
from collections.abc import Collection

from models import carriers, customers, faults
from models.tables import Carrier

KNOWN_FOR = 15.0  # seconds that watchers are shown them without asking anew
ASKED_WITHIN = 1.0  # seconds; after that what is known is shown for as long again


class OfAccount:
    """Those of an account, as they were asked for last."""

    def __init__(
        self, account_id: int, known_for: float = KNOWN_FOR, asked_within: float = ASKED_WITHIN
    ) -> None:
        self._account_id = account_id
        self._known_for, self._asked_within = known_for, asked_within
        self._limits: dict[int | None, int | None] = {None: None}
        self._carriers: dict[int | None, Carrier | None] = {None: None}
        # What was looked up since then: only that is asked for again.
        self._customers_seen: set[int | None] = set()
        self._carriers_seen: set[int | None] = set()
        self._until = float("-inf")
        self._asking = asyncio.Lock()

    def carrier(self, carrier_id: int | None) -> Carrier | None:
        """None of calls between carriers."""
        return self._carriers.get(carrier_id)

    def limit(self, customer_id: int | None) -> int | None:
        """Calls it may have up at once; None: no limit, or of the account."""
        return self._limits.get(customer_id)

    def suffice(self, customer_id: int | None, carrier_ids: Collection[int | None]) -> bool:
        """Whether a picture of these needs nothing to be asked for."""
        return self._has(customer_id, carrier_ids) and _now() < self._until

    def _has(self, customer_id: int | None, carrier_ids: Collection[int | None]) -> bool:
        self._customers_seen.add(customer_id)
        self._carriers_seen.update(carrier_ids)
        return customer_id in self._limits and self._carriers.keys() >= set(carrier_ids)

    async def ask(self, customer_id: int | None, carrier_ids: Collection[int | None]) -> None:
        """Makes them suffice. What is known goes on being shown where the database is away; where
        something is not, that is raised (`faults.AWAY`): without its name a carrier would be shown
        as none."""
        has_all = self._has(customer_id, carrier_ids)
        try:
            async with asyncio.timeout(self._asked_within if has_all else None), self._asking:
                if not self.suffice(customer_id, carrier_ids):  # nobody has asked meanwhile
                    await self._renew()
        except faults.AWAY:
            if not self._has(customer_id, carrier_ids):  # nor what others ceased to know meanwhile
                raise
            self._until = _now() + self._known_for

    async def _renew(self) -> None:
        """All that is watched, once its time is over; until then what is not known."""
        if _now() >= self._until:
            of, by = set(self._customers_seen), set(self._carriers_seen)
            limits, named = await self._asked(of, by)
            self._limits, self._carriers, self._until = limits, named, _now() + self._known_for
            self._customers_seen -= of
            self._carriers_seen -= by
        else:
            limits, named = await self._asked(
                self._customers_seen - self._limits.keys(),
                self._carriers_seen - self._carriers.keys(),
            )
            self._limits |= limits
            self._carriers |= named

    async def _asked(
        self, customer_ids: set[int | None], carrier_ids: set[int | None]
    ) -> tuple[dict[int | None, int | None], dict[int | None, Carrier | None]]:
        limits: dict[int | None, int | None] = dict.fromkeys(customer_ids | {None})
        named: dict[int | None, Carrier | None] = dict.fromkeys(carrier_ids | {None})
        of, by = [id for id in customer_ids if id], [id for id in carrier_ids if id]
        if of:
            limits.update((await customers.channel_limits(self._account_id, of)).items())
        if by:
            named.update((await carriers.many(self._account_id, by)).items())
        return limits, named


class Captions:
    """Those of all accounts that are watched in this process."""

    def __init__(self) -> None:
        self._of: dict[int, OfAccount] = {}

    def of(self, account_id: int) -> OfAccount:
        if account_id not in self._of:
            self._of[account_id] = OfAccount(account_id)
        return self._of[account_id]


def _now() -> float:
    return asyncio.get_running_loop().time()
