"""Live channels as a caller may see them."""

import asyncio
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain import callers, refusals
from live import channels as live_channels
from live import topics
from models import carriers, customers, faults
from models.tables import Carrier
from resolvers import access
from resolvers.access import Capability

REREAD_BUSY = 1.0  # seconds: attempts per second sink without an event
REREAD_IDLE = 5.0  # seconds: heals what a lost message would leave wrong
KNOWN_FOR = 15.0  # seconds that watchers are shown a limit and carriers' names without asking anew
ANSWER_WITHIN = 4.0  # seconds a query waits for Redis
_ASKED_WITHIN = 1.0  # seconds; after that what is known is shown for as long again


@dataclass(frozen=True, slots=True)
class Picture:
    """`by_carrier` has None for calls between carriers; `limit` None: there is none."""

    state: live_channels.Channels
    limit: int | None
    by_carrier: tuple[tuple[Carrier | None, int], ...]

    @property
    def sequence(self) -> int:
        return self.state.sequence


@dataclass(slots=True)
class _Known:
    """What changes seldom, as it was asked for last; `carriers` by id."""

    limit: int | None = None
    carriers: dict[int, Carrier] = field(default_factory=dict)
    is_asked: bool = False
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Channels:
    """What to watch: the channels of a customer, or (None) of the account."""

    account_id: int
    customer_id: int | None
    _known: _Known = field(default_factory=_Known, compare=False, repr=False)
    push_every = 0.1  # seconds: at most ten pushes a second

    @property
    def topic(self) -> str:
        return topics.channels(self.account_id, self.customer_id)

    async def read(self, redis: Redis, floor: int = 0) -> Picture:
        state = await live_channels.read(redis, self.account_id, self.customer_id, floor=floor)
        ids = [carrier for carrier, _ in state.by_carrier if carrier is not None]
        known = await self._asked(ids)
        by_carrier = tuple(
            (None if carrier is None else known.carriers.get(carrier), count)
            for carrier, count in state.by_carrier
        )
        return Picture(state, known.limit, by_carrier)

    async def _asked(self, carrier_ids: list[int]) -> _Known:
        known, now = self._known, asyncio.get_running_loop().time()
        suffices = known.is_asked and known.carriers.keys() >= set(carrier_ids)
        if suffices and now < known.until:
            return known
        try:
            async with asyncio.timeout(_ASKED_WITHIN if suffices else None):
                known.carriers, known.limit = await self._carriers(carrier_ids), await self._limit()
        except faults.AWAY:
            if not suffices:  # a carrier without its name would be shown as none
                raise
        known.is_asked, known.until = True, now + KNOWN_FOR
        return known

    async def _carriers(self, ids: list[int]) -> dict[int, Carrier]:
        return await carriers.many(self.account_id, ids) if ids else {}

    async def _limit(self) -> int | None:
        if self.customer_id is None:
            return None
        customer = await customers.get(self.account_id, self.customer_id)
        return None if customer is None else customer.channel_limit

    def rest(self, picture: Picture) -> float:
        return REREAD_BUSY if picture.state.cps else REREAD_IDLE


async def channels(caller: callers.Caller, redis: Redis, customer_id: int | None) -> Picture:
    """LIVE_UNAVAILABLE where Redis is away, or silent."""
    await require(caller, customer_id)
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            return await Channels(caller.account_id, customer_id).read(redis)
    except (RedisError, OSError) as error:
        raise unavailable() from error


async def require(caller: callers.Caller, customer_id: int | None) -> None:
    """Refuses who may not see this customer's, or (None) the whole account's, live picture."""
    access.require_scope(caller, Capability.SEE_LIVE, customer_id)
    if customer_id is not None and await customers.get(caller.account_id, customer_id) is None:
        raise refusals.no_such("Customer", "customerId")


def unavailable() -> refusals.Refusal:
    return refusals.Refusal(
        "LIVE_UNAVAILABLE", "The live picture cannot be read just now; ask again."
    )
